#include "incident/diagnosis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/duration.h"
#include "base/strings.h"
#include "incident/contrast.h"
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

constexpr std::string_view kPromptSize =
    "CASE WHEN tokens_input >= 32000 THEN '32,000 tokens and more' WHEN tokens_input >= 8000 THEN '8,000 to 32,000 "
    "tokens' WHEN tokens_input >= 2000 THEN '2,000 to 8,000 tokens' ELSE '' END";

// Earlier wins a tie: what an operator can act on first, and of names for the same calls the more general one.
constexpr std::array kDimensions{
    Dimension{"simulate_flags", "simulate_flags", "calls made with {}", false, true},
    Dimension{"provider", "provider", "provider {}"},
    Dimension{"model", "model", "model {}"},
    Dimension{"model_version", "model_version", "model version {}"},
    Dimension{"endpoint", "endpoint", "endpoint {}"},
    Dimension{"prompt_template", "prompt_template", "prompt template {}"},
    Dimension{"request_type", "request_type", "request type {}"},
    Dimension{"service", "service", "service {}"},
    Dimension{"env", "env", "environment {}"},
    Dimension{"user_hash", "user_hash", "user {}"},
    Dimension{"prompt_id", "prompt_id", "prompt {}"},
    Dimension{"fallback_used", "CASE WHEN fallback_used THEN 'fallback' ELSE '' END", "the {} route"},
    Dimension{"stream", "CASE WHEN stream THEN 'streamed' ELSE '' END", "{} answers"},
    Dimension{"error_type", "error_type", "error {}", true},
    Dimension{"safety_label", "safety_label", "safety label {}", true},
    Dimension{"finish_reason", "finish_reason", "finish reason {}", true},
    Dimension{"prompt_size", kPromptSize, "prompts of {}", true},
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
// What of its score a symptom keeps, and how much at most: it names how calls fail, and stands behind every cause that
// sets a good part of them apart.
constexpr double kSymptomWeight = 0.25;
constexpr double kSymptomScoreMax = 0.04;
constexpr double kScoreStep = 0.02;  // scores that differ by less than this many bits count as equal
// Two values of which each makes a difference among the calls of the other stand before either, those of the greater
// difference first.
constexpr double kPairWeight = 0.2;
// Several faults at once: after each cause the failing calls without it are looked at, where so many are left.
constexpr int kCausesMax = 3;
constexpr double kLeftMin = 0.05;
constexpr double kLeftSeparationMin = 0.05;
constexpr double kLeftChanceMax = 0.05;  // that the cause of what is left is luck; something did cause it
// Of so many values that failing calls have more than others, each two are looked at together.
constexpr size_t kPairedMax = 16;
constexpr size_t kPairsShown = 3;

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
    const std::string judged = only_judged_ ? fmt::format(" AND ({}) IS NOT NULL", request_.failing_condition) : "";
    return fmt::format(
        "SELECT CASE WHEN {0} AND timestamp >= make_timestamp(?) THEN 1 ELSE 0 END AS f, "
        "CASE WHEN {0} THEN 0 ELSE 1 END AS b{1} FROM llm_events "
        "WHERE timestamp >= make_timestamp(?) AND timestamp <= make_timestamp(?) AND test_mode = ?{2}{3}",
        failing(), columns, scope(), judged);
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
    for (const events::CellRow& row : result.rows) {
      const CallTotals counts{static_cast<uint64_t>(cell_int(row[2])), static_cast<uint64_t>(cell_int(row[3]))};
      if (cell_int(row[0]) < 0) {
        all_ = counts;
      } else {
        candidates_.push_back({static_cast<size_t>(cell_int(row[0])), cell_text(row[1]), counts});
      }
    }
    diagnosis_.failing = all_.failing;
    diagnosis_.baseline = all_.baseline;
    if (all_.failing < limits_.failing_min) return {};
    std::vector<Scored> scored = score_alone();
    SENTINEL_TRY(add_pairs(scored));
    rank(std::move(scored));
    return {};
  }

  // One value of one dimension and how many calls have it.
  struct Candidate {
    size_t dimension = 0;
    std::string value;
    CallTotals counts;
  };
  struct Scored {
    double score = 0;
    size_t dimension = 0;
    Finding finding;
    uint64_t bits = 0;       // of its values in sets_; 0: unknown
    bool explained = false;  // by one before it
  };
  // Calls that have exactly these of the values that were looked at together, a bit each.
  struct ValueSet {
    uint64_t bits = 0;
    CallTotals counts;
  };

  static std::string phrase(const Candidate& c) {
    return fmt::format(fmt::runtime(kDimensions[c.dimension].sentence), c.value);
  }

  // How many comparisons one with a value of this dimension is one of: each dimension that can tell calls apart is
  // given the same chance of a false alarm, whatever number of values the others have. Of two values, one is enough.
  size_t comparisons(size_t dimension) const {
    std::map<size_t, size_t> values;
    for (const Candidate& c : candidates_) ++values[c.dimension];
    const auto telling = std::count_if(values.begin(), values.end(), [](const auto& d) { return d.second > 1; });
    const size_t own = values[dimension];
    return static_cast<size_t>(telling) * (own == 2 ? 1 : own);
  }

  // `compared`: how many were looked at with it.
  Scored scored(const Candidate& c, CallTotals counts, size_t compared, const std::string& words) const {
    Finding f;
    f.dimension = std::string(kDimensions[c.dimension].name);
    f.value = c.value;
    f.failing_count = counts.failing;
    f.baseline_count = counts.baseline;
    const double failing = static_cast<double>(all_.failing), baseline = static_cast<double>(all_.baseline);
    const double in_failing = static_cast<double>(counts.failing), in_baseline = static_cast<double>(counts.baseline);
    f.failing_share = in_failing / failing;
    f.baseline_share = baseline > 0 ? in_baseline / baseline : 0;
    f.lift = ((in_failing + 0.5) / (failing + 0.5)) / ((in_baseline + 0.5) / (baseline + 0.5));
    f.p_value = std::min(1.0, chance_of_difference(counts, all_) * static_cast<double>(compared));
    f.sentence = fmt::format("{}: {} of the failing calls, {} of the others", words, percent(f.failing_share),
                             percent(f.baseline_share));
    double score = separation(f.failing_share, f.baseline_share);
    if (kDimensions[c.dimension].symptom) score = std::min(score * kSymptomWeight, kSymptomScoreMax);
    return {score, c.dimension, std::move(f)};
  }

  std::vector<Scored> score_alone() const {
    std::vector<Scored> out;
    for (const Candidate& c : candidates_) {
      if (c.value.empty()) continue;
      Scored s = scored(c, c.counts, comparisons(c.dimension), phrase(c));
      if (s.finding.failing_share > s.finding.baseline_share && s.finding.p_value <= limits_.p_value_max)
        out.push_back(std::move(s));
    }
    return out;
  }

  // The values that failing calls have more than others, those that separate best first.
  std::vector<Candidate> to_pair() const {
    std::vector<Candidate> out;
    for (const Candidate& c : candidates_) {
      const bool over = static_cast<double>(c.counts.failing) * static_cast<double>(all_.baseline) >
                        static_cast<double>(c.counts.baseline) * static_cast<double>(all_.failing);
      if (over && !c.value.empty() && !kDimensions[c.dimension].symptom) out.push_back(c);
    }
    std::sort(out.begin(), out.end(), [&](const Candidate& a, const Candidate& b) {
      return std::tuple(-separation(a.counts, all_), a.dimension, a.value) <
             std::tuple(-separation(b.counts, all_), b.dimension, b.value);
    });
    if (out.size() > kPairedMax) out.resize(kPairedMax);
    return out;
  }

  // A condition and its parameter: the call has this value.
  static std::string has_value(size_t dimension) {
    const Dimension& d = kDimensions[dimension];
    return d.list ? fmt::format("COALESCE(list_contains({}, ?), FALSE)", d.sql)
                  : fmt::format("COALESCE(CAST({} AS VARCHAR), '') = ?", d.sql);
  }

  // One pass: each call is the set of the values that it has; sets are few.
  Status count_sets(const std::vector<Candidate>& values) {
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
      sets_.push_back({static_cast<uint64_t>(cell_int(row[0])),
                       {static_cast<uint64_t>(cell_int(row[1])), static_cast<uint64_t>(cell_int(row[2]))}});
    }
    return {};
  }
  // The calls that have all of these values.
  CallTotals counts_of(uint64_t bits) const {
    CallTotals sum;
    for (const ValueSet& set : sets_) {
      if ((set.bits & bits) != bits) continue;
      sum.failing += set.counts.failing;
      sum.baseline += set.counts.baseline;
    }
    return sum;
  }

  // Those of the calls without any of the causes.
  CallTotals counts_without(const std::vector<uint64_t>& causes, uint64_t bits) const {
    CallTotals sum;
    for (const ValueSet& set : sets_) {
      const bool out = std::any_of(causes.begin(), causes.end(), [&](uint64_t c) { return (set.bits & c) == c; });
      if (out || (set.bits & bits) != bits) continue;
      sum.failing += set.counts.failing;
      sum.baseline += set.counts.baseline;
    }
    return sum;
  }

  // What sets those failing calls apart that the causes found so far leave out. REQUIRES: sorted and explained.
  void add_causes_of_the_rest(std::vector<Scored>& all) const {
    std::vector<uint64_t> causes;
    std::string names;
    for (int round = 1; round < kCausesMax; ++round) {
      const auto next = std::find_if(all.begin(), all.end(), [&](const Scored& s) {
        return !s.explained && s.bits != 0 && std::find(causes.begin(), causes.end(), s.bits) == causes.end();
      });
      if (next == all.end()) return;
      causes.push_back(next->bits);
      names +=
          (names.empty() ? "" : " and ") + std::string(next->finding.sentence, 0, next->finding.sentence.find(':'));
      const CallTotals left = counts_without(causes, 0);
      if (left.failing < limits_.failing_min ||
          static_cast<double>(left.failing) < kLeftMin * static_cast<double>(all_.failing))
        return;
      std::optional<Scored> best = best_of_the_rest(causes, left, names);
      if (!best) return;
      const auto there = std::find_if(all.begin(), all.end(), [&](const Scored& s) { return s.bits == best->bits; });
      if (there == all.end()) {
        all.push_back(std::move(*best));
      } else {
        there->explained = false;
        there->score = std::max(there->score, best->score);
      }
      sort(all);
    }
  }

  std::optional<Scored> best_of_the_rest(const std::vector<uint64_t>& causes, CallTotals left,
                                         const std::string& names) const {
    std::optional<Scored> best;
    for (size_t i = 0; i < values_.size(); ++i) {
      const uint64_t bits = uint64_t{1} << i;
      const CallTotals part = counts_without(causes, bits);
      const double of_failing = static_cast<double>(part.failing) / static_cast<double>(left.failing);
      const double of_baseline = static_cast<double>(part.baseline) / std::max(1.0, static_cast<double>(left.baseline));
      const double p = chance_of_difference(part, left) * static_cast<double>(values_.size());
      const double bits_told = separation(of_failing, of_baseline);
      const double score = bits_told * static_cast<double>(left.failing) / static_cast<double>(all_.failing);
      if (of_failing <= of_baseline || p > kLeftChanceMax || bits_told < kLeftSeparationMin) continue;
      if (best && best->score >= score) continue;
      best = scored(values_[i], values_[i].counts, 1, phrase(values_[i]));
      best->score = score;
      best->bits = bits;
      best->finding.p_value = p;
      best->finding.sentence = fmt::format("{}: {} of the failing calls without {}, {} of the others",
                                           phrase(values_[i]), percent(of_failing), names, percent(of_baseline));
    }
    return best;
  }

  Status add_pairs(std::vector<Scored>& out) {
    values_ = to_pair();
    const std::vector<Candidate>& values = values_;
    if (values.size() < 2) return {};
    SENTINEL_TRY(count_sets(values));
    for (Scored& s : out) {
      const auto at = std::find_if(values.begin(), values.end(), [&](const Candidate& c) {
        return c.dimension == s.dimension && c.value == s.finding.value;
      });
      if (at != values.end()) s.bits = uint64_t{1} << (at - values.begin());
    }
    const size_t compared = values.size() * (values.size() - 1) / 2;
    std::vector<Scored> pairs;
    for (size_t i = 0; i < values.size(); ++i) {
      for (size_t j = i + 1; j < values.size(); ++j) {
        const auto [first, second] = std::minmax(
            values[i], values[j], [](const Candidate& a, const Candidate& b) { return a.dimension < b.dimension; });
        if (first.dimension == second.dimension) continue;
        const uint64_t bits = (uint64_t{1} << i) | (uint64_t{1} << j);
        const CallTotals together = counts_of(bits);
        const double more = more_together({first.counts, second.counts, together, all_},
                                          limits_.p_value_max / static_cast<double>(compared));
        if (more <= 0) continue;
        Scored s = scored(first, together, compared, phrase(first) + " with " + phrase(second));
        s.finding.with_dimension = std::string(kDimensions[second.dimension].name);
        s.finding.with_value = second.value;
        s.bits = bits;
        s.score = std::max({s.score, separation(first.counts, all_), separation(second.counts, all_)}) + kScoreStep +
                  kPairWeight * more;
        pairs.push_back(std::move(s));
      }
    }
    sort(pairs);
    explain(pairs);
    if (pairs.size() > kPairsShown) pairs.resize(kPairsShown);
    std::move(pairs.begin(), pairs.end(), std::back_inserter(out));
    return {};
  }

  // Neither among the calls that have `a` nor among the others does `b` make a difference: failing calls have it more
  // often only because they have `a`, as a provider's calls have its models.
  bool explains(const Scored& a, const Scored& b) const {
    const CallTotals with_a = counts_of(a.bits), with_b = counts_of(b.bits), both = counts_of(a.bits | b.bits);
    const auto minus = [](CallTotals x, CallTotals y) {
      return CallTotals{x.failing - y.failing, x.baseline - y.baseline};
    };
    const auto differs = [&](CallTotals part, CallTotals of) {
      return static_cast<double>(part.failing) * static_cast<double>(of.baseline) >
                 static_cast<double>(part.baseline) * static_cast<double>(of.failing) &&
             chance_of_difference(part, of) < limits_.p_value_max;
    };
    return !differs(both, with_a) && !differs(minus(with_b, both), minus(all_, with_a));
  }

  // REQUIRES: sorted.
  void explain(std::vector<Scored>& all) const {
    for (size_t i = 1; i < all.size(); ++i) {
      for (size_t j = 0; j < i && !all[i].explained; ++j) {
        all[i].explained = all[i].bits != 0 && all[j].bits != 0 && !all[j].explained && explains(all[j], all[i]);
      }
    }
    sort(all);
  }

  // What another one explains comes last; of scores that count as equal, the order of kDimensions decides.
  static void sort(std::vector<Scored>& scored) {
    const auto order = [](const Scored& s) {
      return std::tuple(s.explained, -std::lround(s.score / kScoreStep), s.dimension, -s.finding.lift, s.finding.value,
                        s.finding.with_value);
    };
    std::sort(scored.begin(), scored.end(), [&](const Scored& a, const Scored& b) { return order(a) < order(b); });
  }

  void rank(std::vector<Scored> scored) {
    sort(scored);
    explain(scored);
    add_causes_of_the_rest(scored);
    if (scored.size() > limits_.findings_max) scored.resize(limits_.findings_max);
    for (Scored& s : scored) diagnosis_.findings.push_back(std::move(s.finding));
  }

  bool is_finding(std::string_view dimension, std::string_view value) const {
    return std::any_of(diagnosis_.findings.begin(), diagnosis_.findings.end(), [&](const Finding& f) {
      return (f.dimension == dimension && f.value == value) || (f.with_dimension == dimension && f.with_value == value);
    });
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
  CallTotals all_;
  std::vector<Candidate> candidates_;
  std::vector<Candidate> values_;  // looked at together; a bit each
  std::vector<ValueSet> sets_;
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
    const std::string& with = findings.front().with_value;
    if (change.sentence.find(findings.front().value) != std::string::npos ||
        (!with.empty() && change.sentence.find(with) != std::string::npos)) {
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
    if (!f.with_dimension.empty())
      findings.back().as_object()["with"] = json::object{{"dimension", f.with_dimension}, {"value", f.with_value}};
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
      if (const json::value* with = f.as_object().if_contains("with")) {
        d.findings.back().with_dimension = string(*with, "dimension");
        d.findings.back().with_value = string(*with, "value");
      }
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
