#include "base/log.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace sentinel {
namespace {

TEST(Log, WritesOneJsonObjectALineFromTheLevelUp) {
  const std::string path = testing::TempDir() + "sentinel_log_" + std::to_string(getpid());
  log_configure({.level = LogLevel::kInfo, .format = LogFormat::kJson, .path = path});
  log_debug("test", "not written");
  log_info("test", "two\nlines", {{"count", 3}, {"ratio", 0.5}, {"ok", true}, {"name", "a\"b"}});
  log_configure({.level = LogLevel::kInfo, .format = LogFormat::kText, .path = ""});
  const auto text = posix_env().read_file(path);
  ASSERT_TRUE(posix_env().remove(path));
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, testing::StartsWith("{\"timestamp\":\""));
  EXPECT_THAT(*text,
              testing::EndsWith("Z\",\"level\":\"info\",\"logger\":\"test\",\"message\":\"two\\nlines\",\"count\":3,"
                                "\"ratio\":0.5,\"ok\":true,\"name\":\"a\\\"b\"}\n"));
}

}  // namespace
}  // namespace sentinel
