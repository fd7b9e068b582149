// The client against a TLS server with certificates made here: what verification accepts and what it refuses.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <thread>

#include "net/http_client.h"

namespace sentinel::net {
namespace {

template <class T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* value) const { Free(value); }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;

// Self-signed, so that it is its own authority.
Certificate make_certificate(EVP_PKEY* key, const std::string& alt_name) {
  Certificate certificate(X509_new());
  X509* x = certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600);
  X509_set_pubkey(x, key);
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(x, name);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alt_name.c_str());
  X509_add_ext(x, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(x, key, EVP_sha256());
  return certificate;
}

// Serves one connection after the other on a thread of its own.
class TlsServer {
 public:
  explicit TlsServer(const std::string& alt_name)
      : key_(EVP_EC_gen("P-256")), certificate_(make_certificate(key_.get(), alt_name)) {
    context_ = SSL_CTX_new(TLS_server_method());
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

}  // namespace
}  // namespace sentinel::net
