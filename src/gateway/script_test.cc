// Runs tests/data/gateway/*.txt; the format is described in the README there.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "gateway/gateway_fixture.h"

namespace sentinel::gateway {
namespace {

struct Script {
  std::string name;
  std::vector<std::pair<std::string, std::string>> lines;
  bool yes(std::string_view key) const {
    return std::find(lines.begin(), lines.end(), std::pair<std::string, std::string>(key, "yes")) != lines.end();
  }
};

std::string unescape(std::string text) { return replace_all(replace_all(std::move(text), "\\n", "\n"), "\\r", "\r"); }

std::vector<Script> load_scripts() {
  std::vector<Script> scripts;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SENTINEL_SOURCE_DIR "/tests/data/gateway")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
      if (line.empty() || line.starts_with('#')) continue;
      if (line.starts_with("=== ")) {
        scripts.push_back({path.stem().string() + ": " + line.substr(4), {}});
        continue;
      }
      const size_t colon = line.find(": ");
      if (scripts.empty() || colon == std::string::npos) {
        ADD_FAILURE() << path << ": not a line of a script: " << line;
        continue;
      }
      scripts.back().lines.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
  }
  return scripts;
}

std::string field_of(const model::Interaction& row, std::string_view field) {
  auto count = [](const std::optional<int64_t>& value) {
    return value ? std::to_string(*value) : std::string("unknown");
  };
  if (field == "status") return row.status == model::InteractionStatus::kOk ? "ok" : "error";
  if (field == "error_type") return row.error_type;
  if (field == "http_status") return std::to_string(row.http_status);
  if (field == "response") return row.response;
  if (field == "finish_reason") return row.finish_reason;
  if (field == "model_version") return row.model_version;
  if (field == "tokens_input") return count(row.tokens_input);
  if (field == "tokens_output") return count(row.tokens_output);
  if (field == "tokens_cached") return count(row.tokens_cached_input);
  if (field == "tokens_reasoning") return count(row.tokens_reasoning);
  if (field == "empty") return row.empty_response ? "yes" : "no";
  if (field == "retry_count") return std::to_string(row.retry_count);
  return "no such field";
}

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
  const auto scripts = load_scripts();
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
