// Function calls: dispatch, functions over ranges, and functions that map one vector to another.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "promql/evaluator.h"
#include "promql/function_table.h"
#include "promql/go_text.h"
#include "promql/limits.h"
#include "promql/natural_order.h"
#include "promql/preprocess.h"
#include "promql/range_functions.h"
#include "promql/stable_sort.h"

namespace sentinel::promql {
namespace {

using MathFunction = double (*)(double);

double sign(double v) { return v < 0 ? -1 : v > 0 ? 1 : v; }
double radians(double v) { return v * M_PI / 180; }
double degrees(double v) { return v * 180 / M_PI; }

MathFunction find_math(std::string_view name) {
  static const absl::flat_hash_map<std::string_view, MathFunction> table{
      {"abs", [](double v) { return std::abs(v); }},
      {"ceil", [](double v) { return std::ceil(v); }},
      {"floor", [](double v) { return std::floor(v); }},
      {"exp", [](double v) { return std::exp(v); }},
      {"sqrt", [](double v) { return std::sqrt(v); }},
      {"ln", [](double v) { return std::log(v); }},
      {"log2", [](double v) { return std::log2(v); }},
      {"log10", [](double v) { return std::log10(v); }},
      {"sin", [](double v) { return std::sin(v); }},
      {"cos", [](double v) { return std::cos(v); }},
      {"tan", [](double v) { return std::tan(v); }},
      {"asin", [](double v) { return std::asin(v); }},
      {"acos", [](double v) { return std::acos(v); }},
      {"atan", [](double v) { return std::atan(v); }},
      {"sinh", [](double v) { return std::sinh(v); }},
      {"cosh", [](double v) { return std::cosh(v); }},
      {"tanh", [](double v) { return std::tanh(v); }},
      {"asinh", [](double v) { return std::asinh(v); }},
      {"acosh", [](double v) { return std::acosh(v); }},
      {"atanh", [](double v) { return std::atanh(v); }},
      {"rad", radians},
      {"deg", degrees},
      {"sgn", sign},
  };
  const auto it = table.find(name);
  return it == table.end() ? nullptr : it->second;
}

// ---- calendar, for any 64-bit number of seconds

struct CivilDate {
  int64_t year;
  int month;
  int day;
};

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

constexpr int64_t kSecondsPerDay = 86'400;

// Proleptic Gregorian calendar by eras of 400 years that begin in March.
CivilDate civil(int64_t seconds) {
  const int64_t z = floor_div(seconds, kSecondsPerDay) + 719'468;
  const int64_t era = floor_div(z, 146'097);
  const int64_t day_of_era = z - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * day_of_year + 2) / 153;
  const int day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  const int month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

bool leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

double days_in_month(int64_t s) {
  static constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const CivilDate d = civil(s);
  return d.month == 2 && leap(d.year) ? 29 : kDays[static_cast<size_t>(d.month - 1)];
}

double day_of_year(int64_t s) {
  static constexpr std::array<int, 12> kBefore{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  const CivilDate d = civil(s);
  return kBefore[static_cast<size_t>(d.month - 1)] + d.day + (d.month > 2 && leap(d.year) ? 1 : 0);
}

double day_of_week(int64_t s) {
  const int64_t day = (floor_div(s, kSecondsPerDay) + 4) % 7;  // 1970-01-01 was a Thursday
  return static_cast<double>(day < 0 ? day + 7 : day);
}

double second_of_day_part(int64_t s, int64_t unit, int64_t modulus) {
  const int64_t in_day = s - floor_div(s, kSecondsPerDay) * kSecondsPerDay;
  return static_cast<double>(in_day / unit % modulus);
}

using DateFunction = double (*)(int64_t);

DateFunction find_date(std::string_view name) {
  static const absl::flat_hash_map<std::string_view, DateFunction> table{
      {"days_in_month", days_in_month},
      {"day_of_year", day_of_year},
      {"day_of_week", day_of_week},
      {"day_of_month", [](int64_t s) { return static_cast<double>(civil(s).day); }},
      {"month", [](int64_t s) { return static_cast<double>(civil(s).month); }},
      {"year", [](int64_t s) { return static_cast<double>(civil(s).year); }},
      {"hour", [](int64_t s) { return second_of_day_part(s, 3600, 24); }},
      {"minute", [](int64_t s) { return second_of_day_part(s, 60, 60); }},
  };
  const auto it = table.find(name);
  return it == table.end() ? nullptr : it->second;
}

int64_t to_seconds(double v) {
  constexpr double kLimit = 9.2e18;
  return std::isnan(v) || std::abs(v) > kLimit ? std::numeric_limits<int64_t>::min() / 2 : static_cast<int64_t>(v);
}

// Removes stale markers; start times stay in step.
void drop_stale(tsdb::SeriesData& d) {
  const auto compact = [](auto& points, std::vector<int64_t>& starts, const auto& stale) {
    size_t kept = 0;
    for (size_t i = 0; i < points.size(); ++i) {
      if (stale(points[i])) continue;
      if (kept != i) {
        points[kept] = std::move(points[i]);
        if (!starts.empty()) starts[kept] = starts[i];
      }
      ++kept;
    }
    points.resize(kept);
    if (!starts.empty()) starts.resize(kept);
  };
  compact(d.samples, d.sample_starts_ms, [](const FPoint& p) { return model::is_stale_nan(p.v); });
  compact(d.histograms, d.histogram_starts_ms, [](const HPoint& p) { return model::is_stale_nan(p.h->sum); });
}

// The part of a sorted series in (min, max], for windows that move forward.
template <class Point>
class SlidingRange {
 public:
  explicit SlidingRange(const std::vector<Point>& points) : points_(points) {}
  void move(int64_t min, int64_t max) {
    while (end_ < points_.size() && points_[end_].t_ms <= max) ++end_;
    while (begin_ < end_ && points_[begin_].t_ms <= min) ++begin_;
  }
  const Point* data() const { return points_.data() + begin_; }
  size_t size() const { return end_ - begin_; }
  size_t begin() const { return begin_; }

 private:
  const std::vector<Point>& points_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// Where a counter began anew, for windows that move forward: looked for once a series instead of in every window.
class SlidingResets {
 public:
  explicit SlidingResets(const std::vector<FPoint>& points) {
    for (size_t i = 1; i < points.size(); ++i) {
      if (points[i].v < points[i - 1].v) places_.push_back(i);
    }
  }
  // Those between two floats of the window.
  void move(size_t begin, size_t count) {
    while (end_ < places_.size() && places_[end_] < begin + count) ++end_;
    while (begin_ < end_ && places_[begin_] <= begin) ++begin_;
  }
  const size_t* data() const {
    static constexpr size_t kNone = 0;
    return places_.empty() ? &kNone : places_.data() + begin_;
  }
  size_t size() const { return end_ - begin_; }

 private:
  std::vector<size_t> places_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// The window of one series at each step. Asked with ascending times.
class Windows {
 public:
  Windows(const tsdb::SeriesData& data, const MatrixSelector& matrix, int64_t lookback_ms, bool use_starts,
          bool find_resets)
      : data_(data),
        range_ms_(matrix.range_ms),
        offset_ms_(matrix.selector->time.offset_ms),
        fixed_(matrix.selector->time.at_ms.has_value()),
        before_ms_(matrix.selector->anchored || matrix.selector->smoothed ? lookback_ms : 0),
        after_ms_(matrix.selector->smoothed ? lookback_ms : 0),
        float_starts_(use_starts && !data.sample_starts_ms.empty()),
        hist_starts_(use_starts && !data.histogram_starts_ms.empty()),
        floats_(data.samples),
        hists_(data.histograms) {
    window_.labels = &data.labels;
    if (find_resets) resets_.emplace(data.samples);
  }

  // With @ the samples stay those of the first step.
  const Window& at(int64_t t, int64_t step) {
    const int64_t end = t - offset_ms_;
    if ((step == 0 || !fixed_) && range_ms_ + before_ms_ + after_ms_ > 0) {
      floats_.move(end - range_ms_ - before_ms_, end + after_ms_);
      hists_.move(end - range_ms_ - before_ms_, end + after_ms_);
    }
    window_.floats = floats_.data();
    window_.float_count = floats_.size();
    if (resets_) {
      resets_->move(floats_.begin(), floats_.size());
      window_.resets = resets_->data();
      window_.reset_count = resets_->size();
      window_.floats_begin = floats_.begin();
    }
    window_.hists = hists_.data();
    window_.hist_count = hists_.size();
    window_.float_starts = float_starts_ ? data_.sample_starts_ms.data() + floats_.begin() : nullptr;
    window_.hist_starts = hist_starts_ ? data_.histogram_starts_ms.data() + hists_.begin() : nullptr;
    window_.ts = t;
    window_.range_start = end - range_ms_;
    window_.range_end = end;
    window_.step = step;
    return window_;
  }

 private:
  const tsdb::SeriesData& data_;
  const int64_t range_ms_;
  const int64_t offset_ms_;
  const bool fixed_;
  const int64_t before_ms_;
  const int64_t after_ms_;
  const bool float_starts_;
  const bool hist_starts_;
  SlidingRange<FPoint> floats_;
  SlidingRange<HPoint> hists_;
  std::optional<SlidingResets> resets_;
  Window window_{};
};

bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

void check_counter_name(const model::Labels& labels, bool by_type_label, PosRange pos, Annotations& annotations) {
  const std::string_view name = metric_name(labels);
  if (name.empty()) return;
  if (by_type_label) {
    const std::string_view type = labels.get("__type__");
    if (type == "counter" || type == "histogram") return;
    annotations.info(
        fmt::format("metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", "
                    "got {}: {}",
                    go_quote(type), go_quote(name)),
        pos);
    return;
  }
  for (std::string_view suffix : {"_total", "_sum", "_count", "_bucket"}) {
    if (ends_with(name, suffix)) return;
  }
  annotations.info("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " + go_quote(name),
                   pos);
}

Status check_extended_use(const VectorSelector& selector, std::string_view function) {
  const bool rates = function == "rate" || function == "increase" || function == "delta";
  if (selector.anchored && !rates && function != "resets" && function != "changes") {
    return fail(
        ErrorCode::kUnprocessable,
        fmt::format("anchored modifier can only be used with: changes, delta, increase, rate, resets - not with {}",
                    function));
  }
  if (selector.smoothed && !selector.anchored && !rates) {
    return fail(ErrorCode::kUnprocessable,
                fmt::format("smoothed modifier can only be used with: delta, increase, rate - not with {}", function));
  }
  return {};
}

}  // namespace

Result<SeriesMatrix> Evaluator::eval_call(Call& call) {
  const std::string_view name = call.name();
  if (const auto argument = range_argument(call)) return eval_range_call(call, *argument);
  if (const MathFunction fn = find_math(name)) return eval_elementwise(call, fn);
  if (const DateFunction fn = find_date(name)) return eval_date(call, fn);
  using Handler = Matrix (Evaluator::*)(Call&);
  static const absl::flat_hash_map<std::string_view, Handler> handlers{
      {"clamp", &Evaluator::eval_clamp},
      {"clamp_min", &Evaluator::eval_clamp},
      {"clamp_max", &Evaluator::eval_clamp},
      {"round", &Evaluator::eval_round},
      {"scalar", &Evaluator::eval_scalar_call},
      {"vector", &Evaluator::eval_vector_call},
      {"absent", &Evaluator::eval_absent},
      {"sort", &Evaluator::eval_sort},
      {"sort_desc", &Evaluator::eval_sort},
      {"sort_by_label", &Evaluator::eval_sort},
      {"sort_by_label_desc", &Evaluator::eval_sort},
      {"timestamp", &Evaluator::eval_timestamp},
      {"start_timestamp", &Evaluator::eval_timestamp},
      {"max_of", &Evaluator::eval_extreme},
      {"min_of", &Evaluator::eval_extreme},
      {"histogram_quantile", &Evaluator::eval_histogram_quantile},
      {"histogram_quantiles", &Evaluator::eval_histogram_quantile},
      {"histogram_fraction", &Evaluator::eval_histogram_fraction},
      {"label_replace", &Evaluator::eval_label_replace},
      {"label_join", &Evaluator::eval_label_join},
      {"info", &Evaluator::eval_info},
  };
  if (const auto it = handlers.find(name); it != handlers.end()) return (this->*it->second)(call);
  if (name == "time") return eval_time();
  if (name == "pi") return eval_number(M_PI);
  if (name.substr(0, 10) == "histogram_") return eval_histogram_part(call);
  return fail(ErrorCode::kInternal, fmt::format("function {} has no implementation", name));
}

// ---- functions over ranges

std::optional<size_t> range_argument(const Call& call) {
  for (size_t i = 0; i < call.args.size(); ++i) {
    const Expr::Kind kind = call.args[i]->kind;
    if (kind == Expr::Kind::kMatrixSelector || kind == Expr::Kind::kSubquery) return i;
  }
  return std::nullopt;
}

Result<std::vector<ScalarValues>> Evaluator::scalar_arguments(Call& call, size_t matrix_arg) {
  std::vector<ScalarValues> scalars(call.args.size());
  for (size_t i = 0; i < call.args.size(); ++i) {
    if (i == matrix_arg) continue;
    SENTINEL_ASSIGN(scalars[i], eval_scalar(*call.args[i]));
  }
  return scalars;
}

Result<SeriesMatrix> Evaluator::eval_range_call(Call& call, size_t matrix_arg) {
  SeriesMatrix out;
  bool distinct = false;  // as the name was dropped from one metric's series
  if (auto* subquery = as<SubqueryExpr>(call.args[matrix_arg].get())) {
    SENTINEL_ASSIGN(out, range_call_over_subquery(call, matrix_arg, *subquery));
  } else {
    const auto& matrix = *as<MatrixSelector>(call.args[matrix_arg].get());
    std::vector<ScalarValues> scalars;
    SENTINEL_ASSIGN(scalars, scalar_arguments(call, matrix_arg));
    SeriesFunction function;
    SENTINEL_ASSIGN(function, range_function(call, matrix_arg, matrix, scalars));
    bool type_or_unit = false;
    SENTINEL_ASSIGN(out, map_selected(*matrix.selector, function, &type_or_unit));
    distinct = !type_or_unit && names_one_metric(matrix.selector->matchers);
  }
  if (call.name() == "absent_over_time") return absent_over_time(call, out);
  if (!distinct && !delayed() && has_equal_labels(out)) return duplicate_labelset();
  return out;
}

Result<SeriesMatrix> Evaluator::range_call_over_subquery(Call& call, size_t matrix_arg, SubqueryExpr& subquery) {
  SeriesMatrix inner;
  SENTINEL_ASSIGN(inner, eval_subquery(subquery));
  // Seen from the function, the subquery's result is a range selector over stored series.
  MatrixSelector stand_in(std::make_unique<VectorSelector>("", model::Matchers(), PosRange{}), PosRange{});
  stand_in.range_ms = subquery.range_ms;
  stand_in.selector->time = subquery.time;
  if (subquery.time.at_ms) {
    stand_in.selector->time.offset_ms = subquery.time.original_offset_ms + (start_ - *subquery.time.at_ms);
  }
  std::vector<ScalarValues> scalars;
  SENTINEL_ASSIGN(scalars, scalar_arguments(call, matrix_arg));
  SeriesFunction function;
  SENTINEL_ASSIGN(function, range_function(call, matrix_arg, stand_in, scalars));
  std::vector<SeriesMatrix> parts(part_count(inner.size()));
  const auto map = [&](Piece& piece, size_t part, size_t begin, size_t end) -> Status {
    for (size_t i = begin; i < end; ++i) {
      Series& s = inner[i];
      tsdb::SeriesData d;
      d.labels = std::move(s.labels);
      d.samples = std::move(s.floats);
      d.histograms = std::move(s.hists);
      for (HPoint& p : d.histograms) {
        // Samples may be missing or doubled here: whether there was a reset has to be found anew.
        if (p.h->hint != model::CounterResetHint::kReset && p.h->hint != model::CounterResetHint::kNotReset) continue;
        auto copy = std::make_shared<model::FloatHistogram>(*p.h);
        copy->hint = model::CounterResetHint::kUnknown;
        p.h = std::move(copy);
      }
      const size_t before = parts[part].size();
      SENTINEL_TRY(function(piece, d, parts[part]));
      if (s.drop_name && parts[part].size() > before) drop_name(parts[part].back());
    }
    return {};
  };
  SENTINEL_TRY(in_parts(inner.size(), map));
  SeriesMatrix out;
  for (SeriesMatrix& part : parts) std::move(part.begin(), part.end(), std::back_inserter(out));
  return out;
}

Result<SeriesFunction> Evaluator::range_function(const Call& call, size_t matrix_arg, const MatrixSelector& matrix,
                                                 const std::vector<ScalarValues>& scalars) const {
  const std::string_view name = call.name();
  SENTINEL_TRY(check_extended_use(*matrix.selector, name));
  const RangeFunction function = find_range_function(name);
  if (function == nullptr) return fail(ErrorCode::kInternal, fmt::format("function {} has no implementation", name));
  const PosRange arg0 = matrix_arg == 0 ? matrix.pos : call.args[0]->pos;
  const bool use_starts = context_.options.use_start_timestamps &&
                          (name == "rate" || name == "irate" || name == "increase" || name == "resets");
  const bool drops = name != "last_over_time" && name != "first_over_time";
  const bool counter = name == "rate" || name == "increase";
  return [=, this, &call, &matrix, &scalars](Piece& piece, tsdb::SeriesData& d, SeriesMatrix& out) -> Status {
    RangeCall range_call{call, matrix, scalars, piece.annotations, arg0, arg0};
    drop_stale(d);
    SENTINEL_TRY(piece.work(d.samples.size() + d.histograms.size() + static_cast<uint64_t>(steps())));
    // One window sees each float once.
    Windows windows(d, matrix, context_.options.lookback_delta.count(), use_starts, counter && !single_step());
    Series s;
    int64_t step = 0;
    for (int64_t t = start_; t <= end_; t += interval_, ++step) {
      const Window& window = windows.at(t, step);
      if (window.float_count + window.hist_count == 0) continue;
      SENTINEL_TRY(piece.work(window.float_count + window.hist_count));
      MaybePoint p = function(range_call, window);
      SENTINEL_TRY(range_call.status);
      if (!p) continue;
      if (p->h) {
        s.hists.push_back({t, std::move(p->h)});
      } else {
        if (s.floats.empty()) s.floats.reserve(std::min(static_cast<size_t>(steps() - step), kReservedPointsMax));
        s.floats.push_back({t, p->v});
      }
    }
    if (s.empty()) return {};
    SENTINEL_TRY(context_.hold(s.floats.size() + s.hists.size()));
    if (counter && !s.floats.empty()) {
      check_counter_name(d.labels, context_.options.type_and_unit_labels, arg0, piece.annotations);
    }
    s.labels = std::move(d.labels);
    if (drops) {
      piece.saw_type_or_unit = piece.saw_type_or_unit || s.labels.has("__type__") || s.labels.has("__unit__");
      drop_name(s);
    }
    out.push_back(std::move(s));
    return {};
  };
}

Result<SeriesMatrix> Evaluator::absent_over_time(const Call& call, const SeriesMatrix& matrix) {
  std::vector<bool> present(static_cast<size_t>(steps()));
  for (const Series& s : matrix) {
    for (const FPoint& p : s.floats) present[static_cast<size_t>(step_of(p.t_ms))] = true;
    for (const HPoint& p : s.hists) present[static_cast<size_t>(step_of(p.t_ms))] = true;
  }
  Series s{labels_for_absent(*call.args[0]), true, {}, {}};
  for (size_t i = 0; i < present.size(); ++i) {
    if (!present[i]) s.floats.push_back({time_of(static_cast<int64_t>(i)), 1});
  }
  SeriesMatrix out;
  if (!s.empty()) out.push_back(std::move(s));
  return out;
}

model::Labels labels_for_absent(const Expr& arg) {
  const auto* selector = as<VectorSelector>(&arg);
  if (const auto* matrix = as<MatrixSelector>(&arg)) selector = matrix->selector.get();
  model::Labels labels;
  if (selector == nullptr) return labels;
  std::vector<std::string_view> seen;
  for (const model::Matcher& m : selector->matchers) {
    if (m.name() == model::kMetricNameLabel) continue;
    const bool again = std::find(seen.begin(), seen.end(), m.name()) != seen.end();
    if (m.type() == model::MatchType::kEqual && !again) {
      labels.set(m.name(), m.value());
      seen.push_back(m.name());
    } else {
      labels.remove(m.name());
    }
  }
  return labels;
}

// ---- vector to vector

Result<SeriesMatrix> Evaluator::eval_elementwise(Call& call, double (*fn)(double)) {
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  std::erase_if(matrix, [](const Series& s) { return s.floats.empty(); });
  for (Series& s : matrix) {
    SENTINEL_TRY(context_.work(s.floats.size()));
    s.hists.clear();
    for (FPoint& p : s.floats) p.v = fn(p.v);
    drop_name(s);
  }
  SENTINEL_TRY(merge_if_eager(matrix));
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_clamp(Call& call) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  ScalarValues low(-kInf);
  ScalarValues high(kInf);
  if (call.name() != "clamp_max") {
    SENTINEL_ASSIGN(low, eval_scalar(*call.args[1]));
  }
  if (call.name() != "clamp_min") {
    SENTINEL_ASSIGN(high, eval_scalar(*call.args.back()));
  }
  const auto clamped = [](double v, double min, double max) {
    if (std::isnan(v) || std::isnan(min) || std::isnan(max)) return std::nan("");
    return std::max(min, std::min(max, v));
  };
  for (Series& s : matrix) {
    s.hists.clear();
    std::erase_if(s.floats, [&](const FPoint& p) { return high.at(step_of(p.t_ms)) < low.at(step_of(p.t_ms)); });
    for (FPoint& p : s.floats) p.v = clamped(p.v, low.at(step_of(p.t_ms)), high.at(step_of(p.t_ms)));
    drop_name(s);
  }
  std::erase_if(matrix, [](const Series& s) { return s.empty(); });
  SENTINEL_TRY(merge_if_eager(matrix));
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_round(Call& call) {
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  ScalarValues nearest(1);
  if (call.args.size() > 1) {
    SENTINEL_ASSIGN(nearest, eval_scalar(*call.args[1]));
  }
  for (Series& s : matrix) {
    s.hists.clear();
    for (FPoint& p : s.floats) {
      const double inverse = 1.0 / nearest.at(step_of(p.t_ms));
      p.v = std::floor(p.v * inverse + 0.5) / inverse;
    }
    drop_name(s);
  }
  std::erase_if(matrix, [](const Series& s) { return s.empty(); });
  SENTINEL_TRY(merge_if_eager(matrix));
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_scalar_call(Call& call) {
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  SeriesMatrix out;
  SENTINEL_ASSIGN(out, eval_number(std::nan("")));
  std::vector<int> seen(out[0].floats.size());
  for (const Series& s : matrix) {
    for (const FPoint& p : s.floats) {
      const auto i = static_cast<size_t>(step_of(p.t_ms));
      out[0].floats[i].v = ++seen[i] == 1 ? p.v : std::nan("");
    }
  }
  return out;
}

Result<SeriesMatrix> Evaluator::eval_vector_call(Call& call) { return eval(*call.args[0]); }

Result<SeriesMatrix> Evaluator::eval_absent(Call& call) {
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  SeriesMatrix out;
  SENTINEL_ASSIGN(out, absent_over_time(call, matrix));
  for (Series& s : out) s.drop_name = false;
  return out;
}

Result<SeriesMatrix> Evaluator::eval_sort(Call& call) {
  if (!single_step()) {
    context_.annotations.warn("sort is ineffective for range queries since results are always ordered by labels",
                              call.pos);
  }
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  const std::string_view name = call.name();
  const bool descending = ends_with(name, "_desc");
  if (name == "sort" || name == "sort_desc") {
    for (Series& s : matrix) s.hists.clear();
    std::erase_if(matrix, [](const Series& s) { return s.empty(); });
    if (!single_step()) return matrix;
    sort_stably(matrix, [&](const Series& a, const Series& b) {
      const double x = a.floats[0].v;
      const double y = b.floats[0].v;
      if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);  // NaN comes last either way
      return descending ? x > y : x < y;
    });
    return matrix;
  }
  if (!single_step()) return matrix;
  std::vector<std::string> labels;
  for (size_t i = 1; i < call.args.size(); ++i)
    labels.push_back(as<StringLiteral>(unwrap_parens(call.args[i].get()))->value);
  sort_stably(matrix, [&](const Series& a, const Series& b) {
    for (const std::string& label : labels) {
      const std::string_view x = a.labels.get(label);
      const std::string_view y = b.labels.get(label);
      if (x == y) continue;
      return descending ? natural_less(y, x) : natural_less(x, y);
    }
    return descending ? b.labels < a.labels : a.labels < b.labels;
  });
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_timestamp(Call& call) {
  if (auto* selector = as<VectorSelector>(call.args[0].get())) return eval_timestamp_of_selector(call, *selector);
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  // Start times are known of stored samples only.
  if (call.name() == "start_timestamp") return SeriesMatrix{};
  constexpr double kMsPerSecond = 1000;
  for (Series& s : matrix) {
    for (const HPoint& p : s.hists) s.floats.push_back({p.t_ms, 0});
    s.hists.clear();
    std::sort(s.floats.begin(), s.floats.end(), [](const FPoint& a, const FPoint& b) { return a.t_ms < b.t_ms; });
    for (FPoint& p : s.floats) p.v = static_cast<double>(p.t_ms) / kMsPerSecond;
    drop_name(s);
  }
  SENTINEL_TRY(merge_if_eager(matrix));
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_date(Call& call, double (*fn)(int64_t)) {
  SeriesMatrix matrix;
  constexpr int64_t kMsPerSecond = 1000;
  if (call.args.empty()) {
    SENTINEL_ASSIGN(matrix, eval_number(0));
    for (FPoint& p : matrix[0].floats) p.v = fn(p.t_ms / kMsPerSecond);
    return matrix;
  }
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  std::erase_if(matrix, [](const Series& s) { return s.floats.empty(); });
  for (Series& s : matrix) {
    s.hists.clear();
    for (FPoint& p : s.floats) p.v = fn(to_seconds(p.v));
    drop_name(s);
  }
  SENTINEL_TRY(merge_if_eager(matrix));
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_time() {
  constexpr double kMsPerSecond = 1000;
  SeriesMatrix out;
  SENTINEL_ASSIGN(out, eval_number(0));
  for (FPoint& p : out[0].floats) p.v = static_cast<double>(p.t_ms) / kMsPerSecond;
  return out;
}

Result<SeriesMatrix> Evaluator::eval_extreme(Call& call) {
  ScalarValues a;
  ScalarValues b;
  SENTINEL_ASSIGN(a, eval_scalar(*call.args[0]));
  SENTINEL_ASSIGN(b, eval_scalar(*call.args[1]));
  const bool max = call.name() == "max_of";
  SeriesMatrix out;
  SENTINEL_ASSIGN(out, eval_number(0));
  for (FPoint& p : out[0].floats) {
    const double x = a.at(step_of(p.t_ms));
    const double y = b.at(step_of(p.t_ms));
    p.v = std::isnan(x) || std::isnan(y) ? std::nan("") : max ? std::max(x, y) : std::min(x, y);
  }
  return out;
}

}  // namespace sentinel::promql
