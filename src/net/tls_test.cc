// The client against a TLS server with certificates made here: what verification accepts and what it refuses.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <thread>

#include "net/http_client.h"
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
  bad_proxy.proxy_url = "socks5://proxy:1";
  EXPECT_FALSE(make_transport(bad_proxy));
  EXPECT_TRUE(TransportOptions().plain());
  EXPECT_FALSE(bad_ca.plain());
  EXPECT_NE(bad_ca.key(), bad_key.key());
}

// Answers one CONNECT, then copies bytes both ways until either side ends.
class Proxy {
 public:
  Proxy(uint16_t target, std::string answer) : target_(target), answer_(std::move(answer)) {
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
  }
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
    char block[8192];
    while (asked_.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(client, block, sizeof block, 0);
      if (got <= 0) break;
      asked_.append(block, static_cast<size_t>(got));
    }
    ::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    const int target = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(target_);
    if (::connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      std::thread back([&] { copy(target, client); });
      copy(client, target);
      back.join();
    }
    ::close(target);
    ::close(client);
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
  std::string answer_;
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

TEST(Transport, AProxyThatRefusesIsToldOf) {
  TlsServer server("DNS:localhost");
  Proxy proxy(server.port(), "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  TransportOptions options;
  options.proxy_url = proxy.url();
  const auto refused = fetch({}, travelling(server.url("localhost"), options));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("407"), std::string::npos) << refused.error().message();
}

}  // namespace
}  // namespace sentinel::net
