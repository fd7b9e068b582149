#include "base/result.h"

#include <memory>
#include <set>

#include <gtest/gtest.h>

namespace sentinel {
namespace {

Result<int> half(int v) {
  if (v % 2 != 0) return fail(ErrorCode::kInvalidArgument, "odd");
  return v / 2;
}

Result<int> quarter(int v) {
  SENTINEL_ASSIGN(const int once, half(v));
  SENTINEL_ASSIGN(const int twice, half(once));
  return twice;
}

Status all_even(std::initializer_list<int> values) {
  for (const int v : values) SENTINEL_TRY(half(v));
  return {};
}

TEST(Result, ErrorsTravelUpThroughTheMacros) {
  EXPECT_EQ(*quarter(8), 2);
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(quarter(6).error().message(), "odd");
  EXPECT_TRUE(all_even({2, 4}));
  EXPECT_FALSE(all_even({2, 3}));
}

TEST(Result, CarriesWhatCannotBeCopied) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(3); };
  const auto use = [&]() -> Result<int> {
    SENTINEL_ASSIGN(const auto p, make());
    return *p;
  };
  EXPECT_EQ(*use(), 3);
}

TEST(Error, SaysWhereWithoutWhatIsUnknown) {
  EXPECT_EQ(Error(ErrorCode::kIo, "m").to_string(), "m");
  EXPECT_EQ(Error(ErrorCode::kIo, "m", Position{"f.yml", 3, 7}).to_string(), "f.yml:3:7: m");
  EXPECT_EQ(Error(ErrorCode::kIo, "m", Position{"f.yml", 3, 0}).to_string(), "f.yml:3: m");
  EXPECT_EQ(Error(ErrorCode::kIo, "m", Position{"f.yml", 0, 0}).to_string(), "f.yml: m");
  EXPECT_EQ(Error(ErrorCode::kIo, "m", Position{"", 3, 7}).to_string(), "3:7: m");
  const Error inner(ErrorCode::kNotFound, "no such user", Position{"", 2, 1});
  const Error outer = inner.with_context("loading").in_file("a.yml");
  EXPECT_EQ(outer.to_string(), "a.yml:2:1: loading: no such user");
  EXPECT_EQ(outer.code(), ErrorCode::kNotFound);
}

TEST(Error, EveryCodeHasANameAStatusAndAnExitCode) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(ErrorCode::kIo); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    EXPECT_TRUE(names.insert(error_code_name(code)).second);
    EXPECT_GE(http_status(code), 400);
    EXPECT_NE(exit_code(code), 0);
  }
  EXPECT_EQ(http_status(ErrorCode::kTooLarge), 413);
  EXPECT_EQ(error_code_name(ErrorCode::kIo), "io");
  EXPECT_EQ(http_status(ErrorCode::kTimeout), 504);
}

}  // namespace
}  // namespace sentinel
