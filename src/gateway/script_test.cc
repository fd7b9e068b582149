// Runs tests/data/gateway/*.txt; the format is described in the README there.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "gateway/gateway_fixture.h"
#include "gateway/script_fixture.h"

namespace sentinel::gateway {
namespace {

class ScriptTest : public GatewayTest {
 protected:
  static Scripted upstream_of(const Script& script) {
    Scripted answer;
    for (const auto& [key, value] : script.lines) {
      if (key == "part") answer.parts.push_back(unescape(value));
      if (key != "upstream") continue;
      const auto words = split(value, ' ');
      answer.status = static_cast<int>(parse_int(words.at(0)).value_or(0));
      answer.headers = {{"content-type", std::string(words.at(1))}};
      answer.body = value.substr(words[0].size() + words[1].size() + 2);
    }
    return answer;
  }
  void check(const Script& script, const Got& got, const model::Interaction& row) {
    SCOPED_TRACE(script.name);
    std::string exact;
    bool cut = false;
    for (const auto& [key, value] : script.lines) {
      const std::string bytes = unescape(value);
      if (key == "client") exact += bytes;
      if (key == "client_has") EXPECT_NE(got.partial.find(bytes), std::string::npos) << got.partial;
      if (key == "client_has_not") EXPECT_EQ(got.partial.find(bytes), std::string::npos) << got.partial;
      if (key == "client_end") cut = value == "cut";
      if (key == "client_status" && got.result) EXPECT_EQ(std::to_string(got.result->status), value);
      if (key != "row") continue;
      const size_t equals = value.find('=');
      EXPECT_EQ(field_of(row, value.substr(0, equals)), value.substr(equals + 1)) << value;
    }
    EXPECT_EQ(got.result.has_value(), !cut);
    if (!exact.empty()) EXPECT_EQ(got.partial, exact);
  }
};

TEST_F(ScriptTest, EveryRecordedAnswer) {
  route().retries.attempts = 1;
  config_.breaker.threshold = 0;
  start();
  const auto scripts = load_scripts("gateway");
  ASSERT_GE(scripts.size(), 15U);
  size_t index = 0;
  a_.add({.body = "unused"});
  exchange(chat());  // so that from now on each added answer is the next one
  for (const Script& script : scripts) {
    a_.add(upstream_of(script));
    a_.drop_first();
    std::string body = R"({"model":"m","messages":[{"role":"user","content":"q"}])";
    if (script.yes("stream")) body += R"(,"stream":true)";
    if (script.yes("ask_usage")) body += R"(,"stream_options":{"include_usage":true})";
    const Got got = exchange(chat(body + "}"));
    check(script, got, sink_.at(++index));
  }
}

}  // namespace
}  // namespace sentinel::gateway
