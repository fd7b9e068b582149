#include "incident/diagnosis.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/duration.h"
#include "base/strings.h"
#include "incident/dimensions.h"
#include "incident/onset.h"
#include "text/json_text.h"

namespace sentinel::incident {
namespace {

constexpr int64_t kOnsetSteps = 600;  // of a second each where ten minutes are looked at
// A value is only new when it was missing from so many calls before: in the first calls ever, everything is.
constexpr int kCallsBeforeNew = 100;
// A value that came up this close to the onset is told of in any case; an older one only when it sets failing calls
// apart: what came up minutes before and has no part in the failures is another story.
constexpr auto kWithOnset = std::chrono::minutes(1);
// What was done at most so long before the onset, or this much after it as clocks differ, may have brought it about.
constexpr auto kMayHaveCaused = std::chrono::minutes(10);
constexpr auto kClocksDiffer = std::chrono::seconds(5);
constexpr size_t kKnownChangesMax = 8;
constexpr size_t kFirstSeenMax = 5;  // of one column
// Where the condition calls this share of the calls fine, those it is silent on (NULL: a score they were never given)
// are no baseline: else the endpoint whose answers are checked would seem the cause of what the check finds. Where it
// calls hardly any fine, silence means fine: an error_type that is absent.
constexpr double kJudgedMin = 0.2;
// Of fine calls about so many are compared: more tell nothing more of shares. They are chosen by the microsecond of
// their time, modulo a prime that is no multiple of anything a machine does at intervals.
constexpr int64_t kBaselineCalls = 150'000;
constexpr int64_t kSampleModulus = 7919;

std::string cell_text(const events::Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* integer = std::get_if<int64_t>(&cell)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&cell)) return format_double(*real);
  if (const auto* flag = std::get_if<bool>(&cell)) return *flag ? "true" : "false";
  return "";
}

int64_t cell_int(const events::Cell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell)) return *integer;
  if (const auto* real = std::get_if<double>(&cell)) return std::llround(*real);
  return 0;
}

double cell_real(const events::Cell& cell) {
  if (const auto* real = std::get_if<double>(&cell)) return *real;
  if (const auto* integer = std::get_if<int64_t>(&cell)) return static_cast<double>(*integer);
  return 0;
}

std::string clock_time(TimePoint t) { return fmt::format("{:%H:%M:%S}", std::chrono::floor<std::chrono::seconds>(t)); }

class Diagnoser {
 public:
  Diagnoser(events::EventStore& events, const DiagnosisRequest& request, const DiagnosisLimits& limits)
      : events_(events), request_(request), limits_(limits) {}

  Result<Diagnosis> run() {
    diagnosis_.computed_at = request_.now;
    diagnosis_.failing_condition = request_.failing_condition;
    SENTINEL_TRY(find_onset());
    if (!diagnosis_.onset) return diagnosis_;
    SENTINEL_TRY(contrast());
    SENTINEL_TRY(find_changes());
    SENTINEL_TRY(find_examples());
    return diagnosis_;
  }

 private:
  TimePoint window_start() const {
    return std::max(request_.alert_started_at - request_.lookback, request_.not_before);
  }
  std::string failing() const { return fmt::format("COALESCE(({}), FALSE)", request_.failing_condition); }

  std::string scope() const { return scope_condition(request_.scope); }

  Result<events::SqlResult> query(const std::string& sql, const std::vector<events::Cell>& params) {
    auto result = events_.query(sql, params, {.rows_max = 20'000, .timeout = std::chrono::seconds(10)});
    if (!result) return fail(result.error().with_context("diagnosis"));
    return result;
  }

  Status find_onset() {
    const int64_t start = to_us(window_start());
    const int64_t width = std::max<int64_t>(1, (to_us(request_.now) - start) / kOnsetSteps + 1);
    const std::string sql = fmt::format(
        "SELECT CAST(floor((epoch_us(timestamp) - ?) / ?) AS BIGINT) AS bucket, COUNT(*), "
        "COUNT(*) FILTER (WHERE {0}), MIN(CASE WHEN {0} THEN epoch_us(timestamp) END), "
        "COUNT(*) FILTER (WHERE NOT ({2})) "
        "FROM llm_events WHERE timestamp >= make_timestamp(?) AND timestamp <= make_timestamp(?) AND test_mode = ?{1} "
        "GROUP BY 1 ORDER BY 1",
        failing(), scope(), request_.failing_condition);
    SENTINEL_ASSIGN(const events::SqlResult result,
                    query(sql, {start, width, start, to_us(request_.now), request_.test_mode}));
    std::vector<CallCounts> steps(kOnsetSteps);
    std::vector<int64_t> first_failing(kOnsetSteps, 0);
    double calls = 0;
    double fine = 0;
    const auto step_of = [](int64_t n) { return static_cast<size_t>(std::clamp<int64_t>(n, 0, kOnsetSteps - 1)); };
    for (const events::CellRow& row : result.rows) {
      const size_t i = step_of(cell_int(row[0]));
      steps[i] = {static_cast<double>(cell_int(row[1])), static_cast<double>(cell_int(row[2]))};
      first_failing[i] = cell_int(row[3]);
      calls += steps[i].calls;
      fine += static_cast<double>(cell_int(row[4]));
    }
    only_judged_ = fine >= calls * kJudgedMin;
    const auto step = onset_step(steps, step_of((to_us(request_.alert_started_at) - start) / width));
    if (step) diagnosis_.onset = time_from_us(first_failing[*step]);
    return {};
  }

  // The calls from the baseline's beginning on with f = 1 for a failing one since the onset, b = 1 for one that is
  // fine, and `columns`. Its parameters: range_params().
  std::string calls_sql(const std::string& columns) const {
    const std::string sampled =
        sample_below_ < kSampleModulus
            ? fmt::format(" AND (epoch_us(timestamp) % {} < {} OR {})", kSampleModulus, sample_below_, failing())
            : "";
    const std::string judged = only_judged_ ? fmt::format(" AND ({}) IS NOT NULL", request_.failing_condition) : "";
    return fmt::format(
        "SELECT CASE WHEN {0} AND timestamp >= make_timestamp(?) THEN 1 ELSE 0 END AS f, "
        "CASE WHEN {0} THEN 0 ELSE 1 END AS b{1} FROM llm_events "
        "WHERE timestamp >= make_timestamp(?) AND timestamp <= make_timestamp(?) AND test_mode = ?{2}{3}{4}",
        failing(), columns, scope(), judged, sampled);
  }
  Status choose_sample() {
    std::vector<events::Cell> params = range_params();
    params.erase(params.begin());
    SENTINEL_ASSIGN(const events::SqlResult result,
                    query("SELECT COUNT(*) FROM llm_events WHERE timestamp >= make_timestamp(?) AND timestamp <= "
                          "make_timestamp(?) AND test_mode = ?" +
                              scope(),
                          params));
    const int64_t calls = cell_int(result.rows.front()[0]);
    if (calls > kBaselineCalls) sample_below_ = std::max<int64_t>(1, kSampleModulus * kBaselineCalls / calls);
    return {};
  }
  std::vector<events::Cell> range_params() const {
    const int64_t onset = to_us(*diagnosis_.onset);
    return {onset, onset - request_.before.count(), to_us(request_.now), request_.test_mode};
  }
  // A condition that is about what the dimension is made of says nothing more through it.
  bool restates(const Dimension& d) const {
    return d.sql == kPromptSize && request_.failing_condition.find("tokens_input") != std::string::npos;
  }

  Status contrast() {
    SENTINEL_TRY(choose_sample());
    std::string columns, unions;
    for (size_t i = 0; i < kDimensions.size(); ++i) {
      if (restates(kDimensions[i])) continue;
      if (kDimensions[i].list) {
        columns += fmt::format(", {} AS d{}", kDimensions[i].sql, i);
        unions += fmt::format(
            " UNION ALL SELECT {0} AS d, v, SUM(f) AS f, SUM(b) AS b FROM (SELECT unnest(d{0}) AS v, f, b FROM c) "
            "GROUP BY v",
            i);
      } else {
        columns += fmt::format(", COALESCE(CAST({} AS VARCHAR), '') AS d{}", kDimensions[i].sql, i);
        unions +=
            fmt::format(" UNION ALL SELECT {0} AS d, d{0} AS v, SUM(f) AS f, SUM(b) AS b FROM c GROUP BY d{0}", i);
      }
    }
    const std::string sql =
        fmt::format("WITH c AS MATERIALIZED ({}) SELECT -1 AS d, '' AS v, SUM(f) AS f, SUM(b) AS b FROM c{}",
                    calls_sql(columns), unions);
    SENTINEL_ASSIGN(const events::SqlResult result, query(sql, range_params()));
    CallTotals all;
    std::vector<Candidate> candidates;
    for (const events::CellRow& row : result.rows) {
      const CallTotals counts{static_cast<uint64_t>(cell_int(row[2])), static_cast<uint64_t>(cell_int(row[3]))};
      if (cell_int(row[0]) < 0) {
        all = counts;
      } else {
        candidates.push_back({static_cast<size_t>(cell_int(row[0])), cell_text(row[1]), counts});
      }
    }
    diagnosis_.failing = all.failing;
    diagnosis_.baseline = all.baseline;
    if (all.failing < limits_.failing_min) return {};
    CauseRanking ranking(all, std::move(candidates), limits_);
    SENTINEL_ASSIGN(std::vector<ValueSet> sets, count_sets(ranking.looked_at_together()));
    diagnosis_.findings = ranking.rank(std::move(sets));
    return {};
  }

  // A condition and its parameter: the call has this value.
  static std::string has_value(size_t dimension) {
    const Dimension& d = kDimensions[dimension];
    return d.list ? fmt::format("COALESCE(list_contains({}, ?), FALSE)", d.sql)
                  : fmt::format("COALESCE(CAST({} AS VARCHAR), '') = ?", d.sql);
  }

  // One pass: each call is the set of the values that it has; sets are few.
  Result<std::vector<ValueSet>> count_sets(const std::vector<Candidate>& values) {
    std::vector<ValueSet> sets;
    if (values.size() < 2) return sets;
    std::string bits;
    std::vector<events::Cell> params = range_params();
    std::vector<events::Cell> chosen;
    for (size_t i = 0; i < values.size(); ++i) {
      bits += fmt::format("{}(CASE WHEN {} THEN {} ELSE 0 END)", i == 0 ? "" : " + ", has_value(values[i].dimension),
                          1 << i);
      chosen.emplace_back(values[i].value);
    }
    params.insert(params.begin() + 1, chosen.begin(), chosen.end());  // the order of the question marks
    const std::string sql =
        fmt::format("SELECT m, SUM(f), SUM(b) FROM ({}) GROUP BY m", calls_sql(fmt::format(", {} AS m", bits)));
    SENTINEL_ASSIGN(const events::SqlResult result, query(sql, params));
    for (const events::CellRow& row : result.rows) {
      sets.push_back({static_cast<uint64_t>(cell_int(row[0])),
                      {static_cast<uint64_t>(cell_int(row[1])), static_cast<uint64_t>(cell_int(row[2]))}});
    }
    return sets;
  }
  bool is_finding(std::string_view dimension, std::string_view value) const {
    return std::any_of(diagnosis_.findings.begin(), diagnosis_.findings.end(), [&](const Finding& f) {
      return (f.dimension == dimension && f.value == value) || (f.with_dimension == dimension && f.with_value == value);
    });
  }

  // Values never seen before that came up with the onset, or before it and have a part in the failures.
  Status find_changes() {
    constexpr std::array<std::string_view, 4> kColumns{"model_version", "prompt_template", "provider", "model"};
    std::string columns, sets;
    for (const std::string_view column : kColumns) {
      columns += fmt::format("{}, ", column);
      sets += fmt::format("{}({})", sets.empty() ? "" : ", ", column);
    }
    const int64_t onset = to_us(*diagnosis_.onset);
    const std::string sql = fmt::format(
        "SELECT {}MIN(epoch_us(timestamp)) AS first_us FROM llm_events WHERE test_mode = ? AND timestamp <= "
        "make_timestamp(?) GROUP BY GROUPING SETS ({}) HAVING MIN(epoch_us(timestamp)) BETWEEN ? AND ? ORDER BY "
        "first_us",
        columns, sets);
    SENTINEL_ASSIGN(const events::SqlResult result,
                    query(sql, {request_.test_mode, to_us(request_.now), onset - request_.before.count(),
                                onset + Micros(kWithOnset).count()}));
    for (size_t c = 0; c < kColumns.size(); ++c) {
      size_t told = 0;
      for (const events::CellRow& row : result.rows) {
        const std::string value = cell_text(row[c]);  // empty in the rows of other columns
        const TimePoint at = time_from_us(cell_int(row[kColumns.size()]));
        if (value.empty() || told == kFirstSeenMax) continue;
        if (distance(at) > kWithOnset && !is_finding(kColumns[c], value)) continue;
        SENTINEL_ASSIGN(const bool new_value, calls_came_before(at));
        if (!new_value) continue;
        ++told;
        diagnosis_.changes.push_back(
            {at, fmt::format("{} {} was first seen at {}, {}", replace_all(std::string(kColumns[c]), "_", " "), value,
                             clock_time(at), when(at))});
      }
    }
    add_known_changes();
    return {};
  }

  // Enough of them that a value which was not among them is a new one.
  Result<bool> calls_came_before(TimePoint at) {
    SENTINEL_ASSIGN(const events::SqlResult result,
                    query(fmt::format("SELECT COUNT(*) FROM (SELECT 1 FROM llm_events WHERE timestamp < "
                                      "make_timestamp(?) LIMIT {})",
                                      kCallsBeforeNew),
                          {to_us(at)}));
    return cell_int(result.rows.front()[0]) >= kCallsBeforeNew;
  }

  Micros distance(TimePoint at) const {
    return std::chrono::abs(std::chrono::duration_cast<Micros>(at - *diagnosis_.onset));
  }
  std::string when(TimePoint at) const {
    if (distance(at) < std::chrono::seconds(1)) return "with the first failing call";
    return fmt::format("{} {} the first failing call", humanize_duration(distance(at)),
                       at > *diagnosis_.onset ? "after" : "before");
  }

  // What was done within the time looked at, nearest to the onset first.
  void add_known_changes() {
    std::vector<KnownChange> near;
    for (const KnownChange& change : request_.known_changes) {
      if (change.at >= *diagnosis_.onset - request_.before && change.at <= *diagnosis_.onset + kWithOnset)
        near.push_back(change);
    }
    std::sort(near.begin(), near.end(), [&](const KnownChange& a, const KnownChange& b) {
      return std::pair(distance(a.at), a.at) < std::pair(distance(b.at), b.at);
    });
    if (near.size() > kKnownChangesMax) near.resize(kKnownChangesMax);
    for (const KnownChange& change : near) {
      diagnosis_.changes.push_back(
          {change.at, fmt::format("{} at {}, {}", change.what, clock_time(change.at), when(change.at)), change.kind});
    }
  }

  Status find_examples() {
    // The latest failing calls that carry the first finding, so that the example shows the cause.
    std::string narrow;
    std::vector<events::Cell> params{to_us(*diagnosis_.onset), to_us(request_.now), request_.test_mode};
    const auto narrow_to = [&](std::string_view name, const std::string& value) {
      const auto d = std::find_if(kDimensions.begin(), kDimensions.end(),
                                  [&](const Dimension& dimension) { return dimension.name == name; });
      if (d == kDimensions.end()) return;
      narrow += " AND " + has_value(static_cast<size_t>(d - kDimensions.begin()));
      params.emplace_back(value);
    };
    if (!diagnosis_.findings.empty()) {
      const Finding& first = diagnosis_.findings.front();
      narrow_to(first.dimension, first.value);
      narrow_to(first.with_dimension, first.with_value);
    }
    const std::string sql = fmt::format(
        "SELECT request_id, epoch_us(timestamp), endpoint, model_version, error_type, latency_ms, safety_label, "
        "drift_score, "
        "substr(response, 1, 90) FROM llm_events WHERE timestamp >= make_timestamp(?) AND timestamp <= "
        "make_timestamp(?) "
        "AND test_mode = ? AND {}{}{} ORDER BY timestamp DESC LIMIT {}",
        failing(), scope(), narrow, limits_.examples_max);
    SENTINEL_ASSIGN(const events::SqlResult result, query(sql, params));
    for (const events::CellRow& row : result.rows) {
      std::string sentence =
          fmt::format("{} answered by {} in {:.0f} ms", cell_text(row[2]), cell_text(row[3]), cell_real(row[5]));
      if (const std::string error = cell_text(row[4]); !error.empty()) sentence += fmt::format(", {}", error);
      if (const std::string label = cell_text(row[6]); !label.empty() && label != "SAFE")
        sentence += fmt::format(", {}", label);
      if (cell_real(row[7]) > 0.2) sentence += fmt::format(", drift {:.2f}", cell_real(row[7]));
      if (const std::string answer = cell_text(row[8]); !answer.empty()) sentence += fmt::format(": “{}”", answer);
      diagnosis_.examples.push_back({cell_text(row[0]), time_from_us(cell_int(row[1])), std::move(sentence)});
    }
    return {};
  }

  events::EventStore& events_;
  const DiagnosisRequest& request_;
  const DiagnosisLimits& limits_;
  Diagnosis diagnosis_;
  bool only_judged_ = false;               // see kJudgedMin
  int64_t sample_below_ = kSampleModulus;  // of fine calls those whose microsecond modulo it is below; all
};

}  // namespace

std::string scope_condition(const Scope& scope) {
  std::string out;
  for (const auto& [column, value] : scope) out += fmt::format(" AND {} = '{}'", column, replace_all(value, "'", "''"));
  return out;
}

std::string Diagnosis::why() const {
  if (failing == 0) return "No call matches the rule's failing condition in this window yet.";
  // What may have brought it about: a breaker that opens is what failing calls lead to.
  std::string done;
  for (const ChangeNearOnset& change : changes) {
    if (!onset || change.kind == "first_seen" || change.kind == "breaker") continue;
    if (change.at < *onset - kMayHaveCaused || change.at > *onset + kClocksDiffer) continue;
    done = fmt::format(" Before it: {}.", change.sentence);
    break;
  }
  if (findings.empty()) {
    return fmt::format(
        "Nothing sets the {} failing calls apart from {} others: the cause is likely common to all calls.{}", failing,
        baseline, done);
  }
  std::string text = findings.front().sentence;
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  for (const ChangeNearOnset& change : changes) {
    if (change.kind != "first_seen") continue;
    const std::string& with = findings.front().with_value;
    if (change.sentence.find(findings.front().value) != std::string::npos ||
        (!with.empty() && change.sentence.find(with) != std::string::npos)) {
      const size_t seen = change.sentence.find("was first seen");
      return fmt::format("{}; it {}.{}", text, change.sentence.substr(seen), done);
    }
  }
  return text + "." + done;
}

Result<Diagnosis> diagnose(events::EventStore& events, const DiagnosisRequest& request, const DiagnosisLimits& limits) {
  return Diagnoser(events, request, limits).run();
}

Result<Impact> measure_impact(events::EventStore& events, const Scope& scope, std::string_view failing_condition,
                              TimePoint from, TimePoint to) {
  const std::string failing = failing_condition.empty() ? "status = 'error'" : std::string(failing_condition);
  const std::string sql = fmt::format(
      "SELECT COUNT(*), COUNT(*) FILTER (WHERE f), COUNT(DISTINCT CASE WHEN f AND user_hash <> '' THEN user_hash END), "
      "SUM(cost_usd), SUM(tokens_input + tokens_output), quantile_cont(latency_ms, 0.95), "
      "string_agg(DISTINCT CASE WHEN f THEN model_version END, ', '), string_agg(DISTINCT CASE WHEN f THEN endpoint "
      "END, ', '), string_agg(DISTINCT CASE WHEN f THEN provider END, ', '), string_agg(DISTINCT CASE WHEN f THEN "
      "COALESCE(NULLIF(prompt_template, ''), prompt_id) END, ', '), COUNT(*) FILTER (WHERE fallback_used) "
      "FROM (SELECT *, COALESCE(({}), FALSE) AS f FROM llm_events WHERE timestamp >= make_timestamp(?) AND "
      "timestamp <= make_timestamp(?) AND NOT test_mode{})",
      failing, scope_condition(scope));
  SENTINEL_ASSIGN(const events::SqlResult result, events.query(sql, {to_us(from), to_us(to)}));
  Impact impact;
  if (result.rows.empty()) return impact;
  const events::CellRow& row = result.rows.front();
  impact.calls = static_cast<uint64_t>(cell_int(row[0]));
  impact.failing = static_cast<uint64_t>(cell_int(row[1]));
  impact.users = static_cast<uint64_t>(cell_int(row[2]));
  impact.cost_usd = cell_real(row[3]);
  impact.tokens = cell_real(row[4]);
  if (!std::holds_alternative<std::monostate>(row[5])) impact.latency_p95_ms = cell_real(row[5]);
  const auto list = [](const events::Cell& cell) {
    std::vector<std::string> values;
    const std::string text = cell_text(cell);  // split() returns views of it
    for (const std::string_view part : split(text, ',')) {
      if (!trim(part).empty()) values.emplace_back(trim(part));
    }
    std::sort(values.begin(), values.end());
    return values;
  };
  impact.models = list(row[6]);
  impact.endpoints = list(row[7]);
  impact.providers = list(row[8]);
  impact.prompts = list(row[9]);
  impact.fallbacks = static_cast<uint64_t>(cell_int(row[10]));
  return impact;
}

std::string to_json(const Diagnosis& d) {
  namespace json = boost::json;
  json::array findings, changes, examples;
  for (const Finding& f : d.findings) {
    findings.push_back(json::object{{"rank", findings.size() + 1},
                                    {"sentence", f.sentence},
                                    {"dimension", f.dimension},
                                    {"value", f.value},
                                    {"failing_count", f.failing_count},
                                    {"failing_share", f.failing_share},
                                    {"baseline_count", f.baseline_count},
                                    {"baseline_share", f.baseline_share},
                                    {"lift", f.lift},
                                    {"p_value", f.p_value}});
    if (!f.with_dimension.empty())
      findings.back().as_object()["with"] = json::object{{"dimension", f.with_dimension}, {"value", f.with_value}};
  }
  for (const ChangeNearOnset& c : d.changes)
    changes.push_back(json::object{{"at", format_rfc3339(c.at)}, {"sentence", c.sentence}, {"kind", c.kind}});
  for (const ExampleCall& e : d.examples) {
    examples.push_back(
        json::object{{"request_id", e.request_id}, {"timestamp", format_rfc3339(e.at)}, {"sentence", e.sentence}});
  }
  json::object out{{"computed_at", format_rfc3339(d.computed_at)},
                   {"failing", d.failing},
                   {"baseline", d.baseline},
                   {"failing_condition", d.failing_condition}};
  out["onset"] = d.onset ? json::value(format_rfc3339(*d.onset)) : json::value(nullptr);
  out["why"] = d.why();
  out["findings"] = std::move(findings);
  out["changes"] = std::move(changes);
  out["examples"] = std::move(examples);
  return text::serialize(out);
}

Result<Diagnosis> diagnosis_from_json(std::string_view text) {
  namespace json = boost::json;
  try {
    const json::value value = json::parse(text);
    const auto string = [](const json::value& v, std::string_view key) { return std::string(v.at(key).as_string()); };
    const auto time = [&](const json::value& v, std::string_view key) {
      return parse_time(string(v, key)).value_or(TimePoint{});
    };
    const auto real = [](const json::value& v, std::string_view key) { return v.at(key).to_number<double>(); };
    const auto count = [](const json::value& v, std::string_view key) { return v.at(key).to_number<uint64_t>(); };
    Diagnosis d;
    d.computed_at = time(value, "computed_at");
    d.failing_condition = string(value, "failing_condition");
    d.failing = count(value, "failing");
    d.baseline = count(value, "baseline");
    if (value.at("onset").is_string()) d.onset = time(value, "onset");
    for (const json::value& f : value.at("findings").as_array()) {
      d.findings.push_back({string(f, "dimension"), string(f, "value"), count(f, "failing_count"),
                            real(f, "failing_share"), count(f, "baseline_count"), real(f, "baseline_share"),
                            real(f, "lift"), real(f, "p_value"), string(f, "sentence")});
      if (const json::value* with = f.as_object().if_contains("with")) {
        d.findings.back().with_dimension = string(*with, "dimension");
        d.findings.back().with_value = string(*with, "value");
      }
    }
    for (const json::value& c : value.at("changes").as_array()) {
      const bool has_kind = c.as_object().contains("kind");  // not in those of older versions
      d.changes.push_back({time(c, "at"), string(c, "sentence"), has_kind ? string(c, "kind") : "first_seen"});
    }
    for (const json::value& e : value.at("examples").as_array()) {
      d.examples.push_back({string(e, "request_id"), time(e, "timestamp"), string(e, "sentence")});
    }
    return d;
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInternal, fmt::format("stored diagnosis cannot be read: {}", e.what()));
  }
}

}  // namespace sentinel::incident
