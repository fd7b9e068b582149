// Server and client on loopback. Raw sockets where the bytes matter; a bounded wait guards each test, nothing sleeps.
#include "net/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <mutex>

#include "base/strings.h"
#include "net/http_client.h"

namespace sentinel::net {
namespace {

// A value that a handler on a core gives to the test.
template <class T>
class Given {
 public:
  void give(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    ready_.notify_all();
  }
  std::optional<T> wait() {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, std::chrono::seconds(20), [this] { return value_.has_value(); });
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::optional<T> value_;
};

class RawClient {
 public:
  explicit RawClient(uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    timeval limit{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  bool connected() const { return connected_; }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  std::string until(std::string_view mark) {
    while (seen_.find(mark) == std::string::npos && more()) {
    }
    const size_t end = seen_.find(mark);
    if (end == std::string::npos) return std::exchange(seen_, "");
    std::string out = seen_.substr(0, end + mark.size());
    seen_.erase(0, end + mark.size());
    return out;
  }
  std::string until_closed() {
    while (more()) {
    }
    return std::exchange(seen_, "");
  }

 private:
  bool more() {
    char block[4096];
    const ssize_t n = ::recv(fd_, block, sizeof block, 0);
    if (n > 0) seen_.append(block, static_cast<size_t>(n));
    return n > 0;
  }
  int fd_ = -1;
  bool connected_ = false;
  std::string seen_;
};

Task<void> echo(Exchange* exchange) {
  const Request& request = exchange->request();
  Response response = text_response(200, request.method + " " + request.path + " " + request.body);
  response.headers.add("x-peer", request.peer);
  (void)co_await exchange->respond(std::move(response));
}

Task<void> three_chunks(Exchange* exchange) {
  Headers headers;
  headers.add("content-type", "text/event-stream");
  (void)co_await exchange->begin_stream(200, std::move(headers));
  for (const char* piece : {"one", "two", "three"}) (void)co_await exchange->write(piece);
  (void)co_await exchange->end_stream();
}

Task<void> cut_stream(Exchange* exchange) {
  (void)co_await exchange->begin_stream(200, {});
  (void)co_await exchange->write("half");
  exchange->abort();
}

Task<void> forgets_to_answer(Exchange*) { co_return; }
Task<void> throws(Exchange*) {
  throw std::runtime_error("from a library");
  co_return;
}
Task<void> large(Exchange* exchange) {
  (void)co_await exchange->respond(text_response(200, std::string(8 * 1024 * 1024, 'L')));
}

class ServerTest : public testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    auto router = std::make_shared<Router>();
    router->add("GET", "/echo", echo);
    router->add("POST", "/echo", echo);
    router->add("GET", "/stream", three_chunks);
    router->add("GET", "/cut", cut_stream);
    router->add("GET", "/forgets", forgets_to_answer);
    router->add("GET", "/throws", throws);
    router->add("GET", "/large", large);
    extend(*router);
    auto started = HttpServer::start(runtime_, metrics_, std::move(options), router);
    ASSERT_TRUE(started) << started.error().to_string();
    server_ = std::move(*started);
  }
  virtual void extend(Router&) {}
  void TearDown() override {
    if (server_) server_->stop(Millis(1000));
    runtime_.stop();
    server_.reset();
  }
  std::string url(std::string_view path) {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + std::string(path);
  }

  template <class F>
  void on_core(F make_task) {
    std::promise<void> done;
    runtime_.spawn(runtime_.core(0), "test", run_test(make_task, &done));
    ASSERT_EQ(done.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  }
  template <class F>
  static Task<void> run_test(F make_task, std::promise<void>* done) {
    co_await make_task();
    done->set_value();
  }
  Result<Response> fetch(ClientRequest request) {
    std::promise<Result<Response>> got;
    auto future = got.get_future();
    runtime_.spawn(runtime_.core(0), "fetch", fetch_into(&client_, std::move(request), &got));
    return future.get();
  }
  static Task<void> fetch_into(HttpClient* client, ClientRequest request, std::promise<Result<Response>>* got) {
    got->set_value(co_await client->fetch(std::move(request)));
  }
  double counter(std::string_view name) { return metrics_.counter(name, "").value(); }

  Runtime runtime_{RuntimeOptions{.cores = 2, .blocking_threads = 1}};
  MetricRegistry metrics_;
  HttpClient client_{runtime_, metrics_, {}};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ServerTest, KeepsAliveAndServesPipelinedRequestsInOrder) {
  start();
  RawClient raw(server_->port());
  raw.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  raw.send("\r\nGET /echo?x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string all = raw.until_closed();
  const size_t first = all.find("GET /echo \r\n") == std::string::npos ? all.find("GET /echo ") : std::string::npos;
  EXPECT_NE(first, std::string::npos) << all;
  EXPECT_LT(first, all.find("POST /echo abc")) << all;
  EXPECT_NE(all.find("connection: close"), std::string::npos);
  EXPECT_NE(all.find("x-peer: 127.0.0.1:"), std::string::npos);
  EXPECT_NE(all.find("date: "), std::string::npos);
}

TEST_F(ServerTest, AsksForTheBodyOnlyWhenItWillTakeIt) {
  ServerOptions options;
  options.body_bytes_max = 1000;
  start(options);
  RawClient raw(server_->port());
  raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(raw.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("xyz");
  EXPECT_NE(raw.until("POST /echo xyz").find("200 OK"), std::string::npos);
  raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n");
  const std::string refused = raw.until_closed();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 413 ")) << refused;
}

TEST_F(ServerTest, ReadsChunkedBodiesAndLimitsThem) {
  ServerOptions options;
  options.body_bytes_max = 10;
  start(options);
  RawClient raw(server_->port());
  raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  raw.send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_NE(raw.until("POST /echo abcde").find("200 OK"), std::string::npos);
  raw.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
  EXPECT_TRUE(raw.until_closed().starts_with("HTTP/1.1 413 "));
}

TEST_F(ServerTest, RefusesMalformedRequestsAndCloses) {
  start();
  const std::pair<const char*, const char*> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"GET / HTTP/1.1\nHost: a\n\n", "400"},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {"GET / HTTP/3.0\r\n\r\n", "505"},
  };
  for (const auto& [bytes, status] : cases) {
    RawClient raw(server_->port());
    raw.send(bytes);
    const std::string answer = raw.until_closed();
    EXPECT_TRUE(answer.starts_with(std::string("HTTP/1.1 ") + status)) << bytes << answer;
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos);
  }
  RawClient raw(server_->port());
  raw.send("GET / HTTP/1.1\r\nX: " + std::string(70'000, 'h'));
  EXPECT_TRUE(raw.until_closed().starts_with("HTTP/1.1 431 "));
}

TEST_F(ServerTest, StreamsInChunksAndPlainlyToHttp10) {
  start();
  RawClient raw(server_->port());
  raw.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string all = raw.until("0\r\n\r\n");
  EXPECT_NE(all.find("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"), std::string::npos) << all;
  RawClient old(server_->port());
  old.send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string plain = old.until_closed();
  EXPECT_TRUE(plain.ends_with("\r\n\r\nonetwothree")) << plain;
  EXPECT_EQ(plain.find("chunked"), std::string::npos);
}

TEST_F(ServerTest, HeadHasTheLengthButNoBody) {
  start();
  RawClient raw(server_->port());
  raw.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string head = raw.until("\r\n\r\n");
  EXPECT_NE(head.find("content-length: 8388608"), std::string::npos) << head;
  EXPECT_TRUE(raw.until("GET /echo").starts_with("HTTP/1.1 200 OK"));
}

TEST_F(ServerTest, NotFoundWrongMethodForgottenAnswerAndExceptions) {
  start();
  EXPECT_EQ(fetch({.url = url("/nowhere")})->status, 404);
  const auto wrong = fetch({.method = "DELETE", .url = url("/echo")});
  EXPECT_EQ(wrong->status, 405);
  EXPECT_EQ(wrong->headers.get("allow"), "GET, POST");
  EXPECT_EQ(fetch({.url = url("/forgets")})->status, 500);
  EXPECT_EQ(fetch({.url = url("/throws")})->status, 500);
  EXPECT_EQ(fetch({.url = url("/echo")})->body, "GET /echo ");
}

TEST_F(ServerTest, LargeAnswersCrossWhole) {
  start();
  const auto got = fetch({.url = url("/large")});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->body.size(), 8U * 1024 * 1024);
  ClientRequest post{.method = "POST", .url = url("/echo")};
  post.body = std::string(4 * 1024 * 1024, 'p');
  const auto echoed = fetch(std::move(post));
  ASSERT_TRUE(echoed);
  EXPECT_EQ(echoed->body.size(), 4U * 1024 * 1024 + sizeof("POST /echo ") - 1);
}

TEST_F(ServerTest, ASlowRequestIsEndedWith408) {
  ServerOptions options;
  options.request_timeout = Millis(60);
  start(options);
  RawClient head(server_->port());
  head.send("GET /echo HTT");
  EXPECT_TRUE(head.until_closed().starts_with("HTTP/1.1 408 "));
  RawClient body(server_->port());
  body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(body.until_closed().starts_with("HTTP/1.1 408 "));
}

TEST_F(ServerTest, AnIdleConnectionIsClosedSilently) {
  ServerOptions options;
  options.idle_timeout = Millis(60);
  start(options);
  RawClient raw(server_->port());
  EXPECT_EQ(raw.until_closed(), "");
}

TEST_F(ServerTest, ATakenPortIsSaidClearly) {
  start();
  ServerOptions options;
  options.port = server_->port();
  const auto second = HttpServer::start(runtime_, metrics_, options, std::make_shared<Router>());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(second.error().message().find("cannot listen on 127.0.0.1:" + std::to_string(options.port)),
            std::string::npos);
}

TEST_F(ServerTest, TheClientSeesACutStreamAsAnError) {
  start();
  const auto got = fetch({.url = url("/cut")});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kIo);
}

TEST_F(ServerTest, TheClientReusesConnectionsAndRetriesAStaleOne) {
  start();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(fetch({.url = url("/echo")}));
  EXPECT_EQ(counter("sentinel_net_client_connections_opened_total"), 1);
  EXPECT_EQ(counter("sentinel_net_client_connections_reused_total"), 4);
  const uint16_t port = server_->port();
  server_->stop(Millis(0));
  server_.reset();
  ServerOptions same;
  same.port = port;
  start(same);
  const auto got = fetch({.url = url("/echo")});
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(counter("sentinel_net_client_connections_opened_total"), 2);
}

class GoneTest : public ServerTest {
 protected:
  void extend(Router& router) override {
    router.add("GET", "/wait", [this](Exchange* exchange) { return wait_for_client(this, exchange); });
  }
  // Waits until its client has gone (or the server stops it).
  static Task<void> wait_for_client(GoneTest* test, Exchange* exchange) {
    auto gone = std::make_shared<bool>(false);
    exchange->on_client_gone([gone] { *gone = true; });
    test->entered_.give(true);
    while (!*gone) co_await sleep_for(Millis(1));
    test->gone_.give(exchange->client_gone());
    const Status status = co_await exchange->respond(text_response(200, "late"));
    test->late_.give(status.has_value());
  }
  Given<bool> entered_;
  Given<bool> gone_;
  Given<bool> late_;
};

TEST_F(GoneTest, AHandlerLearnsThatItsClientHasGone) {
  start();
  RawClient raw(server_->port());
  raw.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(entered_.wait());
  const auto active = server_->active_requests();
  ASSERT_EQ(active.size(), 1U);
  EXPECT_EQ(active[0].target, "/wait");
  raw.close();
  EXPECT_EQ(gone_.wait(), true);
}

TEST_F(GoneTest, StopEndsAHandlerThatWouldWaitForEver) {
  start();
  RawClient raw(server_->port());
  raw.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(entered_.wait());
  server_->stop(Millis(20));
  EXPECT_EQ(gone_.wait(), true);
  EXPECT_EQ(late_.wait(), false);
  EXPECT_FALSE(RawClient(server_->port()).connected());
}

// A server of raw bytes: for each connection, what the script makes of the bytes it has read.
class RawServer {
 public:
  using Script = std::function<std::string(int connection, const std::string& head)>;
  explicit RawServer(Script script) : script_(std::move(script)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd_, 16);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~RawServer() {
    ::shutdown(fd_, SHUT_RDWR);
    {
      const std::lock_guard lock(mutex_);  // a pooled connection would be held open by the client
      for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    thread_.join();
    ::close(fd_);
  }
  std::string url(std::string_view path = "/") {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
  }
  int connections() const { return connections_; }

 private:
  void run() {
    std::vector<std::thread> all;
    while (true) {
      const int fd = ::accept(fd_, nullptr, nullptr);
      if (fd < 0) break;
      const int number = ++connections_;
      {
        const std::lock_guard lock(mutex_);
        open_.push_back(fd);
      }
      all.emplace_back([this, fd, number] { serve(fd, number); });
    }
    for (auto& thread : all) thread.join();
    for (int fd : open_) ::close(fd);
  }
  void serve(int fd, int number) {
    std::string bytes;
    char block[4096];
    ssize_t n = 0;
    while ((n = ::recv(fd, block, sizeof block, 0)) > 0) {
      bytes.append(block, static_cast<size_t>(n));
      const size_t end = bytes.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const std::string answer = script_(number, bytes);
      bytes.clear();
      if (answer == "hang") continue;
      ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (answer.find("\r\nX-Stay:") == std::string::npos) break;
    }
    ::shutdown(fd, SHUT_RDWR);  // closed when the server ends, so that no number is used twice
  }
  Script script_;
  std::mutex mutex_;
  std::vector<int> open_;
  int fd_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

using ClientTest = ServerTest;

TEST_F(ClientTest, AnswersInEveryFraming) {
  const std::pair<const char*, const char*> cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "200 abc"},
      {"HTTP/1.1 200 OK\r\n\r\nuntil close", "200 until close"},
      {"HTTP/1.0 200 OK\r\n\r\n", "200 "},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: "
       "1\r\n\r\nz",
       "201 z"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nT: x\r\n\r\n", "200 abc"},
      {"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "204 "},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "error the server closed the connection"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "error the server closed the connection"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "error malformed chunked body"},
      {"SMTP ready\r\n\r\n", "error the server's answer is not HTTP: malformed status line"},
      {"", "error the server closed the connection"},
  };
  for (const auto& [answer, expected] : cases) {
    RawServer server([&, bytes = std::string(answer)](int, const std::string&) { return bytes; });
    const auto got = fetch({.url = server.url()});
    EXPECT_EQ(got ? std::to_string(got->status) + " " + got->body : "error " + got.error().message(), expected)
        << answer;
  }
}

TEST_F(ClientTest, SendsWhatItShould) {
  Given<std::string> head;
  RawServer server([&](int, const std::string& bytes) {
    head.give(bytes);
    return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  });
  ClientRequest request{.method = "POST", .url = server.url("/p?q=1")};
  request.headers.add("X-A", "b");
  request.headers.add("Transfer-Encoding", "chunked");
  request.body = "hello";
  ASSERT_TRUE(fetch(std::move(request)));
  const std::string seen = *head.wait();
  EXPECT_TRUE(seen.starts_with("POST /p?q=1 HTTP/1.1\r\nhost: 127.0.0.1:")) << seen;
  EXPECT_TRUE(seen.ends_with("X-A: b\r\ncontent-length: 5\r\n\r\nhello")) << seen;
}

TEST_F(ClientTest, EachDeadlineNamesItsPhase) {
  RawServer silent([](int, const std::string&) { return "hang"; });
  ClientRequest request{.url = silent.url()};
  request.timeouts.first_byte = Millis(40);
  auto got = fetch(request);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kTimeout);
  EXPECT_EQ(got.error().message(), "first byte timeout");
  request.timeouts = {.total = Millis(40)};
  EXPECT_EQ(fetch(request).error().message(), "total timeout");

  RawServer stalls(
      [](int, const std::string&) { return "HTTP/1.1 200 OK\r\nX-Stay: 1\r\nContent-Length: 9\r\n\r\nabc"; });
  request.url = stalls.url();
  request.timeouts = {.idle = Millis(40)};
  EXPECT_EQ(fetch(request).error().message(), "idle timeout");
  EXPECT_EQ(stalls.connections(), 1);
}

TEST_F(ClientTest, ADeadPooledConnectionIsReplacedOnceUnlessBytesCame) {
  RawServer server([](int connection, const std::string& head) -> std::string {
    if (head.find("/second") != std::string::npos && connection == 1) return "";  // closes without an answer
    return "HTTP/1.1 200 OK\r\nX-Stay: 1\r\nContent-Length: 2\r\n\r\nok";
  });
  ASSERT_TRUE(fetch({.url = server.url("/first")}));
  const auto got = fetch({.url = server.url("/second")});
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(counter("sentinel_net_client_stale_retries_total"), 1);
}

TEST_F(ClientTest, RefusedConnectionsAndUnknownNamesAreIoErrors) {
  uint16_t closed_port = 0;
  {
    RawServer gone([](int, const std::string&) { return ""; });
    const std::string port = gone.url().substr(17);
    closed_port = static_cast<uint16_t>(parse_int(port.substr(0, port.find('/'))).value());
  }
  const auto refused = fetch({.url = "http://127.0.0.1:" + std::to_string(closed_port) + "/"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
  EXPECT_NE(refused.error().message().find("cannot connect"), std::string::npos);
  EXPECT_EQ(fetch({.url = "nonsense"}).error().code(), ErrorCode::kInvalidArgument);
}

Task<void> cancel_after(std::shared_ptr<CancelToken> token) {
  co_await sleep_for(Millis(5));
  token->cancel();
}

Task<void> cancel_soon(HttpClient* client, std::string url, ErrorCode* code, Runtime* runtime) {
  auto token = std::make_shared<CancelToken>();
  ClientRequest request{.url = std::move(url)};
  request.cancel = token;
  runtime->spawn(runtime->core(0), "cancel", cancel_after(token));
  auto got = co_await client->send(std::move(request));
  if (!got) *code = got.error().code();
}

TEST_F(ClientTest, CancelEndsAWaitingExchange) {
  RawServer silent([](int, const std::string&) { return "hang"; });
  ErrorCode code = ErrorCode::kInternal;
  on_core([&]() -> Task<void> { return cancel_soon(&client_, silent.url(), &code, &runtime_); });
  EXPECT_EQ(code, ErrorCode::kCanceled);
}

TEST_F(ClientTest, AnAnswerLargerThanAllowedIsRefused) {
  start();
  ClientRequest request{.url = url("/large")};
  request.body_bytes_max = 1000;
  const auto got = fetch(std::move(request));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kTooLarge);
}

TEST_F(ClientTest, FetchBlockingNeedsNothingElse) {
  start();
  const auto got = fetch_blocking({.url = url("/echo")});
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(got->body, "GET /echo ");
}

}  // namespace
}  // namespace sentinel::net
