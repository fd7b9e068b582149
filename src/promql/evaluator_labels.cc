// Functions that change label sets: label_replace, label_join, info.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <re2/re2.h>

#include "promql/evaluator.h"
#include "promql/go_text.h"
#include "promql/preprocess.h"

namespace sentinel::promql {
namespace {

const std::string& string_arg(const Call& call, size_t i) {
  return as<StringLiteral>(unwrap_parens(call.args[i].get()))->value;
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// Replaces $1, $name, ${name} and $$ in `text`, as Go's Expand.
class Template {
 public:
  Template(std::string_view text, const re2::RE2& regex) {
    const auto& names = regex.NamedCapturingGroups();
    while (!text.empty()) {
      const size_t dollar = text.find('$');
      literal(text.substr(0, dollar));
      if (dollar == std::string_view::npos) break;
      text.remove_prefix(dollar + 1);
      if (!text.empty() && text[0] == '$') {
        literal("$");
        text.remove_prefix(1);
        continue;
      }
      const std::string_view name = take_name(text);
      if (name.empty()) {
        literal("$");
        continue;
      }
      int group = -1;
      if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
        constexpr size_t kDigitsMax = 8;
        group = -1;
        if (name.size() <= kDigitsMax) {
          group = 0;
          for (char c : name) group = group * 10 + (c - '0');
        }
      } else if (const auto it = names.find(std::string(name)); it != names.end()) {
        group = it->second;
      }
      parts_.push_back({"", group});
    }
  }

  std::string expand(const std::vector<re2::StringPiece>& groups) const {
    std::string out;
    for (const Part& part : parts_) {
      out += part.text;
      if (part.group >= 0 && static_cast<size_t>(part.group) < groups.size()) {
        const auto& g = groups[static_cast<size_t>(part.group)];
        out.append(g.data() == nullptr ? "" : g.data(), g.size());
      }
    }
    return out;
  }

 private:
  struct Part {
    std::string text;
    int group;  // -1: none, or one that does not exist
  };
  void literal(std::string_view text) {
    if (!text.empty()) parts_.push_back({std::string(text), -1});
  }
  // The name after a dollar sign, with or without braces; empty when there is none.
  static std::string_view take_name(std::string_view& text) {
    const bool braced = !text.empty() && text[0] == '{';
    const size_t from = braced ? 1 : 0;
    size_t end = from;
    while (end < text.size() && is_word(text[end])) ++end;
    const std::string_view name = text.substr(from, end - from);
    if (name.empty() || (braced && (end >= text.size() || text[end] != '}'))) return {};
    text.remove_prefix(braced ? end + 1 : end);
    return name;
  }

  std::vector<Part> parts_;
};

void set_label(Series& s, const std::string& name, std::string_view value) {
  s.labels.set(name, value);
  if (name == model::kMetricNameLabel) s.drop_name = false;
}

}  // namespace

bool is_valid_utf8_label_name(std::string_view name) {
  for (size_t i = 0; i < name.size();) {
    const Rune r = decode_rune(name, i);
    if (r.value == 0xFFFD && r.length == 1) return false;
    i += static_cast<size_t>(r.length);
  }
  return !name.empty();
}

Result<SeriesMatrix> Evaluator::eval_label_replace(Call& call) {
  const std::string& dst = string_arg(call, 1);
  const std::string& src = string_arg(call, 3);
  const re2::RE2 regex("^(?s:" + string_arg(call, 4) + ")$", re2::RE2::Quiet);
  if (!regex.ok()) {
    return fail(ErrorCode::kUnprocessable, "invalid regular expression in label_replace(): " + string_arg(call, 4));
  }
  if (!is_valid_utf8_label_name(dst)) {
    return fail(ErrorCode::kUnprocessable, "invalid destination label name in label_replace(): " + dst);
  }
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  const Template replacement(string_arg(call, 2), regex);
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  for (Series& s : matrix) {
    SENTINEL_TRY(context_.work(1));
    const std::string value(s.labels.get(src));
    if (!regex.Match(value, 0, value.size(), re2::RE2::UNANCHORED, groups.data(), static_cast<int>(groups.size()))) continue;
    set_label(s, dst, replacement.expand(groups));
  }
  SENTINEL_TRY(merge_equal_labels(matrix));
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_label_join(Call& call) {
  const std::string& dst = string_arg(call, 1);
  const std::string& separator = string_arg(call, 2);
  for (size_t i = 3; i < call.args.size(); ++i) {
    if (is_valid_utf8_label_name(string_arg(call, i))) continue;
    return fail(ErrorCode::kUnprocessable, "invalid source label name in label_join(): " + string_arg(call, i));
  }
  if (!is_valid_utf8_label_name(dst)) {
    return fail(ErrorCode::kUnprocessable, "invalid destination label name in label_join(): " + dst);
  }
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  for (Series& s : matrix) {
    std::string value;
    for (size_t i = 3; i < call.args.size(); ++i) {
      if (i > 3) value += separator;
      value += s.labels.get(string_arg(call, i));
    }
    set_label(s, dst, value);
  }
  SENTINEL_TRY(merge_equal_labels(matrix));
  return matrix;
}

namespace {

constexpr std::string_view kIdentifyingLabels[] = {"instance", "job"};

// What of info series is asked for, by label name; the metric name apart.
struct InfoSelector {
  std::map<std::string, model::Matchers> data;
  model::Matchers names;
};

InfoSelector info_selector(const Call& call) {
  InfoSelector out;
  if (call.args.size() < 2) return out;
  for (const model::Matcher& m : as<VectorSelector>(unwrap_parens(call.args[1].get()))->matchers) {
    if (m.name() == model::kMetricNameLabel) {
      out.names.push_back(m);
    } else {
      out.data[m.name()].push_back(m);
    }
  }
  return out;
}

// Without a positive condition on the name, only *_info metrics are looked at; without any, target_info.
model::Matchers effective_names(const model::Matchers& names) {
  const std::string name(model::kMetricNameLabel);
  if (names.empty()) return {model::Matcher::equal(name, "target_info")};
  const bool positive = std::any_of(names.begin(), names.end(), [](const model::Matcher& m) {
    return m.type() == model::MatchType::kEqual || m.type() == model::MatchType::kRegexp;
  });
  if (positive) return names;
  model::Matchers out;
  if (auto any = model::Matcher::make(model::MatchType::kRegexp, name, ".+_info")) out.push_back(*any);
  out.insert(out.end(), names.begin(), names.end());
  return out;
}

bool all_match(const model::Matchers& matchers, std::string_view value) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const model::Matcher& m) { return m.matches(value); });
}

// The @ time and the offset of the first selector in the argument govern the info series too.
struct InfoTime {
  std::optional<int64_t> at;
  int64_t offset = 0;
};

InfoTime info_time(Expr& arg) {
  InfoTime out;
  bool found = false;
  std::vector<Expr*> path;
  inspect(&arg, path, [&](Expr* node, const std::vector<Expr*>& ancestors) {
    const auto* selector = as<VectorSelector>(node);
    if (selector == nullptr || found) return;
    found = true;
    out = {selector->time.at_ms, selector->time.original_offset_ms};
    for (size_t i = ancestors.size(); !out.at && i-- > 0;) {
      if (const auto* subquery = as<SubqueryExpr>(ancestors[i])) {
        out.offset += subquery->time.original_offset_ms;
        out.at = subquery->time.at_ms;
      }
    }
  });
  return out;
}

// Conditions that leave only info series with an identifying label of the base series; none when there is no such label.
Result<model::Matchers> identifying_matchers(const SeriesMatrix& base, const std::vector<bool>& ignored) {
  model::Matchers out;
  for (std::string_view label : kIdentifyingLabels) {
    std::set<std::string_view> values;
    for (size_t i = 0; i < base.size(); ++i) {
      const std::string_view value = base[i].labels.get(label);
      if (!ignored[i] && !value.empty()) values.insert(value);
    }
    if (values.empty()) continue;
    std::string pattern;
    for (std::string_view value : values) {
      if (!pattern.empty()) pattern += '|';
      pattern += re2::RE2::QuoteMeta(re2::StringPiece(value.data(), value.size()));
    }
    auto matcher = model::Matcher::make(model::MatchType::kRegexp, std::string(label), std::move(pattern));
    if (!matcher) return fail(std::move(matcher).error());
    out.push_back(*std::move(matcher));
  }
  return out;
}

std::string identity(const model::Labels& labels) {
  std::string key;
  for (std::string_view label : kIdentifyingLabels) {
    key += labels.get(label);
    key += '\xff';
  }
  return key;
}

// Adds the labels of matching info series to base series, step by step.
class InfoJoin {
 public:
  InfoJoin(const SeriesMatrix& base, const SeriesMatrix& info, const std::vector<bool>& ignored, const InfoSelector& selector)
      : base_(base), info_(info), ignored_(ignored), selector_(selector) {
    for (const Series& s : base) {
      base_cursors_.emplace_back(s);
      base_keys_.push_back(identity(s.labels));
    }
    for (const Series& s : info) {
      info_cursors_.emplace_back(s);
      info_keys_.push_back(identity(s.labels));
      names_.insert(std::string(metric_name(s.labels)));
    }
  }

  Status step(int64_t t, MatrixBuilder& out) {
    SENTINEL_TRY(newest_info(t));
    for (size_t i = 0; i < base_.size(); ++i) {
      MaybePoint p = base_cursors_[i].at(t);
      if (!p) continue;
      const Series& s = base_[i];
      if (ignored_[i]) {
        SENTINEL_TRY(out.add(s.labels, s.drop_name, t, *std::move(p)));
        continue;
      }
      model::Labels added;
      bool any = false;
      for (const std::string& name : names_) {
        const auto it = newest_.find(name + '\xff' + base_keys_[i]);
        if (it == newest_.end()) continue;
        any = true;
        SENTINEL_TRY(collect(info_[it->second.series].labels, s.labels, added));
      }
      if (!any && !unmatched_allowed()) continue;
      model::Labels labels = s.labels;
      for (const model::Label& l : added) labels.set(l.name, l.value);
      SENTINEL_TRY(out.add(labels, s.drop_name, t, *std::move(p)));
    }
    return {};
  }

 private:
  struct Newest {
    size_t series;
    double sample_ms;
  };

  // Of the info series with the same name and identity, the one with the newest sample.
  Status newest_info(int64_t t) {
    newest_.clear();
    for (size_t i = 0; i < info_.size(); ++i) {
      const MaybePoint p = info_cursors_[i].at(t);
      if (!p) continue;
      const std::string key = std::string(metric_name(info_[i].labels)) + '\xff' + info_keys_[i];
      const auto [it, added] = newest_.try_emplace(key, Newest{i, p->v});
      if (added || it->second.sample_ms > p->v) continue;
      if (it->second.sample_ms == p->v) {
        return fail(ErrorCode::kUnprocessable,
                    fmt::format("found duplicate series for info metric: existing {} @ {}, new {} @ {}",
                                labels_text(info_[it->second.series].labels), static_cast<int64_t>(it->second.sample_ms),
                                labels_text(info_[i].labels), static_cast<int64_t>(p->v)));
      }
      it->second = {i, p->v};
    }
    return {};
  }

  Status collect(const model::Labels& info, const model::Labels& base, model::Labels& added) const {
    for (const model::Label& l : info) {
      if (l.name == model::kMetricNameLabel) continue;
      if (!selector_.data.empty() && !selector_.data.contains(l.name)) continue;
      const std::string_view present = added.get(l.name);
      if (!present.empty() && present != l.value) {
        return fail(ErrorCode::kUnprocessable, "conflicting label: " + l.name);
      }
      if (!base.has(l.name)) added.set(l.name, l.value);
    }
    return {};
  }

  // Without info, a base series stays only when every condition accepts an absent label.
  bool unmatched_allowed() const {
    return std::all_of(selector_.data.begin(), selector_.data.end(), [](const auto& entry) { return all_match(entry.second, ""); });
  }

  const SeriesMatrix& base_;
  const SeriesMatrix& info_;
  const std::vector<bool>& ignored_;
  const InfoSelector& selector_;
  std::vector<SeriesCursor> base_cursors_;
  std::vector<SeriesCursor> info_cursors_;
  std::vector<std::string> base_keys_;
  std::vector<std::string> info_keys_;
  std::set<std::string> names_;
  absl::flat_hash_map<std::string, Newest> newest_;
};

}  // namespace

Result<SeriesMatrix> Evaluator::eval_info(Call& call) {
  const InfoTime time = info_time(*call.args[0]);
  SeriesMatrix base;
  SENTINEL_ASSIGN(base, eval(*call.args[0]));
  const InfoSelector selector = info_selector(call);
  const model::Matchers names = effective_names(selector.names);
  // Info series themselves are passed on as they are.
  std::vector<bool> ignored;
  for (const Series& s : base) ignored.push_back(all_match(names, metric_name(s.labels)));
  model::Matchers matchers;
  SENTINEL_ASSIGN(matchers, identifying_matchers(base, ignored));
  SeriesMatrix info;
  if (!matchers.empty()) {
    for (const auto& [label, conditions] : selector.data) matchers.insert(matchers.end(), conditions.begin(), conditions.end());
    matchers.insert(matchers.end(), names.begin(), names.end());
    const int64_t from = time.at.value_or(start_) - (context_.options.lookback_delta.count() - 1) - time.offset;
    std::vector<tsdb::SeriesData> data;
    SENTINEL_ASSIGN(data, select(matchers, from, time.at.value_or(end_) - time.offset));
    SENTINEL_ASSIGN(info, sample_series(std::move(data), time.offset, true, time.at));
  }
  InfoJoin join(base, info, ignored, selector);
  MatrixBuilder out(true, static_cast<uint64_t>(steps()));
  for (int64_t t = start_; t <= end_; t += interval_) {
    SENTINEL_TRY(context_.work(base.size() + info.size() + 1));
    SENTINEL_TRY(join.step(t, out));
  }
  return out.take();
}

}  // namespace sentinel::promql
