#pragma once
// Label sets and matchers, as in Prometheus: names and values are UTF-8; an empty value is the same as no label.

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace sentinel::model {

inline constexpr std::string_view kMetricNameLabel = "__name__";
inline constexpr std::string_view kAlertNameLabel = "alertname";

struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};

// Sorted by name, no duplicate names, no empty values. A value type.
class Labels {
 public:
  Labels() = default;
  // Sorts; of equal names the last wins; empty values are dropped.
  explicit Labels(std::vector<Label> labels);
  Labels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels);

  std::string_view get(std::string_view name) const;  // "" when absent
  bool has(std::string_view name) const;
  void set(std::string_view name, std::string_view value);  // an empty value removes
  void remove(std::string_view name);

  Labels with(std::string_view name, std::string_view value) const;
  Labels without(const std::vector<std::string>& names) const;  // and without the metric name
  Labels keep(const std::vector<std::string>& names) const;

  // Stable across runs and machines (XXH3 over length-free, 0xff-separated bytes). Used in stored keys.
  uint64_t hash() const;
  // Alertmanager's and Prometheus's form: {a="b", c="d"}, with the metric name in front when there is one.
  std::string to_string() const;

  size_t size() const { return labels_.size(); }
  bool empty() const { return labels_.empty(); }
  auto begin() const { return labels_.begin(); }
  auto end() const { return labels_.end(); }
  bool operator==(const Labels&) const = default;
  auto operator<=>(const Labels&) const = default;

 private:
  std::vector<Label> labels_;
};

struct LabelsHash {
  size_t operator()(const Labels& labels) const { return labels.hash(); }
};

enum class MatchType { kEqual, kNotEqual, kRegexp, kNotRegexp };

// One condition on one label. Regular expressions are RE2 and anchored at both ends. Immutable, cheap to copy.
class Matcher {
 public:
  static Result<Matcher> make(MatchType type, std::string name, std::string value);
  static Matcher equal(std::string name, std::string value);  // never fails

  bool matches(std::string_view value) const;
  bool matches(const Labels& labels) const { return matches(labels.get(name_)); }

  MatchType type() const { return type_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  std::string to_string() const;  // name="value", quoted as Prometheus does
  bool operator==(const Matcher& other) const {
    return type_ == other.type_ && name_ == other.name_ && value_ == other.value_;
  }
  // The compiled expression, null for = and !=. For an index that wants to look at it.
  const re2::RE2* regexp() const { return regexp_.get(); }

 private:
  Matcher(MatchType type, std::string name, std::string value)
      : type_(type), name_(std::move(name)), value_(std::move(value)) {}
  MatchType type_;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> regexp_;
};

using Matchers = std::vector<Matcher>;  // all must match

bool matches_all(const Matchers& matchers, const Labels& labels);
// [a-zA-Z_][a-zA-Z0-9_]*  (a metric name may also have colons)
bool is_legacy_label_name(std::string_view name);
bool is_legacy_metric_name(std::string_view name);

}  // namespace sentinel::model
