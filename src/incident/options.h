#pragma once
// What the configuration says of incidents (`incidents:` of sentinel.yml). Plain values.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/severity.h"

namespace sentinel::incident {

// A field of an installation's own.
enum class FieldType { kText, kNumber, kBoolean, kDate, kChoice, kChoices };
std::string_view field_type_name(FieldType type);
std::optional<FieldType> parse_field_type(std::string_view text);

struct FieldDefinition {
  std::string name;   // [a-z0-9_]+
  std::string title;  // for people; the name when empty
  FieldType type = FieldType::kText;
  std::vector<std::string> values;  // of kChoice and kChoices: those allowed
};
// The value as it is stored, JSON: trimmed, choices in the order of the definition. kInvalidArgument says what was
// expected. A date is "2026-03-01".
Result<std::string> check_field(const FieldDefinition& field, std::string_view json);

struct AttachmentLimits {
  uint64_t bytes_max = 10 * 1024 * 1024;  // of one
  size_t count_max = 50;                  // of one incident
  std::set<std::string> types{"image/png",           "image/jpeg",       "image/gif",        "image/webp",
                              "application/pdf",     "application/json", "application/gzip", "application/zip",
                              "text/plain",          "text/csv",         "text/markdown",    "text/x-log",
                              "application/x-ndjson"};
};

// Counted from when the incident opened, from the last update, and from when it was resolved. Absent: nobody waits.
struct DeadlineTimes {
  std::optional<Micros> acknowledge;
  std::optional<Micros> update;
  std::optional<Micros> review;
};

struct DeadlineOptions {
  std::map<model::Severity, DeadlineTimes> by_severity{
      {model::Severity::kSev1, {std::chrono::minutes(15), std::nullopt, std::chrono::hours(48)}},
      {model::Severity::kSev2, {std::chrono::hours(1), std::nullopt, std::chrono::days(7)}},
      {model::Severity::kSev3, {std::chrono::hours(24), std::nullopt, std::nullopt}},
  };
  // Whoever has to is reminded so long before; half of the time where that is shorter. 0: nobody is.
  Micros remind_before = std::chrono::minutes(5);
  // Who is told of a missed one: "user:ada", "team:sre", "schedule:managers". Empty: the next level of the incident's
  // escalation policy.
  std::vector<std::string> escalate_to;
};

// What becomes of two open incidents whose diagnoses say that they are one problem (same_cause.h).
enum class GroupByDiagnosis {
  kOff,
  kSuggest,  // they are linked, and people are told
  kMerge,    // the newer one is merged, unless somebody is on it: then as kSuggest
};

// What the score of alert fatigue is made of (alert_quality.h); the parts add up to 100. The usual ones are a proposal
// of ours.
struct FatigueWeights {
  double load = 30, useless = 25, sleep = 20, noisy = 15, unattended = 10;
};

struct Options {
  std::set<model::Severity> create_for{model::Severity::kSev1, model::Severity::kSev2, model::Severity::kSev3};
  // Alerts equal in these labels join the same open incident: one problem trips several rules, and is one incident.
  std::vector<std::string> group_by{"service", "env", "category"};
  GroupByDiagnosis group_by_diagnosis = GroupByDiagnosis::kSuggest;
  bool auto_resolve = true;      // when the last alert has ended
  Micros auto_resolve_after{0};  // calm needed before that
  std::string default_assignee = "on-call";
  std::set<std::string> never_for{"Watchdog"};  // alert names
  bool resolve_children = false;                // with their parent
  std::vector<FieldDefinition> fields;
  AttachmentLimits attachments;
  DeadlineOptions deadlines;
  FatigueWeights fatigue;

  const FieldDefinition* field(std::string_view name) const;
};

}  // namespace sentinel::incident
