// Runs tests/data/gateway/translation/*.txt: a client of one family, a provider of the same or another. With
// SENTINEL_UPDATE_GOLDEN=1 what was sent and answered is written into the scripts instead of being compared.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "gateway/gateway_fixture.h"
#include "gateway/script_fixture.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

std::string escape(std::string text) { return replace_all(replace_all(std::move(text), "\r", "\\r"), "\n", "\\n"); }

// The same JSON in the same order of names.
std::string canonical(std::string_view json) {
  const auto parsed = text::parse_json(json);
  if (!parsed) return std::string(json);
  struct Sort {
    static boost::json::value value(const boost::json::value& from) {
      if (const auto* list = from.if_array()) {
        boost::json::array out;
        for (const auto& item : *list) out.push_back(value(item));
        return out;
      }
      const auto* object = from.if_object();
      if (object == nullptr) return from;
      std::map<std::string, boost::json::value> fields;
      for (const auto& field : *object) fields.emplace(field.key(), value(field.value()));
      boost::json::object out;
      for (auto& [name, v] : fields) out[name] = std::move(v);
      return out;
    }
  };
  return text::serialize(Sort::value(*parsed));
}

class TranslationTest : public GatewayTest {
 protected:
  TranslationTest() {
    config_ = {};
    config_.breaker.threshold = 0;
    for (const auto kind : {ProviderKind::kOpenAi, ProviderKind::kOpenAiCompatible, ProviderKind::kAzureOpenAi,
                            ProviderKind::kAnthropic, ProviderKind::kGemini, ProviderKind::kVertex}) {
      ProviderConfig provider;
      provider.name = provider_kind_name(kind);
      provider.kind = kind;
      provider.base_url = a_.url();
      provider.api_key = "our-key";
      provider.api_version = "2024-10-21";
      provider.project = "our-project";
      provider.responses = kind != ProviderKind::kOpenAiCompatible;
      config_.providers.push_back(provider);
      RouteConfig route;
      route.models = {provider.name};
      route.targets = {{provider.name, "up-model", 1}};
      route.retries.attempts = 1;
      config_.routes.push_back(route);
    }
  }

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

  ClientRequest request_of(const Script& script) {
    ClientRequest request;
    request.method = "POST";
    request.headers.add("content-type", "application/json");
    for (const auto& [key, value] : script.lines) {
      if (key == "ask") request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + value;
      if (key == "request") request.body = value;
      if (key != "header") continue;
      const size_t colon = value.find(": ");
      request.headers.add(value.substr(0, colon), value.substr(colon + 2));
    }
    return request;
  }

  // What a line of the script should say; empty: it says nothing of what happened.
  std::string actual(const std::string& key, const std::string& value, const Got& got, const model::Interaction& row,
                     bool asked) {
    const net::Request last = asked ? a_.request(a_.requests() - 1) : net::Request{};
    if (key == "sent_path") return last.target;
    if (key == "sent") return canonical(last.body);
    if (key == "sent_exactly") return last.body;
    if (key == "sent_header") {
      const std::string name = value.substr(0, value.find(':'));
      return name + ": " + std::string(last.headers.get(name));
    }
    if (key == "client_json") return canonical(got.partial);
    if (key == "client_status") return got.result ? std::to_string(got.result->status) : "cut";
    if (key == "client_type") return got.result ? std::string(got.result->headers.get("content-type")) : "cut";
    if (key == "row") {
      const std::string field = value.substr(0, value.find('='));
      return field + "=" + escape(field_of(row, field));
    }
    return {};
  }

  void check(const Script& script, const Got& got, const model::Interaction& row, bool asked) {
    SCOPED_TRACE(script.file.string() + " " + script.name);
    std::string stream;
    for (const auto& [key, value] : script.lines) {
      if (key == "client") stream += unescape(value);
      if (key == "client_has") EXPECT_NE(got.partial.find(unescape(value)), std::string::npos) << got.partial;
      const std::string is = actual(key, value, got, row, asked);
      if (is.empty()) continue;
      const bool json = key == "sent" || key == "client_json";
      EXPECT_EQ(is, json ? canonical(value) : value);
    }
    if (!stream.empty()) EXPECT_EQ(escape(got.partial), escape(stream));
    const bool not_asked = script.yes("not_sent");
    EXPECT_EQ(asked, !not_asked);
  }

  // The script with what happened in it.
  std::string rewritten(const Script& script, const Got& got, const model::Interaction& row, bool asked) {
    std::string out = "=== " + script.name.substr(script.name.find(": ") + 2) + "\n";
    bool stream_written = false;
    for (const auto& [key, value] : script.lines) {
      if (key == "client") {
        if (std::exchange(stream_written, true)) continue;
        std::string left = got.partial;
        for (size_t end = left.find("\n\n"); !left.empty(); end = left.find("\n\n")) {
          const size_t size = end == std::string::npos ? left.size() : end + 2;
          out += "client: " + escape(left.substr(0, size)) + "\n";
          left.erase(0, size);
        }
        continue;
      }
      const std::string is = actual(key, value, got, row, asked);
      out += key + ": " + (is.empty() ? value : is) + "\n";
    }
    return out + "\n";
  }
};

TEST_F(TranslationTest, EveryScript) {
  start();
  const auto scripts = load_scripts("gateway/translation");
  ASSERT_GE(scripts.size(), 20U);
  const bool update = std::getenv("SENTINEL_UPDATE_GOLDEN") != nullptr;
  std::map<std::filesystem::path, std::string> files;
  a_.add({.body = "unused"});
  size_t index = 0;
  for (const Script& script : scripts) {
    a_.add(upstream_of(script));
    a_.drop_first();
    const size_t before = a_.requests();
    const Got got = exchange(request_of(script));
    const model::Interaction row = sink_.at(index++);
    const bool asked = a_.requests() > before;
    if (update) {
      files[script.file] += rewritten(script, got, row, asked);
    } else {
      check(script, got, row, asked);
    }
  }
  for (const auto& [path, content] : files) std::ofstream(path) << content;
}

}  // namespace
}  // namespace sentinel::gateway
