#pragma once
// Which alerts are inhibited by which: for each rule the firing sources, indexed by their values of the `equal` labels,
// so that asking about one alert costs one look-up a rule. Lives on the control scheduler.

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "alerting/config.h"
#include "model/alert.h"

namespace sentinel::alerting {

class Inhibitor {
 public:
  explicit Inhibitor(std::vector<InhibitRule> rules);

  // Told of every change of an alert; one that has ended is forgotten.
  void update(const model::Alert& alert, TimePoint now);
  void remove(const model::Alert& alert);
  // Fingerprints of the firing alerts that inhibit an alert with these labels, sorted. An alert that is both source and
  // target of a rule is not inhibited by another such one (nor by itself).
  std::vector<uint64_t> inhibited_by(const model::Labels& labels, TimePoint now) const;
  // The target matchers of the rules that have a source: no other alert is inhibited.
  std::vector<const model::Matchers*> targets_in_force() const;

 private:
  struct Source {
    TimePoint ends_at;
    bool also_target = false;
  };
  struct IndexedRule {
    InhibitRule rule;
    std::unordered_map<std::string, std::map<uint64_t, Source>> sources;  // by values of `equal`
  };
  static std::string equal_values(const InhibitRule& rule, const model::Labels& labels);

  // Rules of which an alert with these labels may be a source.
  std::vector<size_t> rules_of_source(const model::Labels& labels) const;

  std::vector<IndexedRule> rules_;
  // By a name and value that their source asks for; the others below.
  std::map<std::string, std::map<std::string, std::vector<size_t>, std::less<>>> by_source_;
  std::vector<size_t> of_any_source_;
};

}  // namespace sentinel::alerting
