#include "alerting/label_index.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel::alerting {
namespace {

using model::Labels;
using model::Matcher;
using model::Matchers;
using model::MatchType;

Matcher matcher(MatchType type, const char* name, const char* value) { return *Matcher::make(type, name, value); }

TEST(LabelIndex, the_matcher_that_keeps_the_fewest_is_used) {
  LabelIndex index;
  for (uint64_t i = 0; i < 100; ++i)
    index.add(i, {{"severity", i % 2 == 0 ? "a" : "b"}, {"host", std::to_string(i)}, {"only", i == 7 ? "x" : ""}});
  const auto found = [&](const Matchers& m) { return index.candidates(m); };
  EXPECT_EQ(found({matcher(MatchType::kEqual, "severity", "b"), matcher(MatchType::kEqual, "host", "7")}),
            std::vector<uint64_t>{7});
  EXPECT_EQ(found({matcher(MatchType::kRegexp, "host", "1|2")}), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(found({matcher(MatchType::kNotEqual, "only", "")}), std::vector<uint64_t>{7});
  EXPECT_EQ(found({matcher(MatchType::kEqual, "host", "nobody")}), std::vector<uint64_t>{});
  EXPECT_EQ(found({matcher(MatchType::kEqual, "missing", "x")}), std::vector<uint64_t>{});
  EXPECT_EQ(found({}), std::nullopt);
  EXPECT_EQ(found({matcher(MatchType::kNotEqual, "host", "1")}), std::nullopt) << "matches those without the label";
  EXPECT_EQ(found({matcher(MatchType::kRegexp, "only", "x|")}), std::nullopt);
}

TEST(LabelIndex, finds_what_a_scan_finds) {
  Random random(20);
  LabelIndex index;
  std::vector<std::pair<uint64_t, Labels>> all;
  const auto labels = [&] {
    Labels out{{"id", std::to_string(random.below(50))}};
    for (const char* name : {"a", "b"}) {
      if (random.chance(0.7)) out.set(name, std::to_string(random.below(4)));
    }
    return out;
  };
  for (uint64_t i = 0; i < 500; ++i) {
    all.emplace_back(i, labels());
    index.add(i, all.back().second);
  }
  for (int round = 0; round < 200; ++round) {
    const size_t gone = random.below(all.size());
    index.remove(all[gone].first, all[gone].second);
    all[gone].second = labels();
    index.add(all[gone].first, all[gone].second);
    const Matchers matchers = {matcher(static_cast<MatchType>(random.below(4)), "a", random.chance(0.3) ? "" : "1|2"),
                               matcher(static_cast<MatchType>(random.below(4)), random.chance(0.5) ? "b" : "id",
                                       random.chance(0.5) ? "3" : ".*")};
    std::vector<uint64_t> scanned, indexed;
    const auto candidates = index.candidates(matchers);
    for (const auto& [id, l] : all) {
      if (!model::matches_all(matchers, l)) continue;
      scanned.push_back(id);
      if (!candidates || std::binary_search(candidates->begin(), candidates->end(), id)) indexed.push_back(id);
    }
    ASSERT_EQ(indexed, scanned) << matchers[0].to_string() << matchers[1].to_string();
  }
}

}  // namespace
}  // namespace sentinel::alerting
