#include "gateway/last_answers.h"

#include <gtest/gtest.h>

namespace sentinel::gateway {
namespace {

class LastAnswersTest : public testing::Test {
 protected:
  void put(const std::string& key, std::string body) {
    net::Response response;
    response.body = std::move(body);
    answers_.put(key, std::move(response), clock_.now());
  }
  std::string get(const std::string& key, Micros max_age = std::chrono::hours(1)) {
    const auto got = answers_.get(key, clock_.now() - max_age);
    return got ? got->body : "nothing";
  }
  FakeClock clock_;
  LastAnswers answers_{16 * 1024};
};

TEST_F(LastAnswersTest, GivesTheLatestOfItsKey) {
  put("a", "one");
  put("b", "two");
  put("a", "three");
  EXPECT_EQ(get("a"), "three");
  EXPECT_EQ(get("b"), "two");
  EXPECT_EQ(get("c"), "nothing");
}

TEST_F(LastAnswersTest, WhatIsTooOldIsNotGiven) {
  put("a", "one");
  clock_.advance(std::chrono::minutes(10));
  EXPECT_EQ(get("a", std::chrono::minutes(9)), "nothing");
  EXPECT_EQ(get("a", std::chrono::minutes(10)), "one");
}

TEST_F(LastAnswersTest, StaysWithinItsBytesAndForgetsWhatWasNotUsed) {
  const std::string body(600, 'x');
  put("first", body);
  for (int i = 0; i < 100; ++i) {
    put("k" + std::to_string(i), body);
    EXPECT_EQ(get("first"), body) << i;  // so it stays
    EXPECT_LE(answers_.bytes(), 16U * 1024);
  }
  EXPECT_EQ(get("k0"), "nothing");
  EXPECT_EQ(get("k99"), body);
}

TEST_F(LastAnswersTest, AHugeOneDoesNotDriveOutTheOthers) {
  put("a", "one");
  put("huge", std::string(8000, 'x'));
  EXPECT_EQ(get("huge"), "nothing");
  EXPECT_EQ(get("a"), "one");
}

}  // namespace
}  // namespace sentinel::gateway
