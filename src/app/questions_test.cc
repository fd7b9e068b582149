// What the demo and the traffic generator send, judged by the analysis they are there to show: harmless calls open no
// incident, hostile ones are found.
#include "app/questions.h"

#include <boost/json.hpp>
#include <map>

#include <gtest/gtest.h>

#include "analysis/analyzer.h"
#include "app/demo_app.h"
#include "app/traffic.h"

namespace sentinel::app {
namespace {

namespace json = boost::json;

struct Sent {
  std::string prompt;
  std::string document;
};

// As the gateway reads it: the last user message is the prompt, a system message "Document:" the document.
Sent sent(const TrafficRequest& request) {
  const Result<DemoPrompt> prompt = make_demo_prompt(request.path, json::parse(request.body).as_object());
  Sent out;
  if (!prompt) return out;
  constexpr std::string_view kDocument = "Document:\n";
  for (const json::value& message : prompt->messages) {
    const std::string content(message.at("content").as_string());
    if (message.at("role").as_string() == "user") out.prompt = content;
    if (content.starts_with(kDocument)) out.document = content.substr(kDocument.size());
  }
  return out;
}

class DemoQuestions : public testing::Test {
 protected:
  model::Interaction analyzed(const Sent& sent) {
    model::Interaction call;
    call.endpoint = "/qa";
    call.model = "sim-large";
    call.prompt = sent.prompt;
    call.context = sent.document;
    call.response = "Here is what you need to know about that.";
    analyzer_->analyze(call);
    return call;
  }
  const std::unique_ptr<analysis::Analyzer> analyzer_ = std::move(analysis::Analyzer::open({}).value());
};

TEST_F(DemoQuestions, HarmlessTrafficIsSafe) {
  Random random(1);
  std::map<std::string, bool> unsafe;  // by prompt and document
  size_t calls = 0, flagged = 0;
  for (const std::string_view scenario : kScenarios) {
    for (int i = 0; i < 400; ++i) {
      const Sent one = sent(make_traffic_request(scenario, 0, false, random));
      ASSERT_FALSE(one.prompt.empty());
      const auto [at, fresh] = unsafe.try_emplace(one.prompt + "\n" + one.document);
      if (fresh) {
        const model::Interaction call = analyzed(one);
        at->second = call.safety_score.value() < 0.5 || call.safety_label != "SAFE";
        if (at->second) ADD_FAILURE() << call.safety_label << ": " << one.prompt.substr(0, 200);
      }
      ++calls;
      flagged += at->second;
    }
  }
  EXPECT_GE(unsafe.size(), document_questions().size() + chat_messages().size());
  EXPECT_LE(static_cast<double>(flagged), 0.01 * static_cast<double>(calls));
}

TEST_F(DemoQuestions, HostileMessagesAreFound) {
  for (const std::string_view message : hostile_messages()) {
    const model::Interaction call = analyzed({std::string(message), ""});
    EXPECT_LT(call.safety_score.value(), 0.5) << message;
    EXPECT_NE(call.safety_label, "SAFE") << message;
  }
}

TEST(DemoPrompt, ABadPromptIsASecondVersionOfTheTemplate) {
  for (const std::string_view path : {"/qa", "/reason", "/stress", "/api/chat"}) {
    json::object body{{"question", "When is my parcel here?"}, {"message", "When is my parcel here?"}};
    const Result<DemoPrompt> good = make_demo_prompt(path, body);
    body["simulate_bad_prompt"] = true;
    const Result<DemoPrompt> bad = make_demo_prompt(path, body);
    ASSERT_TRUE(good && bad) << path;
    EXPECT_TRUE(good->prompt_template.ends_with("-v1")) << good->prompt_template;
    EXPECT_TRUE(bad->prompt_template.ends_with("-v2")) << bad->prompt_template;
    EXPECT_NE(good->messages, bad->messages) << path;
    EXPECT_EQ(good->messages.back(), bad->messages.back()) << "the user asks the same";
  }
}

}  // namespace
}  // namespace sentinel::app
