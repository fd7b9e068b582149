#include "app/incident_story.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace sentinel::app {
namespace {

using Lines = std::vector<std::string>;

class IncidentStoryTest : public testing::Test {
 protected:
  boost::json::object incident(const char* name, const char* status, TimePoint created, const char* why = "") {
    return {{"name", name},
            {"status", status},
            {"severity", "SEV2"},
            {"what_failed", "slow"},
            {"why", why},
            {"next_step", "look"},
            {"created_at", format_rfc3339(created)}};
  }
  const TimePoint started_ = FakeClock().now();
  const TimePoint before_ = started_ - std::chrono::minutes(5);
  const TimePoint after_ = started_ + std::chrono::minutes(5);
  IncidentStory story_{started_, "http://here"};
};

TEST_F(IncidentStoryTest, TellsEachStepOnce) {
  EXPECT_EQ(story_.news({incident("INC-1", "open", after_)}), Lines{"  !  INC-1 SEV2 opened: slow"});
  EXPECT_EQ(story_.news({incident("INC-1", "open", after_)}), Lines{});
  EXPECT_EQ(story_.news({incident("INC-1", "open", after_, "because")}),
            Lines{"     why:  because\n     next: look\n     http://here/#/incidents/INC-1"});
  EXPECT_EQ(story_.news({incident("INC-1", "open", after_, "because of that")}), Lines{});
  EXPECT_EQ(story_.news({incident("INC-1", "resolved", after_, "because")}),
            (Lines{"  ✓  INC-1 is resolved", "     postmortem: http://here/sentinel/v1/incidents/INC-1/postmortem"}));
  EXPECT_EQ(story_.news({incident("INC-1", "resolved", after_, "because")}), Lines{});
}

TEST_F(IncidentStoryTest, WhatWasThereBeforeTheStartIsNoNewsButWhatBecomesOfItIs) {
  EXPECT_EQ(story_.news({incident("INC-3", "open", after_), incident("INC-2", "open", before_, "because"),
                         incident("INC-1", "resolved", before_, "because")}),
            Lines{"  !  INC-3 SEV2 opened: slow"});
  EXPECT_EQ(story_.news({incident("INC-2", "acknowledged", before_, "because")}), Lines{"  ✓  INC-2 is acknowledged"});
}

}  // namespace
}  // namespace sentinel::app
