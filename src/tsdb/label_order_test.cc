#include "tsdb/label_order.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel::tsdb {
namespace {

// Few and many distinct values, labels that some series lack, names before and after "__name__", empty prefixes.
model::Labels random_labels(Random& random, uint64_t i) {
  std::vector<model::Label> labels{{"__name__", random.below(20) == 0 ? "b" : "a"}};
  if (random.below(3) == 0) labels.push_back({"Upper", std::to_string(random.below(3))});
  if (random.below(4) != 0) labels.push_back({"host", "h-" + std::to_string(random.below(40))});
  if (random.below(2) == 0) labels.push_back({"job", random.below(2) == 0 ? "x" : "xx"});
  labels.push_back({"path", std::to_string(i)});
  if (random.below(3) == 0) labels.push_back({"zone", std::string(1 + random.below(3), 'z')});
  return model::Labels(std::move(labels));
}

TEST(LabelOrder, SortsAsLabelsCompare) {
  Random random(11);
  for (const uint64_t count : {0, 1, 2, 11, 12, 13, 200, 5000}) {
    LabelIndex index;
    std::vector<SeriesCandidate> candidates;
    for (uint64_t i = 0; i < count; ++i) {
      const model::Labels labels = random_labels(random, random.below(1u << 30) * count + i);
      const uint32_t id = index.add(labels, labels.hash());
      candidates.push_back({id, 0, &index.set_of(id)});
    }
    std::vector<SeriesCandidate> expected = candidates;
    std::sort(expected.begin(), expected.end(), [&](const auto& a, const auto& b) {
      return index.make_labels(*a.labels) < index.make_labels(*b.labels);
    });
    LabelOrder(index).sort(candidates.begin(), candidates.end());
    for (uint64_t i = 0; i < count; ++i) ASSERT_EQ(candidates[i].id, expected[i].id) << "at " << i << " of " << count;
  }
}

}  // namespace
}  // namespace sentinel::tsdb
