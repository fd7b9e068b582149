// Which provider can be asked what, and where.
#include "gateway/hop.h"

#include <gtest/gtest.h>

namespace sentinel::gateway {
namespace {

ProviderConfig provider_of(ProviderKind kind) {
  ProviderConfig config;
  config.kind = kind;
  config.responses = kind != ProviderKind::kOpenAiCompatible;
  return config;
}

TEST(Hop, AsksEachProviderInAnApiItHas) {
  constexpr auto kNone = static_cast<Api>(kApis);
  struct Case {
    Api client;
    Api openai, compatible, azure, anthropic, gemini, vertex;
  };
  const Case cases[] = {
      {Api::kChat, Api::kChat, Api::kChat, Api::kChat, Api::kMessages, Api::kGenerate, Api::kGenerate},
      {Api::kCompletion, Api::kCompletion, Api::kCompletion, Api::kCompletion, kNone, kNone, kNone},
      {Api::kResponses, Api::kResponses, Api::kChat, Api::kResponses, Api::kMessages, Api::kGenerate, Api::kGenerate},
      {Api::kMessages, Api::kChat, Api::kChat, Api::kChat, Api::kMessages, Api::kGenerate, Api::kGenerate},
      {Api::kGenerate, Api::kChat, Api::kChat, Api::kChat, Api::kMessages, Api::kGenerate, Api::kGenerate},
      {Api::kEmbedding, Api::kEmbedding, Api::kEmbedding, Api::kEmbedding, kNone, Api::kGeminiBatchEmbed, kNone},
      {Api::kGeminiEmbed, Api::kEmbedding, Api::kEmbedding, Api::kEmbedding, kNone, Api::kGeminiEmbed, kNone},
      {Api::kModeration, Api::kModeration, Api::kModeration, kNone, kNone, kNone, kNone},
      {Api::kCountTokens, kNone, kNone, kNone, Api::kCountTokens, Api::kGeminiCount, Api::kGeminiCount},
      {Api::kGeminiCount, kNone, kNone, kNone, Api::kCountTokens, Api::kGeminiCount, Api::kGeminiCount},
  };
  for (const Case& c : cases) {
    const std::pair<ProviderKind, Api> wanted[] = {
        {ProviderKind::kOpenAi, c.openai},     {ProviderKind::kOpenAiCompatible, c.compatible},
        {ProviderKind::kAzureOpenAi, c.azure}, {ProviderKind::kAnthropic, c.anthropic},
        {ProviderKind::kGemini, c.gemini},     {ProviderKind::kVertex, c.vertex},
        {ProviderKind::kSimulated, c.client},
    };
    for (const auto& [kind, api] : wanted) {
      EXPECT_EQ(upstream_api(c.client, provider_of(kind)).value_or(kNone), api)
          << api_endpoint(c.client) << " at " << provider_kind_name(kind);
    }
  }
}

TEST(Hop, AModelsNameCannotLeadOutOfItsPath) {
  Provider provider;
  provider.config = provider_of(ProviderKind::kGemini);
  provider.url_prefix = "https://g";
  const Target target{.provider = &provider};
  const std::pair<const char*, const char*> cases[] = {
      {"gemini-2.5-pro", "https://g/v1beta/models/gemini-2.5-pro:generateContent"},
      {"tunedModels/mine", "https://g/v1beta/tunedModels/mine:generateContent"},
      {"a?b#c", "https://g/v1beta/models/a%3Fb%23c:generateContent"},
      {"../../v1beta/files", ""},
      {"a/../b", ""},
      {"a//b", ""},
      {"/a", ""},
  };
  for (const auto& [model, url] : cases) {
    RequestInfo info;
    info.model = model;
    const Asked asked{.api = Api::kGenerate, .model = model};
    const auto hop = plan_hop(asked, info, "{}", target);
    EXPECT_EQ(hop.has_value(), *url != '\0') << model;
    if (hop) EXPECT_EQ(hop_url(*hop, asked, {}), url);
  }
}

TEST(Hop, KeysOfOneFamilyDoNotGoToAnother) {
  Provider provider;
  provider.config = provider_of(ProviderKind::kOpenAi);
  const Target target{.provider = &provider};
  RequestInfo info;
  info.model = "m";
  net::Request original;
  original.headers.add("x-api-key", "the-callers");
  original.headers.add("authorization", "Bearer the-callers");
  original.headers.add("anthropic-beta", "b");
  model::Interaction interaction;
  Random random(1);
  const std::string body = R"({"model":"m","max_tokens":1,"messages":[{"role":"user","content":"q"}]})";
  const auto hop = plan_hop({.api = Api::kMessages}, info, body, target);
  ASSERT_TRUE(hop);
  const net::Headers headers = hop_headers(*hop, original, interaction, random);
  for (const auto& [name, value] : headers.all()) EXPECT_EQ(value.find("the-callers"), std::string::npos) << name;
  EXPECT_FALSE(headers.has("anthropic-beta"));
}

TEST(GeminiAction, TheLastColonDivides) {
  const auto asked = parse_gemini_action("models:x:streamGenerateContent", false);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->model, "models:x");
  EXPECT_TRUE(asked->stream && asked->json_array);
  EXPECT_FALSE(parse_gemini_action("gemini", true));
  EXPECT_FALSE(parse_gemini_action(":generateContent", true));
  EXPECT_FALSE(parse_gemini_action("gemini:predict", true));
}

}  // namespace
}  // namespace sentinel::gateway
