#include "incident/causes.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "incident/dimensions.h"

namespace sentinel::incident {
namespace {

size_t dimension(std::string_view name) {
  const auto at =
      std::find_if(kDimensions.begin(), kDimensions.end(), [&](const Dimension& d) { return d.name == name; });
  return static_cast<size_t>(at - kDimensions.begin());
}

// Model "llama3:8b" fails, and apart from it endpoint /qa.
TEST(Causes, ASecondCauseIsNamedWithWhatItIsWithout) {
  const std::vector<Candidate> values{{dimension("model"), "llama3:8b", {180, 320}},
                                      {dimension("model"), "other", {20, 1480}},
                                      {dimension("endpoint"), "/qa", {60, 400}},
                                      {dimension("endpoint"), "/chat", {140, 1400}}};
  CauseRanking ranking({200, 1800}, values, {});
  ASSERT_EQ(ranking.looked_at_together().size(), 2u);
  EXPECT_EQ(ranking.looked_at_together()[0].value, "llama3:8b");
  const std::vector<Finding> found = ranking.rank({{0, {1, 1150}}, {1, {139, 250}}, {2, {19, 330}}, {3, {41, 70}}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].value, "llama3:8b");
  EXPECT_EQ(found[1].value, "/qa");
  EXPECT_EQ(found[1].sentence, "endpoint /qa: 95 % of the failing calls without model llama3:8b, 22 % of the others");
}

TEST(Causes, WithoutSetsEachValueStandsAlone) {
  CauseRanking ranking({100, 900}, {{dimension("model"), "a", {90, 100}}, {dimension("model"), "b", {10, 800}}}, {});
  const std::vector<Finding> found = ranking.rank({});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].value, "a");
  EXPECT_EQ(found[0].sentence, "model a: 90 % of the failing calls, 11 % of the others");
}

}  // namespace
}  // namespace sentinel::incident
