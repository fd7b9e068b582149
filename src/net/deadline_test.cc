#include "net/deadline.h"

#include <gtest/gtest.h>

#include <future>

namespace sentinel::net {
namespace {

// Fires at most once; tells when, in milliseconds of the monotonic clock.
class Probe final : public Deadline {
 public:
  Probe(DeadlineWheel& wheel, std::function<void(int64_t)> fn) : Deadline(wheel), fn_(std::move(fn)) {}

 private:
  void on_deadline() override { fn_(now_ms()); }
  std::function<void(int64_t)> fn_;
};

// Runs the wheel of one context on this thread until `done`.
class DeadlineTest : public testing::Test {
 protected:
  asio::io_context core_{1};
  DeadlineWheel& wheel_ = DeadlineWheel::of(core_);
  void run_until(const bool& done) {
    while (!done && core_.run_one() > 0) {
    }
  }
};

TEST_F(DeadlineTest, FiresNotBeforeItsTimeAndInOrder) {
  std::vector<int> order;
  bool done = false;
  const int64_t start = Deadline::now_ms();
  std::vector<std::unique_ptr<Probe>> probes;
  for (const int ms : {90, 30, 60}) {
    probes.push_back(std::make_unique<Probe>(wheel_, [&, ms](int64_t now) {
      EXPECT_GE(now - start, ms);
      order.push_back(ms);
      done = order.size() == 3;
    }));
    probes.back()->arm(Millis(ms));
  }
  run_until(done);
  EXPECT_EQ(order, (std::vector<int>{30, 60, 90}));
}

TEST_F(DeadlineTest, ArmedLaterItMovesAndDisarmedItStaysQuiet) {
  bool done = false;
  const int64_t start = Deadline::now_ms();
  Probe moved(wheel_, [&](int64_t now) {
    EXPECT_GE(now - start, 80);
    done = true;
  });
  Probe quiet(wheel_, [](int64_t) { FAIL(); });
  moved.arm(Millis(20));
  quiet.arm(Millis(20));
  moved.arm(Millis(80));
  quiet.disarm();
  run_until(done);
  EXPECT_TRUE(done);
}

TEST_F(DeadlineTest, ArmedEarlierItFiresEarlier) {
  bool done = false;
  const int64_t start = Deadline::now_ms();
  Probe probe(wheel_, [&](int64_t now) {
    EXPECT_LT(now - start, 5000);
    done = true;
  });
  probe.arm(std::chrono::minutes(10));  // lies in the coarse ring
  probe.arm(Millis(20));
  run_until(done);
  EXPECT_TRUE(done);
}

TEST_F(DeadlineTest, ACallbackMayDestroyItsNeighbours) {
  bool done = false;
  std::unique_ptr<Probe> victim = std::make_unique<Probe>(wheel_, [&](int64_t) { done = true; });
  std::unique_ptr<Probe> other;
  other = std::make_unique<Probe>(wheel_, [&](int64_t) {
    victim.reset();
    done = true;
  });
  victim->arm(Millis(15));
  other->arm(Millis(15));
  run_until(done);
  EXPECT_TRUE(done);
}

TEST_F(DeadlineTest, TheWheelStopsTickingWhenNothingIsArmed) {
  {
    Probe probe(wheel_, [](int64_t) {});
    probe.arm(Millis(10));
    while (core_.run_one() > 0) {
    }
  }
  EXPECT_TRUE(core_.stopped());  // run_one returned 0: no timer is left
}

}  // namespace
}  // namespace sentinel::net
