#include "alerting/label_index.h"

#include <algorithm>

namespace sentinel::alerting {

void LabelIndex::add(uint64_t fingerprint, const model::Labels& labels) {
  for (const model::Label& label : labels) names_[label.name][label.value].insert(fingerprint);
}

void LabelIndex::remove(uint64_t fingerprint, const model::Labels& labels) {
  for (const model::Label& label : labels) {
    const auto name = names_.find(label.name);
    if (name == names_.end()) continue;
    const auto value = name->second.find(label.value);
    if (value == name->second.end()) continue;
    value->second.erase(fingerprint);
    if (value->second.empty()) name->second.erase(value);
    if (name->second.empty()) names_.erase(name);
  }
}

std::optional<std::vector<uint64_t>> LabelIndex::candidates(const model::Matchers& matchers) const {
  bool narrowed = false;
  size_t fewest = 0;
  std::vector<const Fingerprints*> best;
  for (const model::Matcher& m : matchers) {
    // What the empty value satisfies also matches alerts without the label, which are in no list.
    if (m.matches("")) continue;
    std::vector<const Fingerprints*> lists;
    size_t count = 0;
    if (const auto name = names_.find(m.name()); name != names_.end()) {
      if (m.type() == model::MatchType::kEqual) {
        if (const auto value = name->second.find(m.value()); value != name->second.end())
          lists.push_back(&value->second);
      } else {
        for (const auto& [value, list] : name->second) {
          if (m.matches(value)) lists.push_back(&list);
        }
      }
      for (const Fingerprints* list : lists) count += list->size();
    }
    if (narrowed && count >= fewest) continue;
    narrowed = true;
    fewest = count;
    best = std::move(lists);
  }
  if (!narrowed) return std::nullopt;
  std::vector<uint64_t> out;
  out.reserve(fewest);
  for (const Fingerprints* list : best) out.insert(out.end(), list->begin(), list->end());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace sentinel::alerting
