// A process that appends and is killed at any moment: what it had acknowledged is there, every batch whole.

#include <csignal>
#include <filesystem>
#include <map>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/random.h"
#include "events/event_store.h"

namespace sentinel::events {
namespace {

constexpr int kKills = 10;
constexpr int kBatchRows = 37;

Result<std::unique_ptr<EventStore>> open(const std::string& dir, MetricRegistry& metrics) {
  static const FakeClock clock;  // or retention would take the old rows
  EmbeddedOptions options;
  options.dir = dir;
  options.hot_rows = 300;  // so that kills fall into sealing
  options.memory_limit_mb = 128;
  return open_embedded(clock, metrics, options);
}

// The child: appends batches numbered from `first` and writes each number to `out` when its append has returned.
[[noreturn]] void append_for_ever(const std::string& dir, int first, int out) {
  MetricRegistry metrics;
  auto store = open(dir, metrics);
  if (!store) _exit(3);
  for (int number = first;; ++number) {
    std::vector<model::Interaction> batch(kBatchRows);
    for (int i = 0; i < kBatchRows; ++i) {
      batch[static_cast<size_t>(i)].request_id = std::to_string(number) + "." + std::to_string(i);
      batch[static_cast<size_t>(i)].session_id = std::to_string(number);
      batch[static_cast<size_t>(i)].timestamp_us = 1'767'225'600'000'000 + number;
      batch[static_cast<size_t>(i)].prompt = std::string(400, 'x');
    }
    if (!(*store)->append(batch)) _exit(4);
    if (number % 20 == 19 && !(*store)->maintain()) _exit(5);
    if (write(out, &number, sizeof number) != sizeof number) _exit(6);
  }
}

TEST(EventStoreCrash, AfterKillMinusNineEveryAcknowledgedBatchIsThereAndWhole) {
  const std::string dir =
      (std::filesystem::temp_directory_path() / ("sentinel_crash_" + std::to_string(getpid()))).string();
  std::filesystem::remove_all(dir);
  Random random(42);
  int acknowledged = -1;  // the highest
  int next = 0;
  for (int round = 0; round < kKills; ++round) {
    SCOPED_TRACE("kill " + std::to_string(round));
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(pipe_ends[0]);
      append_for_ever(dir, next, pipe_ends[1]);
    }
    close(pipe_ends[1]);
    // Killed after a seeded number of acknowledgements: anywhere in append, seal or maintenance.
    const auto wanted = 1 + random.below(60);
    for (uint64_t i = 0; i < wanted; ++i) {
      int number = 0;
      ASSERT_EQ(read(pipe_ends[0], &number, sizeof number), static_cast<ssize_t>(sizeof number))
          << "the child died by itself";
      acknowledged = number;
    }
    pollfd next_ack{pipe_ends[0], POLLIN, 0};
    poll(&next_ack, 1, static_cast<int>(random.below(20)));  // or a little later
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    for (int number = 0; read(pipe_ends[0], &number, sizeof number) == sizeof number;) acknowledged = number;
    close(pipe_ends[0]);

    MetricRegistry metrics;
    auto store = open(dir, metrics);
    ASSERT_TRUE(store) << store.error().to_string();
    auto result = (*store)->query(
        "SELECT session_id::BIGINT AS n, count(*), count(DISTINCT request_id) FROM llm_events GROUP BY 1 ORDER BY 1",
        {.rows_max = 1'000'000, .timeout = std::chrono::seconds(60)});
    ASSERT_TRUE(result) << result.error().to_string();
    int expected = 0;
    for (const CellRow& row : result->rows) {
      ASSERT_EQ(std::get<int64_t>(row[0]), expected++) << "a batch is missing or was invented";
      ASSERT_EQ(std::get<int64_t>(row[1]), kBatchRows);
      ASSERT_EQ(std::get<int64_t>(row[2]), kBatchRows);
    }
    ASSERT_GT(expected, acknowledged);
    ASSERT_LE(expected, acknowledged + 2) << "at most the batch in flight besides";
    next = expected;
  }
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace sentinel::events
