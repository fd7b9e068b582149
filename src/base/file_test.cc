#include "base/file.h"

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sentinel {
namespace {

using testing::ElementsAre;

// Both implementations must behave alike as long as the power stays on.
class EnvTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      std::string pattern = testing::TempDir() + "sentinel_env_XXXXXX";
      ASSERT_NE(mkdtemp(pattern.data()), nullptr);
      dir_ = pattern;
      env_ = &posix_env();
    } else {
      dir_ = "/data";
      env_ = &fault_;
      ASSERT_TRUE(env_->make_dirs(dir_));
    }
  }
  void TearDown() override { EXPECT_TRUE(env_->remove_tree(dir_)); }

  std::string path(const std::string& name) const { return dir_ + "/" + name; }
  Env& env() { return *env_; }

 private:
  FaultEnv fault_;
  Env* env_ = nullptr;
  std::string dir_;
};

INSTANTIATE_TEST_SUITE_P(Both, EnvTest, testing::Values(true, false),
                         [](const auto& info) { return std::string(info.param ? "Posix" : "Fault"); });

TEST_P(EnvTest, ScratchKeepsWhatItHoldsWhileItRestsAndHasNoName) {
  constexpr size_t kBytes = 300'000;
  auto scratch = env().map_scratch(path(""), kBytes);
  ASSERT_TRUE(scratch) << scratch.error().to_string();
  ASSERT_EQ((*scratch)->size_bytes(), kBytes);
  char* data = (*scratch)->data();
  for (size_t i = 0; i < kBytes; ++i) data[i] = static_cast<char>(i * 7 % 251);
  (*scratch)->rest();
  size_t wrong = 0;
  for (size_t i = 0; i < kBytes; ++i) wrong += data[i] != static_cast<char>(i * 7 % 251);
  EXPECT_EQ(wrong, 0u);
  EXPECT_THAT(*env().list(path("")), testing::IsEmpty());
}

TEST_P(EnvTest, AppendsAndReadsBack) {
  {
    auto file = env().open_append(path("log"));
    ASSERT_TRUE(file);
    EXPECT_TRUE((*file)->append("hello "));
    EXPECT_TRUE((*file)->append("world"));
    EXPECT_TRUE((*file)->sync());
    EXPECT_EQ((*file)->size_bytes(), 11u);
  }
  auto again = env().open_append(path("log"));
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->size_bytes(), 11u);
  EXPECT_TRUE((*again)->append("!"));
  EXPECT_EQ(*env().read_file(path("log")), "hello world!");
  auto reader = env().open_read(path("log"));
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->size_bytes(), 12u);
  EXPECT_EQ(*(*reader)->read(6, 5), "world");
  EXPECT_EQ(*(*reader)->read(6, 500), "world!");
  EXPECT_EQ(*(*reader)->read(500, 5), "");
}

TEST_P(EnvTest, WriteFileAtomicReplacesTheWhole) {
  EXPECT_TRUE(env().write_file_atomic(path("conf"), "a long first version"));
  EXPECT_TRUE(env().write_file_atomic(path("conf"), "second"));
  EXPECT_EQ(*env().read_file(path("conf")), "second");
  EXPECT_THAT(*env().list(path("")), ElementsAre("conf"));
}

TEST_P(EnvTest, NamesCanBeChangedListedAndRemoved) {
  ASSERT_TRUE(env().make_dirs(path("a/b")));
  EXPECT_TRUE(env().make_dirs(path("a/b"))) << "twice is fine";
  ASSERT_TRUE(env().write_file_atomic(path("a/b/one"), "1"));
  ASSERT_TRUE(env().write_file_atomic(path("a/two"), "2"));
  EXPECT_THAT(*env().list(path("a")), ElementsAre("b", "two"));
  EXPECT_TRUE(env().rename(path("a/two"), path("a/three")));
  EXPECT_TRUE(env().sync_dir(path("a")));
  EXPECT_FALSE(env().exists(path("a/two")));
  EXPECT_TRUE(env().exists(path("a/three")));
  EXPECT_TRUE(env().rename(path("a/b"), path("a/c")));
  EXPECT_EQ(*env().read_file(path("a/c/one")), "1");
  EXPECT_FALSE(env().exists(path("a/b")));
  EXPECT_TRUE(env().remove(path("a/three")));
  EXPECT_TRUE(env().remove(path("a/three"))) << "no error when it is not there";
  EXPECT_TRUE(env().remove_tree(path("a")));
  EXPECT_FALSE(env().exists(path("a/c/one")));
  EXPECT_FALSE(env().exists(path("a")));
}

TEST_P(EnvTest, TruncateCutsAndAppendGoesOnBehindTheCut) {
  ASSERT_TRUE(env().write_file_atomic(path("log"), "0123456789"));
  EXPECT_TRUE(env().truncate(path("log"), 4));
  auto file = env().open_append(path("log"));
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->append("x"));
  EXPECT_EQ(*env().read_file(path("log")), "0123x");
}

TEST_P(EnvTest, WhatIsMissingIsNotFoundAndTheMessageNamesIt) {
  const std::string missing = path("missing");
  for (const Error& error : {env().read_file(missing).error(), env().open_read(missing).error(),
                             env().rename(missing, path("x")).error(), env().truncate(missing, 0).error(),
                             env().list(missing).error(), env().open_append(missing + "/file").error()}) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.message(), testing::HasSubstr("missing"));
  }
}

TEST_P(EnvTest, ALockIsHeldOnceUntilItIsDestroyed) {
  auto held = env().lock(path("LOCK"));
  ASSERT_TRUE(held);
  const auto second = env().lock(path("LOCK"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kConflict);
  held->reset();
  EXPECT_TRUE(env().lock(path("LOCK")));
}

// What is on the disk after a crash at the n-th operation of `program`, for every n until it runs through.
using Program = std::function<Status(Env&)>;
void at_every_crash(const Program& program, const std::function<void(FaultEnv&, uint64_t n, bool ran_through)>& check) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    bool ran_through = false;
    for (uint64_t n = 1; !ran_through; ++n) {
      ASSERT_LT(n, 100u) << "the program never gets through";
      FaultEnv env(seed);
      ASSERT_TRUE(env.make_dirs("/d"));
      ASSERT_TRUE(env.write_file_atomic("/d/conf", "old"));
      env.crash_after(n);
      ran_through = program(env).has_value();
      EXPECT_NE(ran_through, env.crashed());
      env.reopen_after_crash();
      check(env, n, ran_through);
    }
  }
}

TEST(FaultEnv, WriteFileAtomicLeavesTheOldOrTheNewWhereverThePowerGoes) {
  std::set<std::string> seen;
  at_every_crash([](Env& env) { return env.write_file_atomic("/d/conf", "new"); },
                 [&](FaultEnv& env, uint64_t, bool ran_through) {
                   const std::string content = *env.read_file("/d/conf");
                   EXPECT_TRUE(content == "new" || (content == "old" && !ran_through)) << content;
                   seen.insert(content);
                 });
  EXPECT_THAT(seen, ElementsAre("new", "old"));
}

TEST(FaultEnv, OnlyAFirstPartOfUnsyncedBytesMayStay) {
  std::set<size_t> sizes;
  at_every_crash(
      [](Env& env) -> Status {
        SENTINEL_ASSIGN(const auto file, env.open_append("/d/log"));
        SENTINEL_TRY(file->append("synced"));
        SENTINEL_TRY(file->sync());
        SENTINEL_TRY(file->append("-loose"));
        SENTINEL_TRY(file->append("-more"));
        return {};
      },
      [&](FaultEnv& env, uint64_t n, bool) {
        const std::string all = "synced-loose-more";
        const auto content = env.read_file("/d/log");
        if (n >= 4) {
          ASSERT_TRUE(content);
          EXPECT_GE(content->size(), 6u);
        }
        if (!content) return;
        EXPECT_EQ(*content, all.substr(0, content->size()));
        sizes.insert(content->size());
      });
  EXPECT_GT(sizes.size(), 8u) << "the cut falls in many places";
}

TEST(FaultEnv, ARenameWithoutSyncDirMayBeUndone) {
  std::set<bool> renamed;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    FaultEnv env(seed);
    ASSERT_TRUE(env.make_dirs("/d"));
    ASSERT_TRUE(env.write_file_atomic("/d/a", "x"));
    ASSERT_TRUE(env.rename("/d/a", "/d/b"));
    env.reopen_after_crash();
    EXPECT_NE(env.exists("/d/a"), env.exists("/d/b")) << "one name or the other, never both or none";
    renamed.insert(env.exists("/d/b"));
    ASSERT_TRUE(env.write_file_atomic("/d/c", "x"));
    ASSERT_TRUE(env.rename("/d/c", "/d/e"));
    ASSERT_TRUE(env.sync_dir("/d"));
    env.reopen_after_crash();
    EXPECT_TRUE(env.exists("/d/e"));
  }
  EXPECT_THAT(renamed, ElementsAre(false, true));
}

TEST(FaultEnv, ARemovalWithoutSyncDirMayBeUndoneAndTruncationIsDurable) {
  std::set<bool> gone;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    FaultEnv env(seed);
    ASSERT_TRUE(env.make_dirs("/d"));
    ASSERT_TRUE(env.write_file_atomic("/d/a", "0123456789"));
    ASSERT_TRUE(env.truncate("/d/a", 3));
    ASSERT_TRUE(env.remove("/d/a"));
    env.reopen_after_crash();
    gone.insert(!env.exists("/d/a"));
    if (env.exists("/d/a")) EXPECT_EQ(*env.read_file("/d/a"), "012");
  }
  EXPECT_THAT(gone, ElementsAre(false, true));
}

TEST(FaultEnv, AfterACrashEverythingFailsUntilReopened) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("/d"));
  auto old = env.open_append("/d/log");
  ASSERT_TRUE(old);
  auto lock = env.lock("/d/LOCK");
  ASSERT_TRUE(lock);
  env.crash_after(1);
  EXPECT_FALSE((*old)->append("x"));
  EXPECT_TRUE(env.crashed());
  EXPECT_FALSE((*old)->sync());
  EXPECT_FALSE(env.read_file("/d/log"));
  EXPECT_FALSE(env.open_append("/d/other"));
  EXPECT_FALSE(env.list("/d"));
  env.reopen_after_crash();
  EXPECT_FALSE(env.crashed());
  EXPECT_FALSE((*old)->append("x")) << "a file of before the crash stays dead";
  EXPECT_TRUE(env.lock("/d/LOCK")) << "a dead process holds no lock";
  EXPECT_TRUE(env.open_append("/d/log"));
}

TEST(FaultEnv, AFullDiskRefusesAppendsAndGoesOnReading) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("/d"));
  ASSERT_TRUE(env.write_file_atomic("/d/conf", "old"));
  env.disk_full(true);
  const Status refused = env.write_file_atomic("/d/conf", "new");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("No space left"));
  EXPECT_EQ(*env.read_file("/d/conf"), "old");
  EXPECT_THAT(*env.list("/d"), ElementsAre("conf")) << "no temporary file is left behind";
  env.disk_full(false);
  EXPECT_TRUE(env.write_file_atomic("/d/conf", "new"));
  EXPECT_GT(env.write_operations(), 0u);
}

TEST(PosixEnv, NoSpaceLeavesNoTornAppend) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  auto file = posix_env().open_append("/dev/full");
  ASSERT_TRUE(file);
  const Status refused = (*file)->append("x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("No space left"));
  EXPECT_EQ((*file)->size_bytes(), 0u);
}

TEST(PosixEnv, ReadsFilesThatDoNotKnowTheirSize) {
  const auto content = posix_env().read_file("/proc/self/status");
  ASSERT_TRUE(content);
  EXPECT_THAT(*content, testing::HasSubstr("Pid:"));
}

}  // namespace
}  // namespace sentinel
