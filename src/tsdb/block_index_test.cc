#include "tsdb/block_index.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/random.h"
#include "tsdb/block.h"

namespace sentinel::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::MatchType;

// Random series in the order of their labels.
std::vector<Labels> random_series(Random& random) {
  std::set<Labels> out;
  for (auto n = random.below(200); n > 0; --n) {
    Labels labels{{"__name__", random.chance(0.5) ? "m" : "n"}};
    for (const char* name : {"job", "pod", "zone"}) {
      if (random.chance(0.6)) labels.set(name, std::string(1, static_cast<char>('a' + random.below(5))));
    }
    out.insert(labels);
  }
  return {out.begin(), out.end()};
}

std::string index_of(const std::vector<Labels>& series) {
  BlockIndexWriter writer;
  uint64_t offset = 8;
  for (const Labels& labels : series) {
    writer.add(labels,
               {{-5, 10, 3, ChunkKind::kFloat, 20, offset}, {11, 12, 2, ChunkKind::kHistogram, 7, offset + 24}});
    offset += 35;
  }
  return writer.finish().value();
}

TEST(BlockIndex, SelectsAsTryingEachSeriesWould) {
  static const std::vector<std::string> values = {"a", "b", "", "x", "[ab]", "a|c", ".*", ".+", "a|"};
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::vector<Labels> series = random_series(random);
    const auto index = BlockIndex::parse(index_of(series));
    ASSERT_TRUE(index) << index.error().message();
    ASSERT_EQ((*index)->size(), series.size());
    for (int i = 0; i < 20; ++i) {
      model::Matchers matchers;
      for (auto n = random.below(4); n > 0; --n) {
        static const std::vector<std::string> names = {"__name__", "job", "pod", "zone", "absent"};
        const auto made = Matcher::make(static_cast<MatchType>(random.below(4)), names[random.below(names.size())],
                                        values[random.below(values.size())]);
        matchers.push_back(*made);
      }
      SeriesIds want;
      for (uint32_t id = 0; id < series.size(); ++id) {
        if (model::matches_all(matchers, series[id])) want.push_back(id);
      }
      EXPECT_EQ((*index)->resolve(matchers), want);
    }
  }
}

TEST(BlockIndex, GivesBackLabelsChunksAndValues) {
  Random random(4);
  const std::vector<Labels> series = random_series(random);
  const auto index = BlockIndex::parse(index_of(series)).value();
  BlockSeries one;
  std::set<std::string> jobs;
  for (uint32_t id = 0; id < series.size(); ++id) {
    ASSERT_TRUE(index->read(id, one));
    EXPECT_EQ(index->make_labels(one), series[id]);
    ASSERT_EQ(one.chunks.size(), 2u);
    EXPECT_EQ(one.chunks[0].min_ms, -5);
    EXPECT_EQ(one.chunks[1].max_ms, 12);
    EXPECT_EQ(one.chunks[1].kind, ChunkKind::kHistogram);
    EXPECT_EQ(one.chunks[1].offset, 8 + 35u * id + 24);
    if (series[id].has("job")) jobs.emplace(series[id].get("job"));
  }
  std::set<std::string> listed;
  index->for_each_value("job", [&](std::string_view value) { listed.emplace(value); });
  EXPECT_EQ(listed, jobs);
  EXPECT_EQ(index->value_count("job"), jobs.size());
  EXPECT_EQ(index->value_count("nothing"), 0u);
}

TEST(BlockIndex, BytesThatAreCutAreRefused) {
  Random random(5);
  const std::string bytes = index_of(random_series(random));
  for (size_t size = 0; size < bytes.size(); size += 7) EXPECT_FALSE(BlockIndex::parse(bytes.substr(0, size))) << size;
  EXPECT_FALSE(BlockIndex::parse(bytes + "x"));
  EXPECT_TRUE(BlockIndex::parse(index_of({})));
}

TEST(Tombstones, ComeBackAsTheyWereAndDamageIsRefused) {
  Tombstones tombstones{77, {{3, {{1, 2}, {-5, 9}}}, {9, {{0, 0}}}}};
  const std::string bytes = encode_tombstones(tombstones);
  const auto back = decode_tombstones(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->block_id, 77u);
  ASSERT_EQ(back->ranges.size(), 2u);
  EXPECT_EQ(back->ranges.at(3)[1].min_ms, -5);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_tombstones(bytes.substr(0, size))) << size;
  std::string flipped = bytes;
  flipped[10] = static_cast<char>(flipped[10] ^ 1);
  EXPECT_FALSE(decode_tombstones(flipped));
}

}  // namespace
}  // namespace sentinel::tsdb
