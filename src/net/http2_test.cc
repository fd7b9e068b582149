// The client against a server that speaks HTTP/2 only: sharing, flow control, and how each way to fail is told.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "net/http_client.h"
#include "net/test_tls.h"

namespace sentinel::net {
namespace {

// A thread a connection. What it does with a stream is its path: /echo answers with the size of the body, /big with 3
// MB, /silent never, /reset breaks it off, /refuse-once refuses the first, /goaway answers and says good-bye, /hang-up
// closes the connection, /slow-big sends 300 KB of 3 MB and stops.
class Http2Server {
 public:
  Http2Server() : key_(EVP_EC_gen("P-256")), certificate_(make_certificate(key_.get(), "DNS:localhost")) {
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, certificate_.get());
    SSL_CTX_use_PrivateKey(context_, key_.get());
    SSL_CTX_set_alpn_select_cb(context_, &Http2Server::choose, nullptr);
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 16);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~Http2Server() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (const int fd : fds_) ::shutdown(fd, SHUT_RDWR);
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
    SSL_CTX_free(context_);
  }
  std::string url(const std::string& path) const { return "https://localhost:" + std::to_string(port_) + path; }
  std::string ca_file() {
    const std::string path = testing::TempDir() + "sentinel-h2-" + std::to_string(port_) + ".pem";
    FILE* file = std::fopen(path.c_str(), "w");
    PEM_write_X509(file, certificate_.get());
    std::fclose(file);
    return path;
  }
  int connections() const { return connections_; }
  int resets() const { return resets_; }

 private:
  struct Asked {
    std::string path;
    size_t body = 0, answer = 0, sent = 0, stop_at = SIZE_MAX;
  };
  struct Connection {
    Http2Server* server = nullptr;
    std::map<int32_t, Asked> streams;
    bool hang_up = false;
  };

  static int choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned int in_size,
                    void*) {
    return nghttp2_select_next_protocol(const_cast<unsigned char**>(out), size, in, in_size) == 1
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  void accept_all() {
    int fd = -1;
    while ((fd = ::accept(listener_, nullptr, nullptr)) >= 0) {
      ++connections_;
      fds_.push_back(fd);
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t, void* user) {
    if (std::string_view(reinterpret_cast<const char*>(name), name_size) == ":path") {
      static_cast<Connection*>(user)->streams[frame->hd.stream_id].path.assign(reinterpret_cast<const char*>(value),
                                                                               value_size);
    }
    return 0;
  }
  static int on_data(nghttp2_session*, uint8_t, int32_t id, const uint8_t*, size_t size, void* user) {
    static_cast<Connection*>(user)->streams[id].body += size;
    return 0;
  }
  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto* const connection = static_cast<Connection*>(user);
    if (frame->hd.type == NGHTTP2_RST_STREAM) ++connection->server->resets_;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) answer(session, frame->hd.stream_id, *connection);
    return 0;
  }
  static ssize_t read_answer(nghttp2_session*, int32_t, uint8_t* out, size_t room, uint32_t* flags,
                             nghttp2_data_source* source, void*) {
    auto* const asked = static_cast<Asked*>(source->ptr);
    if (asked->sent >= asked->stop_at) return NGHTTP2_ERR_DEFERRED;
    const size_t take = std::min(room, asked->answer - asked->sent);
    std::fill_n(out, take, 'x');
    asked->sent += take;
    if (asked->sent == asked->answer) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(take);
  }
  static void answer(nghttp2_session* session, int32_t id, Connection& connection) {
    Asked& asked = connection.streams[id];
    Http2Server& server = *connection.server;
    if (asked.path == "/silent") return;
    if (asked.path == "/hang-up") {
      connection.hang_up = true;
      return;
    }
    if (asked.path == "/reset" || (asked.path == "/refuse-once" && server.refused_++ == 0)) {
      const uint32_t why = asked.path == "/reset" ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_REFUSED_STREAM;
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, why);
      return;
    }
    asked.answer = asked.path == "/echo" ? asked.body : asked.path.ends_with("big") ? 3'000'000 : 2;
    if (asked.path == "/slow-big") asked.stop_at = 300'000;
    uint8_t name[] = ":status", value[] = "200";
    const nghttp2_nv head[] = {{name, value, 7, 3, NGHTTP2_NV_FLAG_NONE}};
    nghttp2_data_provider body{};
    body.source.ptr = &asked;
    body.read_callback = &read_answer;
    nghttp2_submit_response(session, id, head, 1, &body);
    if (asked.path == "/goaway") nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR, nullptr, 0);
  }
  void serve(int fd) {
    SSL* const ssl = SSL_new(context_);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) run(ssl);
    SSL_free(ssl);
    ::shutdown(fd, SHUT_RDWR);
    ::close(fd);
  }
  void run(SSL* ssl) {
    Connection connection{.server = this};
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &on_frame);
    nghttp2_session* session = nullptr;
    nghttp2_session_server_new(&session, callbacks, &connection);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
    char block[16 * 1024];
    while (!connection.hang_up) {
      const uint8_t* bytes = nullptr;
      ssize_t size = 0;
      while ((size = nghttp2_session_mem_send(session, &bytes)) > 0) SSL_write(ssl, bytes, static_cast<int>(size));
      const int got = SSL_read(ssl, block, sizeof block);
      if (got <= 0) break;
      if (nghttp2_session_mem_recv(session, reinterpret_cast<const uint8_t*>(block), static_cast<size_t>(got)) < 0)
        break;
    }
    nghttp2_session_del(session);
  }

  TestKey key_;
  TestCertificate certificate_;
  SSL_CTX* context_ = nullptr;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
  std::vector<int> fds_;
  std::atomic<int> connections_{0}, resets_{0}, refused_{0};
};

class Http2Test : public testing::Test {
 protected:
  void TearDown() override { runtime_.stop(); }
  ClientRequest request(const std::string& path, std::string body = "hello") {
    ClientRequest out;
    out.method = "POST";
    out.url = server_.url(path);
    out.body = std::move(body);
    out.http2 = true;
    return out;
  }
  std::future<Result<Response>> begin(ClientRequest what) {
    auto promise = std::make_shared<std::promise<Result<Response>>>();
    auto future = promise->get_future();
    runtime_.spawn(runtime_.core(0), "client", run(&client_, std::move(what), promise));
    return future;
  }
  Result<Response> fetch(ClientRequest what) { return begin(std::move(what)).get(); }
  static Task<void> run(HttpClient* client, ClientRequest request,
                        std::shared_ptr<std::promise<Result<Response>>> promise) {
    promise->set_value(co_await client->fetch(std::move(request)));
  }
  // Takes the head and one piece, then leaves.
  static Task<void> leave(HttpClient* client, ClientRequest request, std::promise<size_t>* promise) {
    auto sent = co_await client->send(std::move(request));
    const auto chunk = co_await (*sent)->next_chunk();
    sent->reset();
    promise->set_value(chunk ? chunk->size() : 0);
  }

  Http2Server server_;
  MetricRegistry metrics_;
  Runtime runtime_{{.cores = 1, .blocking_threads = 1}};
  HttpClient client_{runtime_, metrics_, {.ca_file = server_.ca_file()}};
};

TEST_F(Http2Test, ManyExchangesShareAConnectionThatIsThere) {
  ASSERT_EQ(fetch(request("/echo")).value().body.size(), 5U);
  std::vector<std::future<Result<Response>>> all;
  for (size_t i = 0; i < 90; ++i) all.push_back(begin(request("/echo", std::string(i * 100, 'b'))));
  for (size_t i = 0; i < all.size(); ++i) {
    const auto got = all[i].get();
    ASSERT_TRUE(got) << got.error().to_string();
    EXPECT_EQ(got->status, 200);
    EXPECT_EQ(got->body.size(), i * 100);
  }
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(Http2Test, BodiesLargerThanTheWindowsGoBothWays) {
  EXPECT_EQ(fetch(request("/echo", std::string(2'000'000, 'b'))).value().body.size(), 2'000'000U);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(fetch(request("/big")).value().body.size(), 3'000'000U);  // beyond 16 MB in all
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(Http2Test, AnAnswerThatIsTooLargeEndsItsStreamOnly) {
  auto what = request("/big");
  what.body_bytes_max = 1'000'000;
  const auto got = fetch(std::move(what));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kTooLarge);
  EXPECT_TRUE(fetch(request("/echo")));
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(Http2Test, WhoLeavesAnAnswerGivesItsRoomBack) {
  for (int i = 0; i < 30; ++i) {  // 30 times 300 KB at least: more than the connection's window if it were kept
    std::promise<size_t> promise;
    auto future = promise.get_future();
    runtime_.spawn(runtime_.core(0), "client", leave(&client_, request("/slow-big"), &promise));
    EXPECT_GT(future.get(), 0U);
  }
  for (int i = 0; i < 4; ++i) EXPECT_EQ(fetch(request("/big")).value().body.size(), 3'000'000U);
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(Http2Test, SilenceIsATimeoutAndAConnectionThatStaysSilentIsLeft) {
  fetch(request("/echo")).value();
  for (int i = 0; i < 2; ++i) {
    auto what = request("/silent");
    what.timeouts.first_byte = Millis(60);
    const auto got = fetch(std::move(what));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), ErrorCode::kTimeout);
    EXPECT_EQ(got.error().message(), "first byte timeout");
  }
  // Nothing at all was heard during the second: it is not trusted with another stream.
  EXPECT_TRUE(fetch(request("/echo")));
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(Http2Test, AStalledBodyIsAnIdleTimeout) {
  auto what = request("/slow-big");
  what.timeouts.idle = Millis(60);
  const auto got = fetch(std::move(what));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message(), "idle timeout");
}

TEST_F(Http2Test, AResetIsAnErrorOfItsStreamOnly) {
  fetch(request("/echo")).value();
  auto good = begin(request("/big"));
  const auto got = fetch(request("/reset"));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kIo);
  EXPECT_TRUE(good.get());
}

TEST_F(Http2Test, ARefusedStreamIsSentOnceMore) {
  fetch(request("/echo")).value();
  EXPECT_EQ(fetch(request("/refuse-once")).value().status, 200);
}

TEST_F(Http2Test, AConnectionThatSaysGoodByeGetsNoNewStreams) {
  EXPECT_TRUE(fetch(request("/goaway")));
  EXPECT_TRUE(fetch(request("/echo")));
  EXPECT_EQ(server_.connections(), 2);
}

TEST_F(Http2Test, AConnectionThatBreaksFailsWhatIsOnItAndIsReplaced) {
  fetch(request("/echo")).value();
  const auto got = fetch(request("/hang-up"));
  EXPECT_FALSE(got) << "it was sent twice, and hung up on twice";
  EXPECT_TRUE(fetch(request("/echo")));
}

TEST_F(Http2Test, ACancelledExchangeResetsItsStream) {
  fetch(request("/echo")).value();
  auto what = request("/silent");
  what.cancel = std::make_shared<CancelToken>();
  auto token = what.cancel;
  auto pending = begin(std::move(what));
  asio::post(runtime_.core(0), [this, token] { asio::post(runtime_.core(0), [token] { token->cancel(); }); });
  const auto got = pending.get();
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kCanceled);
  EXPECT_TRUE(fetch(request("/echo")));
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(Http2Test, WithoutTheRequestsLeaveHttp1IsSpoken) {
  auto what = request("/echo");
  what.http2 = false;
  EXPECT_FALSE(fetch(std::move(what))) << "this server takes nothing else";
}

}  // namespace
}  // namespace sentinel::net
