#include "tsdb/histogram_chunk.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/random.h"
#include "tsdb/limits.h"
#include "tsdb/points.h"

namespace sentinel::tsdb {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;
using model::HistogramSample;

model::HistogramBuckets random_buckets(Random& random, int64_t lowest) {
  model::HistogramBuckets out;
  auto index = static_cast<int32_t>(lowest + static_cast<int64_t>(random.below(5)));
  for (auto n = random.below(8); n > 0; --n) {
    out.push(index, random.chance(0.2) ? 0.25 : static_cast<double>(random.below(1000)));
    index += random.chance(0.7) ? 1 : static_cast<int32_t>(1 + random.below(100'000));
  }
  return out;
}

FloatHistogram random_histogram(Random& random) {
  FloatHistogram h;
  if (random.chance(0.1)) {
    h.sum = model::stale_nan();
    return h;
  }
  h.hint = static_cast<CounterResetHint>(random.below(4));
  h.count = static_cast<double>(random.below(10'000));
  h.sum = random.normal();
  if (random.chance(0.3)) {
    h.schema = model::kCustomBucketsSchema;
    for (int i = 0; i < 3; ++i) h.custom_values.push_back(i + (random.chance(0.1) ? 0.5 : 0));
    for (int32_t i = 0; i < 4; ++i) h.positive.push(i, static_cast<double>(random.below(10)));
    return h;
  }
  h.schema = static_cast<int32_t>(random.below(13)) - 4;
  h.zero_threshold = random.chance(0.5) ? 0 : 1e-128;
  h.zero_count = static_cast<double>(random.below(3));
  h.positive = random_buckets(random, random.chance(0.1) ? -2'000'000'000 : -10);
  h.negative = random_buckets(random, -10);
  return h;
}

// The same as a random walk of one counter, whose layout seldom changes.
void grow(Random& random, FloatHistogram& h) {
  for (double& c : h.positive.count) c += static_cast<double>(random.below(5));
  h.count += 3;
  h.sum += 1.5;
}

void expect_same(const FloatHistogram& got, const FloatHistogram& want) {
  if (model::is_stale_nan(want.sum)) {
    EXPECT_TRUE(model::is_stale_nan(got.sum));
    EXPECT_TRUE(got.positive.empty());
    return;
  }
  EXPECT_TRUE(got.equals(want));
  EXPECT_EQ(got.hint, want.hint);
  EXPECT_EQ(got.custom_values, want.custom_values);
}

TEST(HistogramChunk, GivesBackEveryBitOfRandomSeries) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<std::pair<int64_t, FloatHistogram>> want;
    HistogramChunkWriter writer;
    int64_t t = random.chance(0.1) ? std::numeric_limits<int64_t>::min() : 1'000'000;
    FloatHistogram h = random_histogram(random);
    for (auto n = 1 + random.below(kChunkSamplesMax); n > 0; --n) {
      t += 1 + static_cast<int64_t>(random.below(random.chance(0.1) ? 1u << 30 : 15'001));
      if (random.chance(0.2)) {
        h = random_histogram(random);
      } else {
        grow(random, h);
      }
      ASSERT_TRUE(check_histogram(h)) << check_histogram(h).error().message();
      writer.append(t, h);
      want.emplace_back(t, h);
    }
    const Chunk chunk = writer.snapshot();
    std::vector<HistogramSample> got;
    ASSERT_TRUE(decode_histograms(chunk.bytes, chunk.count, {}, got));
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].t_ms, want[i].first);
      expect_same(*got[i].h, want[i].second);
    }
    auto resumed = HistogramChunkWriter::resume(chunk);
    ASSERT_TRUE(resumed);
    EXPECT_EQ(resumed->bytes(), chunk.bytes) << "written anew it is the same";
    // Cut anywhere it is refused.
    for (int i = 0; i < 10; ++i) {
      got.clear();
      EXPECT_FALSE(decode_histograms(chunk.bytes.substr(0, random.below(chunk.bytes.size())), chunk.count, {}, got));
    }
  }
}

TEST(HistogramChunk, ACounterWithTwentyBucketsTakesAFewBytesABucket) {
  Random random(5);
  FloatHistogram h;
  for (int32_t i = -10; i < 10; ++i) h.positive.push(i, 100);
  HistogramChunkWriter writer;
  for (int64_t i = 0; i < 100; ++i) {
    grow(random, h);
    writer.append(i * 15'000, h);
  }
  EXPECT_LT(writer.bytes().size(), 100u * 21 * 3);
}

TEST(HistogramChunk, RefusesWhatPrometheusRefuses) {
  const auto bad = [](auto change) {
    FloatHistogram h;
    h.positive.push(1, 2);
    change(h);
    return !check_histogram(h);
  };
  EXPECT_FALSE(bad([](FloatHistogram&) {}));
  EXPECT_TRUE(bad([](FloatHistogram& h) { h.schema = 9; }));
  EXPECT_TRUE(bad([](FloatHistogram& h) { h.schema = -5; }));
  EXPECT_TRUE(bad([](FloatHistogram& h) { h.positive.push(1, 2); }));
  EXPECT_TRUE(bad([](FloatHistogram& h) { h.positive.push(0, 2); }));
  EXPECT_TRUE(bad([](FloatHistogram& h) { h.negative.push(0, -1); }));
  EXPECT_TRUE(bad([](FloatHistogram& h) { h.positive.index.push_back(7); }));
  EXPECT_TRUE(bad([](FloatHistogram& h) { h.custom_values = {1}; }));
  const auto bad_custom = [&](auto change) {
    return bad([&](FloatHistogram& h) {
      h.schema = model::kCustomBucketsSchema;
      h.custom_values = {1, 2};
      change(h);
    });
  };
  EXPECT_FALSE(bad_custom([](FloatHistogram&) {}));
  EXPECT_FALSE(bad_custom([](FloatHistogram& h) { h.positive.push(2, 1); }));
  EXPECT_TRUE(bad_custom([](FloatHistogram& h) { h.positive.push(3, 1); }));
  EXPECT_TRUE(bad_custom([](FloatHistogram& h) { h.custom_values = {2, 1}; }));
  EXPECT_TRUE(bad_custom([](FloatHistogram& h) { h.custom_values = {1, std::numeric_limits<double>::infinity()}; }));
  EXPECT_TRUE(bad_custom([](FloatHistogram& h) { h.zero_count = 1; }));
  EXPECT_TRUE(bad_custom([](FloatHistogram& h) { h.negative.push(0, 1); }));
  EXPECT_TRUE(bad([](FloatHistogram& h) {
    for (size_t i = 0; i <= kHistogramBucketsMax; ++i) h.positive.push(static_cast<int32_t>(i) + 2, 1);
  }));
}

TEST(Points, AHistogramAfterAGapOrALateOneIsNotSaidToGoOn) {
  const auto make = [](int64_t t, CounterResetHint hint) {
    auto h = std::make_shared<FloatHistogram>();
    h->hint = hint;
    return HistogramSample{t, std::move(h)};
  };
  const auto hints = [](const std::vector<HistogramSample>& samples) {
    std::string out;
    for (const HistogramSample& s : samples) out += "urng"[static_cast<size_t>(s.h->hint)];
    return out;
  };
  const auto kNot = CounterResetHint::kNotReset;
  Points points;
  points.histograms = {make(1, CounterResetHint::kUnknown), make(2, kNot), make(3, kNot), make(4, kNot)};
  EXPECT_EQ(hints(merge_late(points.histograms, {make(0, kNot)})), "uunnn");
  EXPECT_EQ(hints(merge_late({points.histograms[0], points.histograms[3]}, {make(2, kNot)})), "uuu");
  EXPECT_EQ(remove_range(points, {2, 2}), 1u);
  EXPECT_EQ(hints(points.histograms), "uun");
}

TEST(Points, AreCutIntoChunksWhereTheKindChanges) {
  Points points;
  points.samples = {{1, 1}, {2, 1}, {5, 1}};
  const auto h = std::make_shared<FloatHistogram>();
  points.histograms = {{3, h}, {4, h}, {6, h}};
  const auto chunks = encode(points);
  ASSERT_EQ(chunks.size(), 4u);
  Points back;
  int64_t last = 0;
  for (const ChunkPtr& chunk : chunks) {
    EXPECT_GT(chunk->min_ms, last);
    last = chunk->max_ms;
    ASSERT_TRUE(decode(*chunk, {}, back));
  }
  EXPECT_EQ(back.samples.size(), 3u);
  EXPECT_EQ(back.histograms.size(), 3u);
}

}  // namespace
}  // namespace sentinel::tsdb
