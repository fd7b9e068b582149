#include "tsdb/chunk.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel::tsdb {
namespace {

using model::Sample;

std::vector<Sample> decode_all(const Chunk& chunk) {
  std::vector<Sample> out;
  EXPECT_TRUE(decode_range(chunk.bytes, chunk.count, std::numeric_limits<int64_t>::min(),
                           std::numeric_limits<int64_t>::max(), out));
  return out;
}

void expect_same(const std::vector<Sample>& got, const std::vector<Sample>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].t_ms, want[i].t_ms) << i;
    EXPECT_EQ(std::bit_cast<uint64_t>(got[i].v), std::bit_cast<uint64_t>(want[i].v)) << i;
  }
}

std::vector<Sample> random_samples(Random& random, size_t count) {
  std::vector<Sample> out;
  auto t = static_cast<int64_t>(random.next() >> 20) - (int64_t{1} << 42);
  const uint64_t style = random.below(5);
  double v = 0;
  for (size_t i = 0; i < count; ++i) {
    constexpr uint64_t kSteps[] = {1, 100, 20'000, 3'000'000, 1'000'000'000'000};
    t += style == 0 ? 15'000 : 1 + static_cast<int64_t>(random.below(kSteps[random.below(5)]));
    if (style <= 1) v += static_cast<double>(random.below(100));
    if (style == 2) v = random.normal();
    if (style == 3) v = std::bit_cast<double>(random.next());
    if (style == 4 && random.chance(0.3)) v = model::stale_nan();
    out.push_back({t, v});
  }
  return out;
}

TEST(Chunk, GivesBackEveryBitOfRandomSeries) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto samples = random_samples(random, 1 + random.below(200));
    ChunkWriter writer;
    for (const Sample& s : samples) writer.append(s);
    EXPECT_EQ(writer.min_ms(), samples.front().t_ms);
    EXPECT_EQ(writer.max_ms(), samples.back().t_ms);
    expect_same(decode_all(writer.snapshot()), samples);
  }
}

TEST(Chunk, KeepsExtremesOfTimeAndValue) {
  const std::vector<Sample> samples = {{std::numeric_limits<int64_t>::min(), 0.0},
                                       {-1, -0.0},
                                       {0, std::nan("")},
                                       {1, model::stale_nan()},
                                       {2, std::numeric_limits<double>::infinity()},
                                       {3, std::numeric_limits<double>::denorm_min()},
                                       {std::numeric_limits<int64_t>::max(), std::numeric_limits<double>::max()}};
  ChunkWriter writer;
  for (const Sample& s : samples) writer.append(s);
  expect_same(decode_all(writer.snapshot()), samples);
}

TEST(Chunk, ARegularCounterTakesUnderTwoBytesASample) {
  ChunkWriter writer;
  for (int i = 0; i < 120; ++i) writer.append({1'700'000'000'000 + i * 15'000, 1000.0 + i});
  EXPECT_LT(writer.bytes().size(), 240u);
}

TEST(Chunk, AResumedWriterGoesOnAsIfNeverStopped) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto samples = random_samples(random, 2 + random.below(100));
    const size_t cut = 1 + random.below(samples.size() - 1);
    ChunkWriter whole;
    ChunkWriter first;
    for (size_t i = 0; i < samples.size(); ++i) {
      whole.append(samples[i]);
      if (i < cut) first.append(samples[i]);
    }
    auto second = ChunkWriter::resume(first.snapshot());
    ASSERT_TRUE(second);
    for (size_t i = cut; i < samples.size(); ++i) second->append(samples[i]);
    EXPECT_EQ(second->bytes(), whole.bytes());
    EXPECT_EQ(second->min_ms(), whole.min_ms());
  }
}

TEST(Chunk, AResumedWriterClearsStrayPaddingBits) {
  ChunkWriter writer;
  writer.append({0, 0});
  writer.append({0x10, 0});
  Chunk chunk = writer.snapshot();
  chunk.bytes.back() = static_cast<char>(chunk.bytes.back() | 1);
  auto resumed = ChunkWriter::resume(chunk);
  ASSERT_TRUE(resumed);
  resumed->append({0x20, 3});
  expect_same(decode_all(resumed->snapshot()), {{0, 0}, {0x10, 0}, {0x20, 3}});
}

TEST(Chunk, ARangeIsInclusiveAtBothEnds) {
  ChunkWriter writer;
  for (int i = 0; i < 10; ++i) writer.append({i * 10, double(i)});
  std::vector<Sample> out;
  EXPECT_TRUE(decode_range(writer.bytes(), writer.count(), 20, 50, out));
  ASSERT_EQ(out.size(), 4u);
  EXPECT_EQ(out.front().t_ms, 20);
  EXPECT_EQ(out.back().t_ms, 50);
}

TEST(Chunk, TruncatedBytesAreReportedAndNeverReadBeyond) {
  Random random(7);
  const auto samples = random_samples(random, 100);
  ChunkWriter writer;
  for (const Sample& s : samples) writer.append(s);
  const std::string whole = writer.bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    std::vector<Sample> out;
    EXPECT_FALSE(decode_range(cut, writer.count(), std::numeric_limits<int64_t>::min(),
                              std::numeric_limits<int64_t>::max(), out));
    EXPECT_FALSE(ChunkWriter::resume(Chunk{0, 0, writer.count(), ChunkKind::kFloat, cut}));
  }
}

TEST(Chunk, DecodingFromTheMarkFindsTheSameAsFromTheBeginning) {
  Random random(11);
  for (int round = 0; round < 50; ++round) {
    ChunkWriter writer;
    int64_t t = 1'000;
    for (auto n = 1 + random.below(120); n > 0; --n) {
      t += 1 + static_cast<int64_t>(random.below(20'000));
      writer.append({t, random.normal()});
    }
    const auto resumed = ChunkWriter::resume(writer.snapshot());
    ASSERT_TRUE(resumed);
    for (const Chunk& chunk : {writer.snapshot(), resumed->snapshot()}) {
      EXPECT_EQ(chunk.mark.index, chunk.count >= 60 ? 60u : 0u);
      for (int i = 0; i < 10; ++i) {
        const int64_t from = static_cast<int64_t>(random.below(static_cast<uint64_t>(t) + 2));
        const TimeRange range{from, from + static_cast<int64_t>(random.below(400'000))};
        std::vector<Sample> fast;
        std::vector<Sample> slow;
        ASSERT_TRUE(decode_range(chunk, range, fast));
        ASSERT_TRUE(decode_range(chunk.bytes, chunk.count, range.min_ms, range.max_ms, slow));
        ASSERT_EQ(fast.size(), slow.size());
        for (size_t k = 0; k < fast.size(); ++k) {
          EXPECT_EQ(fast[k].t_ms, slow[k].t_ms);
          EXPECT_EQ(fast[k].v, slow[k].v);
        }
      }
    }
  }
}

}  // namespace
}  // namespace sentinel::tsdb
