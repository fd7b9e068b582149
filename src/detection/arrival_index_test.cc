#include "detection/arrival_index.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "detection/limits.h"
#include "detection/memory_store.h"

namespace sentinel::detection {
namespace {

using model::Labels;
using model::Matcher;
using model::Matchers;
using model::MatchType;

Matchers random_selector(Random& random) {
  static constexpr MatchType kTypes[] = {MatchType::kEqual, MatchType::kEqual, MatchType::kNotEqual, MatchType::kRegexp,
                                         MatchType::kNotRegexp};
  Matchers out;
  const uint64_t count = 1 + random.below(3);
  for (uint64_t i = 0; i < count; ++i) {
    static constexpr const char* kNames[] = {"__name__", "a", "b"};
    static constexpr const char* kValues[] = {"", "x", "y", "z"};
    const MatchType type = kTypes[random.below(5)];
    std::string value = kValues[random.below(4)];
    if (type == MatchType::kRegexp && random.below(2) == 0) value += "|x";
    out.push_back(Matcher::make(type, kNames[random.below(3)], value).value());
  }
  return out;
}

TEST(SelectorIndex, FindsWhatTryingEverySelectorFinds) {
  const uint64_t seed = 7;
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int round = 0; round < 50; ++round) {
    SelectorIndex index;
    std::vector<Matchers> selectors;
    for (RuleNumber rule = 0; rule < 20; ++rule) {
      selectors.push_back(random_selector(random));
      index.add(selectors.back(), rule);
    }
    static constexpr const char* kValues[] = {"", "x", "y", "z"};
    for (int i = 0; i < 64; ++i) {
      const Labels series{{"__name__", kValues[i % 4]}, {"a", kValues[i / 4 % 4]}, {"b", kValues[i / 16]}};
      std::vector<RuleNumber> expected;
      for (RuleNumber rule = 0; rule < selectors.size(); ++rule) {
        if (model::matches_all(selectors[rule], series)) expected.push_back(rule);
      }
      EXPECT_EQ(index.readers(series), expected) << series.to_string();
    }
  }
}

TEST(ArrivalIndex, NamesEachRuleOnceUntilAskedAndWakesOnce) {
  MemoryStore store;
  auto appender = store.appender();
  const auto a = appender->ref({{"__name__", "a"}}).value();
  const auto b = appender->ref({{"__name__", "b"}}).value();
  const auto c = appender->ref({{"__name__", "c"}}).value();
  int woken = 0;
  ArrivalIndex index(store, [&] { ++woken; });
  const std::vector<tsdb::SeriesRef> nothing_yet{a};
  index.committed(nothing_yet, 1);
  index.set_rules({{{Matcher::equal("__name__", "a")}},
                   {{Matcher::equal("__name__", "b")}, {Matcher::equal("__name__", "a")}},
                   {{Matcher::equal("__name__", "b")}}});
  index.committed(std::vector{c}, 5);
  EXPECT_EQ(woken, 0) << "nobody reads it";
  index.committed(std::vector{b, a, b}, 10);
  index.committed(std::vector{a}, 20);
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(index.take(), (std::vector<RuleNumber>{1, 2, 0}));
  EXPECT_TRUE(index.take().empty());
  EXPECT_EQ(index.newest_ms(0), 20);
  EXPECT_EQ(index.newest_ms(2), 10);
  index.committed(std::vector{b}, 30);
  EXPECT_EQ(woken, 2);
  index.set_rules({{{Matcher::equal("__name__", "c")}}});
  EXPECT_TRUE(index.take().empty()) << "other rules now";
  index.committed(std::vector{c}, 40);
  EXPECT_EQ(index.take(), std::vector<RuleNumber>{0});
}

TEST(SeriesNumbers, RemembersUntilThereAreTooMany) {
  SeriesNumbers numbers;
  const auto ref = [](uint64_t n) { return static_cast<tsdb::SeriesRef>(n); };
  EXPECT_EQ(numbers.find(ref(1)), SeriesNumbers::kNone);
  for (const uint64_t n : {uint64_t{1}, uint64_t{4095}, uint64_t{4096}, uint64_t{1} << 31}) {
    numbers.set(ref(n), static_cast<uint32_t>(n / 7));
    EXPECT_EQ(numbers.find(ref(n)), n / 7);
    EXPECT_EQ(numbers.find(ref(n + 1)), SeriesNumbers::kNone);
  }
  numbers.set(ref(uint64_t{1} << 60), 5);  // too far off to be worth the room
  EXPECT_EQ(numbers.find(ref(uint64_t{1} << 60)), SeriesNumbers::kNone);
  for (uint64_t n = 0; n < kWatchedSeriesMax; n += 4096) numbers.set(ref(n), 1);
  EXPECT_EQ(numbers.find(ref(4095)), SeriesNumbers::kNone) << "forgotten, to be looked up anew";
  numbers.clear();
  EXPECT_EQ(numbers.find(ref(0)), SeriesNumbers::kNone);
}

}  // namespace
}  // namespace sentinel::detection
