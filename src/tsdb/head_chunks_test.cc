#include "tsdb/head_chunks.h"

#include <deque>

#include <gtest/gtest.h>

#include "base/random.h"
#include "tsdb/limits.h"
#include "tsdb/points.h"

namespace sentinel::tsdb {
namespace {

class HeadChunksTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(env_.make_dirs("/head")); }

  // As many samples as asked, every second from a time on.
  Chunk chunk(int64_t from_ms, int count) {
    ChunkWriter writer;
    for (int i = 0; i < count; ++i) writer.append({from_ms + i * 1000, static_cast<double>(random_.below(1'000'000))});
    return writer.seal();
  }
  static Chunk of_bytes(size_t bytes) {
    Chunk chunk;
    chunk.kind = ChunkKind::kHistogram;
    chunk.count = 1;
    chunk.bytes = std::string(bytes, 'x');
    return chunk;
  }

  FaultEnv env_;
  HeadChunks chunks_{env_, "/head"};
  Random random_{3};
};

TEST_F(HeadChunksTest, AChunkComesBackAsItWas) {
  std::vector<Chunk> put;
  std::vector<SealedChunk> kept;
  for (int i = 0; i < 300; ++i) {
    put.push_back(chunk(i * 200'000, 1 + i % 120));
    kept.push_back(chunks_.put(put.back()));
  }
  chunks_.rest();
  for (size_t i = 0; i < put.size(); ++i) {
    const ChunkView view = kept[i].view();
    EXPECT_EQ(kept[i].min_ms, put[i].min_ms);
    EXPECT_EQ(kept[i].max_ms, put[i].max_ms);
    EXPECT_EQ(view.count, put[i].count);
    EXPECT_EQ(view.bytes, put[i].bytes);
    EXPECT_EQ(view.mark.index, put[i].bytes.size() > 200 ? put[i].mark.index : 0U);
    const TimeRange newest{put[i].max_ms - 5'000, put[i].max_ms};  // from the mark on, where there is one
    Points got;
    Points want;
    ASSERT_TRUE(decode(view, newest, got));
    ASSERT_TRUE(decode(put[i], newest, want));
    ASSERT_EQ(got.samples.size(), want.samples.size());
    EXPECT_EQ(got.samples.back().v, want.samples.back().v);
  }
}

TEST_F(HeadChunksTest, AMapGoesWithItsLastChunk) {
  std::deque<SealedChunk> kept;
  for (int i = 0; i < 40; ++i) kept.push_back(chunks_.put(of_bytes(kHeadMapBytes / 8)));
  EXPECT_EQ(chunks_.mapped_bytes(), 6 * kHeadMapBytes) << "seven fit, each has something before it";
  while (kept.size() > 2) {
    kept.pop_front();
    const ChunkView oldest = kept.front().view();
    ASSERT_EQ(oldest.bytes.size(), kHeadMapBytes / 8);
    ASSERT_EQ(oldest.bytes.front(), 'x');
  }
  EXPECT_EQ(chunks_.mapped_bytes(), kHeadMapBytes);
  const SealedChunk reader = kept.back();
  kept.clear();
  for (int i = 0; i < 20; ++i) (void)chunks_.put(of_bytes(kHeadMapBytes / 8));
  EXPECT_EQ(reader.view().bytes.back(), 'x') << "who reads keeps it";
}

TEST_F(HeadChunksTest, OneThatIsLargerThanAMapHasItsOwn) {
  const SealedChunk large = chunks_.put(of_bytes(3 * kHeadMapBytes));
  const SealedChunk next = chunks_.put(of_bytes(10));
  EXPECT_EQ(large.view().bytes.size(), 3 * kHeadMapBytes);
  EXPECT_EQ(next.view().bytes, std::string(10, 'x'));
}

TEST_F(HeadChunksTest, WithoutRoomOnTheDiskChunksStayInMemoryUntilThereIs) {
  env_.disk_full(true);
  const SealedChunk first = chunks_.put(of_bytes(kHeadMapBytes / 2));
  EXPECT_EQ(chunks_.mapped_bytes(), 0U);
  chunks_.rest();
  EXPECT_EQ(first.view().bytes, std::string(kHeadMapBytes / 2, 'x'));
  env_.disk_full(false);
  const SealedChunk second = chunks_.put(of_bytes(kHeadMapBytes / 2));
  EXPECT_EQ(chunks_.mapped_bytes(), kHeadMapBytes);
  EXPECT_EQ(second.view().bytes, first.view().bytes);
}

}  // namespace
}  // namespace sentinel::tsdb
