#include "tsdb/label_index.h"

#include <algorithm>

namespace sentinel::tsdb {
namespace {

PostingsRef view(const SeriesIds& list) { return {PostingsRef(), &list}; }

}  // namespace

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

model::Labels LabelIndex::make_labels(const LabelSet& set, std::span<const uint32_t> names) const {
  std::vector<model::Label> labels;
  labels.reserve(names.size());
  for (const LabelPair pair : set.pairs()) {
    if (std::find(names.begin(), names.end(), pair.name) == names.end()) continue;
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

size_t LabelIndex::value_count(std::string_view name) const {
  const NameEntry* entry = find_name(name);
  return entry == nullptr ? 0 : entry->postings.size();
}

PostingsRef LabelIndex::find_postings(std::string_view name, std::string_view value) const {
  const NameEntry* entry = find_name(name);
  const auto symbol = symbols_.find(value);
  if (entry == nullptr || !symbol) return nullptr;
  const auto it = entry->postings.find(*symbol);
  return it == entry->postings.end() ? nullptr : view(it->second);
}

void LabelIndex::collect(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
                         std::vector<PostingsRef>& out) const {
  const NameEntry* entry = find_name(name);
  if (entry == nullptr) return;
  for (const auto& [value, ids] : entry->postings) {
    if (wanted(symbols_.at(value))) out.push_back(view(ids));
  }
}

void LabelIndex::filter(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
                        SeriesIds& candidates) const {
  const auto symbol = symbols_.find(name);
  const bool absent_wanted = wanted({});
  absl::flat_hash_map<uint32_t, bool> known;
  std::erase_if(candidates, [&](uint32_t id) {
    if (symbol) {
      for (const LabelPair pair : labels_of(id)) {
        if (pair.name != *symbol) continue;
        auto [it, fresh] = known.try_emplace(pair.value, false);
        if (fresh) it->second = wanted(symbols_.at(pair.value));
        return !it->second;
      }
    }
    return !absent_wanted;
  });
}

}  // namespace sentinel::tsdb
