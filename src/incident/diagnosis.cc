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
#include "text/json_text.h"

namespace sentinel::incident {
namespace {

struct Dimension {
  std::string_view name;      // in the diagnosis
  std::string_view sql;       // expression over llm_events, VARCHAR
  std::string_view sentence;  // {0}: value
  bool symptom = false;       // says how calls failed rather than why; ranked after causes
};

// Earlier wins a tie: what an operator can act on first.
constexpr std::array kDimensions{
    Dimension{"simulate_flags", "array_to_string(simulate_flags, '+')", "calls made with {}"},
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

constexpr int kOnsetBuckets = 120;
// A value is only new when it was missing from so many calls before: in the first calls ever, everything is.
constexpr int kCallsBeforeNew = 100;

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

struct Bucket {
  double calls = 0;
  double failing = 0;
};

double log_likelihood(double failing, double calls) {
  if (calls == 0 || failing == 0 || failing == calls) return 0;
  const double p = failing / calls;
  return failing * std::log(p) + (calls - failing) * std::log(1 - p);
}

// The split that explains the counts best as two binomials (maximum likelihood change point), among those where the
// failing share goes up. -1: none.
int change_point(const std::vector<Bucket>& buckets) {
  Bucket total;
  for (const Bucket& b : buckets) total = {total.calls + b.calls, total.failing + b.failing};
  const double flat = log_likelihood(total.failing, total.calls);
  Bucket left;
  double best_gain = 0;
  int best = -1;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const Bucket right{total.calls - left.calls, total.failing - left.failing};
    const double share_left = left.calls > 0 ? left.failing / left.calls : 0;
    const double share_right = right.calls > 0 ? right.failing / right.calls : 0;
    const double gain = log_likelihood(left.failing, left.calls) + log_likelihood(right.failing, right.calls) - flat;
    if (share_right > share_left && gain > best_gain && buckets[i].failing > 0) {
      best_gain = gain;
      best = static_cast<int>(i);
    }
    left = {left.calls + buckets[i].calls, left.failing + buckets[i].failing};
  }
  return best;
}

// Two-sided p-value of the two-proportion z-test with pooled variance.
double two_proportion_p(double a, double n_a, double b, double n_b) {
  if (n_a == 0 || n_b == 0) return 1;
  const double pooled = (a + b) / (n_a + n_b);
  const double variance = pooled * (1 - pooled) * (1 / n_a + 1 / n_b);
  if (variance <= 0) return 1;
  const double z = std::abs(a / n_a - b / n_b) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
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
  TimePoint window_start() const { return request_.alert_started_at - request_.lookback; }
  std::string failing() const { return fmt::format("COALESCE(({}), FALSE)", request_.failing_condition); }

  std::string scope() const { return scope_condition(request_.scope); }

  Result<events::SqlResult> query(const std::string& sql, const std::vector<events::Cell>& params) {
    auto result = events_.query(sql, params, {.rows_max = 20'000, .timeout = std::chrono::seconds(10)});
    if (!result) return fail(result.error().with_context("diagnosis"));
    return result;
  }

  Status find_onset() {
    const int64_t start = to_us(window_start());
    const int64_t width = std::max<int64_t>(1, (to_us(request_.now) - start) / kOnsetBuckets + 1);
    const std::string sql = fmt::format(
        "SELECT CAST(floor((epoch_us(timestamp) - ?) / ?) AS BIGINT) AS bucket, COUNT(*), "
        "COUNT(*) FILTER (WHERE {0}), MIN(CASE WHEN {0} THEN epoch_us(timestamp) END) "
        "FROM llm_events WHERE timestamp >= make_timestamp(?) AND timestamp <= make_timestamp(?) AND test_mode = ?{1} "
        "GROUP BY 1 ORDER BY 1",
        failing(), scope());
    SENTINEL_ASSIGN(const events::SqlResult result,
                    query(sql, {start, width, start, to_us(request_.now), request_.test_mode}));
    std::vector<Bucket> buckets(kOnsetBuckets + 1);
    std::vector<int64_t> first_failing(kOnsetBuckets + 1, 0);
    for (const events::CellRow& row : result.rows) {
      const size_t i = static_cast<size_t>(std::clamp<int64_t>(cell_int(row[0]), 0, kOnsetBuckets));
      buckets[i] = {static_cast<double>(cell_int(row[1])), static_cast<double>(cell_int(row[2]))};
      first_failing[i] = cell_int(row[3]);
    }
    int split = change_point(buckets);
    if (split < 0) {  // failing all along: the first failing call we can see
      const auto first = std::find_if(buckets.begin(), buckets.end(), [](const Bucket& b) { return b.failing > 0; });
      if (first == buckets.end()) return {};
      split = static_cast<int>(first - buckets.begin());
    }
    diagnosis_.onset = time_from_us(first_failing[static_cast<size_t>(split)]);
    return {};
  }

  Status contrast() {
    std::string columns, unions;
    for (size_t i = 0; i < kDimensions.size(); ++i) {
      columns += fmt::format(", COALESCE(CAST({} AS VARCHAR), '') AS d{}", kDimensions[i].sql, i);
      unions += fmt::format("{}SELECT {} AS d, d{} AS v, SUM(f) AS f, SUM(b) AS b FROM c GROUP BY d{}",
                            i == 0 ? "" : " UNION ALL ", i, i, i);
    }
    const std::string sql = fmt::format(
        "WITH c AS MATERIALIZED (SELECT CASE WHEN {0} AND timestamp >= make_timestamp(?) THEN 1 ELSE 0 END AS f, "
        "CASE WHEN {0} THEN 0 ELSE 1 END AS b{1} FROM llm_events "
        "WHERE timestamp >= make_timestamp(?) AND timestamp <= make_timestamp(?) AND test_mode = ?{3}) {2}",
        failing(), columns, unions, scope());
    const int64_t onset = to_us(*diagnosis_.onset);
    SENTINEL_ASSIGN(const events::SqlResult result,
                    query(sql, {onset, onset - request_.before.count(), to_us(request_.now), request_.test_mode}));
    std::vector<size_t> dimension;
    for (const events::CellRow& row : result.rows) {
      const size_t d = static_cast<size_t>(cell_int(row[0]));
      Finding finding;
      finding.dimension = std::string(kDimensions[d].name);
      finding.value = cell_text(row[1]);
      finding.failing_count = static_cast<uint64_t>(cell_int(row[2]));
      finding.baseline_count = static_cast<uint64_t>(cell_int(row[3]));
      if (d == 0) {
        diagnosis_.failing += finding.failing_count;
        diagnosis_.baseline += finding.baseline_count;
      }
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
      // Youden's J: near 1 only when the value covers the failing calls and spares the others.
      const double j = f.failing_share - f.baseline_share;
      scored.push_back({d.symptom ? j / 2 : j, dimension[i], std::move(f)});
    }
    // Scores within a step of 0.02 count as equal; then the order of kDimensions decides.
    const auto order = [](const Scored& s) {
      return std::tuple(-std::lround(s.score * 50), s.dimension, -s.finding.lift);
    };
    std::sort(scored.begin(), scored.end(), [&](const Scored& a, const Scored& b) { return order(a) < order(b); });
    if (scored.size() > limits_.findings_max) scored.resize(limits_.findings_max);
    for (Scored& s : scored) diagnosis_.findings.push_back(std::move(s.finding));
  }

  // Values never seen before that came up shortly before the onset (or with it).
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
      narrow = fmt::format(" AND COALESCE(CAST({} AS VARCHAR), '') = ?", d->sql);
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
    for (const std::string_view part : split(cell_text(cell), ',')) {
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
