#include "alerting/label_index.h"

#include <algorithm>
#include <iterator>

namespace sentinel::alerting {

void LabelIndex::add(uint64_t fingerprint, const model::Labels& labels) {
  there_.insert(fingerprint);
  for (const model::Label& label : labels) names_[label.name][label.value].fingerprints.push_back(fingerprint);
}

void LabelIndex::remove(uint64_t fingerprint, const model::Labels& labels) {
  there_.erase(fingerprint);
  for (const model::Label& label : labels) {
    const auto name = names_.find(label.name);
    if (name == names_.end()) continue;
    const auto value = name->second.find(label.value);
    if (value == name->second.end()) continue;
    List& list = value->second;
    if (++list.gone * 2 > list.fingerprints.size()) clean(list);
    if (list.fingerprints.empty()) name->second.erase(value);
    if (name->second.empty()) names_.erase(name);
  }
}

void LabelIndex::clean(List& list) const {
  auto& f = list.fingerprints;
  f.erase(std::remove_if(f.begin(), f.end(), [this](uint64_t x) { return !there_.contains(x); }), f.end());
  std::sort(f.begin(), f.end());
  f.erase(std::unique(f.begin(), f.end()), f.end());
  f.shrink_to_fit();
  list.gone = 0;
}

std::optional<std::vector<uint64_t>> LabelIndex::candidates(const model::Matchers& matchers) const {
  bool narrowed = false;
  size_t fewest = 0;
  std::vector<const List*> best;
  for (const model::Matcher& m : matchers) {
    // What the empty value satisfies also matches alerts without the label, which are in no list.
    if (m.matches("")) continue;
    std::vector<const List*> lists;
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
      for (const List* list : lists) count += list->fingerprints.size();
    }
    if (narrowed && count >= fewest) continue;
    narrowed = true;
    fewest = count;
    best = std::move(lists);
  }
  if (!narrowed) return std::nullopt;
  std::vector<uint64_t> out;
  out.reserve(fewest);
  for (const List* list : best) {
    std::copy_if(list->fingerprints.begin(), list->fingerprints.end(), std::back_inserter(out),
                 [this](uint64_t f) { return there_.contains(f); });
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace sentinel::alerting
