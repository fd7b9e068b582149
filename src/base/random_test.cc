#include "base/random.h"

#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/id.h"

namespace sentinel {
namespace {

TEST(Random, TheSameSeedGivesTheSameRun) {
  Random a(42);
  Random b(42);
  Random c(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const uint64_t v = a.next();
    EXPECT_EQ(v, b.next());
    differs |= v != c.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, BelowIsUniform) {
  Random random(1);
  std::vector<int> counts(6);
  constexpr int kDraws = 60000;
  for (int i = 0; i < kDraws; ++i) ++counts[random.below(6)];
  double chi_squared = 0;
  for (const int count : counts) chi_squared += std::pow(count - 10000.0, 2) / 10000;
  EXPECT_LT(chi_squared, 20.5);  // 5 degrees of freedom, p = 0.001
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, DistributionsHaveTheirMoments) {
  Random random(2);
  constexpr int kDraws = 100000;
  double uniform = 0, normal = 0, normal_squared = 0, exponential = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    uniform += u;
    const double n = random.normal();
    normal += n;
    normal_squared += n * n;
    exponential += random.exponential(250);
  }
  EXPECT_NEAR(uniform / kDraws, 0.5, 0.005);
  EXPECT_NEAR(normal / kDraws, 0, 0.02);
  EXPECT_NEAR(normal_squared / kDraws, 1, 0.02);
  EXPECT_NEAR(exponential / kDraws, 250, 5);
}

TEST(SecureRandom, GivesWhatWasAskedFor) {
  EXPECT_EQ(secure_random(0), "");
  EXPECT_EQ(secure_random(1000).size(), 1000u);
  EXPECT_NE(secure_random(16), secure_random(16));
}

TEST(Id, SortsByTimeAndDoesNotRepeat) {
  std::string before;
  std::set<std::string> seen;
  for (int64_t ms = 0; ms < 2000; ++ms) {
    const std::string id = new_id(time_from_ms(1'767'225'600'000 + ms));
    EXPECT_EQ(id.size(), 26u);
    EXPECT_EQ(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), std::string::npos) << id;
    EXPECT_LT(before, id);
    EXPECT_TRUE(seen.insert(id).second);
    before = id;
  }
  EXPECT_EQ(new_id(time_from_ms(1'469'918'176'385)).substr(0, 10), "01ARYZ6S41")
      << "the example of the ULID definition";
}

TEST(Uuid, IsVersionFour) {
  const std::string id = new_uuid();
  ASSERT_EQ(id.size(), 36u);
  for (const size_t dash : {8U, 13U, 18U, 23U}) EXPECT_EQ(id[dash], '-');
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
}

}  // namespace
}  // namespace sentinel
