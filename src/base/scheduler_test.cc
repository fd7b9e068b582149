#include "base/scheduler.h"

#include <latch>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/queue.h"

namespace sentinel {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;

TEST(SimScheduler, RunsTimersInOrderOfTimeThenOfSetting) {
  SimScheduler scheduler;
  std::vector<int> ran;
  scheduler.after(seconds(2), [&] { ran.push_back(4); });
  scheduler.after(seconds(1), [&] { ran.push_back(2); });
  scheduler.after(seconds(1), [&] { ran.push_back(3); });
  scheduler.post([&] { ran.push_back(1); });
  scheduler.after(seconds(3), [&] { ran.push_back(5); });
  EXPECT_TRUE(ran.empty()) << "nothing runs by itself";
  scheduler.run_for(seconds(2));
  EXPECT_THAT(ran, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(scheduler.pending(), 1u);
}

TEST(SimScheduler, TheClockStandsAtEachTimerAndThenAtTheEnd) {
  SimScheduler scheduler(time_from_us(0));
  std::vector<int64_t> at;
  scheduler.after(seconds(5), [&] {
    at.push_back(to_ms(scheduler.now()));
    scheduler.after(seconds(5), [&] { at.push_back(to_ms(scheduler.now())); });
  });
  scheduler.run_for(seconds(60));
  EXPECT_THAT(at, ElementsAre(5000, 10000));
  EXPECT_EQ(to_ms(scheduler.now()), 60000);
}

TEST(SimScheduler, ARepeatingTimerRunsDaysInOneCall) {
  SimScheduler scheduler;
  int ticks = 0;
  std::function<void()> tick = [&] {
    ++ticks;
    scheduler.after(seconds(15), tick);
  };
  scheduler.post(tick);
  scheduler.run_for(hours(24 * 7));
  EXPECT_EQ(ticks, 7 * 24 * 240 + 1);
}

TEST(SimScheduler, CancelledTimersDoNotRun) {
  SimScheduler scheduler;
  int ran = 0;
  const TimerId first = scheduler.after(seconds(1), [&] { ++ran; });
  TimerId second = TimerId::kNone;
  second = scheduler.after(seconds(2), [&] { ran += 10; });
  scheduler.after(seconds(1), [&] { scheduler.cancel(second); });
  scheduler.run_for(seconds(1));
  EXPECT_EQ(ran, 1);
  scheduler.cancel(first);  // has run: no effect
  scheduler.cancel(TimerId::kNone);
  scheduler.run_for(seconds(10));
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(scheduler.pending(), 0u);
}

TEST(SimScheduler, AMomentInThePastIsNow) {
  SimScheduler scheduler;
  const TimePoint start = scheduler.now();
  bool ran = false;
  scheduler.at(start - hours(1), [&] { ran = scheduler.now() == start; });
  scheduler.run_ready();
  EXPECT_TRUE(ran);
  EXPECT_EQ(scheduler.now(), start);
}

TEST(SimScheduler, CallReturnsTheResult) {
  SimScheduler scheduler;
  EXPECT_EQ(scheduler.call([] { return 7; }), 7);
}

TEST(EventLoop, RunsPostsInOrderOnItsOwnThread) {
  const SystemClock clock;
  EventLoop loop(clock, "test");
  std::vector<int> ran;
  bool on_thread = false;
  for (int i = 0; i < 100; ++i) loop.post([&ran, i] { ran.push_back(i); });
  loop.call([&] { on_thread = loop.on_this_thread(); });
  EXPECT_TRUE(on_thread);
  EXPECT_FALSE(loop.on_this_thread());
  ASSERT_EQ(ran.size(), 100u);
  EXPECT_TRUE(std::is_sorted(ran.begin(), ran.end()));
  EXPECT_EQ(loop.call([&] { return loop.call([] { return 5; }); }), 5)
      << "a call from the thread itself does not deadlock";
}

TEST(EventLoop, CallRethrowsAndATaskThatThrowsDoesNotEndTheLoop) {
  const SystemClock clock;
  EventLoop loop(clock, "test");
  loop.post([] { throw std::runtime_error("a task's own trouble"); });
  EXPECT_THROW(loop.call([]() -> int { throw std::runtime_error("seen by the caller"); }), std::runtime_error);
  EXPECT_EQ(loop.call([] { return 1; }), 1);
}

TEST(EventLoop, TimersFollowTheClockTheyWereGiven) {
  FakeClock clock;
  EventLoop loop(clock, "test");
  std::vector<int> ran;
  std::latch done(1);
  const TimerId cancelled = loop.after(hours(1), [&] { ran.push_back(0); });
  loop.after(hours(3), [&] {
    ran.push_back(3);
    done.count_down();
  });
  loop.after(hours(2), [&] { ran.push_back(2); });
  loop.call([] {});
  EXPECT_TRUE(loop.call([&] { return ran.empty(); }));
  loop.cancel(cancelled);
  clock.advance(hours(4));
  loop.post([] {});  // a moved clock is noticed with the next event
  done.wait();
  EXPECT_THAT(loop.call([&] { return ran; }), ElementsAre(2, 3));
}

TEST(EventLoop, AClockSetBackHoldsNoTimerUp) {
  FakeClock clock;
  EventLoop loop(clock, "test");
  const TimePoint start = clock.now();
  std::latch before(1), after(1), last(1);
  loop.after(seconds(60), [&] { before.count_down(); });
  clock.set(start - hours(24));
  loop.after(seconds(30), [&] { after.count_down(); });  // sees that it was set back
  TimePoint late;
  loop.at(start - hours(24) + seconds(300), [&] {
    late = clock.now();
    last.count_down();
  });
  clock.advance(seconds(61));
  loop.post([] {});
  before.wait();
  after.wait();
  EXPECT_FALSE(last.try_wait()) << "what was set by the new time waits for it";
  clock.advance(seconds(240));
  loop.post([] {});
  last.wait();
  EXPECT_GE(late, start - hours(24) + seconds(300));
}

TEST(EventLoop, StopRunsWhatWasPostedAndDropsTimers) {
  const SystemClock clock;
  int posted = 0;
  bool timer_ran = false;
  {
    EventLoop loop(clock, "test");
    std::latch hold(1);
    loop.post([&hold] { hold.wait(); });
    for (int i = 0; i < 10; ++i) loop.post([&posted] { ++posted; });
    loop.after(hours(1), [&] { timer_ran = true; });
    EXPECT_GE(loop.backlog(), 10u);
    hold.count_down();
    loop.stop();
    loop.stop();  // twice is once
  }
  EXPECT_EQ(posted, 10);
  EXPECT_FALSE(timer_ran);
}

TEST(EventLoop, ManyThreadsMayPost) {
  const SystemClock clock;
  EventLoop loop(clock, "test");
  int count = 0;  // only touched on the loop
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        if (i % 2 == 0) {
          loop.post([&count] { ++count; });
        } else {
          loop.at(TimePoint(), [&count] { ++count; });
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Asked by a timer of the same instant: it runs after those set before it, and after what was posted.
  std::promise<int> all;
  loop.at(TimePoint(), [&] { all.set_value(count); });
  EXPECT_EQ(all.get_future().get(), 4000);
}

TEST(BoundedQueue, RefusesWhenFullAndDrainsAfterClose) {
  BoundedQueue<std::unique_ptr<int>> queue(2);
  EXPECT_TRUE(queue.try_push(std::make_unique<int>(1)));
  EXPECT_TRUE(queue.try_push(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(queue.try_push(std::move(third)));
  ASSERT_NE(third, nullptr) << "what was refused is untouched";
  EXPECT_EQ(queue.size(), 2u);
  queue.close();
  EXPECT_TRUE(queue.closed());
  EXPECT_EQ(queue.pop_batch(1, Millis(0)).size(), 1u);
  EXPECT_EQ(queue.pop_batch(10, Millis(0)).size(), 1u);
  EXPECT_TRUE(queue.pop_batch(10, Millis(0)).empty());
  EXPECT_FALSE(queue.try_push(std::move(third)));
}

TEST(BoundedQueue, NothingIsLostBetweenThreads) {
  BoundedQueue<int> queue(64);
  constexpr int kItems = 4000;
  std::thread producer([&] {
    for (int i = 0; i < kItems;) {
      if (queue.try_push(int{i})) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
    queue.close();
  });
  int64_t sum = 0;
  int count = 0;
  while (true) {
    const auto batch = queue.pop_batch(16, std::chrono::seconds(60));
    if (batch.empty()) break;
    for (const int v : batch) sum += v, ++count;
  }
  producer.join();
  EXPECT_EQ(count, kItems);
  EXPECT_EQ(sum, int64_t{kItems} * (kItems - 1) / 2);
}

}  // namespace
}  // namespace sentinel
