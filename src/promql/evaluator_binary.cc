// Binary operators: scalars, vector with scalar, vector with vector, sets.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "promql/evaluator.h"
#include "promql/go_text.h"

namespace sentinel::promql {
namespace {

bool changes_schema(Op op) { return op <= Op::kAtan2; }

double scalar_op(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd: return a + b;
    case Op::kSub: return a - b;
    case Op::kMul: return a * b;
    case Op::kDiv: return a / b;
    case Op::kPow: return std::pow(a, b);
    case Op::kMod: return std::fmod(a, b);
    case Op::kAtan2: return std::atan2(a, b);
    case Op::kEqual: return a == b ? 1 : 0;
    case Op::kNotEqual: return a != b ? 1 : 0;
    case Op::kGreater: return a > b ? 1 : 0;
    case Op::kLess: return a < b ? 1 : 0;
    case Op::kGreaterEqual: return a >= b ? 1 : 0;
    case Op::kLessEqual: return a <= b ? 1 : 0;
    default: return std::nan("");
  }
}

// An annotation that an operation on two samples wants to leave.
struct Note {
  bool warning = false;
  std::string text;
};

struct ElementResult {
  PointValue value;
  bool keep = true;
  bool failed = false;  // no result; `note` says why
  std::optional<Note> note;
};

ElementResult incompatible(const char* lhs, Op op, const char* rhs) {
  ElementResult out;
  out.failed = true;
  out.note = Note{false, fmt::format("incompatible sample types encountered for binary operator {}: {} {} {}",
                                     go_quote(op_text(op)), lhs, op_text(op), rhs)};
  return out;
}

ElementResult of_histogram(model::FloatHistogram&& h) {
  ElementResult out;
  out.value.h = std::make_shared<model::FloatHistogram>(std::move(h));
  return out;
}

ElementResult two_histograms(Op op, const model::HistogramPtr& a, const model::HistogramPtr& b) {
  if (op == Op::kEqual || op == Op::kNotEqual) {
    ElementResult out;
    out.value.h = a;
    out.keep = a->equals(*b) == (op == Op::kEqual);
    return out;
  }
  if (op != Op::kAdd && op != Op::kSub) return incompatible("histogram", op, "histogram");
  model::FloatHistogram result = *a;
  const bool subtract = op == Op::kSub;
  const model::HistogramMerge merge = subtract ? result.sub(*b) : result.add(*b);
  ElementResult out;
  if (!merge.compatible) {
    out.failed = true;
    out.note = Note{true, fmt::format("incompatible bucket layout encountered for binary operator {}", op_text(op))};
    return out;
  }
  if (subtract) result.hint = model::CounterResetHint::kGauge;
  const std::string_view operation = subtract ? "subtraction" : "addition";
  result.compact();
  out = of_histogram(std::move(result));
  if (merge.counter_reset_collision) {
    // As in Prometheus the warning takes the place of the result.
    out.failed = true;
    out.note = Note{true, anno::counter_reset_collision(operation)};
  } else if (merge.bounds_reconciled) {
    out.note = Note{false, anno::bounds_reconciled(operation)};
  }
  return out;
}

// One operator on two samples. For comparisons the value is the left one and `keep` the outcome.
ElementResult element_op(Op op, const PointValue& a, const PointValue& b) {
  if (a.h && b.h) return two_histograms(op, a.h, b.h);
  if (!a.h && b.h) {
    if (op != Op::kMul) return incompatible("float", op, "histogram");
    model::FloatHistogram h = *b.h;
    h.mul(a.v).compact();
    return of_histogram(std::move(h));
  }
  if (a.h) {
    model::FloatHistogram h = *a.h;
    switch (op) {
      case Op::kMul: h.mul(b.v).compact(); break;
      case Op::kDiv: h.div(b.v).compact(); break;
      case Op::kTrimUpper: h.trim(b.v, true); break;
      case Op::kTrimLower: h.trim(b.v, false); break;
      default: return incompatible("histogram", op, "float");
    }
    return of_histogram(std::move(h));
  }
  if (op == Op::kTrimLower || op == Op::kTrimUpper) return incompatible("float", op, "float");
  ElementResult out;
  const double v = scalar_op(op, a.v, b.v);
  if (is_comparison(op)) {
    out.value.v = a.v;
    out.keep = v != 0;
  } else {
    out.value.v = v;
  }
  return out;
}

void leave(Annotations& annotations, const std::optional<Note>& note, PosRange pos) {
  if (!note) return;
  if (note->warning) {
    annotations.warn(note->text, pos);
  } else {
    annotations.info(note->text, pos);
  }
}

// What identifies the partner of a series: the labels that have to be equal.
class JoinSignatures {
 public:
  explicit JoinSignatures(const VectorMatching& matching) : names_(matching.labels), on_(matching.on) {
    if (!on_) names_.emplace_back(model::kMetricNameLabel);
    std::sort(names_.begin(), names_.end());
  }
  // Equal label sets get equal ordinals.
  std::vector<int> ordinals(const SeriesMatrix& matrix) {
    std::vector<int> out;
    out.reserve(matrix.size());
    std::string key;
    for (const Series& s : matrix) {
      key.clear();
      for (const model::Label& l : s.labels) {
        if (std::binary_search(names_.begin(), names_.end(), l.name) != on_) continue;
        key += l.name;
        key += '\xff';
        key += l.value;
        key += '\xff';
      }
      out.push_back(by_key_.try_emplace(key, static_cast<int>(by_key_.size())).first->second);
    }
    return out;
  }
  size_t count() const { return by_key_.size(); }

 private:
  std::vector<std::string> names_;
  bool on_;
  absl::flat_hash_map<std::string, int> by_key_;
};

std::vector<SeriesCursor> cursors(const SeriesMatrix& matrix) {
  std::vector<SeriesCursor> out;
  out.reserve(matrix.size());
  for (const Series& s : matrix) out.emplace_back(s);
  return out;
}

model::Labels match_labels(const model::Labels& labels, const VectorMatching& matching) {
  return matching.on ? labels.keep(matching.labels) : labels.without(matching.labels);
}

// Arithmetic and comparisons between two vectors, one step after the other. Below, "many" is the left side except for
// group_right, and "one" the other.
class VectorJoin {
 public:
  VectorJoin(const BinaryExpr& expr, const SeriesMatrix& lhs, const SeriesMatrix& rhs, bool drop_names, MatrixBuilder builder,
             Annotations& annotations)
      : expr_(expr), matching_(*expr.matching), swapped_(matching_.card == Cardinality::kOneToMany),
        many_(swapped_ ? rhs : lhs), one_(swapped_ ? lhs : rhs), drop_names_(drop_names), builder_(std::move(builder)),
        annotations_(annotations), many_cursors_(cursors(many_)), one_cursors_(cursors(one_)) {
    JoinSignatures signatures(matching_);
    many_sigs_ = signatures.ordinals(many_);
    one_sigs_ = signatures.ordinals(one_);
    one_present_.assign(signatures.count(), -1);
    one_series_.resize(signatures.count());
    one_values_.resize(signatures.count());
    matched_.assign(signatures.count(), -1);
    last_pair_.assign(many_.size(), {-2, nullptr});
  }

  Status step(int64_t t) {
    ++step_;
    last_note_.reset();
    many_values_.clear();
    bool any_many = false;
    for (SeriesCursor& c : many_cursors_) {
      many_values_.push_back(c.at(t));
      any_many = any_many || many_values_.back();
    }
    bool any_one = false;
    for (SeriesCursor& c : one_cursors_) {
      one_now_.resize(one_cursors_.size());
      auto& slot = one_now_[static_cast<size_t>(&c - one_cursors_.data())];
      slot = c.at(t);
      any_one = any_one || slot;
    }
    const bool fills = matching_.fill_left || matching_.fill_right;
    if ((!any_many && !any_one) || ((!any_many || !any_one) && !fills)) return {};
    SENTINEL_TRY(index_one_side());
    SENTINEL_TRY(match_many_side(t));
    if (matching_.fill_left) SENTINEL_TRY(fill_unmatched(t));
    leave(annotations_, last_note_, expr_.pos);
    return {};
  }

  SeriesMatrix take() { return builder_.take(); }

 private:
  // Result series of a pair of input series, found once.
  struct Pair {
    model::Labels labels;
    int out = -1;
    int slot = 0;  // of (signature, result labels): where a second match in one step is an error
  };

  Status index_one_side() {
    for (size_t i = 0; i < one_.size(); ++i) {
      if (!one_now_[i]) continue;
      const auto sig = static_cast<size_t>(one_sigs_[i]);
      if (one_present_[sig] == step_) return duplicate_on_one_side(i, one_series_[sig]);
      one_present_[sig] = step_;
      one_series_[sig] = i;
      one_values_[sig] = *one_now_[i];
    }
    return {};
  }

  Status duplicate_on_one_side(size_t a, size_t b) const {
    std::string first = labels_text(one_[a].labels);
    std::string second = labels_text(one_[b].labels);
    if (first > second) std::swap(first, second);
    return fail(ErrorCode::kUnprocessable,
                fmt::format("found duplicate series for the match group {} on the {} hand-side of the operation: [{}, {}];"
                            "many-to-many matching not allowed: matching labels must be unique on one side",
                            labels_text(match_labels(one_[a].labels, matching_)), swapped_ ? "left" : "right", first, second));
  }

  Status match_many_side(int64_t t) {
    for (size_t i = 0; i < many_.size(); ++i) {
      if (!many_values_[i]) continue;
      const auto sig = static_cast<size_t>(many_sigs_[i]);
      if (one_present_[sig] == step_) {
        SENTINEL_TRY(operate(t, pair_of(i, static_cast<int>(one_series_[sig]), sig), *many_values_[i], one_values_[sig], sig));
      } else if (matching_.fill_right) {
        SENTINEL_TRY(operate(t, pair_of(i, -1, sig), *many_values_[i], {*matching_.fill_right, nullptr}, sig));
      }
    }
    return {};
  }

  Status fill_unmatched(int64_t t) {
    for (size_t i = 0; i < one_.size(); ++i) {
      if (!one_now_[i]) continue;
      const auto sig = static_cast<size_t>(one_sigs_[i]);
      if (matched_[sig] == step_) continue;
      const uint64_t key = (uint64_t{1} << 63) | i;
      auto [it, added] = pairs_.try_emplace(key);
      if (added) it->second = std::make_unique<Pair>(make_pair(match_labels(one_[i].labels, matching_), one_[i].labels, sig));
      SENTINEL_TRY(operate(t, *it->second, {*matching_.fill_left, nullptr}, *one_now_[i], sig));
    }
    return {};
  }

  Pair& pair_of(size_t many, int one, size_t sig) {
    auto& last = last_pair_[many];
    if (last.first == one) return *last.second;
    const uint64_t key = static_cast<uint64_t>(many) << 32 | static_cast<uint32_t>(one);
    auto [it, added] = pairs_.try_emplace(key);
    if (added) {
      const model::Labels filled = one < 0 ? match_labels(many_[many].labels, matching_) : model::Labels();
      it->second = std::make_unique<Pair>(
          make_pair(many_[many].labels, one < 0 ? filled : one_[static_cast<size_t>(one)].labels, sig));
    }
    last = {one, it->second.get()};
    return *it->second;
  }

  Pair make_pair(const model::Labels& many, const model::Labels& one, size_t sig) {
    Pair pair;
    pair.labels = many;
    if (changes_schema(expr_.op) || drop_names_) drop_reserved(pair.labels);
    if (matching_.card == Cardinality::kOneToOne) {
      if (matching_.on) {
        pair.labels = pair.labels.keep(matching_.labels);
      } else {
        for (const std::string& name : matching_.labels) pair.labels.remove(name);
      }
    }
    for (const std::string& name : matching_.include) pair.labels.set(name, one.get(name));
    const auto slot = slots_.try_emplace(std::pair{sig, pair.labels.hash()}, static_cast<int>(slots_.size()));
    pair.slot = slot.first->second;
    if (slot.second) slot_step_.push_back(-1);
    return pair;
  }

  Status operate(int64_t t, Pair& pair, const PointValue& many, const PointValue& one, size_t sig) {
    ElementResult r = swapped_ ? element_op(expr_.op, one, many) : element_op(expr_.op, many, one);
    if (r.note) last_note_ = r.note;
    if (r.failed) return {};
    if (expr_.return_bool) r.value = {r.keep ? 1.0 : 0.0, nullptr};
    if (matching_.card == Cardinality::kOneToOne) {
      if (matched_[sig] == step_) {
        return fail(ErrorCode::kUnprocessable,
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
      }
    } else {
      auto& seen = slot_step_[static_cast<size_t>(pair.slot)];
      if (seen == step_) {
        return fail(ErrorCode::kUnprocessable, "multiple matches for labels: grouping labels must ensure unique matches");
      }
      seen = step_;
    }
    matched_[sig] = step_;
    if (!r.keep && !expr_.return_bool) return {};
    if (pair.out < 0) pair.out = builder_.series(pair.labels, expr_.return_bool);
    return builder_.add(pair.out, t, std::move(r.value));
  }

  const BinaryExpr& expr_;
  const VectorMatching& matching_;
  const bool swapped_;
  const SeriesMatrix& many_;
  const SeriesMatrix& one_;
  const bool drop_names_;
  MatrixBuilder builder_;
  Annotations& annotations_;
  std::vector<SeriesCursor> many_cursors_;
  std::vector<SeriesCursor> one_cursors_;
  std::vector<int> many_sigs_;
  std::vector<int> one_sigs_;
  std::vector<MaybePoint> many_values_;
  std::vector<MaybePoint> one_now_;
  // By signature; a step number marks what is valid now.
  std::vector<int64_t> one_present_;
  std::vector<size_t> one_series_;
  std::vector<PointValue> one_values_;
  std::vector<int64_t> matched_;
  std::vector<std::pair<int, Pair*>> last_pair_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Pair>> pairs_;
  absl::flat_hash_map<std::pair<size_t, uint64_t>, int> slots_;
  std::vector<int64_t> slot_step_;
  std::optional<Note> last_note_;
  int64_t step_ = 0;
};

}  // namespace

Result<SeriesMatrix> Evaluator::eval_binary(BinaryExpr& expr) {
  const bool left_scalar = expr.lhs->type() == ValueType::kScalar;
  const bool right_scalar = expr.rhs->type() == ValueType::kScalar;
  if (left_scalar && right_scalar) return scalar_binary(expr);
  if (left_scalar || right_scalar) return vector_scalar_binary(expr, left_scalar);
  return is_set_operator(expr.op) ? set_binary(expr) : vector_binary(expr);
}

Result<SeriesMatrix> Evaluator::scalar_binary(BinaryExpr& expr) {
  ScalarValues lhs;
  ScalarValues rhs;
  SENTINEL_ASSIGN(lhs, eval_scalar(*expr.lhs));
  SENTINEL_ASSIGN(rhs, eval_scalar(*expr.rhs));
  SeriesMatrix out;
  SENTINEL_ASSIGN(out, eval_number(0));
  for (size_t i = 0; i < out[0].floats.size(); ++i) {
    const auto step = static_cast<int64_t>(i);
    out[0].floats[i].v = scalar_op(expr.op, lhs.at(step), rhs.at(step));
  }
  return out;
}

Result<SeriesMatrix> Evaluator::vector_scalar_binary(BinaryExpr& expr, bool scalar_left) {
  SeriesMatrix vector;
  ScalarValues scalar;
  if (scalar_left) {
    SENTINEL_ASSIGN(scalar, eval_scalar(*expr.lhs));
    SENTINEL_ASSIGN(vector, eval(*expr.rhs));
  } else {
    SENTINEL_ASSIGN(vector, eval(*expr.lhs));
    SENTINEL_ASSIGN(scalar, eval_scalar(*expr.rhs));
  }
  const bool comparison = is_comparison(expr.op);
  const bool drops = changes_schema(expr.op) || expr.return_bool;
  for (Series& s : vector) {
    SENTINEL_TRY(context_.work(s.floats.size() + s.hists.size()));
    std::vector<FPoint> floats;
    floats.reserve(s.floats.size());
    std::vector<HPoint> hists;
    const auto apply = [&](int64_t t, const PointValue& element) {
      const PointValue other{scalar.at(step_of(t)), nullptr};
      ElementResult r = scalar_left ? element_op(expr.op, other, element) : element_op(expr.op, element, other);
      if (r.failed) {
        if (r.note && !r.note->warning) leave(context_.annotations, r.note, expr.pos);
        return;
      }
      // The element of the vector is the value of a comparison on either side.
      if (comparison) r.value = element;
      if (expr.return_bool) {
        r.value = {r.keep ? 1.0 : 0.0, element.h ? r.value.h : nullptr};
        r.keep = true;
      }
      if (!r.keep) return;
      if (r.value.h) {
        hists.push_back({t, std::move(r.value.h)});
      } else {
        floats.push_back({t, r.value.v});
      }
    };
    for (const FPoint& p : s.floats) apply(p.t_ms, {p.v, nullptr});
    for (const HPoint& p : s.hists) apply(p.t_ms, {0, p.h});
    std::sort(hists.begin(), hists.end(), [](const HPoint& a, const HPoint& b) { return a.t_ms < b.t_ms; });
    std::sort(floats.begin(), floats.end(), [](const FPoint& a, const FPoint& b) { return a.t_ms < b.t_ms; });
    s.floats = std::move(floats);
    s.hists = std::move(hists);
    if (drops) drop_name(s);
  }
  std::erase_if(vector, [](const Series& s) { return s.empty(); });
  if (drops) SENTINEL_TRY(merge_if_eager(vector));
  return vector;
}

Result<SeriesMatrix> Evaluator::set_binary(BinaryExpr& expr) {
  SeriesMatrix lhs;
  SeriesMatrix rhs;
  SENTINEL_ASSIGN(lhs, eval(*expr.lhs));
  SENTINEL_ASSIGN(rhs, eval(*expr.rhs));
  JoinSignatures signatures(*expr.matching);
  const std::vector<int> left_sigs = signatures.ordinals(lhs);
  const std::vector<int> right_sigs = signatures.ordinals(rhs);
  std::vector<int64_t> present(signatures.count(), -1);
  std::vector<SeriesCursor> left = cursors(lhs);
  std::vector<SeriesCursor> right = cursors(rhs);
  MatrixBuilder out = builder();
  std::vector<int> left_out(lhs.size(), -1);
  std::vector<int> right_out(rhs.size(), -1);
  const auto emit = [&](const Series& s, int& index, int64_t t, PointValue value) {
    if (index < 0) index = out.series(s.labels, s.drop_name);
    return out.add(index, t, std::move(value));
  };
  int64_t step = 0;
  for (int64_t t = start_; t <= end_; t += interval_, ++step) {
    SENTINEL_TRY(context_.work(lhs.size() + rhs.size()));
    if (expr.op == Op::kOr) {
      for (size_t i = 0; i < left.size(); ++i) {
        MaybePoint p = left[i].at(t);
        if (!p) continue;
        present[static_cast<size_t>(left_sigs[i])] = step;
        SENTINEL_TRY(emit(lhs[i], left_out[i], t, *std::move(p)));
      }
      for (size_t i = 0; i < right.size(); ++i) {
        MaybePoint p = right[i].at(t);
        if (!p || present[static_cast<size_t>(right_sigs[i])] == step) continue;
        SENTINEL_TRY(emit(rhs[i], right_out[i], t, *std::move(p)));
      }
      continue;
    }
    for (size_t i = 0; i < right.size(); ++i) {
      if (right[i].at(t)) present[static_cast<size_t>(right_sigs[i])] = step;
    }
    for (size_t i = 0; i < left.size(); ++i) {
      MaybePoint p = left[i].at(t);
      if (!p || (present[static_cast<size_t>(left_sigs[i])] == step) != (expr.op == Op::kAnd)) continue;
      SENTINEL_TRY(emit(lhs[i], left_out[i], t, *std::move(p)));
    }
  }
  return out.take();
}

Result<SeriesMatrix> Evaluator::vector_binary(BinaryExpr& expr) {
  SeriesMatrix lhs;
  SeriesMatrix rhs;
  SENTINEL_ASSIGN(lhs, eval(*expr.lhs));
  SENTINEL_ASSIGN(rhs, eval(*expr.rhs));
  VectorJoin join(expr, lhs, rhs, !delayed() && expr.return_bool, builder(), context_.annotations);
  for (int64_t t = start_; t <= end_; t += interval_) {
    SENTINEL_TRY(context_.work(lhs.size() + rhs.size() + 1));
    SENTINEL_TRY(join.step(t));
  }
  return join.take();
}

}  // namespace sentinel::promql
