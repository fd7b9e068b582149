#include "tsdb/label_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::MatchType;

uint32_t add(LabelIndex& index, const Labels& labels) { return index.add(labels, labels.hash()); }
PostingsRef list(const SeriesIds& ids) { return std::make_shared<const SeriesIds>(ids); }
Matcher make(MatchType type, std::string name, std::string value) {
  return Matcher::make(type, std::move(name), std::move(value)).value();
}

TEST(LabelIndex, FindsWhatWasAdded) {
  LabelIndex index;
  const Labels a{{"__name__", "up"}, {"job", "a"}};
  const Labels b{{"__name__", "up"}, {"job", "b"}};
  EXPECT_EQ(add(index, a), 0u);
  EXPECT_EQ(add(index, b), 1u);
  EXPECT_EQ(index.find(a, a.hash()), 0u);
  EXPECT_EQ(index.find(b, b.hash()), 1u);
  EXPECT_FALSE(index.find(Labels{{"job", "a"}}, Labels{{"job", "a"}}.hash()));
  EXPECT_EQ(index.make_labels(1), b);
}

TEST(LabelIndex, SeriesWithEqualHashesStayApart) {
  LabelIndex index;
  const Labels a{{"x", "1"}};
  const Labels b{{"x", "2"}};
  EXPECT_EQ(index.add(a, 42), 0u);
  EXPECT_FALSE(index.find(b, 42));
  EXPECT_EQ(index.add(b, 42), 1u);
  EXPECT_EQ(index.find(a, 42), 0u);
  EXPECT_EQ(index.find(b, 42), 1u);
}

TEST(LabelIndex, OnlyPlainAlternationsAreLiterals) {
  const auto list = [](std::string_view pattern) {
    return literal_alternatives(pattern).value_or(std::vector<std::string>{"no"});
  };
  EXPECT_THAT(list("a"), testing::ElementsAre("a"));
  EXPECT_THAT(list("b|a|b"), testing::ElementsAre("a", "b"));
  EXPECT_THAT(list("(a|bc)"), testing::ElementsAre("a", "bc"));
  EXPECT_THAT(list("(?:a|bc)"), testing::ElementsAre("a", "bc"));
  EXPECT_THAT(list("a|"), testing::ElementsAre("", "a"));
  EXPECT_THAT(list(""), testing::ElementsAre(""));
  for (const char* pattern : {"a.b", "a+", "(a)|(b)", "(?i:a|b)", "^a", "a$", "a\\.b", "[ab]", "a{2}", "(?:a"}) {
    EXPECT_FALSE(literal_alternatives(pattern)) << pattern;
  }
}

TEST(LabelIndex, SetOperationsAgreeWithTheStandardOnes) {
  Random random(3);
  for (int round = 0; round < 300; ++round) {
    const auto make_list = [&](size_t most, uint64_t range) {
      std::set<uint32_t> ids;
      for (size_t n = random.below(most + 1); n > 0; --n) ids.insert(static_cast<uint32_t>(random.below(range)));
      return SeriesIds(ids.begin(), ids.end());
    };
    const SeriesIds a = make_list(10, 5000);
    const SeriesIds b = make_list(1000, 5000);
    SeriesIds both;
    SeriesIds either;
    SeriesIds left;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(either));
    std::set_difference(b.begin(), b.end(), a.begin(), a.end(), std::back_inserter(left));
    EXPECT_EQ(intersect(a, b), both);
    EXPECT_EQ(intersect(b, a), both);
    EXPECT_EQ(unite({list(a), list(b)}), either);
    EXPECT_EQ(subtract(b, a), left);
  }
  const SeriesIds far{1, 4'000'000};
  EXPECT_EQ(unite({list(far), list(far)}), far);
  EXPECT_TRUE(unite({}).empty());
}

// Every combination of matchers gives what trying them on each series gives.
TEST(LabelIndex, ResolvesAsTryingEachSeriesWould) {
  Random random(11);
  const std::vector<std::string> names = {"__name__", "job", "pod", "zone"};
  const std::vector<std::string> patterns = {"",       "a",  "a|b",    "a.*",    ".*",        ".+",
                                             "[ab]1?", "b|", "(?i:A)", "x{0,2}", "a1|b2|none"};
  const auto random_value = [&] {
    const std::vector<std::string> values = {"", "a", "b", "a1", "b1", "b2", "xx"};
    return values[random.below(values.size())];
  };
  for (int round = 0; round < 40; ++round) {
    LabelIndex index;
    std::vector<Labels> all;
    for (uint64_t n = 1 + random.below(120); n > 0; --n) {
      Labels labels;
      for (const auto& name : names) labels.set(name, random_value());
      labels.set("id", std::to_string(n % 50));
      if (index.find(labels, labels.hash())) continue;
      add(index, labels);
      all.push_back(labels);
    }
    for (int query = 0; query < 50; ++query) {
      model::Matchers matchers;
      for (uint64_t n = random.below(4); n > 0; --n) {
        const auto type = static_cast<MatchType>(random.below(4));
        const bool regexp = type == MatchType::kRegexp || type == MatchType::kNotRegexp;
        std::string name = random.chance(0.1)   ? "absent"
                           : random.chance(0.2) ? "id"
                                                : names[random.below(names.size())];
        matchers.push_back(
            make(type, std::move(name), regexp ? patterns[random.below(patterns.size())] : random_value()));
      }
      SeriesIds want;
      std::string text;
      for (const Matcher& m : matchers) text += m.to_string() + " ";
      for (uint32_t id = 0; id < all.size(); ++id) {
        if (model::matches_all(matchers, all[id])) want.push_back(id);
      }
      EXPECT_EQ(index.resolve(matchers), want) << text;
    }
  }
}

TEST(LabelIndex, OrdersAsLabelsDo) {
  LabelIndex index;
  std::vector<Labels> all;
  Random random(5);
  for (int i = 0; i < 40; ++i) {
    Labels labels;
    for (const char* name : {"a", "b", "c"})
      labels.set(name, std::string(random.below(3), 'x') + (random.chance(0.5) ? "y" : ""));
    if (labels.empty() || index.find(labels, labels.hash())) continue;
    add(index, labels);
    all.push_back(labels);
  }
  for (uint32_t a = 0; a < all.size(); ++a) {
    for (uint32_t b = 0; b < all.size(); ++b) EXPECT_EQ(index.less(a, b), all[a] < all[b]);
  }
}

}  // namespace
}  // namespace sentinel::tsdb
