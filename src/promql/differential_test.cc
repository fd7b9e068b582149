// Random queries over random data: the engine must say what the naive evaluator says, at every step of a range query
// and as an instant query. SENTINEL_DIFFERENTIAL_QUERIES and SENTINEL_DIFFERENTIAL_SEED ask for a longer or another
// run.

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/strings.h"
#include "base/work_crew.h"
#include "promql/engine.h"
#include "promql/memory_queryable.h"
#include "promql/naive_evaluator.h"
#include "promql/query.h"

namespace sentinel::promql {
namespace {

constexpr uint64_t kQueries = 3'000;
constexpr uint64_t kSeed = 20'260'101;
constexpr int64_t kSampleMs = 30'000;
constexpr int64_t kEndMs = 60 * 60'000;

// Eighths and 512ths, so that sums are exact in any order; each series has a fraction of its own, so that no two are
// equal.
NaiveData random_data(Random& random) {
  NaiveData data;
  int number = 0;
  for (const char* metric : {"g", "k", "c_total", "d_total"}) {
    const bool counter = std::string_view(metric).ends_with("_total");
    for (const char* job : {"a", "b", "c"}) {
      for (const char* inst : {"1", "2"}) {
        if (random.chance(0.15)) continue;
        NaiveSeries series{{{"__name__", metric}, {"job", job}, {"inst", inst}}, {}};
        double v = 0;
        const double own = static_cast<double>(++number) / 512;
        for (int64_t t = 0; t <= kEndMs; t += kSampleMs) {
          if (random.chance(0.05)) continue;  // a gap
          v = counter ? v + static_cast<double>(random.below(80)) / 8 : static_cast<double>(random.below(160)) / 8 - 10;
          if (counter && random.chance(0.03)) v = 0;  // a restart
          const bool stale = random.chance(0.02);
          const int64_t late = static_cast<int64_t>(random.below(3)) * 1'000;
          series.samples.push_back({t + late, stale ? model::stale_nan() : v + own});
          if (random.chance(0.01)) t += 400'000;  // longer than the lookback
        }
        data.push_back(std::move(series));
      }
    }
  }
  return data;
}

// Well-typed queries. What is exact stays apart from what is rounded: a comparison of rounded values could go either
// way.
class Grammar {
 public:
  explicit Grammar(Random& random) : random_(random) {}
  std::string query() { return random_.chance(0.1) ? scalar(2) : vector(3); }

 private:
  template <size_t N>
  std::string pick(const char* const (&all)[N]) {
    return all[random_.below(N)];
  }
  std::string duration() { return pick({"45s", "1m", "90s", "2m", "5m", "7m", "11m"}); }
  std::string number() { return pick({"0", "1", "2", "-3.3", "0.7", "7.1", "100.3", "Inf", "NaN"}); }

  std::string matchers() {
    static constexpr const char* kAll[] = {"",
                                           "",
                                           "{job=\"a\"}",
                                           "{job!=\"a\"}",
                                           "{inst=~\"1|2\"}",
                                           "{job=~\"a|b\",inst=\"1\"}",
                                           "{job!~\"c.*\"}",
                                           "{job=\"none\"}",
                                           "{missing=\"\"}"};
    return pick(kAll);
  }
  std::string time() {
    std::string out = random_.chance(0.08) ? pick({" @ 1800", " @ 600.5", " @ 0"}) : "";
    if (random_.chance(0.12)) out += " offset " + std::string(random_.chance(0.3) ? "-" : "") + duration();
    return out;
  }
  std::string selector() {
    if (random_.chance(0.04)) return "{__name__=~\"g|k\",inst=\"1\"}" + time();
    return pick({"g", "k", "c_total", "d_total"}) + matchers() + time();
  }
  std::string range(int depth) {
    if (depth > 0 && random_.chance(0.25)) {
      const std::string step = random_.chance(0.3) ? "" : pick({"30s", "1m", "70s"});
      return fmt::format("{}[{}:{}]{}", parenthesized(vector(depth - 1)), duration(), step, time());
    }
    const std::string metric = pick({"g", "k", "c_total", "d_total"}) + matchers();
    return fmt::format("{}[{}]{}", metric, duration(), time());
  }
  static std::string parenthesized(const std::string& text) { return "(" + text + ")"; }

  std::string scalar(int depth) {
    switch (random_.below(depth > 0 ? 5 : 2)) {
      case 0: return number();
      case 1: return "time()";
      case 2: return fmt::format("scalar({})", vector(depth - 1));
      case 3: return fmt::format("({} {} {})", scalar(depth - 1), pick({"+", "-", "*", "/"}), scalar(depth - 1));
      default: return fmt::format("({} {} bool {})", scalar(depth - 1), pick({"==", "!=", "<", ">="}), number());
    }
  }
  std::string labels() { return pick({"", "job", "inst", "job, inst", "missing", "job, __name__"}); }
  std::string grouping() {
    return random_.chance(0.25) ? "" : fmt::format(" {} ({}) ", random_.chance(0.6) ? "by" : "without", labels());
  }
  std::string aggregation(int depth) {
    switch (random_.below(8)) {
      case 0: return fmt::format("{}{}({}, {})", pick({"topk", "bottomk"}), grouping(), random_.below(4), selector());
      case 1:
        return fmt::format("quantile{}({}, {})", grouping(), pick({"0.5", "0.9", "0", "1", "-1", "2"}),
                           vector(depth - 1));
      case 2: return fmt::format("count_values{}(\"v\", {})", grouping(), exact());
      default:
        return fmt::format("{}{}({})", pick({"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"}),
                           grouping(), vector(depth - 1));
    }
  }
  std::string function(int depth) {
    switch (random_.below(9)) {
      case 0:
      case 1:
        return fmt::format("{}({})", pick({"rate", "increase", "delta", "irate", "idelta", "deriv"}), range(depth - 1));
      case 2:
      case 3:
        return fmt::format("{}_over_time({})",
                           pick({"sum", "avg", "min", "max", "count", "last", "present", "stddev", "stdvar", "absent"}),
                           range(depth - 1));
      case 4: return fmt::format("{}({})", pick({"changes", "resets"}), range(0));
      case 5: return fmt::format("quantile_over_time({}, {})", pick({"0.5", "0.95", "0", "1"}), range(depth - 1));
      case 6: return fmt::format("predict_linear({}, {})", range(0), pick({"60", "3600", "0"}));
      case 7:
        return random_.chance(0.5) ? fmt::format("label_replace({}, \"{}\", \"$1\", \"inst\", \"(.*)\")",
                                                 vector(depth - 1), pick({"new", "job", "inst"}))
                                   : fmt::format("label_join({}, \"{}\", \"-\", \"job\", \"inst\")", vector(depth - 1),
                                                 pick({"new", "job"}));
      default: return math(depth);
    }
  }
  std::string math(int depth) {
    switch (random_.below(6)) {
      case 0:
        return fmt::format("{}({})", pick({"ceil", "floor", "round", "sgn", "hour", "minute", "day_of_week"}), exact());
      case 1: return fmt::format("{}({}, {})", pick({"clamp_min", "clamp_max"}), vector(depth - 1), number());
      case 2: return fmt::format("absent({})", vector(depth - 1));
      case 3: return fmt::format("vector({})", scalar(depth - 1));
      case 4: return pick({"hour()", "minute()", "day_of_week()"});
      default: return fmt::format("{}({})", pick({"abs", "sort", "sort_desc", "sqrt", "ln"}), vector(depth - 1));
    }
  }
  // Values that both sides know to the last bit.
  std::string exact() {
    switch (random_.below(4)) {
      case 0: return fmt::format("sum{}({})", grouping(), selector());
      case 1: return fmt::format("count_over_time({})", range(0));
      case 2: return fmt::format("({} * 2 - 1)", selector());
      default: return selector();
    }
  }
  std::string matching() {
    const std::string on = random_.chance(0.3) ? ""
                                               : fmt::format("{}({})", random_.chance(0.6) ? "on" : "ignoring",
                                                             pick({"job", "inst", "job, inst", "missing"}));
    if (on.empty() || random_.chance(0.6)) return on;
    return fmt::format("{} group_{}({})", on, random_.chance(0.5) ? "left" : "right", random_.chance(0.6) ? "" : "new");
  }
  std::string binary(int depth) {
    switch (random_.below(6)) {
      case 0: return fmt::format("{} {} {}", vector(depth - 1), pick({"+", "-", "*", "/"}), scalar(1));
      case 1: return fmt::format("{} {} {}", scalar(1), pick({"+", "-", "*", "/", "^"}), vector(depth - 1));
      case 2:
        return fmt::format("{} {}{} {}", exact(), pick({"==", "!=", "<", ">", "<=", ">="}),
                           random_.chance(0.3) ? " bool" : "", number());
      case 3:
        return fmt::format("{} {}{} {} {}", exact(), pick({"==", "!=", "<", ">"}), random_.chance(0.3) ? " bool" : "",
                           matching(), exact());
      case 4: {
        const std::string on =
            random_.chance(0.5) ? "" : fmt::format("{}({})", random_.chance(0.6) ? "on" : "ignoring", labels());
        return fmt::format("{} {} {} {}", vector(depth - 1), pick({"and", "or", "unless"}), on, vector(depth - 1));
      }
      default:
        return fmt::format("{} {} {} {}", vector(depth - 1), pick({"+", "-", "*", "/"}), matching(), vector(depth - 1));
    }
  }
  std::string vector(int depth) {
    if (depth <= 0) return selector();
    switch (random_.below(10)) {
      case 0: return selector();
      case 1: return "-" + parenthesized(vector(depth - 1));
      case 2:
      case 3:
      case 4: return aggregation(depth);
      case 5:
      case 6:
      case 7: return function(depth);
      default: return parenthesized(binary(depth));
    }
  }

  Random& random_;
};

bool alike(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  return std::fabs(a - b) <= 1e-8 * std::max({std::fabs(a), std::fabs(b), 1.0});
}

using Answer = std::map<std::pair<int64_t, model::Labels>, double>;

// Difference in one line; empty: none.
std::string compare(const Answer& engine, const Answer& naive) {
  for (const auto& [key, v] : naive) {
    const auto found = engine.find(key);
    if (found == engine.end())
      return fmt::format("t={} {}: engine has nothing, naive {}", key.first, key.second.to_string(), v);
    if (!alike(found->second, v))
      return fmt::format("t={} {}: engine {}, naive {}", key.first, key.second.to_string(), found->second, v);
  }
  for (const auto& [key, v] : engine) {
    if (!naive.contains(key))
      return fmt::format("t={} {}: engine {}, naive has nothing", key.first, key.second.to_string(), v);
  }
  return "";
}

Answer answer_of(const Value& value) {
  Answer out;
  if (const auto* scalar = std::get_if<Scalar>(&value)) out[{scalar->t_ms, {}}] = scalar->v;
  if (const auto* vector = std::get_if<Vector>(&value)) {
    for (const VectorSample& s : *vector) out[{s.t_ms, s.labels}] = s.v;
  }
  if (const auto* matrix = std::get_if<Matrix>(&value)) {
    for (const tsdb::SeriesData& series : *matrix) {
      for (const model::Sample& s : series.samples) out[{s.t_ms, series.labels}] = s.v;
    }
  }
  return out;
}

// The naive answer at each of the times; an error at one is an error of all.
Result<Answer> naive_answer(const NaiveData& data, const Query& query, const std::vector<int64_t>& times) {
  Answer out;
  for (const int64_t t : times) {
    SENTINEL_ASSIGN(const NaiveValue v, naive_evaluate(data, *query.expr, t));
    if (v.scalar) out[{t, {}}] = *v.scalar;
    for (const auto& [labels, x] : v.vector) out[{t, labels}] = x;
  }
  return out;
}

std::string difference(const Result<QueryResult>& engine, const Result<Answer>& naive, size_t times) {
  if (engine && naive) return compare(answer_of(engine->value), *naive);
  if (!engine && !naive) return "";
  // Over a range Prometheus, and so the engine, refuses two series that become alike though never at one time.
  constexpr std::string_view kAlike = "vector cannot contain metrics with the same labelset";
  if (!engine && times > 1 && engine.error().message() == kAlike) return "";
  return engine ? "engine answers, naive: " + naive.error().message()
                : "naive answers, engine: " + engine.error().message();
}

uint64_t from_environment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text ? static_cast<uint64_t>(parse_int(text).value_or(0)) : fallback;
}

TEST(Differential, EngineAndNaiveEvaluatorAgreeOnRandomQueries) {
  const uint64_t seed = from_environment("SENTINEL_DIFFERENTIAL_SEED", kSeed);
  const uint64_t queries = from_environment("SENTINEL_DIFFERENTIAL_QUERIES", kQueries);
  Random random(seed);
  uint64_t refused = 0, failed = 0, empty = 0;
  WorkCrew crew("crew", 1);
  for (uint64_t n = 0; n < queries;) {
    const NaiveData data = random_data(random);
    MemoryQueryable store;
    for (const NaiveSeries& series : data) {
      for (const model::Sample& s : series.samples) store.add(series.labels, s.t_ms, s.v);
    }
    const Engine engine(store, {.crew = &crew, .piece_series = 1 + random.below(4)});
    for (int i = 0; i < 50 && n < queries; ++i, ++n) {
      const std::string text = Grammar(random).query();
      const auto query = parse(text);
      ASSERT_TRUE(query) << text << ": " << query.error().to_string();
      const int64_t step = static_cast<int64_t>(1 + random.below(8)) * 37'000;
      const int64_t start = static_cast<int64_t>(random.below(3'500)) * 1'000;
      const int64_t end = start + step * static_cast<int64_t>(random.below(8));
      std::vector<int64_t> times;
      for (int64_t t = start; t <= end; t += step) times.push_back(t);
      const auto naive = naive_answer(data, **query, times);
      ASSERT_TRUE(naive || naive.error().code() != ErrorCode::kUnavailable) << text << ": " << naive.error().message();
      const auto once = naive_answer(data, **query, {start});
      const std::string place = fmt::format("seed {} query {}: {}", seed, n, text);
      EXPECT_EQ(difference(engine.range(**query, start, end, step), naive, times.size()), "")
          << place << " from " << start << " step " << step;
      EXPECT_EQ(difference(engine.instant(**query, start), once, 1), "") << place << " at " << start;
      refused += !naive;
      empty += naive && naive->empty();
    }
    failed += HasFailure();
    if (failed > 3) break;
  }
  fmt::print("{} random queries: {} fail on purpose, {} are empty\n", queries, refused, empty);
  EXPECT_LT(refused + empty, queries * 6 / 10) << "the queries say too little";
}

}  // namespace
}  // namespace sentinel::promql
