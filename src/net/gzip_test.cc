#include "net/gzip.h"

#include <gtest/gtest.h>

namespace sentinel::net {
namespace {

TEST(Gzip, WhatIsPackedUnpacks) {
  for (const std::string& text : {std::string(), std::string("a"), std::string(1'000'000, 'x')}) {
    const auto back = gunzip(gzip(text), text.size());
    ASSERT_TRUE(back) << text.size();
    EXPECT_EQ(*back, text);
  }
}

TEST(Gzip, ABombStopsAtTheLimit) {
  const std::string bomb = gzip(std::string(10'000'000, 'x'));
  ASSERT_LT(bomb.size(), 100'000u);
  const auto refused = gunzip(bomb, 9'999'999);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kTooLarge);
}

TEST(Gzip, DamageIsAnError) {
  const std::string good = gzip("some text that is packed");
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(gunzip(good.substr(0, n), 100)) << n;
  EXPECT_FALSE(gunzip("no gzip at all", 100));
}

TEST(Gzip, AcceptEncoding) {
  const std::pair<std::string_view, bool> cases[] = {
      {"gzip", true},       {"deflate, GZIP;q=0.5", true}, {"br , gzip", true},
      {"gzip; q=0", false}, {"gzip;q=0.1", true},          {"", false},
      {"xgzip", false},
  };
  for (const auto& [header, expected] : cases) EXPECT_EQ(accepts_gzip(header), expected) << header;
}

}  // namespace
}  // namespace sentinel::net
