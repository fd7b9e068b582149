#include "incident/attachments.h"

#include <gtest/gtest.h>

namespace sentinel::incident {
namespace {

TEST(Attachments, WhatIsTakenIsSmallEnoughAllowedAndWhatItSays) {
  AttachmentLimits limits;
  limits.bytes_max = 100;
  const std::string png = std::string("\x89PNG\r\n\x1a\n") + "rest";
  struct Case {
    std::string type, content;
    std::string expected;
  };
  const std::vector<Case> cases{
      {"image/png", png, "image/png"},
      {"Image/PNG; charset=x", png, "image/png"},
      {"image/png", "<script>alert(1)</script>", "invalid_argument"},
      {"text/html", "<p>", "invalid_argument"},
      {"image/svg+xml", "<svg/>", "invalid_argument"},
      {"", "x", "invalid_argument"},
      {"text/plain", "", "invalid_argument"},
      {"text/plain", "\xff\xfe", "invalid_argument"},
      {"text/plain", std::string("a\0b", 3), "invalid_argument"},
      {"text/plain", std::string(101, 'x'), "too_large"},
      {"text/plain", "grüße", "text/plain"},
  };
  for (const Case& c : cases) {
    const auto got = check_attachment(limits, c.type, c.content);
    EXPECT_EQ(got ? *got : std::string(error_code_name(got.error().code())), c.expected) << c.type << " " << c.content;
  }
}

TEST(Attachments, NamesAreNoPathsAndFitIntoAHeader) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"log.txt", "log.txt"},
      {"../../etc/passwd", "_.._etc_passwd"},
      {"a\"b\r\nX: y", "a_b__X: y"},
      {"", "file"},
      {"...", "file"},
      {"größe.png", "größe.png"},
      {std::string(300, 'x'), std::string(200, 'x')},
  };
  for (const auto& [name, safe] : cases) EXPECT_EQ(safe_file_name(name), safe);
  EXPECT_EQ(disposition_of("größe 1.png"),
            "attachment; filename=\"gr____e 1.png\"; filename*=UTF-8''gr%C3%B6%C3%9Fe%201.png");
}

TEST(Attachments, ContentsAreKeptOnceCheckedAndSweptWhenNobodyWantsThem) {
  FaultEnv env;
  AttachmentFolder folder(env, "/data/attachments");
  const std::string a = folder.put("one").value();
  EXPECT_EQ(folder.put("one").value(), a);
  const std::string b = folder.put("two").value();
  EXPECT_EQ(folder.get(a).value(), "one");
  EXPECT_FALSE(folder.get("../state.db"));
  ASSERT_TRUE(env.write_file_atomic("/data/attachments/" + b, "changed"));
  EXPECT_EQ(folder.get(b).error().code(), ErrorCode::kInternal);
  ASSERT_TRUE(folder.sweep([&](const std::string& name) { return name == a; }));
  EXPECT_EQ(env.list("/data/attachments").value(), (std::vector<std::string>{a}));
}

TEST(Attachments, WhatWasPutSurvivesAPowerCutAtAnyLaterWrite) {
  for (uint64_t n = 1; n < 12; ++n) {
    FaultEnv env(n);
    AttachmentFolder folder(env, "/data/attachments");
    ASSERT_TRUE(env.make_dirs("/data"));
    env.crash_after(n);
    const auto put = folder.put("content");
    env.reopen_after_crash();
    if (put) EXPECT_EQ(folder.get(*put).value_or("gone"), "content") << n;
  }
}

}  // namespace
}  // namespace sentinel::incident
