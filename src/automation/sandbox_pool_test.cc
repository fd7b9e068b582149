#include "automation/sandbox_pool.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <future>

namespace sentinel::automation {
namespace {

Command shell(const std::string& script) {
  Command command;
  command.argv = {"/bin/sh", "-c", script};
  command.limits.grace = std::chrono::milliseconds(200);
  return command;
}

// As in some containers.
bool no_namespaces() {
  return std::system("bwrap --unshare-all --ro-bind / / --proc /proc true >/dev/null 2>&1") != 0;  // NOLINT
}

TEST(SandboxPool, AnswersOnTheScheduler) {
  if (no_namespaces()) GTEST_SKIP() << "no namespaces may be made here";
  SystemClock clock;
  EventLoop loop(clock, "control");
  SandboxPool pool(loop, 1);
  std::promise<std::string> answered[2];
  for (int i = 0; i < 2; ++i) {
    pool.run(shell("echo " + std::to_string(i)), std::make_shared<std::atomic<bool>>(false),
             [&, i](Result<Outcome> outcome) {
               EXPECT_TRUE(loop.on_this_thread());
               answered[i].set_value(outcome ? outcome->output : outcome.error().to_string());
             });
  }
  EXPECT_EQ(answered[0].get_future().get(), "0\n");
  EXPECT_EQ(answered[1].get_future().get(), "1\n");
}

TEST(SandboxPool, AStopEndsWhatRunsAndWhatWaits) {
  if (no_namespaces()) GTEST_SKIP() << "no namespaces may be made here";
  SystemClock clock;
  EventLoop loop(clock, "control");
  SandboxPool pool(loop, 1);
  std::vector<Outcome::Kind> ends;
  for (int i = 0; i < 2; ++i) {
    pool.run(shell("sleep 60"), std::make_shared<std::atomic<bool>>(false), [&](Result<Outcome> outcome) {
      ASSERT_TRUE(outcome) << outcome.error().to_string();
      ends.push_back(outcome->kind);
    });
  }
  pool.stop();
  loop.stop();  // runs what was posted
  EXPECT_EQ(ends, (std::vector<Outcome::Kind>(2, Outcome::Kind::kCancelled)));
}

}  // namespace
}  // namespace sentinel::automation
