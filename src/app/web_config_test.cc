#include "app/web_config.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "net/test_tls.h"

namespace sentinel::app {
namespace {

constexpr const char* kUser =
    "basic_auth_users: {ada: '$2y$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC'}\n";

class WebConfigTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(posix_env().write_file_atomic(folder_ + name, text));
    return folder_ + name;
  }
  void write_certificate() {
    const net::TestKey key(EVP_EC_gen("P-256"));
    const net::TestCertificate certificate = net::make_certificate(key.get(), "DNS:localhost");
    write("cert.pem", net::pem_of(certificate.get()));
    write("key.pem", net::pem_of(key.get()));
  }
  std::string error_of(const std::string& text) {
    const auto read = read_web_config(write("web.yml", text));
    return read ? "no error" : read.error().to_string();
  }

  const std::string folder_ = testing::TempDir() + "web_config_test/";
};

TEST_F(WebConfigTest, ReadsTlsUsersAndHeaders) {
  write_certificate();
  const auto read = read_web_config(write("web.yml", std::string(kUser) +
                                                         "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
                                                         "http_server_config:\n  http2: true\n  headers:\n"
                                                         "    X-Frame-Options: deny\n"));
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_NE(read->connections.tls, nullptr);
  EXPECT_EQ(read->connections.headers.get("x-frame-options"), "deny");
  ASSERT_EQ(read->users.size(), 1u);
  EXPECT_TRUE(read->users.contains("ada"));
}

TEST_F(WebConfigTest, AnEmptyFileAsksForNothing) {
  const auto read = read_web_config(write("web.yml", "\n"));
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->connections.tls, nullptr);
  EXPECT_TRUE(read->users.empty());
}

TEST_F(WebConfigTest, WhatIsWrongHasItsPlace) {
  write_certificate();
  struct {
    const char* text;
    const char* part;
  } const cases[] = {
      {"basic_auth_users: {ada: secret}\n", "web.yml:1:25: expected a bcrypt hash"},
      {"basic_auth: {ada: secret}\n", "unknown field \"basic_auth\""},
      {"tls_server_config: {cert_file: cert.pem}\n", "missing key_file"},
      {"tls_server_config: {cert_file: cert.pem, key_file: nothing.pem}\n", "nothing.pem"},
      {"tls_server_config: {cert_file: cert.pem, key_file: cert.pem}\n", "server key"},
      {"tls_server_config: {cert_file: cert.pem, key_file: key.pem, cipher_suites: [X]}\n", "not supported"},
      {"http_server_config: {headers: {X-Other: a}}\n", "can not be configured"},
      {"http_server_config: {headers: {X-Frame-Options: \"a\\r\\nX-B: c\"}}\n", "one line"},
  };
  for (const auto& c : cases) EXPECT_NE(error_of(c.text).find(c.part), std::string::npos) << error_of(c.text);
  EXPECT_NE(read_web_config(folder_ + "none.yml").error().to_string().find("none.yml"), std::string::npos);
}

TEST_F(WebConfigTest, ARenewedCertificateIsTakenAndAWrongOneIsNot) {
  write_certificate();
  const std::string path = write("web.yml", "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n");
  const auto first = read_web_config(path);
  ASSERT_TRUE(first);
  std::vector<WebConfig> applied;
  WebConfigWatch watch(path, *first, [&](const WebConfig& changed) { applied.push_back(changed); });
  watch.look();
  EXPECT_TRUE(applied.empty());
  write("cert.pem", "no certificate");
  watch.look();
  EXPECT_TRUE(applied.empty());
  write_certificate();
  watch.look();
  ASSERT_EQ(applied.size(), 1u);
  EXPECT_NE(applied[0].connections.tls, first->connections.tls);
  watch.look();
  EXPECT_EQ(applied.size(), 1u);
  write("web.yml", kUser);
  watch.look();
  ASSERT_EQ(applied.size(), 2u);
  EXPECT_EQ(applied[1].connections.tls, nullptr);
  EXPECT_EQ(applied[1].users.size(), 1u);
}

}  // namespace
}  // namespace sentinel::app
