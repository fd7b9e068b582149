#include "gateway/protocol/info.h"

#include <gtest/gtest.h>

namespace sentinel::gateway {
namespace {

RequestInfo read(std::string body, Api type = Api::kChat) {
  auto info = read_request(type, body);
  EXPECT_TRUE(info) << body << (info ? "" : info.error().message());
  return info ? *info : RequestInfo{};
}

TEST(ReadRequest, TheLastUserMessageIsThePrompt) {
  const auto info = read(R"({"model":"m","messages":[{"role":"system","content":"Be brief"},
    {"role":"user","content":"first"},{"role":"assistant","content":"a"},{"role":"user","content":"last \"q\" \u00e9"}],
    "stream":true,"user":"ann","unknown":{"deep":[1,{"model":"no"}]}})");
  EXPECT_EQ(info.model, "m");
  EXPECT_EQ(info.prompt, "last \"q\" é");
  EXPECT_EQ(info.context, "");
  EXPECT_EQ(info.user, "ann");
  EXPECT_TRUE(info.stream);
  EXPECT_EQ(info.prompt_chars, 8 + 5 + 1 + 10);
}

TEST(ReadRequest, ContentPartsAndNullContent) {
  const auto info = read(
      R"({"messages":[{"role":"assistant","content":null,"tool_calls":[]},{"content":[{"type":"text","text":"look"},
    {"type":"image_url","image_url":{"url":"data:x"}},{"type":"text","text":" here"}],"role":"user"}],"model":"v"})");
  EXPECT_EQ(info.prompt, "look here");
}

struct ContextCase {
  const char* body;
  const char* context;
};
TEST(ReadRequest, DocumentsAreTheContext) {
  const ContextCase cases[] = {
      {R"({"model":"m","messages":[{"role":"system","content":"Document: The sky is blue."},{"role":"user","content":"q"}]})",
       "The sky is blue."},
      {R"({"model":"m","messages":[{"role":"document","content":"Facts."},{"role":"user","content":"q"}]})", "Facts."},
      {R"({"model":"m","messages":[{"role":"user","content":[{"type":"document","text":"Doc"},{"type":"text","text":"q"}]}]})",
       "Doc"},
      {R"({"model":"m","messages":[{"role":"user","content":"q"}],"metadata":{"sentinel_context":"Meta"}})", "Meta"},
      {R"({"model":"m","messages":[{"role":"system","content":"You are helpful"},{"role":"user","content":"q"}]})", ""},
  };
  for (const auto& c : cases) {
    const auto info = read(c.body);
    EXPECT_EQ(info.context, c.context) << c.body;
    EXPECT_EQ(info.prompt, "q") << c.body;
  }
}

// Since the user last spoke: what came earlier was judged with the call it came with.
TEST(ReadRequest, WhatToolsGaveBackIsKeptApart) {
  struct ToolCase {
    Api api;
    const char* body;
    const char* prompt;
    const char* tools;
  };
  const ToolCase cases[] = {
      {Api::kChat,
       R"({"model":"m","messages":[{"role":"user","content":"a"},{"role":"tool","content":"old"},{"role":"user","content":"q"},
           {"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"x"},{"role":"tool","content":[{"type":"text","text":"y"}]}]})",
       "q", "xy"},
      {Api::kChat, R"({"model":"m","messages":[{"role":"tool","content":"old"},{"role":"user","content":"q"}]})", "q",
       ""},
      {Api::kMessages,
       R"({"model":"m","messages":[{"role":"user","content":"q"},{"role":"user","content":[
           {"type":"tool_result","tool_use_id":"t","content":"plain"},
           {"type":"tool_result","tool_use_id":"u","content":[{"type":"text","text":" listed"}]}]}]})",
       "q", "plain listed"},
      {Api::kResponses,
       R"({"model":"m","input":[{"role":"user","content":"q"},{"type":"function_call_output","call_id":"c","output":"rain"}]})",
       "q", "rain"},
      {Api::kGenerate,
       R"({"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"sky":"blue"}}}]}]})",
       "q", R"({"sky":"blue"})"},
  };
  for (const ToolCase& c : cases) {
    const auto info = read(c.body, c.api);
    EXPECT_EQ(info.prompt, c.prompt) << c.body;
    EXPECT_EQ(info.tool_output, c.tools) << c.body;
    EXPECT_EQ(info.context, "") << c.body;
  }
}

TEST(ReadRequest, OtherRequestTypes) {
  EXPECT_EQ(read(R"({"model":"m","prompt":"p"})", Api::kCompletion).prompt, "p");
  EXPECT_EQ(read(R"({"model":"m","input":["a","b"]})", Api::kEmbedding).prompt, "a\nb");
  EXPECT_EQ(read(R"({"model":"m","input":[1,2,3]})", Api::kEmbedding).prompt, "");
}

TEST(ReadRequest, SimulateFlagsOfMetadata) {
  const auto info = read(
      R"({"model":"m","messages":[],"metadata":{"simulate_latency":"true","simulate_retry":false,"simulate_drift":true}})");
  EXPECT_EQ(info.simulate_flags, (std::vector<std::string>{"simulate_latency", "simulate_drift"}));
}

TEST(ReadRequest, RefusesWhatIsNoRequest) {
  for (std::string body : {"", " ", "[]", "{", "\"x\"", R"({"messages":[]})", R"({"model":"m"} x)", R"({"model":"m",})",
                           R"({"model":5})", "{\"model\":\"\xff\"}"}) {
    EXPECT_FALSE(read_request(Api::kChat, body)) << body;
  }
}

struct EditCase {
  const char* body;
  const char* model;
  bool usage;
  const char* expected;
};
TEST(EditRequest, ChangesOnlyWhatItMust) {
  const EditCase cases[] = {
      {R"({ "model" : "a" , "x":1.50,"messages":[]})", "a", false, R"({ "model" : "a" , "x":1.50,"messages":[]})"},
      {R"({ "model" : "a" , "x":1.50,"messages":[]})", "b\"c", false,
       R"({ "model" : "b\"c" , "x":1.50,"messages":[]})"},
      {R"({"model":"a","stream":true})", "a", true,
       R"({"stream_options":{"include_usage":true},"model":"a","stream":true})"},
      {R"({"model":"a","stream_options":{}})", "a", true, R"({"model":"a","stream_options":{"include_usage":true}})"},
      {R"({"stream_options":{"x":1},"model":"a"})", "b", true,
       R"({"stream_options":{"include_usage":true,"x":1},"model":"b"})"},
      {R"({"model":"a","stream_options":{"include_usage":false}})", "a", true,
       R"({"model":"a","stream_options":{"include_usage":true}})"},
      {R"({"model":"a","stream_options":null})", "a", true, R"({"model":"a","stream_options":{"include_usage":true}})"},
      {R"({"model":"a","stream_options":{"include_usage":true}})", "a", true,
       R"({"model":"a","stream_options":{"include_usage":true}})"},
  };
  for (const auto& c : cases) {
    std::string body = c.body;
    const auto info = read_request(Api::kChat, body);
    ASSERT_TRUE(info) << c.body;
    EXPECT_EQ(edit_request(body, *info, c.model, c.usage), c.expected);
  }
}

TEST(ReadAnswer, TextUsageAndVersion) {
  std::string body =
      R"({"id":"x","model":"m-2026","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null},
    "finish_reason":"stop"},{"index":1,"message":{"content":"other"},"finish_reason":"length"}],
    "usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":8},
    "completion_tokens_details":{"reasoning_tokens":2}}})";
  AnswerInfo answer;
  ASSERT_TRUE(read_answer(Api::kChat, body, answer));
  EXPECT_EQ(answer.text, "Hi");
  EXPECT_EQ(answer.model, "m-2026");
  EXPECT_EQ(answer.finish_reason, "stop");
  EXPECT_EQ(answer.tokens_input, 10);
  EXPECT_EQ(answer.tokens_output, 4);
  EXPECT_EQ(answer.tokens_cached, 8);
  EXPECT_EQ(answer.tokens_reasoning, 2);
}

TEST(ReadAnswer, ToolCallsRefusalsAndNonsense) {
  std::string tools =
      R"({"choices":[{"message":{"content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})";
  AnswerInfo answer;
  ASSERT_TRUE(read_answer(Api::kChat, tools, answer));
  EXPECT_EQ(answer.tool_names, std::vector<std::string>{"get_weather"});
  EXPECT_EQ(answer.text, "");
  EXPECT_FALSE(answer.tokens_input.has_value());
  std::string refusal = R"({"choices":[{"message":{"content":null,"refusal":"I cannot"},"finish_reason":"stop"}]})";
  AnswerInfo refused;
  ASSERT_TRUE(read_answer(Api::kChat, refusal, refused));
  EXPECT_TRUE(refused.refusal);
  for (std::string bad : {"", "<html>", "[1]", R"({"choices":[{)"}) {
    AnswerInfo none;
    EXPECT_FALSE(read_answer(Api::kChat, bad, none)) << bad;
  }
}

TEST(ReadDelta, GathersAStream) {
  AnswerInfo answer;
  const auto role = read_delta(
      Api::kChat,
      R"({"model":"v1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})",
      answer);
  EXPECT_TRUE(role.valid);
  EXPECT_FALSE(role.content);
  EXPECT_TRUE(
      read_delta(Api::kChat, R"({"choices":[{"index":0,"delta":{"content":"He"}}],"usage":null})", answer).content);
  EXPECT_TRUE(read_delta(Api::kChat, R"({"choices":[{"index":0,"delta":{"content":"y"}}]})", answer).content);
  EXPECT_TRUE(read_delta(Api::kChat, R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})", answer).content);
  const auto usage =
      read_delta(Api::kChat, R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}})", answer);
  EXPECT_TRUE(usage.usage_only);
  EXPECT_EQ(answer.text, "Hey");
  EXPECT_EQ(answer.model, "v1");
  EXPECT_EQ(answer.finish_reason, "stop");
  EXPECT_EQ(answer.tokens_input, 3);
  const auto error = read_delta(Api::kChat, R"({"error":{"message":"overloaded"}})", answer);
  EXPECT_TRUE(error.error);
  EXPECT_EQ(error.error_message, "overloaded");
  EXPECT_FALSE(read_delta(Api::kChat, "{\"choices\":[{", answer).valid);
}

TEST(ReadProviderError, KindsOfEveryFamily) {
  using Kind = ProviderError::Kind;
  const std::pair<const char*, Kind> cases[] = {
      {R"({"error":{"message":"too long","code":"context_length_exceeded"}})", Kind::kContextTooLong},
      {R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8"}})",
       Kind::kContextTooLong},
      {R"({"error":{"code":400,"message":"The input token count (9) exceeds the maximum number","status":"INVALID_ARGUMENT"}})",
       Kind::kContextTooLong},
      {R"({"object":"error","message":"This model's maximum context length is 8192 tokens.","code":400})",
       Kind::kContextTooLong},
      {R"({"error":{"code":400,"message":"the request exceeds","type":"exceed_context_size_error"}})",
       Kind::kContextTooLong},
      {R"({"error":"the input length exceeds the context length"})", Kind::kContextTooLong},
      {R"({"error":{"message":"no","code":"content_policy_violation"}})", Kind::kContentFilter},
      {R"({"error":{"message":"no","code":"content_filter"}})", Kind::kContentFilter},
      {R"({"error":{"message":"Output blocked by content filtering policy","type":"invalid_request_error"}})",
       Kind::kContentFilter},
      {R"({"error":{"message":"no such field","type":"invalid_request_error"}})", Kind::kOther},
      {"<html>", Kind::kOther},
  };
  for (const auto& [body, kind] : cases) EXPECT_EQ(read_provider_error(body).kind(), kind) << body;
}

TEST(ReadProviderError, Forms) {
  const auto error =
      read_provider_error(R"({"error":{"message":"m","type":"t","param":null,"code":"content_filter"}})");
  EXPECT_EQ(error.message, "m");
  EXPECT_EQ(error.code, "content_filter");
  EXPECT_EQ(read_provider_error(R"({"error":"plain"})").message, "plain");
  EXPECT_EQ(read_provider_error(R"({"object":"error","message":"no","type":"x","code":400})").message, "no");
  EXPECT_EQ(read_provider_error("<html>").message, "");
}

}  // namespace
}  // namespace sentinel::gateway
