// One problem in two incidents: found by their diagnoses, decided in one transaction, on both timelines.

#include "incident/same_cause.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/strings.h"
#include "incident/diagnosis_runner.h"
#include "incident/limits.h"
#include "incident/schema.h"
#include "incident/service.h"

namespace sentinel::incident {
namespace {

using model::IncidentStatus;

constexpr std::string_view kKind = "same_cause";  // of the timeline
const Actor kDiagnosis{"sentinel", "diagnosis"};

struct CauseRow {
  std::string cause;
  TimePoint onset;
};
// Absent: it has no diagnosis, or one that names nothing.
Result<std::optional<CauseRow>> load_cause(state::Tx& tx, const std::string& id) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT cause, onset FROM incident_diagnoses WHERE incident_id = ? AND cause <> ''", {id}));
  if (rows.empty()) return std::optional<CauseRow>();
  return std::optional<CauseRow>({rows.front().text(0), time_from_us(rows.front().integer(1))});
}

// Said of this pair before, or a person has taken them apart.
Result<bool> is_settled(state::Tx& tx, const std::string& one, const std::string& other) {
  for (const auto& [from, to] : {std::pair(one, other), std::pair(other, one)}) {
    SENTINEL_ASSIGN(const std::vector<std::string> split, linked_to(tx, from, kLinkSplit));
    if (std::find(split.begin(), split.end(), to) != split.end()) return true;
  }
  const std::string begins = fmt::format(R"({{"incident":"{}")", other);
  SENTINEL_ASSIGN(const state::Rows said,
                  tx.query("SELECT 1 FROM incident_timeline WHERE incident_id = ? AND kind = ? AND "
                           "SUBSTR(data, 1, ?) = ? LIMIT 1",
                           {one, std::string(kKind), static_cast<int64_t>(begins.size()), begins}));
  return !said.empty();
}

Result<NamedCause> named(state::Tx& tx, const IncidentRecord& record, TimePoint onset) {
  SENTINEL_ASSIGN(const std::optional<Diagnosis> diagnosis, load_diagnosis(tx, record.incident.id));
  return NamedCause{record.incident, diagnosis ? diagnosis->failing_condition : "", onset};
}

Micros between(TimePoint a, TimePoint b) { return a < b ? b - a : a - b; }

}  // namespace

std::string cause_of(const Diagnosis& diagnosis) {
  if (diagnosis.findings.empty()) return "";
  return fmt::format("{}={}", diagnosis.findings.front().dimension, diagnosis.findings.front().value);
}

bool FailingOverlap::is_large() const {
  return both >= kSameCallsMin && static_cast<double>(both) >= kSameCallsShareMin * static_cast<double>(smaller());
}

Result<FailingOverlap> measure_overlap(events::EventStore& events, const NamedCause& one, const NamedCause& other,
                                       TimePoint now) {
  const auto fails = [](const NamedCause& of) {
    return fmt::format("COALESCE(({}){}, FALSE)", of.failing_condition, scope_condition(scope_of(of.incident)));
  };
  const std::string sql = fmt::format(
      "SELECT COUNT(*) FILTER (WHERE a), COUNT(*) FILTER (WHERE b), COUNT(*) FILTER (WHERE a AND b) FROM "
      "(SELECT {} AS a, {} AS b FROM llm_events WHERE timestamp >= make_timestamp(?) AND timestamp <= "
      "make_timestamp(?) AND {}test_mode)",
      fails(one), fails(other), one.incident.test_mode ? "" : "NOT ");
  SENTINEL_ASSIGN(const events::SqlResult result,
                  events.query(sql, {to_us(std::min(one.onset, other.onset)), to_us(now)}));
  if (result.rows.empty()) return FailingOverlap{};
  const auto count = [&](size_t i) {
    const auto* value = std::get_if<int64_t>(&result.rows.front()[i]);
    return value == nullptr ? 0 : static_cast<uint64_t>(*value);
  };
  return FailingOverlap{count(0), count(1), count(2)};
}

Result<SameCause> Service::same_cause_as(std::string_view id) {
  SameCause out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const IncidentRecord record, load(tx, id));
    SENTINEL_ASSIGN(const std::optional<CauseRow> own, load_cause(tx, record.incident.id));
    if (!own || record.incident.status == IncidentStatus::kResolved) return {};
    SENTINEL_ASSIGN(out.own, named(tx, record, own->onset));
    SENTINEL_ASSIGN(
        const state::Rows rows,
        tx.query("SELECT d.incident_id, d.onset FROM incident_diagnoses d JOIN incidents i ON i.id = d.incident_id "
                 "WHERE d.cause = ? AND d.onset >= ? AND d.onset <= ? AND d.incident_id <> ? AND i.status <> "
                 "'resolved' AND i.test_mode = ? ORDER BY i.number LIMIT ?",
                 {own->cause, to_us(own->onset - kSameOnsetMax), to_us(own->onset + kSameOnsetMax), record.incident.id,
                  int64_t{record.incident.test_mode}, static_cast<int64_t>(kSameCausesMax)}));
    for (const state::Row& row : rows) {
      SENTINEL_ASSIGN(const bool settled, is_settled(tx, record.incident.id, row.text(0)));
      if (settled) continue;
      SENTINEL_ASSIGN(const IncidentRecord other, load(tx, row.text(0)));
      SENTINEL_ASSIGN(out.others.emplace_back(), named(tx, other, time_from_us(row.integer(1))));
    }
    return {};
  }));
  return out;
}

// Judged anew in the transaction: either may have been resolved, taken apart or diagnosed otherwise meanwhile.
Status Service::group_by_diagnosis(std::string_view one, std::string_view other, const FailingOverlap& overlap) {
  std::string older_id;
  const auto decided = change(
      one, 0,
      [&](state::Tx& tx, IncidentRecord& newer) -> Status {
        SENTINEL_ASSIGN(IncidentRecord older, load(tx, other));
        if (newer.incident.number < older.incident.number) return fail(ErrorCode::kInternal, "the newer one joins");
        if (options_.group_by_diagnosis == GroupByDiagnosis::kOff || !overlap.is_large()) return {};
        for (const IncidentRecord* record : {&newer, &older}) {
          if (record->incident.status == IncidentStatus::kResolved) return {};
        }
        SENTINEL_ASSIGN(const std::optional<CauseRow> a, load_cause(tx, newer.incident.id));
        SENTINEL_ASSIGN(const std::optional<CauseRow> b, load_cause(tx, older.incident.id));
        if (!a || !b || a->cause != b->cause || between(a->onset, b->onset) > kSameOnsetMax) return {};
        SENTINEL_ASSIGN(const bool settled, is_settled(tx, newer.incident.id, older.incident.id));
        if (settled) return {};
        older_id = older.incident.id;
        const std::string apart = format_duration(std::chrono::duration_cast<Millis>(between(a->onset, b->onset)));
        const std::string why = fmt::format("both are about {}, {} of {} failing calls are of both, begun {} apart",
                                            a->cause, overlap.both, overlap.smaller(), apart);
        const auto data = [&](const IncidentRecord& there) {
          return fmt::format(R"({{"incident":"{}","cause":{},"both":{},"failing":{}}})", there.incident.id,
                             json_quote(a->cause), overlap.both, overlap.smaller());
        };
        // Whoever works on the newer one is not interrupted.
        const bool merges =
            options_.group_by_diagnosis == GroupByDiagnosis::kMerge && newer.incident.status == IncidentStatus::kOpen;
        const auto told = [&](const IncidentRecord& record, const IncidentRecord& there) {
          const std::string text =
              fmt::format("{} INC-{}: {}", merges ? "the same as" : "may be the same as", there.incident.number, why);
          return append_timeline(tx, record.incident, kKind, text, data(there), kDiagnosis);
        };
        SENTINEL_TRY(told(newer, older));
        SENTINEL_TRY(told(older, newer));
        if (merges) return merge_in(tx, newer, older, kDiagnosis);
        SENTINEL_TRY(put_link(tx, newer.incident.id, older.incident.id, kLinkRelated, scheduler_.now(), "sentinel"));
        for (IncidentRecord* record : {&newer, &older}) {
          record->incident.updated_at = scheduler_.now();
          ++record->incident.version;
          SENTINEL_TRY(store(tx, *record));
        }
        return {};
      },
      true);
  if (!decided) return fail(decided.error());
  if (!older_id.empty()) notify_changed(older_id);
  return {};
}

}  // namespace sentinel::incident
