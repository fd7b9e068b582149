#include "incident/onset.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel::incident {
namespace {

struct Phase {
  int steps;
  double share;
};

struct OnsetCase {
  std::string_view name;
  std::vector<Phase> phases;
  size_t alert;
  size_t want;
  size_t tolerance;
};

const OnsetCase kCases[] = {
    {"one fault", {{80, 0.01}, {40, 0.6}}, 85, 80, 0},
    {"alert after the fault has ended", {{80, 0.01}, {6, 0.7}, {34, 0.01}}, 90, 80, 0},
    {"an equal fault before, calm between", {{20, 0.01}, {20, 0.6}, {30, 0.01}, {50, 0.6}}, 75, 70, 0},
    {"a worse fault before, calm between", {{20, 0.01}, {20, 0.9}, {30, 0.01}, {50, 0.3}}, 75, 70, 1},
    {"a lesser fault before, calm between", {{20, 0.01}, {20, 0.2}, {30, 0.01}, {50, 0.9}}, 75, 70, 0},
    {"a lesser fault right before", {{40, 0.01}, {40, 0.1}, {40, 0.9}}, 85, 80, 0},
    {"it gets worse", {{70, 0.01}, {5, 0.4}, {45, 0.9}}, 78, 70, 0},
    {"it lets up for a while and comes again", {{60, 0.01}, {10, 0.9}, {10, 0.5}, {40, 0.9}}, 85, 60, 0},
    {"a common failure becomes more", {{80, 0.1}, {40, 0.5}}, 85, 80, 1},
    {"another fault after the alert", {{40, 0.01}, {10, 0.5}, {40, 0.01}, {30, 0.9}}, 45, 40, 0},
    {"failing all along", {{120, 0.5}}, 60, 0, 0},
};

TEST(Onset, IsThatOfTheStretchTheAlertIsAboutOverManySeeds) {
  for (const OnsetCase& c : kCases) {
    int missed = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Random random(seed);
      std::vector<CallCounts> steps;
      for (const Phase& phase : c.phases) {
        for (int i = 0; i < phase.steps; ++i) {
          CallCounts& step = steps.emplace_back();
          step.calls = 15 + static_cast<double>(random.below(10));
          for (int call = 0; call < step.calls; ++call) step.failing += random.chance(phase.share) ? 1 : 0;
        }
      }
      const auto step = onset_step(steps, c.alert);
      ASSERT_TRUE(step) << c.name;
      const size_t off = *step > c.want ? *step - c.want : c.want - *step;
      if (off > c.tolerance) ++missed;
    }
    // Calls fail by chance: at the seam of two phases a step may belong to either.
    EXPECT_LE(missed, 2) << c.name;
  }
}

TEST(Onset, FewFailingCallsAmongHealthyOnesAreEnough) {
  std::vector<CallCounts> steps(120, {20, 0});
  for (const size_t i : {10u, 40u, 63u}) steps[i].failing = 1;  // background
  for (const size_t i : {117u, 118u, 119u}) steps[i].failing = 5;
  EXPECT_EQ(onset_step(steps, 118), 117u);
}

TEST(Onset, NothingFailsOrNothingWasCalled) {
  EXPECT_FALSE(onset_step(std::vector<CallCounts>(120, {20, 0}), 60));
  EXPECT_FALSE(onset_step(std::vector<CallCounts>(120), 60));
  std::vector<CallCounts> only_one(120);
  only_one[7] = {1, 1};
  EXPECT_EQ(onset_step(only_one, 60), 7u);
}

}  // namespace
}  // namespace sentinel::incident
