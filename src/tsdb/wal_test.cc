#include "tsdb/wal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

struct Replayed {
  std::vector<std::string> payloads;
  std::unique_ptr<Wal> wal;
};

Replayed open(Env& env) {
  Replayed out;
  auto wal = Wal::open(env, "wal", [&](RecordType, std::string_view payload) -> Status {
    out.payloads.emplace_back(payload);
    return {};
  });
  EXPECT_TRUE(wal) << wal.error().to_string();
  out.wal = std::move(*wal);
  return out;
}

TEST(Wal, GivesBackWhatWasAppendedInOrder) {
  FaultEnv env;
  {
    auto log = open(env);
    EXPECT_TRUE(log.payloads.empty());
    for (const char* text : {"one", "", "three"}) ASSERT_TRUE(log.wal->append(RecordType::kBatch, text));
  }
  auto again = open(env);
  EXPECT_THAT(again.payloads, testing::ElementsAre("one", "", "three"));
  ASSERT_TRUE(again.wal->append(RecordType::kBatch, "four"));
  EXPECT_THAT(open(env).payloads, testing::ElementsAre("one", "", "three", "four"));
}

TEST(Wal, StartsANewSegmentPastTheLimit) {
  FaultEnv env;
  const std::string big(5u << 20, 'x');
  {
    auto log = open(env);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(log.wal->append(RecordType::kBatch, big));
    EXPECT_GT(log.wal->size_bytes(), 5 * big.size());
  }
  EXPECT_EQ(env.list("wal")->size(), 2u);
  EXPECT_EQ(open(env).payloads.size(), 5u);
}

TEST(Wal, ATornTailIsCutAtEveryByteAndWritingGoesOn) {
  FaultEnv source;
  {
    auto log = open(source);
    ASSERT_TRUE(log.wal->append(RecordType::kBatch, "first"));
    ASSERT_TRUE(log.wal->append(RecordType::kBatch, "second"));
  }
  const std::string whole = *source.read_file("wal/segment-00000001");
  const size_t first_end = whole.size() - 9 - 6;
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    FaultEnv env;
    ASSERT_TRUE(env.make_dirs("wal"));
    ASSERT_TRUE((*env.open_append("wal/segment-00000001"))->append(whole.substr(0, size)));
    auto log = open(env);
    EXPECT_EQ(log.payloads.size(), size >= first_end ? 1u : 0u);
    ASSERT_TRUE(log.wal->append(RecordType::kBatch, "after"));
    auto again = open(env);
    EXPECT_EQ(again.payloads.size(), log.payloads.size() + 1);
    EXPECT_EQ(again.payloads.back(), "after");
  }
}

TEST(Wal, AnyFlippedBitEndsTheFileThere) {
  FaultEnv source;
  {
    auto log = open(source);
    ASSERT_TRUE(log.wal->append(RecordType::kBatch, "first"));
    ASSERT_TRUE(log.wal->append(RecordType::kBatch, "second"));
  }
  const std::string whole = *source.read_file("wal/segment-00000001");
  const size_t second_begin = whole.size() - 9 - 6;
  for (size_t bit = second_begin * 8; bit < whole.size() * 8; ++bit) {
    std::string bad = whole;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    FaultEnv env;
    ASSERT_TRUE(env.make_dirs("wal"));
    ASSERT_TRUE((*env.open_append("wal/segment-00000001"))->append(bad));
    EXPECT_THAT(open(env).payloads, testing::ElementsAre("first")) << bit;
  }
}

TEST(Wal, AFailedAppendLeavesTheLogAsBefore) {
  FaultEnv env;
  auto log = open(env);
  ASSERT_TRUE(log.wal->append(RecordType::kBatch, "first"));
  env.disk_full(true);
  EXPECT_EQ(log.wal->append(RecordType::kBatch, "lost").error().code(), ErrorCode::kIo);
  EXPECT_FALSE(log.wal->append(RecordType::kBatch, "lost too"));
  env.disk_full(false);
  ASSERT_TRUE(log.wal->append(RecordType::kBatch, "second"));
  EXPECT_THAT(open(env).payloads, testing::ElementsAre("first", "second"));
}

TEST(Wal, ACheckpointStandsForTheSegmentsBeforeIt) {
  FaultEnv env;
  {
    auto log = open(env);
    ASSERT_TRUE(log.wal->append(RecordType::kBatch, "old"));
    const auto number = log.wal->rotate();
    ASSERT_TRUE(number);
    ASSERT_TRUE(log.wal->append(RecordType::kBatch, "new"));
    ASSERT_TRUE(log.wal->write_checkpoint(
        *number, [](const Wal::Writer& write) -> Status { return write(RecordType::kBatch, "condensed"); }));
    EXPECT_THAT(open(env).payloads, testing::ElementsAre("condensed", "new")) << "before the old files are dropped";
    ASSERT_TRUE(log.wal->drop_through(*number));
  }
  EXPECT_THAT(*env.list("wal"), testing::ElementsAre("checkpoint-00000001", "segment-00000002"));
  EXPECT_THAT(open(env).payloads, testing::ElementsAre("condensed", "new"));
}

TEST(Wal, RecordsSurviveEncodingAndRefuseDamage) {
  BatchRecord batch;
  batch.series.push_back({7, model::Labels{{"__name__", "up"}, {"job", "ü"}}});
  batch.samples = {{7, {1000, 1.5}}, {9, {-5, model::stale_nan()}}, {7, {INT64_MAX, -0.0}}, {0, {INT64_MIN, 3}}};
  const std::string bytes = encode_batch(batch);
  const auto back = decode_batch(RecordType::kBatch, bytes);
  ASSERT_TRUE(back);
  ASSERT_EQ(back->series.size(), 1u);
  EXPECT_EQ(back->series[0].labels, batch.series[0].labels);
  ASSERT_EQ(back->samples.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(back->samples[i].ref, batch.samples[i].ref);
    EXPECT_EQ(back->samples[i].sample.t_ms, batch.samples[i].sample.t_ms);
    EXPECT_EQ(std::bit_cast<uint64_t>(back->samples[i].sample.v), std::bit_cast<uint64_t>(batch.samples[i].sample.v));
  }
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_batch(RecordType::kBatch, bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode_batch(RecordType::kBatch, bytes + "x"));
}

}  // namespace
}  // namespace sentinel::tsdb
