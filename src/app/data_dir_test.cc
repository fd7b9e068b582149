#include "app/data_dir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include <fmt/format.h>
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

std::string mode_of(const std::filesystem::path& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 ? fmt::format("{:o}", info.st_mode & 0777) : "absent";
}

TEST(DataDir, WhatWasOpenToOthersIsTheOwnersAlone) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(testing::TempDir()) / ("data-dir-modes-" + std::to_string(getpid()));
  const fs::path elsewhere = root.string() + "-elsewhere";
  fs::create_directories(root / "events/segments");
  fs::create_directories(elsewhere);
  const fs::path files[] = {root / "state.db", root / "state.db-wal", root / "events/segments/1.parquet",
                            elsewhere / "x"};
  for (const fs::path& file : files) std::ofstream(file) << "secret";
  for (const fs::path& dir : {root, root / "events", root / "events/segments", elsewhere}) ::chmod(dir.c_str(), 0755);
  for (const fs::path& file : files) ::chmod(file.c_str(), 0644);
  fs::create_directory_symlink(elsewhere, root / "metrics");

  ASSERT_TRUE(lock_data_dir(posix_env(), root.string()));
  for (const char* dir : {"", "events", "events/segments"}) EXPECT_EQ(mode_of(root / dir), "700") << dir;
  for (const char* file : {"state.db", "state.db-wal", "events/segments/1.parquet", "LOCK"})
    EXPECT_EQ(mode_of(root / file), "600") << file;
  EXPECT_EQ(mode_of(elsewhere), "755");  // behind a link
  EXPECT_EQ(mode_of(elsewhere / "x"), "644");

  // A folder that also holds what is not ours keeps its mode; what we make in it does not.
  std::ofstream(root / "notes.txt") << "mine";
  ::chmod((root / "notes.txt").c_str(), 0644);
  ::chmod(root.c_str(), 0755);
  ::chmod((root / "state.db").c_str(), 0644);
  tighten_data_dir(root.string());
  EXPECT_EQ(mode_of(root), "755");
  EXPECT_EQ(mode_of(root / "notes.txt"), "644");
  EXPECT_EQ(mode_of(root / "state.db"), "600");
  fs::remove_all(root);
  fs::remove_all(elsewhere);
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
