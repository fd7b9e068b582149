#include "gateway/protocol/usage.h"

#include <gtest/gtest.h>

#include <array>
#include <tuple>

#include "gateway/protocol/asked_tokens.h"

namespace sentinel::gateway {
namespace {

constexpr std::optional<int64_t> kNone;

TEST(Usage, EachFamilysClassesOfTokensReachTheRow) {
  // API, answer; input, output, cached, cache write, of an hour, reasoning, audio in, audio out, image in, image out;
  // tier
  using Counts = std::array<std::optional<int64_t>, 10>;
  const std::tuple<Api, const char*, Counts, const char*> cases[] = {
      {Api::kChat,
       R"({"service_tier":"flex","choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,
          "completion_tokens":50,"prompt_tokens_details":{"cached_tokens":40,"audio_tokens":7},
          "completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":3,"image_tokens":9}}})",
       {100, 50, 40, kNone, kNone, 20, 7, 3, kNone, 9},
       "flex"},
      {Api::kChat,
       R"({"service_tier":"default","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}})",
       {1, 2, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone},
       ""},
      {Api::kResponses,
       R"({"service_tier":"priority","status":"completed","output":[],"usage":{"input_tokens":100,"output_tokens":50,
          "input_tokens_details":{"cached_tokens":40,"text_tokens":90,"image_tokens":10},"output_tokens_details":{"reasoning_tokens":20,"image_tokens":5}}})",
       {100, 50, 40, kNone, kNone, 20, kNone, kNone, 10, 5},
       "priority"},
      {Api::kMessages,
       R"({"content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":50,
          "cache_read_input_tokens":40,"cache_creation_input_tokens":30,"service_tier":"batch",
          "cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10}}})",
       {80, 50, 40, 30, 10, kNone, kNone, kNone, kNone, kNone},
       "batch"},
      {Api::kGenerate,
       R"({"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,
          "candidatesTokenCount":30,"thoughtsTokenCount":20,"cachedContentTokenCount":40,
          "promptTokensDetails":[{"modality":"TEXT","tokenCount":93},{"modality":"AUDIO","tokenCount":7},{"modality":"IMAGE","tokenCount":258}],
          "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":3}]}})",
       {100, 50, 40, kNone, kNone, 20, 7, 3, 258, kNone},
       ""},
  };
  for (const auto& [api, json, want, tier] : cases) {
    AnswerInfo answer;
    std::string body = json;
    ASSERT_TRUE(read_answer(api, body, answer)) << json;
    model::Interaction row;
    fill_usage(answer, row);
    const Counts got = {row.tokens_input,       row.tokens_output,         row.tokens_cached_input,
                        row.tokens_cache_write, row.tokens_cache_write_1h, row.tokens_reasoning,
                        row.tokens_audio_input, row.tokens_audio_output,   row.tokens_image_input,
                        row.tokens_image_output};
    EXPECT_EQ(got, want) << json;
    EXPECT_EQ(row.service_tier, tier) << json;
  }
}

TEST(AskedTokens, AreFoundInEveryFamilysWords) {
  const std::pair<const char*, std::optional<int64_t>> cases[] = {
      {R"({"max_tokens":5})", 5},
      {R"({"max_completion_tokens":6,"messages":[{"max_tokens":9}]})", 6},
      {R"({"max_output_tokens":7})", 7},
      {R"({"generationConfig":{"temperature":1,"maxOutputTokens":8}})", 8},
      {R"({"max_tokens":"5"})", kNone},
      {R"({"max_tokens":-5})", kNone},
      {R"({"max_tokens":null})", kNone},
      {R"({})", kNone},
      {R"([])", kNone},
  };
  for (const auto& [json, want] : cases) {
    std::string body = json;
    EXPECT_EQ(asked_output_tokens(body), want) << json;
    EXPECT_EQ(body, json);
  }
}

}  // namespace
}  // namespace sentinel::gateway
