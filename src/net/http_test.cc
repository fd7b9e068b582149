#include "net/http.h"

#include <gtest/gtest.h>

#include "net/http_server.h"
#include "net/url.h"

namespace sentinel::net {
namespace {

TEST(Headers, NamesCompareWithoutCaseAndOrderIsKept) {
  Headers headers;
  headers.add("Content-Type", "a");
  headers.add("X-One", "1");
  headers.add("x-one", "2");
  EXPECT_EQ(headers.get("CONTENT-TYPE"), "a");
  EXPECT_EQ(headers.get("X-ONE"), "1");
  headers.set("x-ONE", "3");
  EXPECT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers.get("x-one"), "3");
  headers.remove("Content-type");
  EXPECT_FALSE(headers.has("content-type"));
  std::string seen;
  for (const auto& [name, value] : headers.all()) seen += std::string(name) + "=" + std::string(value);
  EXPECT_EQ(seen, "x-ONE=3");
}

TEST(Headers, AValueCannotEndItsLine) {
  Headers headers;
  headers.add("x", std::string_view("a\r\nb: c\0d", 9));
  EXPECT_EQ(headers.get("x"), "a  b: c d");
}

TEST(Params, DecodesInOrderAndKeepsMalformedEscapes) {
  const Params params = Params::parse("match[]=up&a=1+2%20x&&empty&bad=%zz&match%5B%5D=down");
  EXPECT_EQ(params.get("a"), "1 2 x");
  EXPECT_EQ(params.all("match[]"), (std::vector<std::string>{"up", "down"}));
  EXPECT_TRUE(params.has("empty"));
  EXPECT_EQ(params.get("bad"), "%zz");
}

TEST(Target, IsSplitAndDecoded) {
  Request request;
  request.target = "/a%20b?x=1%26&y=?";
  ASSERT_TRUE(split_target(request));
  EXPECT_EQ(request.path, "/a b");
  EXPECT_EQ(request.query.get("x"), "1&");
  EXPECT_EQ(request.query.get("y"), "?");
  request.target = "/%00";
  EXPECT_FALSE(split_target(request));
  request.target = "/%g";
  EXPECT_FALSE(split_target(request));
}

TEST(Problem, CarriesStatusCodeAndPosition) {
  const Response r = problem_response(Error(ErrorCode::kInvalidArgument, "bad \"x\"", Position{"f.yml", 3, 7}));
  EXPECT_EQ(r.status, 400);
  EXPECT_EQ(r.headers.get("content-type"), "application/problem+json");
  EXPECT_NE(r.body.find("\"line\":3,\"column\":7"), std::string::npos);
  EXPECT_NE(r.body.find("bad \\\"x\\\""), std::string::npos);
}

struct UrlCase {
  const char* text;
  const char* authority;  // null: refused
  const char* origin;
  const char* target;
};

TEST(Url, Table) {
  const UrlCase cases[] = {
      {"http://a", "a", "http://a:80", "/"},
      {"HTTPS://Example.com/x?y#z", "example.com", "https://example.com:443", "/x?y"},
      {"http://a:8080?q", "a:8080", "http://a:8080", "/?q"},
      {"http://[::1]:90/v1", "[::1]:90", "http://::1:90", "/v1"},
      {"https://h:443/", "h", "https://h:443", "/"},
      {"http://a:0/", nullptr, "", ""},
      {"http://a:99999/", nullptr, "", ""},
      {"http://user:pw@a/", nullptr, "", ""},
      {"ftp://a/", nullptr, "", ""},
      {"/only/path", nullptr, "", ""},
      {"http://a/b c", nullptr, "", ""},
      {"http:///x", nullptr, "", ""},
      {"http://[::1/", nullptr, "", ""},
  };
  for (const auto& c : cases) {
    const auto url = parse_url(c.text);
    ASSERT_EQ(url.has_value(), c.authority != nullptr) << c.text;
    if (!url) continue;
    EXPECT_EQ(url->authority(), c.authority) << c.text;
    EXPECT_EQ(url->origin(), c.origin) << c.text;
    EXPECT_EQ(url->target, c.target) << c.text;
  }
}

Task<void> nothing(Exchange*) { co_return; }

std::string route_of(const Router& router, std::string method, std::string path) {
  Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  std::vector<std::string> allowed;
  const Handler* handler = router.find(request, &allowed);
  if (handler == nullptr) {
    std::string text = "none";
    for (const auto& m : allowed) text += " " + m;
    return text;
  }
  std::string text = "found";
  for (const auto& [key, value] : request.path_params.pairs()) text += " " + key + "=" + value;
  return text;
}

TEST(Router, LiteralsWinOverParametersAndTailsComeLast) {
  Router router;
  router.add("GET", "/{rest...}", nothing);
  router.add("GET", "/a/{id}", nothing);
  router.add("GET", "/a/new", nothing);
  router.add("POST", "/a/{id}/c", nothing);
  router.add_any("/any", nothing);
  EXPECT_EQ(route_of(router, "GET", "/a/new"), "found");
  EXPECT_EQ(route_of(router, "GET", "/a/17"), "found id=17");
  EXPECT_EQ(route_of(router, "HEAD", "/a/17"), "found id=17");
  EXPECT_EQ(route_of(router, "GET", "/a/17/x"), "found rest=a/17/x");
  EXPECT_EQ(route_of(router, "POST", "/a/17/c"), "found id=17");
  EXPECT_EQ(route_of(router, "DELETE", "/a/17"), "none GET");
  EXPECT_EQ(route_of(router, "PATCH", "/any"), "found");
  EXPECT_EQ(route_of(router, "POST", "/zzz"), "none GET");
  EXPECT_EQ(router.routes().front(), "* /any");
}

}  // namespace
}  // namespace sentinel::net
