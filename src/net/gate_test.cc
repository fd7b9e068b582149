#include "net/gate.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <future>

namespace sentinel::net {
namespace {

// Visits of one gate on one context, in the order they were let in.
class GateTest : public testing::Test {
 protected:
  asio::io_context core_{1};
  Gate gate_{2};
  std::vector<std::string> told_;

  Task<void> visit(std::string name, Micros patience) {
    const Status admitted = co_await gate_.enter(patience);
    told_.push_back(name + (admitted ? " in" : " " + admitted.error().message()));
  }
  void start(std::string name, Micros patience) {
    asio::co_spawn(core_, visit(std::move(name), patience), [](const std::exception_ptr& e) { EXPECT_FALSE(e); });
    core_.restart();
    core_.poll();
  }
  void leave() {
    gate_.leave();
    core_.restart();
    core_.poll();
  }
};

TEST_F(GateTest, LetsInAsManyAsItsLimitAndTheOthersInOrder) {
  for (const char* name : {"a", "b", "c", "d"}) start(name, std::chrono::hours(1));
  EXPECT_EQ(told_, (std::vector<std::string>{"a in", "b in"}));
  EXPECT_EQ(gate_.waiting(), 2u);
  leave();
  EXPECT_EQ(told_.back(), "c in");
  leave();
  EXPECT_EQ(told_.back(), "d in");
  EXPECT_EQ(gate_.waiting(), 0u);
  leave();
  leave();
  start("e", Micros(0));
  EXPECT_EQ(told_.back(), "e in");
}

TEST_F(GateTest, WhoeverLosesPatienceTakesNoPlace) {
  start("a", Micros(0));
  start("b", Micros(0));
  start("c", std::chrono::milliseconds(1));
  start("d", std::chrono::hours(1));
  core_.restart();
  while (told_.size() < 3) core_.run_one();
  EXPECT_EQ(told_.back(), "c no room for it in time");
  leave();
  EXPECT_EQ(told_.back(), "d in");
}

TEST_F(GateTest, ManyTasksOnManyThreadsNeverExceedTheLimit) {
  Runtime runtime({.cores = 2, .blocking_threads = 1});
  std::atomic<int> inside{0}, most{0}, done{0};
  std::promise<void> all;
  struct Shared {
    Gate& gate;
    std::atomic<int>&inside, &most, &done;
    std::promise<void>& all;
  } shared{gate_, inside, most, done, all};
  constexpr int kTasks = 200;
  struct Visit {
    static Task<void> run(Shared* s) {
      (void)co_await s->gate.enter(std::chrono::hours(1));
      const int now = ++s->inside;
      int seen = s->most.load();
      while (now > seen && !s->most.compare_exchange_weak(seen, now)) {
      }
      co_await sleep_for(Micros(50));
      --s->inside;
      s->gate.leave();
      if (++s->done == kTasks) s->all.set_value();
    }
  };
  for (int i = 0; i < kTasks; ++i) runtime.spawn(runtime.any_core(), "visit", Visit::run(&shared));
  all.get_future().wait();
  runtime.stop();
  EXPECT_EQ(most, 2);
}

}  // namespace
}  // namespace sentinel::net
