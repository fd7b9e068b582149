// The API document against the routes of a server that runs: nothing served is undescribed, nothing described is not
// served.

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "api/openapi.h"
#include "app/demo.h"
#include "app/server.h"
#include "base/strings.h"

namespace sentinel::app {
namespace {

std::set<std::string> described() {
  std::set<std::string> out;
  const boost::json::value document = boost::json::parse(api::openapi_document());
  for (const auto& [path, item] : document.at("paths").as_object()) {
    for (const auto& [method, operation] : item.as_object()) {
      if (method == "parameters") continue;
      std::string name(method);
      std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'a' ? char(c - 'a' + 'A') : c; });
      out.insert(name + " " + std::string(path));
    }
  }
  return out;
}

TEST(OpenApiRoutes, WhatIsServedIsDescribedAndWhatIsDescribedIsServed) {
  const std::string dir = testing::TempDir() + "/openapi-routes-" + std::to_string(getpid());
  std::set<std::string> served;
  Config config;
  config.data_dir = dir;
  config.port = 0;
  ServerHooks hooks;
  hooks.add_routes = [&](net::Router& router) {
    Demo::add_routes(router, nullptr);
    for (const std::string& route : router.routes()) {
      if (route.find(" /sentinel/v1/") != std::string::npos) served.insert(route);
    }
  };
  auto server = Server::start(config, hooks);
  ASSERT_TRUE(server) << server.error().to_string();
  (*server)->stop();
  std::filesystem::remove_all(dir);
  EXPECT_EQ(served, described());
}

}  // namespace
}  // namespace sentinel::app
