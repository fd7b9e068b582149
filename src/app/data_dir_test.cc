#include "app/data_dir.h"

#include <functional>

#include <gtest/gtest.h>

namespace sentinel::app {
namespace {

TEST(DataDir, IsMadeAndLockedAndLeavesNothingElseBehind) {
  FaultEnv env;
  auto lock = lock_data_dir(env, "/data/sentinel");
  ASSERT_TRUE(lock) << lock.error().to_string();
  const auto names = env.list("/data/sentinel");
  ASSERT_TRUE(names);
  for (const std::string& name : *names) EXPECT_EQ(name, "LOCK");

  const auto second = lock_data_dir(env, "/data/sentinel");
  ASSERT_FALSE(second);
  EXPECT_EQ(exit_code(second.error().code()), 1);
  EXPECT_NE(second.error().message().find("data directory /data/sentinel is in use"), std::string::npos)
      << second.error().message();
  EXPECT_NE(second.error().message().find("stop the sentinel that runs on it"), std::string::npos);
  lock->reset();
  EXPECT_TRUE(lock_data_dir(env, "/data/sentinel"));
}

TEST(DataDir, OneThatCannotBeUsedIsNamedWithTheErrorAndAdvice) {
  struct Case {
    const char* what;
    std::function<void(FaultEnv&)> spoil;
  };
  const Case cases[] = {
      {"a full disk", [](FaultEnv& env) { env.disk_full(true); }},
      {"every write fails", [](FaultEnv& env) { env.crash_after(1); }},
      {"the second write fails", [](FaultEnv& env) { env.crash_after(2); }},
  };
  for (const Case& c : cases) {
    FaultEnv env;
    c.spoil(env);
    const auto lock = lock_data_dir(env, "/data");
    ASSERT_FALSE(lock) << c.what;
    const std::string& message = lock.error().message();
    EXPECT_EQ(exit_code(lock.error().code()), 1) << c.what;
    EXPECT_TRUE(message.starts_with("data directory /data cannot be ")) << c.what << ": " << message;
    EXPECT_TRUE(message.ends_with("or name another folder with --data-dir")) << c.what << ": " << message;
  }
}

}  // namespace
}  // namespace sentinel::app
