// Programs that try to get out, in the real sandbox.

#include "automation/sandbox.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/strings.h"

namespace sentinel::automation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Command shell(const std::string& script) {
  Command command;
  command.argv = {"/bin/sh", "-c", script};
  command.limits.timeout = seconds(20);
  command.limits.grace = milliseconds(500);
  return command;
}

Outcome run(const Command& command) {
  const std::atomic<bool> never{false};
  const auto outcome = run_in_sandbox(command, never);
  EXPECT_TRUE(outcome) << (outcome ? "" : outcome.error().to_string());
  return outcome.value_or(Outcome{});
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// Asked of bubblewrap itself, so that a mistake of ours is not taken for this.
bool namespaces_allowed() {
  static const bool allowed =
      std::system("bwrap --unshare-all --ro-bind / / --proc /proc true >/dev/null 2>&1") == 0;  // NOLINT
  return allowed;
}

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespaces_allowed()) GTEST_SKIP() << "no namespaces may be made here, as in some containers";
    std::filesystem::create_directories(folder_);
    ::chmod(folder_.c_str(), 0777);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + name) << text;
    return folder_ + name;
  }
  static size_t processes_with(const std::string& marker) {
    size_t found = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline");
      const std::string line((std::istreambuf_iterator<char>(file)), {});
      found += contains(line, marker) && !contains(line, "sandbox_test");
    }
    return found;
  }
  const std::string folder_ = "/var/tmp/sentinel-sandbox-test-" + std::to_string(::getpid()) + "/";
};

TEST_F(SandboxTest, RunsAProgramAndTellsHowItEnded) {
  const Outcome good = run(shell("echo out; echo err >&2; exit 0"));
  EXPECT_EQ(good.kind, Outcome::Kind::kExited);
  EXPECT_EQ(good.exit_code, 0);
  EXPECT_EQ(good.output, "out\nerr\n");
  EXPECT_EQ(good.output_bytes, 8u);
  EXPECT_EQ(run(shell("exit 3")).exit_code, 3);
  EXPECT_EQ(run(shell("kill -SEGV $$")).exit_code, 128 + SIGSEGV);
}

TEST_F(SandboxTest, WhatIsNotThereIsSaid) {
  const std::atomic<bool> never{false};
  Command command;
  command.argv = {"/usr/bin/no-such-program"};
  const auto missing = run_in_sandbox(command, never);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  Command bad = shell("true");
  bad.limits.read = {"/no/such/folder"};
  const auto unmade = run_in_sandbox(bad, never);
  ASSERT_FALSE(unmade);
  EXPECT_EQ(unmade.error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(contains(unmade.error().message(), "/no/such/folder")) << unmade.error().message();
}

TEST_F(SandboxTest, SeesNothingOfTheHostButWhatItWasGiven) {
  const std::string secret = write("secret", "host-secret");
  const Outcome out = run(shell("cat " + secret + " /etc/shadow /root/* /home/*/* /proc/1/environ 2>&1; ls /; env"));
  EXPECT_FALSE(contains(out.output, "host-secret")) << out.output;
  EXPECT_FALSE(contains(out.output, "root:")) << out.output;
  EXPECT_FALSE(contains(out.output, "\nroot\n")) << out.output;
  ::setenv("SENTINEL_TEST_TOKEN", "of-the-server", 1);
  EXPECT_FALSE(contains(run(shell("env; cat /proc/*/environ")).output, "of-the-server"));
  Command granted = shell("cat " + secret);
  granted.limits.read = {folder_};
  EXPECT_EQ(run(granted).output, "host-secret");
}

TEST_F(SandboxTest, WritesNothingButWhereItMay) {
  const std::string target = folder_ + "written";
  const std::string name = "sentinel-sandbox-" + std::to_string(::getpid());
  std::string script = "echo x > " + target + "; echo x > /tmp/" + name + " && echo tmp";
  for (const char* folder : {"/usr/", "/etc/", "/", "/usr/lib/", "/var/tmp/"})
    script += "; echo x > " + (folder + name);
  const Outcome out = run(shell(script));
  EXPECT_FALSE(std::filesystem::exists(target));
  for (const char* folder : {"/usr/", "/etc/", "/", "/usr/lib/", "/var/tmp/", "/tmp/"})
    EXPECT_FALSE(std::filesystem::exists(folder + name)) << folder;
  EXPECT_TRUE(contains(out.output, "tmp\n")) << out.output;
  Command reading = shell("echo x > " + target);
  reading.limits.read = {folder_};
  EXPECT_NE(run(reading).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(target));
  Command granted = shell("echo x > " + target);
  granted.limits.write = {folder_};
  EXPECT_EQ(run(granted).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(target));
}

TEST_F(SandboxTest, HasNoNetworkUnlessGranted) {
  const std::string ask =
      "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\nprint('addresses', "
      "sum(1 for line in open('/proc/net/dev')) - 2)";
  Command command;
  command.argv = {"/usr/bin/python3", "-c", ask};
  EXPECT_TRUE(contains(run(command).output, "addresses 1\n")) << "the loopback of its own alone";
  size_t devices = 0;
  std::ifstream file("/proc/net/dev");
  for (std::string line; std::getline(file, line);) ++devices;
  command.limits.network = true;
  EXPECT_TRUE(contains(run(command).output, "addresses " + std::to_string(devices - 2) + "\n"));
}

TEST_F(SandboxTest, AForkBombIsBounded) {
  Command bomb = shell("f() { f | f & }; f; sleep 30");
  bomb.limits.timeout = seconds(2);
  bomb.limits.processes_max = 20;
  const Outcome out = run(bomb);
  EXPECT_LT(out.ran_for, seconds(15));
  EXPECT_EQ(processes_with("f | f"), 0u);
  Command after = shell("echo alive");
  EXPECT_EQ(run(after).output, "alive\n");
}

TEST_F(SandboxTest, NothingSurvivesTheEnd) {
  const std::string marker = "7." + std::to_string(::getpid());
  // In the background, in a session of its own, deaf to TERM.
  Command command =
      shell("(trap '' TERM HUP; setsid sleep 33" + marker + " & setsid sleep 33" + marker + ") & sleep 0.2; echo gone");
  EXPECT_EQ(run(command).output, "gone\n");
  EXPECT_EQ(processes_with("33" + marker), 0u);
  Command stubborn = shell("trap '' TERM; setsid sleep 34" + marker + " & while true; do sleep 34" + marker + "; done");
  stubborn.limits.timeout = milliseconds(700);
  const Outcome out = run(stubborn);
  EXPECT_EQ(out.kind, Outcome::Kind::kTimedOut);
  EXPECT_LT(out.ran_for, seconds(10));
  EXPECT_EQ(processes_with("34" + marker), 0u);
}

TEST_F(SandboxTest, TermComesFirst) {
  Command command = shell("trap 'echo cleaned; exit 0' TERM; echo ready; while true; do sleep 0.05; done");
  command.limits.timeout = milliseconds(600);
  command.limits.grace = seconds(10);
  const Outcome out = run(command);
  EXPECT_EQ(out.kind, Outcome::Kind::kTimedOut);
  EXPECT_TRUE(out.output.starts_with("ready\n") && out.output.ends_with("cleaned\n")) << out.output;
  EXPECT_LT(out.ran_for, seconds(8));
}

TEST_F(SandboxTest, CanBeCancelled) {
  std::atomic<bool> cancel{false};
  const std::string started = folder_ + "started";
  std::thread later([&] {
    while (!std::filesystem::exists(started)) std::this_thread::yield();
    cancel = true;
  });
  Command command = shell("touch " + started + "; sleep 30");
  command.limits.write = {folder_};
  const auto out = run_in_sandbox(command, cancel);
  later.join();
  ASSERT_TRUE(out);
  EXPECT_EQ(out->kind, Outcome::Kind::kCancelled);
  EXPECT_LT(out->ran_for, seconds(15));
}

TEST_F(SandboxTest, AFloodIsCutAndEnded) {
  Command modest = shell("head -c 100000 /dev/zero | tr '\\0' x");
  modest.limits.output_bytes_max = 1000;
  modest.limits.timeout = seconds(20);
  Outcome out = run(modest);
  EXPECT_EQ(out.kind, Outcome::Kind::kFlooded);
  modest.limits.output_bytes_max = 10'000;
  out = run(modest);
  EXPECT_EQ(out.kind, Outcome::Kind::kExited);
  EXPECT_EQ(out.output.size(), 10'000u);
  EXPECT_EQ(out.output_bytes, 100'000u);
  Command flood = shell("trap '' TERM; yes");
  EXPECT_EQ(run(flood).kind, Outcome::Kind::kFlooded);
}

TEST_F(SandboxTest, LimitsHold) {
  Command memory;
  memory.argv = {"/usr/bin/python3", "-c", "x = 'x' * 400000000"};
  memory.limits.memory_bytes_max = 100 * 1024 * 1024;
  EXPECT_TRUE(contains(run(memory).output, "MemoryError"));
  Command disk = shell("head -c 2000000 /dev/zero > /tmp/big; ls -l /tmp/big");
  disk.limits.file_bytes_max = 1'000'000;
  EXPECT_FALSE(contains(run(disk).output, " 2000000 "));
  EXPECT_TRUE(contains(run(shell("cat /proc/self/status")).output, "CapEff:\t0000000000000000"));
  EXPECT_TRUE(contains(run(shell("cat /proc/self/status")).output, "NoNewPrivs:\t1"));
  if (::getuid() == 0) EXPECT_TRUE(contains(run(shell("id -u")).output, "65534"));
}

TEST_F(SandboxTest, SecretsComeByDescriptorAndAreNotShown) {
  Command command = shell("cat <&$TOKEN_FD; echo; cat <&$OTHER_FD; echo; env; cat /proc/self/cmdline");
  command.secrets = {{"TOKEN", "s3cr3t-value"}, {"OTHER", "second\n"}};
  command.environment = {{"MODE", "fast"}};
  const Outcome out = run(command);
  EXPECT_FALSE(contains(out.output, "s3cr3t-value")) << out.output;
  EXPECT_FALSE(contains(out.output, "second")) << out.output;
  EXPECT_TRUE(contains(out.output, "[TOKEN]\n[OTHER]")) << out.output;
  EXPECT_TRUE(contains(out.output, "MODE=fast\n")) << out.output;
  EXPECT_FALSE(contains(describe(command), "s3cr3t-value"));
  // Cut in two by the limit.
  Command long_one = shell("head -c 95 /dev/zero | tr '\\0' x; cat <&$TOKEN_FD");
  long_one.secrets = {{"TOKEN", "s3cr3t-value"}};
  long_one.limits.output_bytes_max = 100;
  EXPECT_FALSE(contains(run(long_one).output, "s3c"));
}

TEST_F(SandboxTest, OutputIsText) { EXPECT_TRUE(is_valid_utf8(run(shell("printf '\\377\\376ok'")).output)); }

}  // namespace
}  // namespace sentinel::automation
