// The client against a TLS server with certificates made here: what verification accepts and what it refuses.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/test_tls.h"

namespace sentinel::net {
namespace {

using Key = TestKey;
using Certificate = TestCertificate;

// Serves one connection after the other on a thread of its own.
class TlsServer {
 public:
  // With a client certificate, only who shows it is let in.
  explicit TlsServer(const std::string& alt_name, X509* client_certificate = nullptr)
      : key_(EVP_EC_gen("P-256")), certificate_(make_certificate(key_.get(), alt_name)) {
    context_ = SSL_CTX_new(TLS_server_method());
    if (client_certificate != nullptr) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), client_certificate);
      SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    SSL_CTX_use_certificate(context_, certificate_.get());
    SSL_CTX_use_PrivateKey(context_, key_.get());
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd_, 4);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~TlsServer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    SSL_CTX_free(context_);
    std::remove(ca_path_.c_str());
  }
  std::string url(const std::string& host) const { return "https://" + host + ":" + std::to_string(port_) + "/x"; }
  std::string ca_file() {
    ca_path_ = testing::TempDir() + "sentinel-ca-" + std::to_string(port_) + ".pem";
    FILE* file = std::fopen(ca_path_.c_str(), "w");
    PEM_write_X509(file, certificate_.get());
    std::fclose(file);
    return ca_path_;
  }
  std::string server_name() const { return server_name_; }
  std::string ca_pem() { return pem_of(certificate_.get()); }
  uint16_t port() const { return port_; }

 private:
  void run() {
    int fd = -1;
    while ((fd = ::accept(fd_, nullptr, nullptr)) >= 0) {
      SSL* ssl = SSL_new(context_);
      SSL_set_fd(ssl, fd);
      if (SSL_accept(ssl) == 1) {
        const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        server_name_ = name == nullptr ? "" : name;
        char block[4096];
        int length = 0;
        while ((length = SSL_read(ssl, block, sizeof block)) > 0) {
          const std::string request(block, static_cast<size_t>(length));
          const std::string big(200'000, 'x');
          const bool post = request.starts_with("POST");
          const std::string answer =
              "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(post ? big.size() : 2) +
              "\r\n\r\n" + (post ? big : "ok");
          SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
          break;
        }
        SSL_shutdown(ssl);
      }
      SSL_free(ssl);
      ::close(fd);
    }
  }
  Key key_;
  Certificate certificate_;
  SSL_CTX* context_ = nullptr;
  int fd_ = -1;
  uint16_t port_ = 0;
  std::string ca_path_;
  std::string server_name_;
  std::thread thread_;
};

Task<void> fetch_into(HttpClient* client, ClientRequest request, std::promise<Result<Response>>* promise) {
  promise->set_value(co_await client->fetch(std::move(request)));
}

Result<Response> fetch(ClientOptions options, ClientRequest request) {
  Runtime runtime({.cores = 1, .blocking_threads = 1});
  MetricRegistry metrics;
  HttpClient client(runtime, metrics, std::move(options));
  std::promise<Result<Response>> promise;
  auto future = promise.get_future();
  runtime.spawn(runtime.core(0), "fetch", fetch_into(&client, std::move(request), &promise));
  auto result = future.get();
  runtime.stop();
  return result;
}

ClientOptions trusting(TlsServer& server) {
  ClientOptions options;
  options.ca_file = server.ca_file();
  return options;
}

TEST(TlsClient, VerifiesNameAndAuthorityAndSendsTheServerName) {
  TlsServer server("DNS:localhost");
  const auto good = fetch(trusting(server), {.url = server.url("localhost")});
  ASSERT_TRUE(good) << good.error().to_string();
  EXPECT_EQ(good->body, "ok");
  EXPECT_EQ(server.server_name(), "localhost");
}

TEST(TlsClient, RefusesAnotherName) {
  TlsServer server("DNS:example.org");
  const auto refused = fetch(trusting(server), {.url = server.url("localhost")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
  EXPECT_NE(refused.error().message().find("TLS handshake"), std::string::npos) << refused.error().message();
}

TEST(TlsClient, RefusesAnUnknownAuthorityUnlessToldNotToVerify) {
  TlsServer server("DNS:localhost");
  const auto refused = fetch({}, {.url = server.url("localhost")});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("self-signed"), std::string::npos) << refused.error().message();
  ClientOptions careless;
  careless.verify_tls = false;
  EXPECT_TRUE(fetch(careless, {.url = server.url("localhost")}));
}

TEST(TlsClient, ChecksIpAddressesToo) {
  TlsServer server("IP:127.0.0.1");
  const auto good = fetch(trusting(server), {.url = server.url("127.0.0.1")});
  EXPECT_TRUE(good) << good.error().to_string();
}

TEST(TlsClient, LargeBodiesCross) {
  TlsServer server("DNS:localhost");
  ClientRequest request{.method = "POST", .url = server.url("localhost")};
  request.body = std::string(2000, 'b');
  const auto got = fetch(trusting(server), std::move(request));
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(got->body.size(), 200'000U);
}

ClientRequest travelling(std::string url, TransportOptions options) {
  auto transport = make_transport(std::move(options));
  EXPECT_TRUE(transport) << transport.error().to_string();
  ClientRequest request{.url = std::move(url)};
  request.transport = *transport;
  return request;
}

TEST(Transport, CertificatesNameAndVersionsOfItsOwn) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate = make_certificate(key.get(), "DNS:client");
  TlsServer server("DNS:other.example", certificate.get());
  TransportOptions options;
  options.ca_pem = server.ca_pem();
  options.cert_pem = pem_of(certificate.get());
  options.key_pem = pem_of(key.get());
  options.server_name = "other.example";
  const auto good = fetch({}, travelling(server.url("localhost"), options));
  ASSERT_TRUE(good) << good.error().to_string();
  EXPECT_EQ(server.server_name(), "other.example");
  TransportOptions nameless = options;
  nameless.server_name.clear();
  EXPECT_FALSE(fetch({}, travelling(server.url("localhost"), nameless)));
  TransportOptions careless = nameless;
  careless.ca_pem.clear();
  careless.verify = false;
  EXPECT_TRUE(fetch({}, travelling(server.url("localhost"), careless)));
  TransportOptions anonymous = options;
  anonymous.cert_pem.clear();
  anonymous.key_pem.clear();
  EXPECT_FALSE(fetch({}, travelling(server.url("localhost"), anonymous)));
}

TEST(Transport, MistakesAreRefused) {
  TransportOptions bad_ca;
  bad_ca.ca_pem = "rubbish";
  EXPECT_FALSE(make_transport(bad_ca));
  TransportOptions bad_key;
  bad_key.key_pem = "rubbish";
  EXPECT_FALSE(make_transport(bad_key));
  TransportOptions bad_proxy;
  for (const char* url : {"socks4://proxy:1", "ftp://proxy", "https://", "socks5://u:%zz@proxy"}) {
    bad_proxy.proxy_url = url;
    EXPECT_FALSE(make_transport(bad_proxy)) << url;
  }
  bad_proxy.proxy_url = "socks5://" + std::string(256, 'u') + ":p@proxy";
  EXPECT_FALSE(make_transport(bad_proxy)) << "one byte says how long it is";
  for (const char* url : {"https://proxy", "socks5://proxy", "SOCKS5H://u:p@[::1]", "socks5://[::1]:9", "proxy:3128"}) {
    TransportOptions good;
    good.proxy_url = url;
    EXPECT_TRUE(make_transport(good)) << url;
  }
  EXPECT_TRUE(TransportOptions().plain());
  EXPECT_FALSE(bad_ca.plain());
  EXPECT_NE(bad_ca.key(), bad_key.key());
}

// Goes through its steps, then copies bytes both ways until either side ends.
class Proxy {
 public:
  struct Step {
    size_t bytes;  // 0: until an empty line
    std::string answer;
  };
  Proxy(uint16_t target, std::string answer) : Proxy(target, std::vector<Step>{{0, std::move(answer)}}) {}
  Proxy(uint16_t target, std::vector<Step> steps, bool tls = false) : target_(target), steps_(std::move(steps)) {
    if (tls) {
      key_ = Key(EVP_EC_gen("P-256"));
      certificate_ = make_certificate(key_.get(), "DNS:localhost", "proxy");
      context_ = SSL_CTX_new(TLS_server_method());
      SSL_CTX_use_certificate(context_, certificate_.get());
      SSL_CTX_use_PrivateKey(context_, key_.get());
    }
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = loopback(0);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd_, 1);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Proxy() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    SSL_CTX_free(context_);
  }
  uint16_t port() const { return port_; }
  std::string ca_pem() { return pem_of(certificate_.get()); }
  std::string url() const { return "http://u:p@127.0.0.1:" + std::to_string(port_); }
  std::string asked() const { return asked_; }

 private:
  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }
  void run() {
    const int client = ::accept(fd_, nullptr, nullptr);
    if (client < 0) return;
    if (context_ != nullptr) {
      ssl_ = SSL_new(context_);
      SSL_set_fd(ssl_, client);
      if (SSL_accept(ssl_) != 1) return end(client);
    }
    for (const Step& step : steps_) {
      std::string got;
      while (step.bytes > 0 ? got.size() < step.bytes : got.find("\r\n\r\n") == std::string::npos) {
        char byte = 0;
        if (read_some(client, &byte, 1) <= 0) return end(client);
        got += byte;
      }
      asked_ += got;
      write_some(client, step.answer.data(), step.answer.size());
    }
    const int target = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(target_);
    if (::connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      if (ssl_ != nullptr) {
        copy_tls(client, target);
      } else {
        std::thread back([&] { copy(target, client); });
        copy(client, target);
        back.join();
      }
    }
    ::close(target);
    end(client);
  }
  void end(int client) {
    if (ssl_ != nullptr) SSL_free(std::exchange(ssl_, nullptr));
    ::close(client);
  }
  ssize_t read_some(int fd, char* data, size_t size) {
    return ssl_ != nullptr ? SSL_read(ssl_, data, static_cast<int>(size)) : ::recv(fd, data, size, 0);
  }
  void write_some(int fd, const char* data, size_t size) {
    if (ssl_ != nullptr)
      SSL_write(ssl_, data, static_cast<int>(size));
    else
      ::send(fd, data, size, MSG_NOSIGNAL);
  }
  // On one thread, since an SSL object may not be read and written at once.
  void copy_tls(int client, int target) {
    char block[8192];
    while (true) {
      pollfd waits[2] = {{client, POLLIN, 0}, {target, POLLIN, 0}};
      if (SSL_pending(ssl_) == 0 && ::poll(waits, 2, 20'000) <= 0) return;
      if (SSL_pending(ssl_) > 0 || (waits[0].revents & (POLLIN | POLLHUP)) != 0) {
        const int got = SSL_read(ssl_, block, sizeof block);
        if (got <= 0) return;
        ::send(target, block, static_cast<size_t>(got), MSG_NOSIGNAL);
      }
      if ((waits[1].revents & (POLLIN | POLLHUP)) != 0) {
        const ssize_t got = ::recv(target, block, sizeof block, 0);
        if (got <= 0) return;
        SSL_write(ssl_, block, static_cast<int>(got));
      }
    }
  }
  static void copy(int from, int to) {
    char block[8192];
    for (ssize_t got = 0; (got = ::recv(from, block, sizeof block, 0)) > 0;) {
      if (::send(to, block, static_cast<size_t>(got), MSG_NOSIGNAL) < 0) break;
    }
    ::shutdown(to, SHUT_WR);
    ::shutdown(from, SHUT_RD);
  }
  uint16_t target_;
  std::vector<Step> steps_;
  Key key_;
  Certificate certificate_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  std::string asked_;
  int fd_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

TEST(Transport, TunnelsThroughAProxy) {
  TlsServer server("DNS:localhost");
  std::string asked;
  {
    Proxy proxy(server.port(), "HTTP/1.1 200 Connection established\r\n\r\n");
    TransportOptions options;
    options.ca_pem = server.ca_pem();
    options.proxy_url = proxy.url();
    options.connect_headers = {{"X-Pass", "yes"}};
    const auto good = fetch({}, travelling(server.url("localhost"), options));
    ASSERT_TRUE(good) << good.error().to_string();
    EXPECT_EQ(good->body, "ok");
    asked = proxy.asked();
  }
  const std::string target = "localhost:" + std::to_string(server.port());
  EXPECT_TRUE(asked.starts_with("CONNECT " + target + " HTTP/1.1\r\nhost: " + target + "\r\n")) << asked;
  EXPECT_NE(asked.find("proxy-authorization: Basic dTpw\r\n"), std::string::npos) << asked;
  EXPECT_NE(asked.find("X-Pass: yes\r\n"), std::string::npos) << asked;
}

TEST(Transport, TunnelsThroughAProxyThatIsReachedOverTls) {
  TlsServer server("DNS:localhost");
  std::string asked;
  std::string wrong;
  {
    Proxy proxy(server.port(), {{0, "HTTP/1.1 200 OK\r\n\r\n"}}, true);
    TransportOptions options;
    options.ca_pem = server.ca_pem() + proxy.ca_pem();
    options.proxy_url = "https://u:p@localhost:" + std::to_string(proxy.port());
    const auto good = fetch({}, travelling(server.url("localhost"), options));
    ASSERT_TRUE(good) << good.error().to_string();
    EXPECT_EQ(good->body, "ok");
    asked = proxy.asked();
  }
  EXPECT_TRUE(asked.starts_with("CONNECT localhost:" + std::to_string(server.port()) + " HTTP/1.1\r\n")) << asked;
  EXPECT_NE(asked.find("proxy-authorization: Basic dTpw\r\n"), std::string::npos) << asked;
  Proxy stranger(server.port(), {{0, "HTTP/1.1 200 OK\r\n\r\n"}}, true);
  TransportOptions options;
  options.ca_pem = server.ca_pem();
  options.proxy_url = "https://localhost:" + std::to_string(stranger.port());
  const auto refused = fetch({}, travelling(server.url("localhost"), options));
  ASSERT_FALSE(refused) << "the proxy's certificate is verified too";
  EXPECT_NE(refused.error().message().find("TLS handshake with https://localhost:" + std::to_string(stranger.port())),
            std::string::npos)
      << refused.error().message();
}

TEST(Transport, PlainTargetsAreAskedThroughAProxyOverTls) {
  std::string asked;
  {
    Proxy proxy(1, {{0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"}}, true);
    TransportOptions options;
    options.ca_pem = proxy.ca_pem();
    options.proxy_url = "https://localhost:" + std::to_string(proxy.port());
    const auto good = fetch({}, travelling("http://target.example/x", options));
    ASSERT_TRUE(good) << good.error().to_string();
    EXPECT_EQ(good->body, "hello");
    asked = proxy.asked();
  }
  EXPECT_TRUE(asked.starts_with("GET http://target.example/x HTTP/1.1\r\n")) << asked;
}

TEST(Transport, TunnelsThroughSocks5WithAndWithoutALogin) {
  TlsServer server("DNS:localhost");
  const std::string connected("\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x01", 10);
  const size_t request = 4 + 1 + std::string("localhost").size() + 2;
  const auto ask = [&](const std::string& user, std::vector<Proxy::Step> steps) {
    Proxy proxy(server.port(), std::move(steps));
    TransportOptions options;
    options.ca_pem = server.ca_pem();
    options.proxy_url = "socks5://" + user + "127.0.0.1:" + std::to_string(proxy.port());
    auto result = fetch({}, travelling(server.url("localhost"), options));
    return std::pair(std::move(result), proxy.asked());
  };
  const std::string port{static_cast<char>(server.port() >> 8), static_cast<char>(server.port() & 0xff)};
  const auto plain = ask("", {{3, std::string("\x05\x00", 2)}, {request, connected}});
  ASSERT_TRUE(plain.first) << plain.first.error().to_string();
  EXPECT_EQ(plain.first->body, "ok");
  EXPECT_EQ(plain.second, std::string("\x05\x01\x00\x05\x01\x00\x03\x09", 8) + "localhost" + port);
  const auto login =
      ask("u:pw@", {{4, std::string("\x05\x02", 2)}, {6, std::string("\x01\x00", 2)}, {request, connected}});
  ASSERT_TRUE(login.first) << login.first.error().to_string();
  EXPECT_EQ(login.second.substr(0, 10), std::string("\x05\x02\x00\x02\x01\x01u\x02pw", 10));
  const auto refused = ask("u:pw@", {{4, std::string("\x05\x02", 2)}, {6, std::string("\x01\x01", 2)}});
  EXPECT_NE(refused.first.error().message().find("refuses the user"), std::string::npos);
  const auto unknown = ask("", {{3, std::string("\x05\xff", 2)}});
  EXPECT_NE(unknown.first.error().message().find("another way to log in"), std::string::npos);
  const auto unreachable = ask("", {{3, std::string("\x05\x00", 2)}, {request, std::string("\x05\x04\x00\x01", 4)}});
  EXPECT_NE(unreachable.first.error().message().find("host unreachable"), std::string::npos);
  const auto other = ask("", {{3, "HTTP/1.1 400 Bad Request\r\n\r\n"}});
  EXPECT_NE(other.first.error().message().find("does not speak SOCKS 5"), std::string::npos);
}

TEST(Transport, AProxyThatRefusesIsToldOf) {
  TlsServer server("DNS:localhost");
  Proxy proxy(server.port(), "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  TransportOptions options;
  options.proxy_url = proxy.url();
  const auto refused = fetch({}, travelling(server.url("localhost"), options));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("407"), std::string::npos) << refused.error().message();
}

Task<void> say_who(Exchange* exchange) {
  (void)co_await exchange->respond(text_response(200, exchange->request().body + "!"));
}

// Mutual TLS, as a cluster has it.
TEST(TlsServer, LetsInWhoItIsToldToLetIn) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate = make_certificate(key.get(), "DNS:localhost");
  const Key client_key(EVP_EC_gen("P-256"));
  const Certificate client = make_certificate(client_key.get(), "DNS:client", "client");
  const Key stranger_key(EVP_EC_gen("P-256"));
  const Certificate stranger = make_certificate(stranger_key.get(), "DNS:stranger", "stranger");
  TransportOptions anonymous;
  anonymous.ca_pem = pem_of(certificate.get());
  TransportOptions known = anonymous;
  known.cert_pem = pem_of(client.get());
  known.key_pem = pem_of(client_key.get());
  TransportOptions unknown = anonymous;
  unknown.cert_pem = pem_of(stranger.get());
  unknown.key_pem = pem_of(stranger_key.get());
  struct Case {
    ClientAuth auth;
    bool anonymous, unknown, known;
  };
  for (const Case& c :
       {Case{ClientAuth::kNone, true, true, true}, Case{ClientAuth::kRequest, true, true, true},
        Case{ClientAuth::kRequireAny, false, true, true}, Case{ClientAuth::kVerifyIfGiven, true, false, true},
        Case{ClientAuth::kRequireAndVerify, false, false, true}}) {
    const auto tls = make_server_tls({.cert_pem = pem_of(certificate.get()),
                                      .key_pem = pem_of(key.get()),
                                      .client_ca_pem = pem_of(client.get()),
                                      .client_auth = c.auth});
    ASSERT_TRUE(tls) << tls.error().to_string();
    Runtime runtime({.cores = 1, .blocking_threads = 1});
    MetricRegistry metrics;
    auto router = std::make_shared<Router>();
    router->add("POST", "/x", say_who);
    ServerOptions listen;
    listen.connections.tls = *tls;
    auto server = HttpServer::start(runtime, metrics, listen, router);
    ASSERT_TRUE(server) << server.error().to_string();
    const std::string url = "https://localhost:" + std::to_string((*server)->port()) + "/x";
    const auto enters = [&](const TransportOptions& options) {
      ClientRequest request = travelling(url, options);
      request.method = "POST";
      request.body = std::string(100'000, 'b');
      const auto got = fetch({}, std::move(request));
      return got && got->status == 200 && got->body.size() == 100'001;
    };
    EXPECT_EQ(enters(anonymous), c.anonymous) << static_cast<int>(c.auth);
    EXPECT_EQ(enters(unknown), c.unknown) << static_cast<int>(c.auth);
    EXPECT_EQ(enters(known), c.known) << static_cast<int>(c.auth);
    EXPECT_FALSE(fetch({}, {.url = "http://localhost:" + std::to_string((*server)->port()) + "/x"})) << "no plain door";
    (*server)->stop(Millis(0));
    runtime.stop();
  }
  EXPECT_FALSE(make_server_tls({.cert_pem = "rubbish", .key_pem = pem_of(key.get())}));
  EXPECT_FALSE(make_server_tls({.cert_pem = pem_of(certificate.get()), .key_pem = "rubbish"}));
  EXPECT_FALSE(make_server_tls({.cert_pem = pem_of(certificate.get()), .key_pem = pem_of(client_key.get())}))
      << "another's key";
}

}  // namespace
}  // namespace sentinel::net
