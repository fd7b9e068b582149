#include "gateway/errors.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "text/json.h"

namespace sentinel::gateway {
namespace {

TEST(Errors, TheVocabularyIsClosedAndDocumented) {
  const std::string doc = *posix_env().read_file(SENTINEL_SOURCE_DIR "/docs/errors.md");
  std::set<std::string_view> names;
  size_t documented = 0;
  for (const ErrorInfo& info : all_errors()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name << " stands for two";
    if (info.type == ErrorType::kNone) continue;
    const std::string_view prefix = info.name.substr(0, info.name.find('_'));
    EXPECT_TRUE(prefix == "caller" || prefix == "policy" || prefix == "provider" || prefix == "gateway") << info.name;
    EXPECT_GE(info.http_status, 400) << info.name;
    const std::string row = "| `" + std::string(info.name) + "` | " + std::to_string(info.http_status) + " | ";
    EXPECT_NE(doc.find(row), std::string::npos) << "docs/errors.md has no row: " << row;
    ++documented;
  }
  size_t rows = 0;
  for (size_t at = doc.find("| `"); at != std::string::npos; at = doc.find("| `", at + 1)) ++rows;
  EXPECT_EQ(rows, documented + 5)
      << "docs/errors.md names one that there is not (its heading and four prefixes look alike)";
}

TEST(Errors, EveryFamilyReadsEveryError) {
  for (const ErrorInfo& info : all_errors()) {
    for (const Family family : {Family::kOpenAi, Family::kAnthropic, Family::kGemini}) {
      const auto body = text::parse_json_object(error_body(family, info.type, "say \"why\"", info.http_status));
      ASSERT_TRUE(body) << info.name;
      EXPECT_EQ(body->at("error").at("message"), "say \"why\"") << info.name;
    }
  }
}

}  // namespace
}  // namespace sentinel::gateway
