#include "base/work_crew.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sentinel {
namespace {

TEST(WorkCrew, EachPieceIsDoneOnceWithAnyNumberOfHelpers) {
  for (const size_t helpers : {0, 1, 3}) {
    WorkCrew crew("crew", helpers);
    for (const size_t pieces : {0, 1, 2, 1000}) {
      std::vector<std::atomic<int>> done(pieces);
      crew.run(pieces, [&](size_t i) { done[i].fetch_add(1); });
      for (const auto& times : done) EXPECT_EQ(times.load(), 1);
    }
  }
}

TEST(WorkCrew, HelpersTakePartAndTheCallerNeverWaitsForOne) {
  WorkCrew crew("crew", 1);
  // Two pieces that wait for each other need two threads.
  std::atomic<int> inside{0};
  crew.run(2, [&](size_t) {
    inside.fetch_add(1);
    while (inside.load() < 2) std::this_thread::yield();
  });
  // While the only helper is held by one job, another is done by its caller alone.
  std::atomic<bool> release{false};
  std::atomic<int> started{0};
  std::thread holder([&] {
    crew.run(2, [&](size_t) {
      started.fetch_add(1);
      while (!release.load()) std::this_thread::yield();
    });
  });
  while (started.load() < 2) std::this_thread::yield();
  std::atomic<int> done{0};
  crew.run(50, [&](size_t) { done.fetch_add(1); });
  EXPECT_EQ(done.load(), 50);
  release.store(true);
  holder.join();
}

TEST(WorkCrew, ManyCallersAtOnce) {
  WorkCrew crew("crew", 2);
  std::atomic<int> total{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) crew.run(7, [&](size_t) { total.fetch_add(1); });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total.load(), 4 * 200 * 7);
}

}  // namespace
}  // namespace sentinel
