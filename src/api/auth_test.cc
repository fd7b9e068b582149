#include "api/auth.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/strings.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace sentinel::api {
namespace {

net::Task<void> answer(net::Exchange* exchange) { (void)co_await exchange->respond(net::json_response(200, "{}")); }

class AuthTest : public ::testing::Test {
 protected:
  void start(bool gateway_open) {
    auto routes = std::make_shared<net::Router>();
    routes->add_any("/{rest...}", answer);
    auto server = net::HttpServer::start(
        runtime_, metrics_, {},
        with_auth(
            routes, {{hex_encode(sha256("right"))}, {hex_encode(sha256("ada")), "ada", {"viewer"}}},
            [gateway_open] { return gateway_open; }, metrics_));
    ASSERT_TRUE(server);
    server_ = std::move(*server);
  }
  void TearDown() override {
    server_->stop(Millis(500));
    runtime_.stop();
  }
  int status(const std::string& path, const std::string& authorization) {
    net::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    if (!authorization.empty()) request.headers.add("authorization", authorization);
    const auto got = net::fetch_blocking(std::move(request));
    return got ? got->status : 0;
  }
  double failures(const char* where) {
    return metrics_.counter("sentinel_authentication_failures_total", "", {{"where", where}}).value();
  }

  net::Runtime runtime_{net::RuntimeOptions{.cores = 1, .blocking_threads = 1}};
  MetricRegistry metrics_;
  std::unique_ptr<net::HttpServer> server_;
};

TEST_F(AuthTest, WhatIsRefusedIsCountedByWhereItCame) {
  start(false);
  EXPECT_EQ(failures("api") + failures("gateway"), 0);
  struct Case {
    const char* path;
    const char* authorization;
    int status;
  };
  for (const Case& c : {Case{"/api/v1/query", "Bearer right", 200}, Case{"/api/v1/query", "", 401},
                        Case{"/api/v1/query", "Bearer wrong", 401}, Case{"/api/v1/query", "Basic right", 401},
                        Case{"/v1/models", "Bearer right", 200}, Case{"/v1/models", "Bearer wrong", 401},
                        Case{"/-/healthy", "", 200}}) {
    EXPECT_EQ(status(c.path, c.authorization), c.status) << c.path << " " << c.authorization;
  }
  EXPECT_EQ(failures("api"), 3);
  EXPECT_EQ(failures("gateway"), 1);
}

TEST_F(AuthTest, EachClientShowsTheTokenAsItShowsAProvidersKey) {
  start(false);
  struct Case {
    const char* path;
    const char* header;
    int status;
    const char* says;
  };
  for (const Case& c :
       {Case{"/v1/messages", "x-api-key", 200, ""}, Case{"/v1beta/models", "x-goog-api-key", 200, ""},
        Case{"/v1/chat/completions", "api-key", 200, ""}, Case{"/api/v1/query", "x-api-key", 401, "about:blank"},
        Case{"/v1beta/models?key=right", "x-none", 200, ""}, Case{"/v1/models?key=right", "x-none", 401, "\"code\""},
        Case{"/api/v1/query?key=right", "x-none", 401, "about:blank"},
        Case{"/v1/messages", "x-none", 401, "authentication_error"},
        Case{"/v1beta/models", "x-none", 401, "UNAUTHENTICATED"}}) {
    net::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + c.path;
    request.headers.add(c.header, "right");
    const auto got = net::fetch_blocking(std::move(request));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->status, c.status) << c.path << c.header;
    EXPECT_NE(got->body.find(c.says), std::string::npos) << got->body;
  }
}

TEST_F(AuthTest, AnOpenGatewayRefusesNobody) {
  start(true);
  EXPECT_EQ(status("/v1/models", "Bearer key-of-the-provider"), 200);
  EXPECT_EQ(failures("gateway"), 0);
}

}  // namespace
}  // namespace sentinel::api
