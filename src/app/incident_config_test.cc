#include "app/incident_config.h"

#include <gtest/gtest.h>

namespace sentinel::app {
namespace {

Result<incident::Options> read(std::string_view yaml) {
  incident::Options options;
  const auto node = text::parse_yaml(yaml, "s.yml");
  if (!node) return fail(node.error());
  SENTINEL_TRY(parse_incidents(*node, options));
  return options;
}

TEST(IncidentConfig, WhatIsWrittenIsInForceAndTheRestStays) {
  const auto o = read(R"(
resolve_children: true
fields: [{name: customer, type: choice, values: [a, b]}, {name: note}]
attachments: {max_size: 1MB, types: [text/plain]}
deadlines:
  SEV1: {update: 30m, review: none}
  remind_before: 2m
  escalate_to: [team:managers]
)");
  ASSERT_TRUE(o) << o.error().to_string();
  EXPECT_TRUE(o->resolve_children);
  EXPECT_EQ(o->fields.size(), 2U);
  EXPECT_EQ(o->attachments.bytes_max, 1U << 20);
  EXPECT_EQ(o->attachments.count_max, 50U);
  const incident::DeadlineTimes& sev1 = o->deadlines.by_severity.at(model::Severity::kSev1);
  EXPECT_EQ(sev1.acknowledge, Micros(std::chrono::minutes(15)));
  EXPECT_EQ(sev1.update, Micros(std::chrono::minutes(30)));
  EXPECT_EQ(sev1.review, std::nullopt);
  EXPECT_TRUE(read("deadlines: none")->deadlines.by_severity.empty());
  EXPECT_TRUE(o->auto_resolve);
  EXPECT_EQ(o->group_by_diagnosis, incident::GroupByDiagnosis::kSuggest);
  EXPECT_EQ(read("group_by_diagnosis: merge")->group_by_diagnosis, incident::GroupByDiagnosis::kMerge);
  EXPECT_EQ(read("group_by_diagnosis: 'off'")->group_by_diagnosis, incident::GroupByDiagnosis::kOff);
}

TEST(IncidentConfig, MistakesAreToldWithTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"fields: [{name: 'A b'}]", "s.yml:1:17: expected small letters"},
      {"fields: [{name: a, type: colour}]", "unknown type \"colour\""},
      {"fields: [{name: a, type: choice}]", "needs values"},
      {"fields: [{name: a, values: [b]}]", "only fields of type choice"},
      {"fields: [{name: a}, {name: a}]", "there twice"},
      {"attachments: {max_size: 64MB}", "expected 1 byte to 32MB"},
      {"attachments: {max_count: -1}", "expected 0 to 1000"},
      {"deadlines: {SEV1: {acknowledge: 0s}}", "expected a duration above 0"},
      {"deadlines: {SEV9: {}}", "unknown field \"SEV9\""},
      {"deadlines: {escalate_to: [bob]}", "expected user:, team: or schedule:"},
      {"group_by_diagnosis: always", "s.yml:1:21: \"always\": expected off, suggest or merge"},
      {"create_for: [loud]", "unknown severity"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto got = read(yaml);
    ASSERT_FALSE(got) << yaml;
    EXPECT_NE(got.error().to_string().find(expected), std::string::npos) << got.error().to_string();
  }
}

}  // namespace
}  // namespace sentinel::app
