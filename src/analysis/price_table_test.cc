#include "analysis/price_table.h"

#include <gtest/gtest.h>

namespace sentinel::analysis {
namespace {

PriceTable shipped() { return PriceTable::load(SENTINEL_SOURCE_DIR "/config/prices.yml").value(); }

TEST(PriceTable, FindsDatedVersionsAndRefusesOtherModels) {
  const PriceTable table = shipped();
  const auto input_of = [&](const char* model) { return table.find(model) ? table.find(model)->input : -1; };
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
      {"models: [\n", "p.yml:"},
      {"- x\n", "expected a mapping with the key models"},
      {"models:\n  a: {input: 999999999}\n", "input must be dollars"},
  };
  for (const auto& [yaml, want] : cases) {
    const auto result = PriceTable::parse(yaml, "p.yml");
    ASSERT_FALSE(result.has_value()) << yaml;
    EXPECT_NE(result.error().message().find(want), std::string::npos) << result.error().message();
  }
}

}  // namespace
}  // namespace sentinel::analysis
