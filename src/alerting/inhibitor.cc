#include "alerting/inhibitor.h"

#include <algorithm>

namespace sentinel::alerting {

Inhibitor::Inhibitor(std::vector<InhibitRule> rules) {
  for (InhibitRule& rule : rules) {
    const auto asked = std::find_if(rule.source.begin(), rule.source.end(), [](const model::Matcher& m) {
      return m.type() == model::MatchType::kEqual && !m.value().empty();
    });
    const size_t number = rules_.size();
    if (asked == rule.source.end()) {
      of_any_source_.push_back(number);
    } else {
      by_source_[asked->name()][asked->value()].push_back(number);
    }
    rules_.push_back({std::move(rule), {}});
  }
}

std::vector<size_t> Inhibitor::rules_of_source(const model::Labels& labels) const {
  std::vector<size_t> out = of_any_source_;
  for (const auto& [name, rules] : by_source_) {
    const auto it = rules.find(labels.get(name));
    if (it != rules.end()) out.insert(out.end(), it->second.begin(), it->second.end());
  }
  return out;
}

std::string Inhibitor::equal_values(const InhibitRule& rule, const model::Labels& labels) {
  std::string key;
  for (const std::string& name : rule.equal) {
    key += labels.get(name);
    key += '\xff';  // cannot be part of UTF-8
  }
  return key;
}

void Inhibitor::update(const model::Alert& alert, TimePoint now) {
  if (alert.resolved_at(now)) return remove(alert);
  for (const size_t number : rules_of_source(alert.labels)) {
    IndexedRule& r = rules_[number];
    if (!model::matches_all(r.rule.source, alert.labels)) continue;
    r.sources[equal_values(r.rule, alert.labels)][alert.fingerprint()] =
        Source{alert.ends_at, model::matches_all(r.rule.target, alert.labels)};
  }
}

void Inhibitor::remove(const model::Alert& alert) {
  for (const size_t number : rules_of_source(alert.labels)) {
    IndexedRule& r = rules_[number];
    const auto it = r.sources.find(equal_values(r.rule, alert.labels));
    if (it == r.sources.end()) continue;
    it->second.erase(alert.fingerprint());
    if (it->second.empty()) r.sources.erase(it);
  }
}

std::vector<uint64_t> Inhibitor::inhibited_by(const model::Labels& labels, TimePoint now) const {
  std::vector<uint64_t> out;
  for (const IndexedRule& r : rules_) {
    if (r.sources.empty() || !model::matches_all(r.rule.target, labels)) continue;
    const auto it = r.sources.find(equal_values(r.rule, labels));
    if (it == r.sources.end()) continue;
    const bool both_sides = model::matches_all(r.rule.source, labels);
    for (const auto& [fingerprint, source] : it->second) {
      if (source.ends_at > now && !(both_sides && source.also_target)) out.push_back(fingerprint);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<const model::Matchers*> Inhibitor::targets_in_force() const {
  std::vector<const model::Matchers*> out;
  for (const IndexedRule& r : rules_) {
    if (!r.sources.empty()) out.push_back(&r.rule.target);
  }
  return out;
}

}  // namespace sentinel::alerting
