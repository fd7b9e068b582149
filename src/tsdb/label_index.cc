#include "tsdb/label_index.h"

#include <algorithm>

#include <re2/re2.h>

namespace sentinel::tsdb {
namespace {

constexpr size_t kGallopRatio = 16;  // lists this much shorter than the other are looked up instead of merged
constexpr int kRangePrefixBytes = 32;

// Decides quickly for most values that a matcher cannot match them.
class ValueTest {
 public:
  explicit ValueTest(const model::Matcher& matcher) : matcher_(matcher) {
    const bool positive = matcher.type() == model::MatchType::kRegexp;
    if (positive && matcher.regexp() != nullptr) {
      bounded_ = matcher.regexp()->PossibleMatchRange(&low_, &high_, kRangePrefixBytes);
    }
  }
  bool operator()(std::string_view value) const {
    if (bounded_ && (value < low_ || value > high_)) return false;
    return matcher_.matches(value);
  }

 private:
  const model::Matcher& matcher_;
  bool bounded_ = false;
  std::string low_;
  std::string high_;
};

}  // namespace

std::optional<std::vector<std::string>> literal_alternatives(std::string_view pattern) {
  if (pattern.starts_with("(?:") && pattern.ends_with(")")) {
    pattern = pattern.substr(3, pattern.size() - 4);
  } else if (pattern.starts_with("(") && pattern.ends_with(")")) {
    pattern = pattern.substr(1, pattern.size() - 2);
  }
  if (pattern.find_first_of("\\.+*?()[]{}^$") != std::string_view::npos) return std::nullopt;
  std::vector<std::string> found;
  for (size_t start = 0;;) {
    const size_t bar = pattern.find('|', start);
    found.emplace_back(pattern.substr(start, bar == std::string_view::npos ? bar : bar - start));
    if (bar == std::string_view::npos) break;
    start = bar + 1;
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

SeriesIds intersect(const SeriesIds& a, const SeriesIds& b) {
  const SeriesIds& small = a.size() <= b.size() ? a : b;
  const SeriesIds& large = a.size() <= b.size() ? b : a;
  SeriesIds out;
  out.reserve(small.size());
  if (small.size() * kGallopRatio < large.size()) {
    auto from = large.begin();
    for (const uint32_t id : small) {
      from = std::lower_bound(from, large.end(), id);
      if (from == large.end()) break;
      if (*from == id) out.push_back(id);
    }
  } else {
    std::set_intersection(small.begin(), small.end(), large.begin(), large.end(), std::back_inserter(out));
  }
  return out;
}

SeriesIds unite(const std::vector<const SeriesIds*>& lists) {
  SeriesIds out;
  if (lists.size() == 1) return *lists.front();
  size_t total = 0;
  uint32_t last = 0;
  for (const SeriesIds* list : lists) {
    total += list->size();
    if (!list->empty()) last = std::max(last, list->back());
  }
  out.reserve(total);
  if (total > last / 64) {  // dense: a bitmap is cheaper than sorting
    std::vector<uint64_t> bits(last / 64 + 1);
    for (const SeriesIds* list : lists) {
      for (const uint32_t id : *list) bits[id / 64] |= uint64_t{1} << (id % 64);
    }
    for (size_t word = 0; word < bits.size(); ++word) {
      for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
        out.push_back(static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(std::countr_zero(rest)));
      }
    }
    return out;
  }
  for (const SeriesIds* list : lists) out.insert(out.end(), list->begin(), list->end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

SeriesIds subtract(const SeriesIds& a, const SeriesIds& b) {
  SeriesIds out;
  out.reserve(a.size());
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

LabelIndex::~LabelIndex() {
  for (size_t i = 0; i < series_.size(); ++i) LabelSet::Free()(series_[i]);
}

bool LabelIndex::same_labels(uint32_t id, const model::Labels& labels) const {
  const auto pairs = labels_of(id);
  if (pairs.size() != labels.size()) return false;
  size_t i = 0;
  for (const model::Label& label : labels) {
    if (symbols_.at(pairs[i].name) != label.name || symbols_.at(pairs[i].value) != label.value) return false;
    ++i;
  }
  return true;
}

std::optional<uint32_t> LabelIndex::find(const model::Labels& labels, uint64_t hash) const {
  auto it = by_hash_.find(hash);
  if (it == by_hash_.end()) return std::nullopt;
  if (same_labels(it->second, labels)) return it->second;
  if (auto others = collisions_.find(hash); others != collisions_.end()) {
    for (const uint32_t id : others->second) {
      if (same_labels(id, labels)) return id;
    }
  }
  return std::nullopt;
}

uint32_t LabelIndex::add(const model::Labels& labels, uint64_t hash) {
  const auto id = static_cast<uint32_t>(series_.size());
  LabelSet* set = LabelSet::make(hash, labels.size());
  series_.emplace_back() = set;
  ++size_;
  size_t i = 0;
  for (const model::Label& label : labels) {
    const LabelPair pair{symbols_.intern(label.name), symbols_.intern(label.value)};
    set->pairs()[i++] = pair;
    names_[pair.name].postings[pair.value].push_back(id);
  }
  if (!by_hash_.emplace(hash, id).second) collisions_[hash].push_back(id);
  return id;
}

void LabelIndex::forget_hash(uint32_t id, uint64_t hash) {
  const auto first = by_hash_.find(hash);
  const auto others = collisions_.find(hash);
  if (others == collisions_.end()) {
    by_hash_.erase(first);
    return;
  }
  if (first->second == id) {
    first->second = others->second.back();
    others->second.pop_back();
  } else {
    std::erase(others->second, id);
  }
  if (others->second.empty()) collisions_.erase(others);
}

RemovedLabels LabelIndex::remove(const SeriesIds& ids) {
  RemovedLabels out;
  // The dead of each label pair, in order, so that its list is gone through once.
  absl::flat_hash_map<uint64_t, SeriesIds> dead;
  for (const uint32_t id : ids) {
    LabelSet* set = series_[id];
    for (const LabelPair pair : set->pairs()) dead[(uint64_t{pair.name} << 32) | pair.value].push_back(id);
    forget_hash(id, set->hash());
    series_[id] = nullptr;
    --size_;
    out.sets.emplace_back(set);
  }
  for (const auto& [pair, gone] : dead) {
    const auto entry = names_.find(static_cast<uint32_t>(pair >> 32));
    const auto list = entry->second.postings.find(static_cast<uint32_t>(pair));
    if (list->second.size() == gone.size()) {
      entry->second.postings.erase(list);
      if (entry->second.postings.empty()) names_.erase(entry);
    } else {
      list->second = subtract(list->second, gone);
      list->second.shrink_to_fit();
    }
  }
  for (const LabelSetPtr& set : out.sets) {
    for (const LabelPair pair : set->pairs()) {
      for (const uint32_t symbol : {pair.name, pair.value}) {
        if (SymbolPtr unused = symbols_.release(symbol)) out.symbols.push_back(std::move(unused));
      }
    }
  }
  return out;
}

model::Labels LabelIndex::make_labels(const LabelSet& set) const {
  std::vector<model::Label> labels;
  labels.reserve(set.pairs().size());
  for (const LabelPair pair : set.pairs()) {
    labels.push_back({std::string(symbols_.at(pair.name)), std::string(symbols_.at(pair.value))});
  }
  return model::Labels(std::move(labels));
}

bool LabelIndex::less(const LabelSet& a, const LabelSet& b) const {
  const auto left = a.pairs();
  const auto right = b.pairs();
  const size_t common = std::min(left.size(), right.size());
  for (size_t i = 0; i < common; ++i) {
    if (left[i].name != right[i].name) return symbols_.at(left[i].name) < symbols_.at(right[i].name);
    if (left[i].value != right[i].value) return symbols_.at(left[i].value) < symbols_.at(right[i].value);
  }
  return left.size() < right.size();
}

std::vector<std::string> LabelIndex::names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : names_) out.emplace_back(symbols_.at(name));
  return out;
}

const LabelIndex::NameEntry* LabelIndex::find_name(std::string_view name) const {
  const auto symbol = symbols_.find(name);
  if (!symbol) return nullptr;
  auto it = names_.find(*symbol);
  return it == names_.end() ? nullptr : &it->second;
}

SeriesIds LabelIndex::all() const {
  SeriesIds ids;
  ids.reserve(size_);
  for (size_t i = 0; i < series_.size(); ++i) {
    if (series_[i] != nullptr) ids.push_back(static_cast<uint32_t>(i));
  }
  return ids;
}

// Lists of the values for which the matcher says `wanted`.
std::vector<const SeriesIds*> LabelIndex::matching_lists(const NameEntry& entry, const model::Matcher& matcher,
                                                         bool wanted) const {
  std::vector<const SeriesIds*> lists;
  const auto look_up = [&](const std::string& value) {
    const auto symbol = symbols_.find(value);
    if (!symbol) return;
    if (auto it = entry.postings.find(*symbol); it != entry.postings.end()) lists.push_back(&it->second);
  };
  const bool positive = matcher.type() == model::MatchType::kEqual || matcher.type() == model::MatchType::kRegexp;
  if (positive == wanted) {  // the listed literals are the answer
    if (matcher.regexp() == nullptr) {
      look_up(matcher.value());
      return lists;
    }
    if (const auto literals = literal_alternatives(matcher.value())) {
      for (const std::string& literal : *literals) look_up(literal);
      return lists;
    }
  }
  const ValueTest test(matcher);
  for (const auto& [value, ids] : entry.postings) {
    if (test(symbols_.at(value)) == wanted) lists.push_back(&ids);
  }
  return lists;
}

// Tries the matcher on the values the candidates have, each distinct one once.
void LabelIndex::filter(const model::Matcher& matcher, SeriesIds& candidates) const {
  const auto name = symbols_.find(matcher.name());
  const bool matches_absent = matcher.matches(std::string_view());
  absl::flat_hash_map<uint32_t, bool> known;
  std::erase_if(candidates, [&](uint32_t id) {
    if (name) {
      for (const LabelPair pair : labels_of(id)) {
        if (pair.name != *name) continue;
        auto [it, fresh] = known.try_emplace(pair.value, false);
        if (fresh) it->second = matcher.matches(symbols_.at(pair.value));
        return !it->second;
      }
    }
    return !matches_absent;
  });
}

void LabelIndex::apply_positive(const model::Matcher& matcher, std::optional<SeriesIds>& candidates) const {
  const NameEntry* entry = find_name(matcher.name());
  if (entry == nullptr) {
    candidates = SeriesIds();
    return;
  }
  if (candidates && candidates->size() < entry->postings.size()) return filter(matcher, *candidates);
  const auto lists = matching_lists(*entry, matcher, true);
  if (!candidates) {
    candidates = unite(lists);
  } else if (lists.size() == 1) {
    candidates = intersect(*candidates, *lists.front());
  } else {
    candidates = intersect(*candidates, unite(lists));
  }
}

void LabelIndex::apply_negative(const model::Matcher& matcher, std::optional<SeriesIds>& candidates) const {
  if (!candidates) candidates = all();
  const NameEntry* entry = find_name(matcher.name());
  if (entry == nullptr) return;
  if (candidates->size() < entry->postings.size()) return filter(matcher, *candidates);
  const auto lists = matching_lists(*entry, matcher, false);
  if (!lists.empty()) candidates = subtract(*candidates, unite(lists));
}

SeriesIds LabelIndex::resolve(const model::Matchers& matchers) const {
  // Cheap and selective first: equality, then the other matchers that need the label, then those that may do without.
  const auto cost = [](const model::Matcher& m) {
    if (m.matches(std::string_view())) return 3;
    return m.type() == model::MatchType::kEqual ? 0 : 1;
  };
  std::vector<std::pair<int, const model::Matcher*>> order;
  for (const model::Matcher& m : matchers) order.emplace_back(cost(m), &m);
  std::sort(order.begin(), order.end());  // of equal cost: as given
  std::optional<SeriesIds> candidates;
  for (const auto& [rank, matcher] : order) {
    if (rank == 3) {
      apply_negative(*matcher, candidates);
    } else {
      apply_positive(*matcher, candidates);
    }
    if (candidates->empty()) return {};
  }
  return candidates ? std::move(*candidates) : all();
}

}  // namespace sentinel::tsdb
