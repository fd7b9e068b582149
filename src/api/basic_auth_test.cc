#include "api/basic_auth.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "net/http_client.h"

namespace sentinel::api {
namespace {

// Of "right", cost 4; made by htpasswd.
constexpr const char* kHash = "$2y$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";

class BasicAuthTest : public testing::Test {
 protected:
  void SetUp() override {
    auto routes = std::make_shared<net::Router>();
    routes->add("GET", "/secret",
                [](net::Exchange* e) -> net::Task<void> { (void)co_await e->respond(net::json_response(200, "{}")); });
    server_ = net::HttpServer::start(runtime_, metrics_, {}, auth_.guard(routes)).value();
  }
  void TearDown() override {
    server_->stop(Millis(0));
    runtime_.stop();
  }
  int get(const std::string& path, const std::string& authorization) {
    net::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    if (!authorization.empty()) request.headers.set("Authorization", authorization);
    const auto answer = net::fetch_blocking(request);
    return answer ? answer->status : -1;
  }
  static std::string basic(const std::string& who) { return "Basic " + base64_encode(who); }
  double refused() {
    return metrics_.counter("sentinel_authentication_failures_total", "", {{"where", "basic"}}).value();
  }

  MetricRegistry metrics_;
  net::Runtime runtime_{net::RuntimeOptions{}};
  BasicAuth auth_{runtime_, metrics_};
  std::unique_ptr<net::HttpServer> server_;
};

TEST_F(BasicAuthTest, WithoutUsersEverybodyIsLetIn) {
  EXPECT_EQ(get("/secret", ""), 200);
  EXPECT_EQ(get("/nothing", ""), 404);
}

TEST_F(BasicAuthTest, OnlyWhoHasThePasswordIsLetIn) {
  auth_.set_users({{"ada", kHash}});
  struct {
    std::string authorization;
    int status;
  } const cases[] = {{basic("ada:right"), 200},
                     {basic("ada:wrong"), 401},
                     {basic("bob:right"), 401},
                     {basic("ada:"), 401},
                     {basic("ada"), 401},
                     {"Basic %%%", 401},
                     {"Bearer right", 401},
                     {"", 401},
                     {"basic " + base64_encode("ada:right"), 200}};
  double wanted = 0;
  for (int round = 0; round < 2; ++round) {  // the second time from memory
    for (const auto& c : cases) {
      EXPECT_EQ(get("/secret", c.authorization), c.status) << c.authorization;
      wanted += c.status == 401;
    }
  }
  EXPECT_EQ(refused(), wanted);
  EXPECT_EQ(get("/nothing", ""), 401) << "what exists is nobody's business";
  EXPECT_EQ(get("/nothing", basic("ada:right")), 404);
}

TEST_F(BasicAuthTest, WhoIsTakenAwayIsOut) {
  auth_.set_users({{"ada", kHash}});
  EXPECT_EQ(get("/secret", basic("ada:right")), 200);
  auth_.set_users({{"bob", kHash}});
  EXPECT_EQ(get("/secret", basic("ada:right")), 401);
  EXPECT_EQ(get("/secret", basic("bob:right")), 200);
}

TEST(Bcrypt, IsRecognised) {
  EXPECT_TRUE(is_bcrypt(kHash));
  std::string other = kHash;
  other[2] = 'x';
  EXPECT_FALSE(is_bcrypt(other));
  EXPECT_FALSE(is_bcrypt(std::string(kHash) + "."));
  EXPECT_FALSE(is_bcrypt("$2y$99$" + std::string(kHash).substr(7)));
  EXPECT_FALSE(is_bcrypt(""));
  EXPECT_FALSE(is_bcrypt("right"));
}

}  // namespace
}  // namespace sentinel::api
