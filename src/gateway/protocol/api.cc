#include "gateway/protocol/api.h"

#include "base/check.h"

namespace sentinel::gateway {
namespace {

constexpr ApiInfo kInfos[] = {
    {Api::kChat, Family::kOpenAi, "chat", "/v1/chat/completions", true},
    {Api::kCompletion, Family::kOpenAi, "completion", "/v1/completions", true},
    {Api::kEmbedding, Family::kOpenAi, "embedding", "/v1/embeddings", false},
    {Api::kResponses, Family::kOpenAi, "chat", "/v1/responses", true},
    {Api::kModeration, Family::kOpenAi, "moderation", "/v1/moderations", false},
    {Api::kMessages, Family::kAnthropic, "chat", "/v1/messages", true},
    {Api::kCountTokens, Family::kAnthropic, "count_tokens", "/v1/messages/count_tokens", false},
    {Api::kGenerate, Family::kGemini, "chat", "/v1beta/models/{model}:generateContent", true},
    {Api::kGeminiCount, Family::kGemini, "count_tokens", "/v1beta/models/{model}:countTokens", false},
    {Api::kGeminiEmbed, Family::kGemini, "embedding", "/v1beta/models/{model}:embedContent", false},
    {Api::kGeminiBatchEmbed, Family::kGemini, "embedding", "/v1beta/models/{model}:batchEmbedContents", false},
};
static_assert(std::size(kInfos) == kApis);

}  // namespace

const ApiInfo& api_info(Api api) {
  const ApiInfo& info = kInfos[static_cast<size_t>(api)];
  SENTINEL_ASSERT(info.api == api);
  return info;
}

std::optional<Asked> parse_gemini_action(std::string_view tail, bool alt_sse) {
  const size_t colon = tail.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const std::string_view action = tail.substr(colon + 1);
  Asked asked;
  asked.model = tail.substr(0, colon);
  if (action == "generateContent") {
    asked.api = Api::kGenerate;
  } else if (action == "streamGenerateContent") {
    asked.api = Api::kGenerate;
    asked.stream = true;
    asked.json_array = !alt_sse;
  } else if (action == "countTokens") {
    asked.api = Api::kGeminiCount;
  } else if (action == "embedContent") {
    asked.api = Api::kGeminiEmbed;
  } else if (action == "batchEmbedContents") {
    asked.api = Api::kGeminiBatchEmbed;
  } else {
    return std::nullopt;
  }
  return asked;
}

}  // namespace sentinel::gateway
