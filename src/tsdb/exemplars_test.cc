#include "tsdb/exemplars.h"

#include <gtest/gtest.h>

namespace sentinel::tsdb {
namespace {

using model::Exemplar;
using model::Labels;

const Labels kA{{"__name__", "m"}, {"job", "a"}};
const Labels kB{{"__name__", "m"}, {"job", "b"}};

Exemplar make(int64_t t_ms, double v, std::string_view trace = "t") { return {Labels{{"trace_id", trace}}, t_ms, v}; }

std::string show(const ExemplarRing& ring, TimeRange range = {}) {
  std::string out;
  for (const auto& found : ring.select({}, range)) {
    out += std::string(found.series.get("job")) + ":";
    for (const Exemplar& e : found.exemplars) out += std::to_string(e.t_ms) + " ";
  }
  return out;
}

TEST(ExemplarRing, TheOldestGivesWay) {
  ExemplarRing ring(3, 0);
  for (int64_t t = 1; t <= 3; ++t) EXPECT_EQ(ring.add(kA, make(t, 1)), ExemplarVerdict::kAdd);
  EXPECT_EQ(show(ring), "a:1 2 3 ");
  EXPECT_EQ(ring.add(kB, make(1, 1)), ExemplarVerdict::kAdd);
  EXPECT_EQ(show(ring), "a:2 3 b:1 ");
  for (int64_t t = 2; t <= 4; ++t) EXPECT_EQ(ring.add(kB, make(t, 1)), ExemplarVerdict::kAdd);
  EXPECT_EQ(show(ring), "b:2 3 4 ");
  EXPECT_EQ(ring.size(), 3u);
  EXPECT_EQ(ring.add(kA, make(1, 1)), ExemplarVerdict::kAdd) << "what is forgotten does not count";
}

TEST(ExemplarRing, OneSeriesInARingOfOne) {
  ExemplarRing ring(1, 0);
  for (int64_t t = 1; t <= 5; ++t) EXPECT_EQ(ring.add(kA, make(t, 1)), ExemplarVerdict::kAdd);
  EXPECT_EQ(show(ring), "a:5 ");
}

TEST(ExemplarRing, OrderIsByTimeThenValueThenLabels) {
  struct Case {
    Exemplar exemplar;
    ExemplarVerdict verdict;
  };
  const Exemplar newest = make(100, 5, "x");
  const bool y_after_x = Labels{{"trace_id", "y"}}.hash() > newest.labels.hash();
  const Case cases[] = {
      {make(100, 5, "x"), ExemplarVerdict::kDuplicate},
      {make(99, 5, "x"), ExemplarVerdict::kOutOfOrder},
      {make(100, 4, "y"), ExemplarVerdict::kOutOfOrder},
      {make(100, 6, "x"), ExemplarVerdict::kAdd},
      {make(101, 0, "x"), ExemplarVerdict::kAdd},
      {make(100, 5, "y"), y_after_x ? ExemplarVerdict::kAdd : ExemplarVerdict::kOutOfOrder},
  };
  for (const Case& c : cases) {
    ExemplarRing ring(10, 0);
    ASSERT_EQ(ring.add(kA, newest), ExemplarVerdict::kAdd);
    EXPECT_EQ(ring.judge(kA, c.exemplar), c.verdict) << c.exemplar.t_ms << " " << c.exemplar.v;
    EXPECT_EQ(ring.add(kA, c.exemplar), c.verdict);
  }
}

TEST(ExemplarRing, LateOnesAreTakenWithinTheWindowAndSorted) {
  ExemplarRing ring(10, 50);
  ASSERT_EQ(ring.add(kA, make(100, 1)), ExemplarVerdict::kAdd);
  EXPECT_EQ(ring.add(kA, make(50, 1)), ExemplarVerdict::kOutOfOrder);
  EXPECT_EQ(ring.add(kA, make(51, 1)), ExemplarVerdict::kAdd);
  EXPECT_EQ(ring.add(kA, make(80, 1)), ExemplarVerdict::kAdd);
  EXPECT_EQ(ring.add(kA, make(80, 2)), ExemplarVerdict::kDuplicate) << "taken for the same";
  EXPECT_EQ(show(ring), "a:51 80 100 ");
  EXPECT_EQ(show(ring, {60, 90}), "a:80 ");
}

TEST(ExemplarRing, LabelsHaveALimitInCharacters) {
  ExemplarRing ring(10, 0);
  std::string value;
  for (int i = 0; i < 120; ++i) value += "ü";
  EXPECT_EQ(ring.judge(kA, make(1, 1, value)), ExemplarVerdict::kAdd) << "8 + 120 characters";
  EXPECT_EQ(ring.judge(kA, make(1, 1, value + "x")), ExemplarVerdict::kTooLong);
  EXPECT_EQ(ExemplarRing(0, 0).judge(kA, make(1, 1)), ExemplarVerdict::kDisabled);
}

TEST(ExemplarRing, AnyOfTheMatcherSetsSelects) {
  ExemplarRing ring(10, 0);
  ring.add(kA, make(1, 1));
  ring.add(kB, make(1, 1));
  using model::Matcher;
  EXPECT_EQ(ring.select({{Matcher::equal("job", "a")}}, {}).size(), 1u);
  EXPECT_EQ(ring.select({{Matcher::equal("job", "a")}, {Matcher::equal("job", "b")}}, {}).size(), 2u);
  EXPECT_EQ(ring.select({{Matcher::equal("job", "c")}}, {}).size(), 0u);
  EXPECT_EQ(ring.select({}, {2, 3}).size(), 0u);
}

}  // namespace
}  // namespace sentinel::tsdb
