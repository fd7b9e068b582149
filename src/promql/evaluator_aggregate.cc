// Aggregations: group by group, and within a group series by series over all steps, so that labels are looked at once.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <xxhash.h>

#include "promql/aggregator.h"
#include "promql/evaluator.h"
#include "promql/go_text.h"
#include "promql/histogram_text.h"
#include "promql/limits.h"
#include "promql/preprocess.h"
#include "promql/quantile.h"
#include "promql/stable_sort.h"

namespace sentinel::promql {
namespace {

// Input series by output group, groups in order of their first member.
struct Groups {
  std::vector<model::Labels> labels;
  std::vector<std::vector<size_t>> members;
};

Groups make_groups(const SeriesMatrix& input, const std::vector<std::string>& grouping, bool without) {
  Groups groups;
  absl::flat_hash_map<uint64_t, size_t> by_hash;
  for (size_t i = 0; i < input.size(); ++i) {
    model::Labels labels = group_labels(input[i].labels, grouping, without);
    const auto [it, added] = by_hash.try_emplace(labels.hash(), groups.labels.size());
    if (added) {
      groups.labels.push_back(std::move(labels));
      groups.members.emplace_back();
    }
    groups.members[it->second].push_back(i);
  }
  return groups;
}

struct Ranked {
  double v;
  size_t member;
};

// A binary heap with exactly the moves of Go's container/heap, so that ties are broken as in Prometheus: the root is
// what goes first when something better comes.
class RankHeap {
 public:
  explicit RankHeap(bool smallest_first) : smallest_first_(smallest_first) {}

  void push(Ranked r) {
    items_.push_back(r);
    size_t j = items_.size() - 1;
    while (j > 0) {
      const size_t parent = (j - 1) / 2;
      if (!less(items_[j], items_[parent])) break;
      std::swap(items_[parent], items_[j]);
      j = parent;
    }
  }
  void replace_root(Ranked r) {
    items_[0] = r;
    size_t i = 0;
    while (true) {
      size_t child = 2 * i + 1;
      if (child >= items_.size()) break;
      if (child + 1 < items_.size() && less(items_[child + 1], items_[child])) ++child;
      if (!less(items_[child], items_[i])) break;
      std::swap(items_[i], items_[child]);
      i = child;
    }
  }
  const Ranked& root() const { return items_[0]; }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  // Best first.
  std::vector<Ranked> ranked() {
    const auto better = [this](const Ranked& a, const Ranked& b) {
      if (std::isnan(a.v) || std::isnan(b.v)) return !std::isnan(a.v) && std::isnan(b.v);
      return smallest_first_ ? a.v > b.v : a.v < b.v;
    };
    sort_stably(items_, better);
    return std::move(items_);
  }

 private:
  bool less(const Ranked& a, const Ranked& b) const {
    if (std::isnan(a.v)) return true;
    return smallest_first_ ? a.v < b.v : a.v > b.v;
  }
  const bool smallest_first_;
  std::vector<Ranked> items_;
};

// Where in [0, 1] a label set falls: the hash that Prometheus takes, so that the same series are sampled.
double sample_offset(const model::Labels& labels) {
  std::string data;
  const auto add = [&](const std::string& text) {
    constexpr size_t kOneByte = 255;
    if (text.size() < kOneByte) {
      data += static_cast<char>(text.size());
    } else {
      data += static_cast<char>(kOneByte);
      for (int shift = 0; shift < 24; shift += 8) data += static_cast<char>(text.size() >> shift & 0xFF);
    }
    data += text;
  };
  for (const model::Label& l : labels) {
    add(l.name);
    add(l.value);
  }
  return static_cast<double>(XXH64(data.data(), data.size(), 0)) /
         static_cast<double>(std::numeric_limits<uint64_t>::max());
}

bool in_ratio(double ratio, double offset) { return ratio >= 0 ? offset < ratio : offset >= 1.0 + ratio; }

// The parameter of topk and its like over all steps.
struct Param {
  ScalarValues values;
  double min = 0;
  double max = 0;
  bool any_nan = false;
};

Param summarize(ScalarValues values) {
  Param p;
  if (values.is_constant()) {
    p.min = p.max = values.at(0);
    p.any_nan = std::isnan(p.min);
  } else {
    p.min = std::numeric_limits<double>::max();
    p.max = std::numeric_limits<double>::lowest();
    for (double v : values.values()) {
      if (std::isnan(v)) p.any_nan = true;
      p.max = std::isnan(v) || std::isnan(p.max) ? std::nan("") : std::max(p.max, v);
      p.min = std::isnan(v) || std::isnan(p.min) ? std::nan("") : std::min(p.min, v);
    }
  }
  p.values = std::move(values);
  return p;
}

// Whether there can be any result; fails on parameters that are refused.
Result<bool> check_param(const AggregateExpr& expr, const Param& p, Annotations& annotations) {
  constexpr double kInt64 = 9223372036854775808.0;
  if (expr.op == Agg::kLimitRatio) {
    if (p.max == 0 && p.min == 0) return false;
    if (p.any_nan) return fail(ErrorCode::kUnprocessable, "Ratio value is NaN");
    if (p.max > 1) annotations.warn(anno::invalid_ratio(p.max, 1), expr.param->pos);
    if (p.min < -1) annotations.warn(anno::invalid_ratio(p.min, -1), expr.param->pos);
    return true;
  }
  if (expr.op == Agg::kQuantile) {
    if (p.any_nan) annotations.warn(anno::invalid_quantile(std::nan("")), expr.param->pos);
    if (p.max > 1) annotations.warn(anno::invalid_quantile(p.max), expr.param->pos);
    if (p.min < 0) annotations.warn(anno::invalid_quantile(p.min), expr.param->pos);
    return true;
  }
  if (p.max < 1) return false;
  if (p.any_nan) return fail(ErrorCode::kUnprocessable, "Parameter value is NaN");
  if (p.min <= -kInt64) {
    return fail(ErrorCode::kUnprocessable, fmt::format("Scalar value {} underflows int64", format_go_g(p.min)));
  }
  if (p.max >= kInt64) {
    return fail(ErrorCode::kUnprocessable, fmt::format("Scalar value {} overflows int64", format_go_g(p.max)));
  }
  return true;
}

// topk, bottomk, limitk and limit_ratio over one group: which members stay at each step.
class Selection {
 public:
  Selection(const AggregateExpr& expr, const SeriesMatrix& input, const std::vector<size_t>& members,
            Annotations& annotations)
      : expr_(expr), input_(input), members_(members), annotations_(annotations) {
    for (size_t m : members) cursors_.emplace_back(input[m]);
    if (expr.op == Agg::kLimitRatio) {
      for (size_t m : members) offsets_.push_back(sample_offset(input[m].labels));
    }
  }

  struct Kept {
    size_t series;
    PointValue value;
  };
  std::vector<Kept> step(int64_t t, double param) {
    switch (expr_.op) {
      case Agg::kLimitRatio: return ratio(t, std::clamp(param, -1.0, 1.0));
      case Agg::kLimitk: return first(t, bounded(param));
      default: return ranked(t, bounded(param));
    }
  }

 private:
  size_t bounded(double k) const {
    return k < 1 ? 0 : static_cast<size_t>(std::min(k, static_cast<double>(input_.size())));
  }

  std::vector<Kept> ratio(int64_t t, double r) {
    std::vector<Kept> out;
    for (size_t i = 0; i < cursors_.size(); ++i) {
      MaybePoint p = cursors_[i].at(t);
      if (p && r != 0 && in_ratio(r, offsets_[i])) out.push_back({members_[i], *std::move(p)});
    }
    return out;
  }

  std::vector<Kept> first(int64_t t, size_t k) {
    std::vector<Kept> out;
    for (size_t i = 0; i < cursors_.size(); ++i) {
      MaybePoint p = cursors_[i].at(t);
      if (p && out.size() < k) out.push_back({members_[i], *std::move(p)});
    }
    return out;
  }

  std::vector<Kept> ranked(int64_t t, size_t k) {
    const bool top = expr_.op == Agg::kTopk;
    RankHeap heap(top);
    for (size_t i = 0; i < cursors_.size(); ++i) {
      const MaybePoint p = cursors_[i].at(t);
      if (!p || k == 0) continue;
      if (p->h) {
        annotations_.info(anno::histogram_ignored_in_aggregation(agg_text(expr_.op)), expr_.pos);
        continue;
      }
      const Ranked r{p->v, members_[i]};
      if (heap.size() < k) {
        heap.push(r);
      } else if ((top ? heap.root().v < r.v : heap.root().v > r.v) || (std::isnan(heap.root().v) && !std::isnan(r.v))) {
        heap.replace_root(r);
      }
    }
    std::vector<Kept> out;
    for (const Ranked& r : heap.ranked()) out.push_back({r.member, {r.v, nullptr}});
    return out;
  }

  const AggregateExpr& expr_;
  const SeriesMatrix& input_;
  const std::vector<size_t>& members_;
  Annotations& annotations_;
  std::vector<SeriesCursor> cursors_;
  std::vector<double> offsets_;
};

}  // namespace

Result<SeriesMatrix> Evaluator::eval_aggregate(AggregateExpr& expr) {
  if (expr.op == Agg::kCountValues) return eval_count_values(expr);
  Param param;
  if (expr.param) {
    ScalarValues values;
    SENTINEL_ASSIGN(values, eval_scalar(*expr.param));
    param = summarize(std::move(values));
  }
  if (!expr.param) {
    std::optional<SeriesMatrix> streamed;
    SENTINEL_ASSIGN(streamed, aggregate_streaming(expr));
    if (streamed) return *std::move(streamed);
  }
  SeriesMatrix input;
  SENTINEL_ASSIGN(input, eval(*expr.expr));
  SeriesMatrix out;
  if (expr.param) {
    bool any = false;
    SENTINEL_ASSIGN(any, check_param(expr, param, context_.annotations));
    if (!any) return out;
  }
  switch (expr.op) {
    case Agg::kTopk:
    case Agg::kBottomk:
    case Agg::kLimitk:
    case Agg::kLimitRatio: return aggregate_selecting(expr, input, param.values);
    case Agg::kQuantile: return aggregate_quantile(expr, input, param.values);
    default: return aggregate_folding(expr, input);
  }
}

// Input series keep their labels: one output series each, in order of rank for an instant query.
Result<SeriesMatrix> Evaluator::aggregate_selecting(AggregateExpr& expr, const SeriesMatrix& input,
                                                    const ScalarValues& param) {
  SeriesMatrix out;
  std::vector<int> out_index(input.size(), -1);
  for (const auto& members : make_groups(input, expr.grouping, expr.without).members) {
    Selection selection(expr, input, members, context_.annotations);
    for (int64_t t = start_; t <= end_; t += interval_) {
      SENTINEL_TRY(context_.work(members.size()));
      for (auto& kept : selection.step(t, param.at(step_of(t)))) {
        int& index = out_index[kept.series];
        if (index < 0) {
          index = static_cast<int>(out.size());
          out.push_back({input[kept.series].labels, input[kept.series].drop_name, {}, {}});
        }
        Series& s = out[static_cast<size_t>(index)];
        if (kept.value.h) {
          s.hists.push_back({t, std::move(kept.value.h)});
        } else {
          s.floats.push_back({t, kept.value.v});
        }
      }
    }
  }
  return out;
}

Result<SeriesMatrix> Evaluator::aggregate_quantile(AggregateExpr& expr, const SeriesMatrix& input,
                                                   const ScalarValues& param) {
  SeriesMatrix out;
  const Groups groups = make_groups(input, expr.grouping, expr.without);
  std::vector<std::vector<double>> values(static_cast<size_t>(steps()));
  for (size_t g = 0; g < groups.labels.size(); ++g) {
    Series s{groups.labels[g], false, {}, {}};
    for (auto& v : values) v.clear();
    for (size_t m : groups.members[g]) {
      SENTINEL_TRY(context_.work(input[m].floats.size()));
      s.drop_name = s.drop_name || input[m].drop_name;
      for (const FPoint& p : input[m].floats) values[static_cast<size_t>(step_of(p.t_ms))].push_back(p.v);
      if (!input[m].hists.empty()) {
        context_.annotations.info(anno::histogram_ignored_in_aggregation("quantile"), expr.expr->pos);
      }
    }
    for (size_t i = 0; i < values.size(); ++i) {
      const auto step = static_cast<int64_t>(i);
      if (!values[i].empty()) s.floats.push_back({time_of(step), quantile(param.at(step), values[i])});
    }
    if (!s.empty()) out.push_back(std::move(s));
  }
  return out;
}

// sum, avg and all others that keep one accumulator a step; a block of steps at a time, so that many steps need no more
// memory than their result.
Result<SeriesMatrix> Evaluator::aggregate_folding(AggregateExpr& expr, const SeriesMatrix& input) {
  struct Reader {
    size_t floats = 0;
    size_t hists = 0;
  };
  SeriesMatrix out;
  const Groups groups = make_groups(input, expr.grouping, expr.without);
  const Aggregator aggregator(expr, context_.annotations);
  const auto step_count = static_cast<size_t>(steps());
  std::vector<Accumulator> block(std::min(step_count, kAggregationBlock));
  for (size_t g = 0; g < groups.labels.size(); ++g) {
    const std::vector<size_t>& members = groups.members[g];
    Series s{groups.labels[g], false, {}, {}};
    for (size_t m : members) s.drop_name = s.drop_name || input[m].drop_name;
    std::vector<Reader> readers(members.size());
    for (size_t first = 0; first < step_count; first += block.size()) {
      const size_t count = std::min(block.size(), step_count - first);
      const int64_t from = time_of(static_cast<int64_t>(first));
      const int64_t to = time_of(static_cast<int64_t>(first + count - 1));
      for (Accumulator& a : block) a = Accumulator();
      const auto at = [&](int64_t t) -> Accumulator& { return block[static_cast<size_t>((t - from) / interval_)]; };
      for (size_t i = 0; i < members.size(); ++i) {
        const Series& in = input[members[i]];
        Reader& r = readers[i];
        SENTINEL_TRY(context_.work(count));
        for (; r.floats < in.floats.size() && in.floats[r.floats].t_ms <= to; ++r.floats) {
          aggregator.add_float(at(in.floats[r.floats].t_ms), in.floats[r.floats].v);
        }
        for (; r.hists < in.hists.size() && in.hists[r.hists].t_ms <= to; ++r.hists) {
          aggregator.add_histogram(at(in.hists[r.hists].t_ms), *in.hists[r.hists].h, metric_name(in.labels));
        }
      }
      for (size_t i = 0; i < count; ++i) {
        MaybePoint p = aggregator.result(block[i]);
        if (!p) continue;
        const int64_t t = from + static_cast<int64_t>(i) * interval_;
        if (p->h) {
          s.hists.push_back({t, std::move(p->h)});
        } else {
          s.floats.push_back({t, p->v});
        }
      }
    }
    if (s.empty()) continue;
    SENTINEL_TRY(context_.hold(s.floats.size() + s.hists.size()));
    out.push_back(std::move(s));
  }
  return out;
}

Result<SeriesMatrix> Evaluator::eval_count_values(AggregateExpr& expr) {
  const std::string& label = as<StringLiteral>(unwrap_parens(expr.param.get()))->value;
  if (!is_valid_utf8_label_name(label)) return fail(ErrorCode::kUnprocessable, "invalid label name " + go_quote(label));
  std::vector<std::string> grouping = expr.grouping;
  if (!expr.without) grouping.push_back(label);
  SeriesMatrix input;
  SENTINEL_ASSIGN(input, eval(*expr.expr));
  std::vector<SeriesCursor> cursors;
  for (const Series& s : input) cursors.emplace_back(s);
  MatrixBuilder out = builder();
  for (int64_t t = start_; t <= end_; t += interval_) {
    SENTINEL_TRY(context_.work(input.size()));
    std::vector<std::pair<model::Labels, double>> counts;
    absl::flat_hash_map<uint64_t, size_t> by_hash;
    for (size_t i = 0; i < input.size(); ++i) {
      const MaybePoint p = cursors[i].at(t);
      if (!p) continue;
      const std::string value = p->h ? histogram_text(*p->h) : format_go_f(p->v);
      model::Labels labels = group_labels(input[i].labels.with(label, value), grouping, expr.without);
      const auto [it, added] = by_hash.try_emplace(labels.hash(), counts.size());
      if (added) counts.emplace_back(std::move(labels), 0);
      counts[it->second].second += 1;
    }
    for (const auto& [labels, count] : counts) SENTINEL_TRY(out.add(labels, false, t, {count, nullptr}));
  }
  return out.take();
}

}  // namespace sentinel::promql
