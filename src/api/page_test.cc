#include "api/page.h"

#include <gtest/gtest.h>

#include "api/page_assets.h"
#include "net/http_client.h"

namespace sentinel::api {
namespace {

class AlertmanagerPageTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto routes = std::make_shared<net::Router>();
    add_alertmanager_page_routes(*routes, GetParam());
    server_ = net::HttpServer::start(runtime_, metrics_, {}, routes).value();
  }
  void TearDown() override {
    server_->stop(Millis(0));
    runtime_.stop();
  }
  net::Response get(const std::string& path) {
    net::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    auto answer = net::fetch_blocking(request);
    return answer ? std::move(*answer) : net::Response{};
  }

  MetricRegistry metrics_;
  net::Runtime runtime_{net::RuntimeOptions{}};
  std::unique_ptr<net::HttpServer> server_;
};

TEST_P(AlertmanagerPageTest, EveryAssetIsUnderThePrefix) {
  for (const PageAsset& asset : page_assets()) {
    const net::Response answer = get(GetParam() + std::string(asset.path));
    EXPECT_EQ(answer.status, 200) << asset.path;
    EXPECT_FALSE(answer.headers.get("content-security-policy").empty());
    if (asset.path != "/index.html") EXPECT_EQ(answer.body, asset.content) << asset.path;
  }
}

TEST_P(AlertmanagerPageTest, ThePageIsToldWhereItIs) {
  const net::Response page = get(GetParam() + "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.get("cache-control"), "no-cache");
  EXPECT_EQ(page.body.find("content=\"serve\""), std::string::npos);
  // Without Node.js a page is built in that only says so.
  if (page_assets().size() > 1) EXPECT_NE(page.body.find("content=\"alertmanager\""), std::string::npos);
}

TEST_P(AlertmanagerPageTest, TheRootLeadsThereAndOtherPathsAreUnknown) {
  if (!GetParam().empty()) {
    for (const std::string& path : {std::string("/"), GetParam()}) {
      const net::Response answer = get(path);
      EXPECT_EQ(answer.status, 302) << path;
      EXPECT_EQ(answer.headers.get("location"), GetParam() + "/") << path;
    }
  }
  for (const char* path : {"/alerts", "/assets/none.js", "/sentinel/v1/incidents", "/assets/../index.html"})
    EXPECT_EQ(get(GetParam() + path).status, 404) << path;
}

INSTANTIATE_TEST_SUITE_P(Prefixes, AlertmanagerPageTest, testing::Values("", "/foo", "/a/b"));

}  // namespace
}  // namespace sentinel::api
