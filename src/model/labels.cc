#include "model/labels.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::model {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

template <class Vector>
auto lower_bound(Vector& labels, std::string_view name) {
  return std::lower_bound(labels.begin(), labels.end(), name,
                          [](const Label& label, std::string_view n) { return label.name < n; });
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string quoted_name(std::string_view name) {
  return is_legacy_label_name(name) ? std::string(name) : go_quote(name);
}

std::string_view match_operator(MatchType type) {
  switch (type) {
    case MatchType::kEqual: return "=";
    case MatchType::kNotEqual: return "!=";
    case MatchType::kRegexp: return "=~";
    case MatchType::kNotRegexp: return "!~";
  }
  return "=";
}

}  // namespace

Labels::Labels(std::vector<Label> labels) : labels_(std::move(labels)) {
  // Insertion sort: label sets are short and mostly come sorted, and of equal names the last given must stay last
  // (libstdc++'s stable_sort calls a function that C++20 deprecates).
  for (size_t i = 1; i < labels_.size(); ++i) {
    for (size_t k = i; k > 0 && labels_[k].name < labels_[k - 1].name; --k) std::swap(labels_[k], labels_[k - 1]);
  }
  size_t kept = 0;
  for (size_t i = 0; i < labels_.size(); ++i) {
    const bool last_of_name = i + 1 == labels_.size() || labels_[i + 1].name != labels_[i].name;
    if (!last_of_name || labels_[i].value.empty()) continue;
    if (kept != i) labels_[kept] = std::move(labels_[i]);
    ++kept;
  }
  labels_.resize(kept);
}

Labels::Labels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::vector<Label> copy;
  copy.reserve(labels.size());
  for (const auto& [name, value] : labels) copy.push_back({std::string(name), std::string(value)});
  *this = Labels(std::move(copy));
}

std::string_view Labels::get(std::string_view name) const {
  const auto it = lower_bound(labels_, name);
  return it != labels_.end() && it->name == name ? std::string_view(it->value) : std::string_view();
}

bool Labels::has(std::string_view name) const {
  const auto it = lower_bound(labels_, name);
  return it != labels_.end() && it->name == name;
}

void Labels::set(std::string_view name, std::string_view value) {
  if (value.empty()) return remove(name);
  const auto it = lower_bound(labels_, name);
  if (it != labels_.end() && it->name == name) {
    it->value = value;
  } else {
    labels_.insert(it, Label{std::string(name), std::string(value)});
  }
}

void Labels::remove(std::string_view name) {
  const auto it = lower_bound(labels_, name);
  if (it != labels_.end() && it->name == name) labels_.erase(it);
}

Labels Labels::with(std::string_view name, std::string_view value) const {
  Labels copy = *this;
  copy.set(name, value);
  return copy;
}

Labels Labels::without(const std::vector<std::string>& names) const {
  Labels out;
  for (const Label& label : labels_) {
    if (label.name != kMetricNameLabel && !contains(names, label.name)) out.labels_.push_back(label);
  }
  return out;
}

Labels Labels::keep(const std::vector<std::string>& names) const {
  Labels out;
  for (const Label& label : labels_) {
    if (contains(names, label.name)) out.labels_.push_back(label);
  }
  return out;
}

uint64_t Labels::hash() const {
  size_t size = 0;
  for (const Label& label : labels_) size += label.name.size() + label.value.size() + 2;
  std::array<char, 1024> on_stack;
  std::string on_heap;
  char* out = on_stack.data();
  if (size > on_stack.size()) {
    on_heap.resize(size);
    out = on_heap.data();
  }
  const std::string_view bytes(out, size);
  const auto put = [&out](std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    out += text.size();
    *out++ = '\xff';
  };
  for (const Label& label : labels_) {
    put(label.name);
    put(label.value);
  }
  return hash64(bytes);
}

std::string Labels::to_string() const {
  const std::string_view metric = get(kMetricNameLabel);
  std::string out;
  std::vector<std::string> parts;
  if (is_legacy_metric_name(metric)) {
    out = metric;
  } else if (!metric.empty()) {
    parts.push_back(go_quote(metric));
  }
  for (const Label& label : labels_) {
    if (label.name != kMetricNameLabel) parts.push_back(quoted_name(label.name) + "=" + go_quote(label.value));
  }
  if (parts.empty() && !out.empty()) return out;
  return out + "{" + join(parts, ", ") + "}";
}

Result<Matcher> Matcher::make(MatchType type, std::string name, std::string value) {
  Matcher matcher(type, std::move(name), std::move(value));
  if (type == MatchType::kEqual || type == MatchType::kNotEqual) return matcher;
  re2::RE2::Options options;
  options.set_log_errors(false);
  auto regexp = std::make_shared<const re2::RE2>("^(?s:" + matcher.value_ + ")$", options);
  if (!regexp->ok()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("bad regular expression {} for label {}: {}",
                                                         go_quote(matcher.value_), matcher.name_, regexp->error()));
  }
  matcher.regexp_ = std::move(regexp);
  return matcher;
}

Matcher Matcher::equal(std::string name, std::string value) {
  return Matcher(MatchType::kEqual, std::move(name), std::move(value));
}

bool Matcher::matches(std::string_view value) const {
  switch (type_) {
    case MatchType::kEqual: return value == value_;
    case MatchType::kNotEqual: return value != value_;
    case MatchType::kRegexp: return re2::RE2::PartialMatch({value.data(), value.size()}, *regexp_);
    case MatchType::kNotRegexp: return !re2::RE2::PartialMatch({value.data(), value.size()}, *regexp_);
  }
  return false;
}

std::string Matcher::to_string() const {
  return fmt::format("{}{}{}", quoted_name(name_), match_operator(type_), go_quote(value_));
}

bool matches_all(const Matchers& matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(), [&labels](const Matcher& m) { return m.matches(labels); });
}

bool is_legacy_label_name(std::string_view name) {
  return !name.empty() && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

bool is_legacy_metric_name(std::string_view name) {
  return !name.empty() && (is_letter(name[0]) || name[0] == ':') &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c) || c == ':'; });
}

}  // namespace sentinel::model
