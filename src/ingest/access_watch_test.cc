#include "ingest/access_watch.h"

#include <gtest/gtest.h>

#include "ingest/limits.h"

namespace sentinel::ingest {
namespace {

constexpr int64_t kHourUs = 3600LL * 1'000'000;

class AccessWatchTest : public ::testing::Test {
 protected:
  void call(const std::string& network, int64_t at_us, const std::string& key = "0123456789abcdef",
            const std::string& error = "") {
    model::Interaction i;
    i.service = "shop";
    i.env = "prod";
    i.key_hash = key;
    i.network = network;
    i.timestamp_us = at_us;
    i.error_type = error;
    watch_.observe(i);
  }
  // A key that is known: a day old, with calls enough, from one network.
  void learn() {
    for (uint64_t n = 0; n < kAccessCallsMin; ++n) call("192.0.2.0/24", 0);
    call("192.0.2.0/24", 25 * kHourUs);
  }
  double counted() {
    for (const MetricFamily& family : registry_.collect()) {
      if (family.name != "llm_security_new_network_calls_total") continue;
      double sum = 0;
      for (const MetricPoint& point : family.points) sum += point.value;
      return sum;
    }
    return 0;
  }

  MetricRegistry registry_;
  AccessWatch watch_{registry_};
};

TEST_F(AccessWatchTest, ANewNetworkOfAKnownKeyCountsForAnHour) {
  learn();
  call("198.51.100.0/24", 30 * kHourUs);
  call("198.51.100.0/24", 30 * kHourUs + kHourUs / 2);
  EXPECT_EQ(counted(), 2);
  call("198.51.100.0/24", 31 * kHourUs);
  call("192.0.2.0/24", 31 * kHourUs);
  EXPECT_EQ(counted(), 2) << "after an hour it is the key's own";
  const auto families = registry_.collect();
  EXPECT_EQ(families.at(0).points.at(0).labels,
            (MetricLabels{{"env", "prod"}, {"key", "01234567"}, {"service", "shop"}}));
}

TEST_F(AccessWatchTest, WhatAKeyUsesWhileItIsLearntIsItsOwn) {
  call("192.0.2.0/24", 0);
  call("198.51.100.0/24", 23 * kHourUs);
  for (uint64_t n = 0; n < kAccessCallsMin; ++n) call("192.0.2.0/24", 23 * kHourUs);
  call("203.0.113.0/24", 23 * kHourUs);
  call("203.0.113.0/24", 24 * kHourUs - 1);
  EXPECT_EQ(counted(), 0);
}

TEST_F(AccessWatchTest, AKeyThatIsSeldomUsedIsNotKnownAfterADay) {
  call("192.0.2.0/24", 0);
  call("198.51.100.0/24", 48 * kHourUs);
  EXPECT_EQ(counted(), 0);
}

TEST_F(AccessWatchTest, RefusedCallsAndCallsWithoutAKeyTeachAndCountNothing) {
  learn();
  call("198.51.100.0/24", 30 * kHourUs, "0123456789abcdef", "caller_unauthorized");
  call("198.51.100.0/24", 30 * kHourUs, "");
  EXPECT_EQ(counted(), 0);
  call("198.51.100.0/24", 40 * kHourUs);
  EXPECT_EQ(counted(), 1);
}

TEST_F(AccessWatchTest, AKeyThatComesFromEverywhereIsNotJudged) {
  learn();
  for (size_t n = 0; n < kAccessNetworksMax + 5; ++n) call("10.0." + std::to_string(n) + ".0/24", 30 * kHourUs);
  const double before = counted();
  EXPECT_EQ(before, static_cast<double>(kAccessNetworksMax - 1));
  call("10.1.1.0/24", 50 * kHourUs);
  EXPECT_EQ(counted(), before);
}

TEST_F(AccessWatchTest, KeysAreBounded) {
  for (size_t n = 0; n < kAccessKeysMax + 10; ++n) call("192.0.2.0/24", 0, "key" + std::to_string(n));
  EXPECT_EQ(watch_.keys(), kAccessKeysMax);
}

TEST_F(AccessWatchTest, WhatWasLearntOutlivesARestart) {
  learn();
  AccessWatch other(registry_);
  ASSERT_TRUE(other.load(watch_.save()));
  EXPECT_EQ(other.save(), watch_.save());
  ASSERT_TRUE(watch_.load(other.save()));
  call("192.0.2.0/24", 30 * kHourUs);
  EXPECT_EQ(counted(), 0);
  call("198.51.100.0/24", 30 * kHourUs);
  EXPECT_EQ(counted(), 1);
  for (const char* bad : {"", "[]", "{\"a\": 1}", "{\"a\": {\"networks\": []}}"}) EXPECT_FALSE(watch_.load(bad)) << bad;
  EXPECT_EQ(watch_.keys(), 1U);
}

}  // namespace
}  // namespace sentinel::ingest
