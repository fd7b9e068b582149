#include "events/event_log.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/varint.h"
#include "events/limits.h"
#include "events/segments.h"

namespace sentinel::events {
namespace {

model::Interaction make(int n) {
  model::Interaction e;
  e.request_id = "r" + std::to_string(n);
  e.timestamp_us = n;
  e.prompt = "p";
  e.safety_categories = {"a", "", "c"};
  e.drift_score = 0.5;
  e.tags = {{"k", "v"}};
  return e;
}

std::vector<RowBatch> read(std::string_view bytes, uint64_t* good = nullptr) {
  std::vector<RowBatch> out;
  const uint64_t whole = read_log(bytes, [&](RowBatch rows) { out.push_back(std::move(rows)); });
  if (good != nullptr) *good = whole;
  return out;
}

TEST(EventLog, GivesBackEveryFieldOfEveryRow) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("d"));
  auto log = EventLog::create(env, "d/log");
  ASSERT_TRUE(log);
  const std::vector<model::Interaction> first = {make(1), make(2)};
  const std::vector<model::Interaction> second = {make(3)};
  const RowBatch a(first);
  const RowBatch b(second);
  ASSERT_TRUE((*log)->append(a));
  ASSERT_TRUE((*log)->append(b));
  const std::string bytes = *env.read_file("d/log");
  EXPECT_EQ(bytes.size(), (*log)->size_bytes());
  const auto back = read(bytes);
  ASSERT_EQ(back.size(), 2u);
  ASSERT_EQ(back[0].rows(), 2u);
  for (size_t r = 0; r < 2; ++r) {
    for (size_t c = 0; c < RowBatch::width(); ++c) {
      const Field& want = a.at(r, c);
      const Field& got = back[0].at(r, c);
      EXPECT_EQ(got.null, want.null) << column_defs()[c].name;
      EXPECT_EQ(got.i, want.i);
      EXPECT_EQ(got.d, want.d);
      EXPECT_EQ(got.text, want.text);
      EXPECT_EQ(got.list == nullptr, want.list == nullptr);
      if (got.list != nullptr) EXPECT_EQ(*got.list, *want.list);
    }
  }
}

TEST(EventLog, TornAtAnyByteItKeepsTheWholeBatchesBefore) {
  const std::vector<model::Interaction> rows = {make(1)};
  const std::string header = log_header();
  const std::string frame = *encode_rows_frame(RowBatch(rows));
  const std::string whole = header + frame + frame;
  for (size_t size = 0; size < whole.size(); ++size) {
    uint64_t good = 0;
    const auto back = read(std::string_view(whole).substr(0, size), &good);
    EXPECT_EQ(back.size(), size >= header.size() + frame.size() ? 1u : 0u) << size;
    EXPECT_LE(good, size);
  }
  for (size_t bit = (header.size() + frame.size()) * 8; bit < whole.size() * 8; ++bit) {
    std::string bad = whole;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(read(bad).size(), 1u) << bit;
  }
}

TEST(EventLog, AFailedAppendLeavesTheLogAsItWas) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("d"));
  auto log = EventLog::create(env, "d/log");
  ASSERT_TRUE(log);
  const std::vector<model::Interaction> rows = {make(1)};
  ASSERT_TRUE((*log)->append(RowBatch(rows)));
  env.disk_full(true);
  EXPECT_EQ((*log)->append(RowBatch(rows)).error().code(), ErrorCode::kIo);
  env.disk_full(false);
  ASSERT_TRUE((*log)->append(RowBatch(rows)));
  EXPECT_EQ(read(*env.read_file("d/log")).size(), 2u);
  ASSERT_TRUE((*log)->undo());
  EXPECT_EQ(read(*env.read_file("d/log")).size(), 1u);
}

TEST(EventLog, ColumnsAreFoundByNameWhenTheSchemaHasChanged) {
  // A log of an older program: two columns, one of which we no longer have.
  const auto frame = [](char type, const std::string& payload) {
    const std::string type_byte(1, type);
    std::string out;
    put_fixed(out, static_cast<uint32_t>(payload.size()));
    put_fixed(out, crc32c(payload, crc32c(type_byte)));
    return out + type_byte + payload;
  };
  std::string schema;
  put_varint(schema, 2);
  put_text(schema, "gone");
  schema.push_back(static_cast<char>(ColumnKind::kInt));
  put_text(schema, "model");
  schema.push_back(static_cast<char>(ColumnKind::kText));
  std::string row;
  put_varint(row, 1);
  row.push_back('\0');
  put_zigzag(row, 7);
  put_text(row, "m");
  const auto back = read(std::string("SNTLEVT\x01", 8) + frame(1, schema) + frame(2, row));
  ASSERT_EQ(back.size(), 1u);
  for (size_t c = 0; c < RowBatch::width(); ++c) {
    const bool is_model = std::string_view(column_defs()[c].name) == "model";
    EXPECT_EQ(back[0].at(0, c).null, !is_model);
    if (is_model) EXPECT_EQ(back[0].at(0, c).text, "m");
  }
}

Segment segment(uint64_t first, uint64_t last, uint64_t rows) {
  return {first, last, rows, static_cast<int64_t>(first) * 1'000, static_cast<int64_t>(last) * 1'000 + 999, 0};
}

TEST(Segments, TheNameSaysItAll) {
  const Segment s = segment(3, 7, 12'345);
  const auto back = Segment::parse(s.file_name());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->file_name(), s.file_name());
  EXPECT_TRUE(back->covers(3) && back->covers(7) && !back->covers(8));
  for (const char* name :
       {"", "v1-1-2-3-4.parquet", "v5-1-2-3-4-5.parquet", "v0-1-2-3-4-5.parquet", "v-1-2-3-4-5.parquet", "v.parquet",
        "v1-a-2-3-4-5.parquet", "v1-2-1-3-4-5.parquet", "v1-1-2-3-4-5.parquet.tmp", "v1-1-2-3-4--5.parquet"}) {
    EXPECT_FALSE(Segment::parse(name)) << name;
  }
}

TEST(Segments, LeftoversOfMergesAndUnfinishedFilesAreRemoved) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("s"));
  const auto put = [&](const std::string& name) { ASSERT_TRUE((*env.open_append("s/" + name))->append("x")); };
  put(segment(1, 4, 40).file_name());
  put(segment(2, 2, 10).file_name());
  put(segment(4, 4, 10).file_name());
  put(segment(5, 5, 10).file_name());
  put(segment(6, 6, 10).file_name() + ".tmp");
  const auto found = read_segments(env, "s");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].last, 4u);
  EXPECT_EQ((*found)[1].first, 5u);
  EXPECT_EQ(env.list("s")->size(), 2u);
}

TEST(Segments, OnlyRunsOfSmallNeighboursAreMerged) {
  std::vector<Segment> many;
  for (uint64_t i = 1; i <= kCompactFanIn; ++i) many.push_back(segment(i, i, 1'000));
  EXPECT_EQ(plan_compaction(many, 1'000'000).size(), 1u);
  EXPECT_TRUE(plan_compaction({many.begin(), many.end() - 1}, 1'000'000).empty()) << "too few";
  EXPECT_TRUE(plan_compaction(many, 3'000).empty()) << "too long a time";
  many[3].rows = kSmallSegmentRows;
  EXPECT_TRUE(plan_compaction(many, 1'000'000).empty()) << "a large one in between";
  for (Segment& s : many) s.rows = kSegmentRowsMax / 4;
  EXPECT_TRUE(plan_compaction(many, 1'000'000).empty()) << "four fill a segment";
}

TEST(Segments, FilesOfASetOutliveTheirReaders) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("s"));
  const Segment a = segment(1, 1, 1);
  const Segment b = segment(2, 2, 1);
  for (const Segment& s : {a, b}) ASSERT_TRUE((*env.open_append("s/" + s.file_name()))->append("x"));
  auto first = std::make_shared<SegmentSet>(env, "s", std::vector<Segment>{a, b});
  auto second = std::make_shared<SegmentSet>(env, "s", std::vector<Segment>{b});
  auto third = std::make_shared<SegmentSet>(env, "s", std::vector<Segment>{});
  first->superseded_by(second, {a});
  second->superseded_by(third, {b});
  second.reset();
  EXPECT_TRUE(env.exists("s/" + a.file_name()));
  EXPECT_TRUE(env.exists("s/" + b.file_name())) << "the first set still reads it";
  first.reset();
  EXPECT_FALSE(env.exists("s/" + a.file_name()));
  EXPECT_FALSE(env.exists("s/" + b.file_name()));
}

}  // namespace
}  // namespace sentinel::events
