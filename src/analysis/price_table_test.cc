#include "analysis/price_table.h"

#include <gtest/gtest.h>

namespace sentinel::analysis {
namespace {

PriceTable shipped() { return PriceTable::load(SENTINEL_SOURCE_DIR "/config/prices.yml").value(); }

TEST(PriceTable, AMissingFileIsNamed) {
  const auto table = PriceTable::load("/nonexistent/prices.yml");
  ASSERT_FALSE(table);
  EXPECT_NE(table.error().message().find("/nonexistent/prices.yml"), std::string::npos);
}

TEST(PriceTable, FindsDatedVersionsAndRefusesOtherModels) {
  const PriceTable table = shipped();
  const auto input_of = [&](const char* model) {
    return table.find(model) ? table.find(model)->standard.input.value_or(-2) : -1;
  };
  const std::pair<const char*, int64_t> cases[] = {{"gpt-4o", 2'500'000},
                                                   {"gpt-4o-2024-08-06", 2'500'000},
                                                   {"gpt-4o-mini", 150'000},
                                                   {"gpt-4o-mini-2024-07-18", 150'000},
                                                   {"gpt-4-0613", 30'000'000},
                                                   {"openai/gpt-4o", 2'500'000},
                                                   {"claude-sonnet-4-20250514", 3'000'000},
                                                   {"claude-opus-4-5-20251101", 5'000'000},
                                                   {"claude-sonnet-4@20250514", 3'000'000},
                                                   {"claude-3-5-sonnet-latest", 3'000'000},
                                                   {"models/gemini-2.5-pro-001", 1'250'000},
                                                   {"GPT-4O", 2'500'000},
                                                   {"sim-large", 2'500'000},
                                                   {"sim-large-2", 2'500'000},
                                                   {"sim-small", 150'000},
                                                   {"gpt-4o-audio", -1},
                                                   {"gpt-9", -1},
                                                   {"", -1},
                                                   {"claude-opus-4-9", -1},
                                                   {"sim-large-x", -1}};
  for (const auto& [model, want] : cases) EXPECT_EQ(input_of(model), want) << model;
}

TEST(PriceTable, CountsEachTokenClassOnce) {
  const PriceTable table = shipped();
  model::Interaction call;
  call.model = "gpt-4o";
  call.tokens_input = 1000;
  call.tokens_cached_input = 400;
  call.tokens_output = 100;
  call.tokens_reasoning = 60;
  // 600 × 2.5 + 400 × 1.25 + 100 × 10 micro-dollars.
  EXPECT_EQ(table.cost_microusd(call), 1500 + 500 + 1000);
  call.tokens_cached_input = 5000;  // more than the input: all of it
  EXPECT_EQ(table.cost_microusd(call), 1250 + 1000);
}

TEST(PriceTable, PricesEveryClassOfTokensOnce) {
  const PriceTable table = *PriceTable::parse(
      "models:\n  m: {input: 1, cached_input: 0.1, cache_write: 1.25, cache_write_1h: 2, output: 10, reasoning: 20,"
      " audio_input: 5, audio_output: 50, image_input: 3, image_output: 30, request: 0.01, long_context: "
      "{above_tokens: 200000, input: 2, output: 15},"
      " flex: {input: 0.5, output: 5}}\n",
      "p.yml");
  const auto cost = [&](auto set) {
    model::Interaction call;
    call.model = "m";
    call.tokens_input = 100'000;
    call.tokens_output = 10'000;
    set(call);
    return *table.cost_microusd(call);
  };
  using I = model::Interaction;
  constexpr int64_t kRequest = 10'000;
  EXPECT_EQ(cost([](I&) {}), 100'000 + 100'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_cached_input = 40'000; }), 60'000 + 4'000 + 100'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_cache_write = 40'000; }), 60'000 + 50'000 + 100'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_cache_write = 40'000, i.tokens_cache_write_1h = 10'000; }),
            60'000 + 37'500 + 20'000 + 100'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_audio_input = 40'000; }), 60'000 + 200'000 + 100'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_reasoning = 4'000; }), 100'000 + 60'000 + 80'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_audio_output = 4'000; }), 100'000 + 60'000 + 200'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_image_input = 40'000; }), 60'000 + 120'000 + 100'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_image_output = 4'000; }), 100'000 + 60'000 + 120'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_input = 200'000; }), 200'000 + 100'000 + kRequest) << "not above";
  EXPECT_EQ(cost([](I& i) { i.tokens_input = 200'001; }), 400'002 + 150'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_input = 300'000, i.tokens_cached_input = 100'000; }),
            400'000 + 10'000 + 150'000 + kRequest)
      << "what the tier does not price is at the standard price";
  EXPECT_EQ(cost([](I& i) { i.service_tier = "flex"; }), 50'000 + 50'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.service_tier = "unknown"; }), 100'000 + 100'000 + kRequest);
  EXPECT_EQ(cost([](I& i) { i.tokens_cached_input = 90'000, i.tokens_cache_write = 90'000; }),
            9'000 + 12'500 + 100'000 + kRequest)
      << "no token twice";
}

constexpr const char* kLiteLlm = R"({
  "sample_spec": {"input_cost_per_token": 0.0},
  "gpt-x": {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-06,
            "input_cost_per_image_token": 3e-06, "output_cost_per_image_token": 1.2e-05,
            "input_cost_per_token_flex": 1.25e-06, "output_cost_per_token_batches": 5e-06, "mode": "chat",
            "max_tokens": 16384, "supports_vision": true},
  "anthropic/claude-x": {"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
            "cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06,
            "cache_read_input_token_cost": 3e-07, "input_cost_per_token_above_200k_tokens": 6e-06,
            "output_cost_per_token_above_200k_tokens": 2.25e-05},
  "groq/llama-x": {"input_cost_per_token": 5e-08, "output_cost_per_token": 8e-08},
  "text-embedding-x": {"input_cost_per_token": "1.3e-07", "mode": "embedding"},
  "dall-e-x": {"input_cost_per_pixel": 1.9e-08, "mode": "image_generation"}})";

TEST(PriceTable, ReadsLiteLlmsFileAsItIs) {
  const auto table = PriceTable::parse(kLiteLlm, "model_prices.json");
  ASSERT_TRUE(table) << table.error().to_string();
  EXPECT_EQ(table->by_model.size(), 4U);
  EXPECT_EQ(table->skipped, 1U);
  const Price* gpt = table->find("gpt-x-2025-01-01");
  ASSERT_NE(gpt, nullptr);
  EXPECT_EQ(gpt->standard.input, 2'500'000);
  EXPECT_EQ(gpt->standard.cached_input, 1'250'000);
  EXPECT_EQ(gpt->standard.image_input, 3'000'000);
  EXPECT_EQ(gpt->standard.image_output, 12'000'000);
  ASSERT_EQ(gpt->tiers.size(), 2U);
  EXPECT_EQ(gpt->tiers[0].second.input, 1'250'000);
  EXPECT_EQ(gpt->tiers[1].second.output, 5'000'000);
  const Price* claude = table->find("anthropic/claude-x");
  ASSERT_NE(claude, nullptr);
  EXPECT_EQ(claude->standard.cache_write_1h, 6'000'000);
  EXPECT_EQ(claude->long_above_tokens, 200'000);
  EXPECT_EQ(claude->long_context.output, 22'500'000);
  EXPECT_EQ(table->find("claude-x-20260101"), claude) << "by its bare name, too";
  EXPECT_EQ(table->find("text-embedding-x")->standard.input, 130'000);
  EXPECT_EQ(table->find("gpt-y"), nullptr);
  model::Interaction call;
  call.provider = "groq";
  call.model = "llama-x";
  call.tokens_input = 1'000'000;
  EXPECT_EQ(table->cost_microusd(call), 50'000);
  const auto again = PriceTable::parse(table->to_yaml(), "own.yml");
  ASSERT_TRUE(again) << again.error().to_string() << table->to_yaml();
  EXPECT_EQ(again->to_yaml(), table->to_yaml());
}

TEST(PriceTable, SaysNothingOfUnknownModelsOrCounts) {
  const PriceTable table = shipped();
  model::Interaction call;
  call.model = "nobody-knows";
  call.tokens_input = 10;
  EXPECT_EQ(table.cost_microusd(call), std::nullopt);
  call.model = "gpt-4o";
  call.tokens_input.reset();
  EXPECT_EQ(table.cost_microusd(call), std::nullopt);
  call.tokens_input = -5;
  EXPECT_EQ(table.cost_microusd(call), 0);
  call.model_version = "gpt-4o-mini-2024-07-18";  // what answered counts, not what was asked for
  call.tokens_input = 1'000'000;
  EXPECT_EQ(table.cost_microusd(call), 150'000);
}

TEST(PriceTable, ErrorsNameThePlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"models:\n  a: {output: 1}\n", "p.yml:2:6: model a has no input price"},
      {"models:\n  a: {input: cheap}\n", "p.yml:2:14: input must be dollars per million tokens"},
      {"models:\n  a: {input: 1, outptu: 2}\n", "p.yml:2:17: unknown field \"outptu\""},
      {"models:\n  a: {input: 1}\n  b: {input: 2, aliases: [A]}\n", "p.yml:3:27: model a is priced twice"},
      {"models:\n  \xff\xff: {input: 1}\n", "p.yml:2:3: expected a model name"},
      {"models: [\n", "p.yml:"},
      {"- x\n", "expected a mapping with the key models"},
      {"models:\n  a: {input: 999999999}\n", "input must be dollars"},
      {"modles: {}\nmodels: {}\n", "p.yml:1:1: unknown field \"modles\""},
      {"models:\n  a: {input: 1, flex: {imput: 1}}\n", "p.yml:2:24: unknown field \"imput\" in flex"},
      {"models:\n  a: {input: 1, long_context: {input: 1}}\n", "long_context needs above_tokens"},
      {"{\"a\": {\"input_cost_per_token\": \"much\"}}", "model a: input_cost_per_token must be a number"},
      {"{\"a\": {\"input_cost_per_token\": -1}}", "out of range"},
      {"{\"a\": 1}", "expected an object of prices"},
      {"{\"a\": {}}", "no model has an input_cost_per_token"},
      {"{\"a\": ", ""},
  };
  for (const auto& [yaml, want] : cases) {
    const auto result = PriceTable::parse(yaml, "p.yml");
    ASSERT_FALSE(result.has_value()) << yaml;
    EXPECT_NE(result.error().message().find(want), std::string::npos) << result.error().message();
  }
}

}  // namespace
}  // namespace sentinel::analysis
