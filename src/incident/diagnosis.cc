#include "incident/diagnosis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/duration.h"
#include "base/strings.h"
#include "incident/onset.h"
#include "text/json_text.h"

namespace sentinel::incident {
namespace {

struct Dimension {
  std::string_view name;      // in the diagnosis
  std::string_view sql;       // expression over llm_events, VARCHAR, or VARCHAR[] where `list`
  std::string_view sentence;  // {0}: value
  bool symptom = false;       // says how calls failed rather than why; ranked after causes
  bool list = false;          // a call has any number of values, and counts for each
};

// Earlier wins a tie: what an operator can act on first.
constexpr std::array kDimensions{
    Dimension{"simulate_flags", "simulate_flags", "calls made with {}", false, true},
    Dimension{"model_version", "model_version", "model version {}"},
    Dimension{"prompt_template", "prompt_template", "prompt template {}"},
    Dimension{"provider", "provider", "provider {}"},
    Dimension{"model", "model", "model {}"},
    Dimension{"endpoint", "endpoint", "endpoint {}"},
    Dimension{"request_type", "request_type", "request type {}"},
    Dimension{"service", "service", "service {}"},
    Dimension{"env", "env", "environment {}"},
    Dimension{"user_hash", "user_hash", "user {}"},
    Dimension{"prompt_id", "prompt_id", "prompt {}"},
    Dimension{"fallback_used", "CASE WHEN fallback_used THEN 'fallback' ELSE '' END", "the {} route"},
    Dimension{"error_type", "error_type", "error {}", true},
    Dimension{"safety_label", "safety_label", "safety label {}", true},
    Dimension{"finish_reason", "finish_reason", "finish reason {}", true},
};

constexpr int64_t kOnsetSteps = 600;  // of a second each where ten minutes are looked at
// A value is only new when it was missing from so many calls before: in the first calls ever, everything is.
constexpr int kCallsBeforeNew = 100;
// A value that came up this close to the onset is told of in any case; an older one only when it sets failing calls
// apart: what came up minutes before and has no part in the failures is another story.
constexpr auto kWithOnset = std::chrono::minutes(1);
// Where the condition calls this share of the calls fine, those it is silent on (NULL: a score they were never given)
// are no baseline: else the endpoint whose answers are checked would seem the cause of what the check finds. Where it
// calls hardly any fine, silence means fine: an error_type that is absent.
constexpr double kJudgedMin = 0.2;
// What of its score a symptom keeps: even the plainest stands behind a cause of half the failing calls.
constexpr double kSymptomWeight = 0.25;

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

std::string percent(double share) { return fmt::format("{:.0f} %", share * 100); }

// Two-sided p-value of the two-proportion z-test with pooled variance.
double two_proportion_p(double a, double n_a, double b, double n_b) {
  if (n_a == 0 || n_b == 0) return 1;
  const double pooled = (a + b) / (n_a + n_b);
  const double variance = pooled * (1 - pooled) * (1 / n_a + 1 / n_b);
  if (variance <= 0) return 1;
  const double z = std::abs(a / n_a - b / n_b) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

double entropy_bits(double p) { return p <= 0 || p >= 1 ? 0 : -p * std::log2(p) - (1 - p) * std::log2(1 - p); }

// How many bits the value tells of whether a call fails, were failing and other calls equally many (Jensen-Shannon
// divergence): 1 when all failing calls have it and no other. Unlike the mere difference of the shares it takes a value
// that others hardly ever have (a great lift) over one that is common on both sides.
double separation(double failing_share, double baseline_share) {
  return entropy_bits((failing_share + baseline_share) / 2) -
         (entropy_bits(failing_share) + entropy_bits(baseline_share)) / 2;
}

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

  Status contrast() {
    std::string columns, unions;
    for (size_t i = 0; i < kDimensions.size(); ++i) {
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
    const std::string sql = fmt::format(
        "WITH c AS MATERIALIZED (SELECT CASE WHEN {0} AND timestamp >= make_timestamp(?) THEN 1 ELSE 0 END AS f, "
        "CASE WHEN {0} THEN 0 ELSE 1 END AS b{1} FROM llm_events "
        "WHERE timestamp >= make_timestamp(?) AND timestamp <= make_timestamp(?) AND test_mode = ?{3}) "
        "SELECT -1 AS d, '' AS v, SUM(f) AS f, SUM(b) AS b FROM c{2}",
        failing(), columns, unions,
        scope() + (only_judged_ ? fmt::format(" AND ({}) IS NOT NULL", request_.failing_condition) : ""));
    const int64_t onset = to_us(*diagnosis_.onset);
    SENTINEL_ASSIGN(const events::SqlResult result,
                    query(sql, {onset, onset - request_.before.count(), to_us(request_.now), request_.test_mode}));
    std::vector<size_t> dimension;
    for (const events::CellRow& row : result.rows) {
      if (cell_int(row[0]) < 0) {
        diagnosis_.failing = static_cast<uint64_t>(cell_int(row[2]));
        diagnosis_.baseline = static_cast<uint64_t>(cell_int(row[3]));
        continue;
      }
      const size_t d = static_cast<size_t>(cell_int(row[0]));
      Finding finding;
      finding.dimension = std::string(kDimensions[d].name);
      finding.value = cell_text(row[1]);
      finding.failing_count = static_cast<uint64_t>(cell_int(row[2]));
      finding.baseline_count = static_cast<uint64_t>(cell_int(row[3]));
      candidates_.push_back(std::move(finding));
      dimension.push_back(d);
    }
    if (diagnosis_.failing >= limits_.failing_min) rank(dimension);
    return {};
  }

  void rank(const std::vector<size_t>& dimension) {
    const double failing = static_cast<double>(diagnosis_.failing);
    const double baseline = static_cast<double>(diagnosis_.baseline);
    struct Scored {
      double score;
      size_t dimension;
      Finding finding;
    };
    std::vector<Scored> scored;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      Finding& f = candidates_[i];
      const double in_failing = static_cast<double>(f.failing_count);
      const double in_baseline = static_cast<double>(f.baseline_count);
      f.failing_share = in_failing / failing;
      f.baseline_share = baseline > 0 ? in_baseline / baseline : 0;
      f.lift = ((in_failing + 0.5) / (failing + 0.5)) / ((in_baseline + 0.5) / (baseline + 0.5));
      f.p_value = std::min(
          1.0, two_proportion_p(in_failing, failing, in_baseline, baseline) * static_cast<double>(candidates_.size()));
      const bool over = f.failing_share > f.baseline_share;
      if (f.value.empty() || !over || f.p_value > limits_.p_value_max) continue;
      const Dimension& d = kDimensions[dimension[i]];
      f.sentence =
          fmt::format("{}: {} of the failing calls, {} of the others", fmt::format(fmt::runtime(d.sentence), f.value),
                      percent(f.failing_share), percent(f.baseline_share));
      const double score = separation(f.failing_share, f.baseline_share);
      scored.push_back({d.symptom ? score * kSymptomWeight : score, dimension[i], std::move(f)});
    }
    // Scores within a step of 0.02 count as equal; then the order of kDimensions decides.
    const auto order = [](const Scored& s) {
      return std::tuple(-std::lround(s.score * 50), s.dimension, -s.finding.lift);
    };
    std::sort(scored.begin(), scored.end(), [&](const Scored& a, const Scored& b) { return order(a) < order(b); });
    if (scored.size() > limits_.findings_max) scored.resize(limits_.findings_max);
    for (Scored& s : scored) diagnosis_.findings.push_back(std::move(s.finding));
  }

  bool is_finding(std::string_view dimension, std::string_view value) const {
    return std::any_of(diagnosis_.findings.begin(), diagnosis_.findings.end(),
                       [&](const Finding& f) { return f.dimension == dimension && f.value == value; });
  }

  // Values never seen before that came up with the onset, or before it and have a part in the failures.
  Status find_changes() {
    const int64_t onset = to_us(*diagnosis_.onset);
    const int64_t from = onset - request_.before.count();
    for (const std::string_view column : {"model_version", "prompt_template", "provider", "model"}) {
      const std::string sql = fmt::format(
          "SELECT v, first_us FROM (SELECT {0} AS v, MIN(epoch_us(timestamp)) AS first_us FROM llm_events "
          "WHERE {0} IS NOT NULL AND {0} <> '' AND test_mode = ? AND timestamp <= make_timestamp(?) GROUP BY 1) "
          "WHERE first_us >= ? AND first_us <= ? AND (SELECT COUNT(*) FROM llm_events WHERE epoch_us(timestamp) < "
          "first_us) >= {1} "
          "ORDER BY 2 LIMIT 5",
          column, kCallsBeforeNew);
      SENTINEL_ASSIGN(const events::SqlResult result,
                      query(sql, {request_.test_mode, to_us(request_.now), from, onset + 60'000'000}));
      for (const events::CellRow& row : result.rows) {
        const TimePoint at = time_from_us(cell_int(row[1]));
        const auto gap = at > *diagnosis_.onset ? at - *diagnosis_.onset : *diagnosis_.onset - at;
        if (gap > kWithOnset && !is_finding(column, cell_text(row[0]))) continue;
        const std::string when = gap < std::chrono::seconds(1)
                                     ? std::string("with the first failing call")
                                     : fmt::format("{} {} the first failing call", humanize_duration(gap),
                                                   at > *diagnosis_.onset ? "after" : "before");
        diagnosis_.changes.push_back(
            {at, fmt::format("{} {} was first seen at {}, {}", replace_all(std::string(column), "_", " "),
                             cell_text(row[0]), clock_time(at), when)});
      }
    }
    return {};
  }

  Status find_examples() {
    // The latest failing calls that carry the first finding, so that the example shows the cause.
    std::string narrow;
    std::vector<events::Cell> params{to_us(*diagnosis_.onset), to_us(request_.now), request_.test_mode};
    if (!diagnosis_.findings.empty()) {
      const auto d = std::find_if(kDimensions.begin(), kDimensions.end(), [&](const Dimension& dimension) {
        return dimension.name == diagnosis_.findings.front().dimension;
      });
      narrow = d->list ? fmt::format(" AND list_contains({}, ?)", d->sql)
                       : fmt::format(" AND COALESCE(CAST({} AS VARCHAR), '') = ?", d->sql);
      params.emplace_back(diagnosis_.findings.front().value);
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
  std::vector<Finding> candidates_;
  bool only_judged_ = false;  // see kJudgedMin
};

}  // namespace

std::string scope_condition(const Scope& scope) {
  std::string out;
  for (const auto& [column, value] : scope) out += fmt::format(" AND {} = '{}'", column, replace_all(value, "'", "''"));
  return out;
}

std::string Diagnosis::why() const {
  if (failing == 0) return "No call matches the rule's failing condition in this window yet.";
  if (findings.empty()) {
    return fmt::format(
        "Nothing sets the {} failing calls apart from {} others: the cause is likely common to all calls.", failing,
        baseline);
  }
  std::string text = findings.front().sentence;
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  for (const ChangeNearOnset& change : changes) {
    if (change.sentence.find(findings.front().value) != std::string::npos) {
      const size_t seen = change.sentence.find("was first seen");
      return fmt::format("{}; it {}.", text, change.sentence.substr(seen));
    }
  }
  return text + ".";
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
      "END, ', ') "
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
  }
  for (const ChangeNearOnset& c : d.changes)
    changes.push_back(json::object{{"at", format_rfc3339(c.at)}, {"sentence", c.sentence}});
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
    }
    for (const json::value& c : value.at("changes").as_array())
      d.changes.push_back({time(c, "at"), string(c, "sentence")});
    for (const json::value& e : value.at("examples").as_array()) {
      d.examples.push_back({string(e, "request_id"), time(e, "timestamp"), string(e, "sentence")});
    }
    return d;
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInternal, fmt::format("stored diagnosis cannot be read: {}", e.what()));
  }
}

}  // namespace sentinel::incident
