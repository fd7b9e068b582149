#pragma once
// Prometheus's relabelling: rules that rewrite, keep or drop a label set.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "text/yaml.h"

namespace re2 {
class RE2;
}

namespace sentinel::ingest {

enum class RelabelAction : uint8_t {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase,
};

struct RelabelRule {
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::shared_ptr<const re2::RE2> regex;  // anchored at both ends; never null once parsed
  uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
  RelabelAction action = RelabelAction::kReplace;
};
using RelabelRules = std::vector<RelabelRule>;

// A list as in relabel_configs; a null node is an empty one. Refuses what Prometheus refuses.
Result<RelabelRules> parse_relabel_rules(const text::YamlNode& node);

// Applies the rules in order. False: the set is dropped.
bool relabel(const RelabelRules& rules, model::Labels& labels);

}  // namespace sentinel::ingest
