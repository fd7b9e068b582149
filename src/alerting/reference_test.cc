// Random configurations, alerts, silences, acknowledgements, reloads and restarts, against the naive reference of
// reference.h: the very same notifications, at the same times. What goes wrong in between (receivers that fail, a crash
// at any write, a disk that refuses) is the matter of crash_test.cc and property_test.cc.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

#include "alerting/scenario.h"
#include "alerting/scenario_run.h"
#include "base/strings.h"

namespace sentinel::alerting::reference {
namespace {

class AlertingReference : public ::testing::TestWithParam<uint64_t> {};

TEST_P(AlertingReference, tells_what_is_due_when_it_is_due) {
  ScenarioMaker maker(GetParam());
  const Scenario scenario = maker.make(60, false);
  SCOPED_TRACE("seed " + std::to_string(GetParam()) + "\n" + yaml(scenario.settings.front()));
  Play play(scenario);
  for (const Step& step : scenario.steps) {
    play.step(step);
    if (play.differs()) break;
  }
  if (!play.differs()) play.pass(std::chrono::hours(5));
  if (play.differs()) ADD_FAILURE() << play.difference();
}

INSTANTIATE_TEST_SUITE_P(Seeds, AlertingReference, ::testing::Range<uint64_t>(1, seed_end(100)));

}  // namespace
}  // namespace sentinel::alerting::reference
