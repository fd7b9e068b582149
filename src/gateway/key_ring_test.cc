#include "gateway/key_ring.h"

#include <gtest/gtest.h>

namespace sentinel::gateway {
namespace {

class KeyRingTest : public testing::Test {
 protected:
  std::string picks(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += ring_.key(ring_.pick(clock_.now()));
    return out;
  }
  void rest(size_t index, Millis how_long) { ring_.rest(index, clock_.now(), how_long); }
  FakeClock clock_;
  KeyRests rests_;
  KeyRing ring_{{"a", "b", "c"}, rests_};
};

TEST_F(KeyRingTest, KeysAreUsedInTurn) { EXPECT_EQ(picks(7), "abcabca"); }

TEST_F(KeyRingTest, AKeyThatRestsIsPassedOver) {
  rest(1, std::chrono::seconds(30));
  EXPECT_EQ(picks(5), "acaca");
  clock_.advance(std::chrono::seconds(30));
  EXPECT_EQ(picks(3), "bca");
}

TEST_F(KeyRingTest, WhenAllRestTheFirstToBeReadyIsUsed) {
  rest(0, std::chrono::seconds(30));
  rest(1, std::chrono::seconds(10));
  EXPECT_TRUE(ring_.any_ready(clock_.now()));
  rest(2, std::chrono::seconds(20));
  EXPECT_FALSE(ring_.any_ready(clock_.now()));
  EXPECT_EQ(picks(2), "bb");
}

TEST_F(KeyRingTest, AShorterRestDoesNotEndALongerOne) {
  rest(0, std::chrono::seconds(30));
  rest(0, std::chrono::seconds(1));
  clock_.advance(std::chrono::seconds(2));
  EXPECT_EQ(picks(3), "bcb");
}

TEST_F(KeyRingTest, AKeyRestsUnderTheNextConfigurationToo) {
  ring_.rest(1, clock_.now(), std::chrono::minutes(10));
  KeyRing next({"x", "b"}, rests_);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(next.key(next.pick(clock_.now())), "x");
  next.rest(0, clock_.now(), std::chrono::minutes(1));
  EXPECT_FALSE(next.any_ready(clock_.now()));
  ring_.rest(0, clock_.now(), Millis(1));
  EXPECT_TRUE(ring_.any_ready(clock_.now() + Millis(1))) << "what only one of them has is its own";
}

TEST(KeyRests, AreForgottenWithTheLastRingThatHasTheKey) {
  KeyRests rests;
  const TimePoint now = time_from_us(1'000'000);
  {
    KeyRing ring({"a"}, rests);
    ring.rest(0, now, std::chrono::hours(1));
  }
  EXPECT_TRUE(KeyRing({"a"}, rests).any_ready(now));
}

}  // namespace
}  // namespace sentinel::gateway
