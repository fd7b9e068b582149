// Aggregations that fold series while they are read, on several threads: nothing is held but one accumulator a group
// and step. Parts of the series are folded in their order, so that sums have the same bits however the work was shared.
#include <algorithm>
#include <utility>

#include "base/thread_annotations.h"
#include "promql/aggregator.h"
#include "promql/preprocess.h"

namespace sentinel::promql {
namespace {

// One series on its way into a group.
struct FoldInput {
  model::Labels group;
  uint64_t group_hash = 0;
  Series series;
};

// Folds parts of the series in the order of their numbers, whichever threads made them in whatever order.
class Folder {
 public:
  Folder(const Aggregator& aggregator, size_t parts, int64_t start, int64_t interval, size_t steps)
      : aggregator_(aggregator), start_(start), interval_(interval), steps_(steps), waiting_(parts) {}

  // Folds what is ready, or leaves that to the thread that is at it. False: too many groups, nothing more is taken.
  bool take(size_t part, std::vector<FoldInput> inputs) EXCLUDES_LOCK(mutex_) {
    mutex_.lock();
    waiting_[part] = std::move(inputs);
    if (folding_ || full_) {
      const bool more = !full_;
      mutex_.unlock();
      return more;
    }
    folding_ = true;
    bool fits = true;
    while (fits && next_ < waiting_.size() && waiting_[next_]) {
      const std::vector<FoldInput> now = *std::exchange(waiting_[next_++], std::nullopt);
      mutex_.unlock();
      fits = std::all_of(now.begin(), now.end(), [this](const FoldInput& input) { return fold(input); });
      mutex_.lock();
    }
    full_ = !fits;
    folding_ = false;
    mutex_.unlock();
    return fits;
  }

  // When all parts were taken: calls fn for each group, in the order of their first series.
  template <class F>
  Status finish(F fn) {
    for (Group& group : groups_) SENTINEL_TRY(fn(group.series, group.cells));
    return {};
  }

 private:
  struct Group {
    Series series;
    std::vector<Accumulator> cells;
  };
  bool fold(const FoldInput& input) {
    const auto [it, added] = by_hash_.try_emplace(input.group_hash, groups_.size());
    if (added) {
      if ((groups_.size() + 1) * steps_ > kFoldedCellsMax && steps_ > 1) return false;
      groups_.push_back({Series{input.group, false, {}, {}}, std::vector<Accumulator>(steps_)});
    }
    Group& group = groups_[it->second];
    const Series& s = input.series;
    group.series.drop_name = group.series.drop_name || s.drop_name;
    const auto at = [&](int64_t t) -> Accumulator& {
      return group.cells[static_cast<size_t>((t - start_) / interval_)];
    };
    if (steps_ > 0 && s.floats.size() == steps_) {  // one at each step
      for (size_t i = 0; i < steps_; ++i) aggregator_.add_float(group.cells[i], s.floats[i].v);
    } else {
      for (const FPoint& p : s.floats) aggregator_.add_float(at(p.t_ms), p.v);
    }
    for (const HPoint& p : s.hists) aggregator_.add_histogram(at(p.t_ms), *p.h, metric_name(s.labels));
    return true;
  }

  const Aggregator& aggregator_;
  const int64_t start_;
  const int64_t interval_;
  const size_t steps_;
  // Of the thread that is folding.
  std::vector<Group> groups_;
  absl::flat_hash_map<uint64_t, size_t> by_hash_;
  Mutex mutex_;
  std::vector<std::optional<std::vector<FoldInput>>> waiting_ GUARDED_BY(mutex_);
  size_t next_ GUARDED_BY(mutex_) = 0;
  bool folding_ GUARDED_BY(mutex_) = false;
  bool full_ GUARDED_BY(mutex_) = false;
};

// The labels that matter to the groups, to what drops names, and to annotations.
tsdb::WantedLabels labels_for_groups(const AggregateExpr& expr) {
  if (expr.without) return {};
  tsdb::WantedLabels wanted{false, expr.grouping};
  for (const std::string_view name :
       {model::kMetricNameLabel, std::string_view("__type__"), std::string_view("__unit__")}) {
    wanted.names.emplace_back(name);
  }
  return wanted;
}

}  // namespace

Result<std::optional<Evaluator::Streamed>> Evaluator::streamed(AggregateExpr& expr) {
  Streamed out;
  Expr* inner = unwrap_parens(expr.expr.get());
  out.selector = as<VectorSelector>(inner);
  if (out.selector != nullptr) {
    if (out.selector->smoothed) return std::nullopt;
    out.function = sample_function(out.selector->time.offset_ms, false, std::nullopt);
    return out;
  }
  auto* call = as<Call>(inner);
  const auto argument = call == nullptr ? std::nullopt : range_argument(*call);
  if (!argument || call->name() == "absent_over_time") return std::nullopt;
  const auto* matrix = as<MatrixSelector>(call->args[*argument].get());
  if (matrix == nullptr) return std::nullopt;
  out.selector = matrix->selector.get();
  out.drops = !delayed();
  if (out.drops && !names_one_metric(out.selector->matchers)) return std::nullopt;
  out.scalars = std::make_unique<std::vector<ScalarValues>>();
  SENTINEL_ASSIGN(*out.scalars, scalar_arguments(*call, *argument));
  SENTINEL_ASSIGN(out.function, range_function(*call, *argument, *matrix, *out.scalars));
  return out;
}

Result<std::optional<SeriesMatrix>> Evaluator::aggregate_streaming(AggregateExpr& expr) {
  std::optional<Streamed> input;
  SENTINEL_ASSIGN(input, streamed(expr));
  if (!input) return std::nullopt;
  if (input->selector->select_max_ms < input->selector->select_min_ms) return SeriesMatrix{};
  std::unique_ptr<tsdb::Selection> selection;
  SENTINEL_ASSIGN(selection, begin_select(*input->selector, labels_for_groups(expr)));
  Annotations of_groups;
  const Aggregator aggregator(expr, of_groups);
  Folder folder(aggregator, part_count(selection->size()), start_, interval_, static_cast<size_t>(steps()));
  std::atomic<bool> other_way{false};
  const uint64_t read_before = context_.samples_read;
  const uint64_t held_before = context_.samples;
  const auto fold = [&](Piece& piece, size_t part, size_t begin, size_t end) -> Status {
    if (other_way.load(std::memory_order_relaxed)) return {};
    SeriesMatrix series;
    SENTINEL_TRY(map_part(piece, *selection, *input->selector, input->function, begin, end, series));
    std::vector<FoldInput> inputs;
    inputs.reserve(series.size());
    for (Series& s : series) {
      model::Labels group = group_labels(s.labels, expr.grouping, expr.without);
      const uint64_t hash = group.hash();
      inputs.push_back({std::move(group), hash, std::move(s)});
    }
    // With __type__ or __unit__ dropped as well, two series may have become equal.
    if ((input->drops && piece.saw_type_or_unit) || !folder.take(part, std::move(inputs))) other_way = true;
    return {};
  };
  SENTINEL_TRY(in_parts(selection->size(), fold));
  if (other_way) {
    context_.samples_read = read_before;
    context_.samples = held_before;
    return std::nullopt;
  }
  SeriesMatrix out;
  const auto finish = [&](Series& s, std::vector<Accumulator>& cells) -> Status {
    SENTINEL_TRY(context_.work(cells.size()));
    for (size_t i = 0; i < cells.size(); ++i) {
      MaybePoint p = aggregator.result(cells[i]);
      if (!p) continue;
      const int64_t t = time_of(static_cast<int64_t>(i));
      if (p->h) {
        s.hists.push_back({t, std::move(p->h)});
      } else {
        s.floats.push_back({t, p->v});
      }
    }
    if (s.empty()) return {};
    SENTINEL_TRY(context_.hold(s.floats.size() + s.hists.size()));
    out.push_back(std::move(s));
    return {};
  };
  SENTINEL_TRY(folder.finish(finish));
  context_.annotations.add_all(of_groups);
  return out;
}

}  // namespace sentinel::promql
