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
  KeyRing ring_{{"a", "b", "c"}};
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

}  // namespace
}  // namespace sentinel::gateway
