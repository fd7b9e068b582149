#include "tsdb/label_order.h"

#include <algorithm>
#include <tuple>

namespace sentinel::tsdb {
namespace {

constexpr std::ptrdiff_t kFew = 12;  // compared with one another

}  // namespace

// As LabelIndex::less, of series that are equal before `label`.
bool LabelOrder::less_from(const SeriesCandidate& a, const SeriesCandidate& b, size_t label) const {
  const auto left = a.labels->pairs();
  const auto right = b.labels->pairs();
  const SymbolTable& symbols = index_.symbols();
  for (size_t i = label; i < std::min(left.size(), right.size()); ++i) {
    if (left[i].name != right[i].name) return symbols.at(left[i].name) < symbols.at(right[i].name);
    if (left[i].value != right[i].value) return symbols.at(left[i].value) < symbols.at(right[i].value);
  }
  return left.size() < right.size();
}

// Whether all have this label, with one value.
bool LabelOrder::same_label(Iterator begin, Iterator end, size_t label) const {
  const auto first = begin->labels->pairs();
  if (first.size() <= label) return false;
  return std::all_of(begin, end, [&](const SeriesCandidate& c) {
    const auto pairs = c.labels->pairs();
    return pairs.size() > label && pairs[label].name == first[label].name && pairs[label].value == first[label].value;
  });
}

// Notes in bucket_of_ to which bucket each belongs; those that end before `label` come first.
std::vector<LabelOrder::Bucket> LabelOrder::buckets_of(Iterator begin, Iterator end, size_t label) {
  constexpr uint64_t kEnded = UINT64_MAX;
  const SymbolTable& symbols = index_.symbols();
  std::vector<Bucket> buckets;
  numbers_.clear();
  bucket_of_.clear();
  uint64_t last_key = 0;
  uint32_t last = UINT32_MAX;
  for (Iterator it = begin; it != end; ++it) {
    const auto pairs = it->labels->pairs();
    const uint64_t key = pairs.size() <= label ? kEnded : uint64_t{pairs[label].name} << 32 | pairs[label].value;
    if (last == UINT32_MAX || key != last_key) {  // neighbours often share it
      const auto [known, fresh] = numbers_.try_emplace(key, static_cast<uint32_t>(buckets.size()));
      if (fresh) {
        Bucket bucket;
        bucket.number = known->second;
        if (key != kEnded) {
          bucket.name = symbols.at(pairs[label].name);
          bucket.value = symbols.at(pairs[label].value);
        }
        buckets.push_back(bucket);
      }
      last_key = key;
      last = known->second;
    }
    ++buckets[last].count;
    bucket_of_.push_back(last);
  }
  return buckets;
}

void LabelOrder::sort_from(Iterator begin, Iterator end, size_t label) {
  while (end - begin > kFew && same_label(begin, end, label)) ++label;
  if (end - begin <= kFew) {
    std::sort(begin, end, [&](const auto& a, const auto& b) { return less_from(a, b, label); });
    return;
  }
  std::vector<Bucket> buckets = buckets_of(begin, end, label);
  // All equal to the end: that would be one series twice.
  if (buckets.size() == 1) return;
  std::sort(buckets.begin(), buckets.end(),
            [](const Bucket& a, const Bucket& b) { return std::tie(a.name, a.value) < std::tie(b.name, b.value); });
  std::vector<uint32_t> place(buckets.size());
  uint32_t at = 0;
  for (Bucket& bucket : buckets) {
    bucket.at = at;
    place[bucket.number] = at;
    at += bucket.count;
  }
  scratch_.assign(begin, end);
  for (size_t i = 0; i < scratch_.size(); ++i) begin[place[bucket_of_[i]]++] = scratch_[i];
  for (const Bucket& bucket : buckets) {
    if (bucket.count > 1) sort_from(begin + bucket.at, begin + bucket.at + bucket.count, label + 1);
  }
}

}  // namespace sentinel::tsdb
