#include "tsdb/log_reader.h"

#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tsdb/store.h"

namespace sentinel::tsdb {
namespace {

// A store that can be stopped at once, and a reader that writes down what it sees.
class LogReaderTest : public testing::Test {
 protected:
  LogReaderTest() { open(kKeepNothing); }

  void open(uint64_t keep_from, uint64_t kept_bytes_max = 8ULL << 30) {
    store.reset();
    StoreOptions options;
    options.dir = "metrics";
    options.sync_interval = Micros(0);
    options.checkpoint_log_bytes = 0;
    options.log = {keep_from, kept_bytes_max};
    store = std::move(Store::open(env, clock, metrics, options).value());
    reader = std::make_unique<LogReader>(env, "metrics", [this] { return store->log_end(); });
  }
  void write(const std::string& name, int64_t t_s, double v) {
    const auto appender = store->appender();
    const SeriesRef ref = appender->ref(model::Labels{{"__name__", name}}).value();
    ASSERT_TRUE(appender->append(ref, {to_ms(clock.now()) + t_s * 1000, v}));
    ASSERT_TRUE(appender->commit());
  }
  // Long enough for a new segment each.
  void write_segment(int64_t t_s) {
    constexpr int kSeries = 1'500'000;
    const auto appender = store->appender();
    const SeriesRef ref = appender->ref(model::Labels{{"__name__", "filler"}}).value();
    for (int i = 0; i < kSeries; ++i) {
      ASSERT_TRUE(appender->append(ref, {to_ms(clock.now()) + t_s * 1000 + i, static_cast<double>(i)}));
    }
    ASSERT_TRUE(appender->commit());
  }
  Status seek(LogPosition from) {
    known.clear();
    return reader->seek(from, [&](const SeriesDef& def) { known[def.ref] = def.labels; });
  }
  // "a=1 b=2": names and values of all there is to read.
  std::string read() {
    std::string out;
    BatchRecord batch;
    for (;;) {
      const auto more = reader->next(batch);
      if (!more) return out + "error: " + more.error().message();
      if (!*more) return out;
      for (const SeriesDef& def : batch.series) known[def.ref] = def.labels;
      for (const RefSample& s : batch.samples) {
        if (known.contains(s.ref) && known[s.ref].get("__name__") == "filler") continue;
        const std::string name = known.contains(s.ref) ? std::string(known[s.ref].get("__name__")) : "?";
        out += fmt::format("{}{}={}", out.empty() ? "" : " ", name, s.sample.v);
      }
    }
  }

  FaultEnv env;
  FakeClock clock;
  MetricRegistry metrics;
  std::unique_ptr<Store> store;
  std::unique_ptr<LogReader> reader;
  std::map<uint64_t, model::Labels> known;
};

TEST_F(LogReaderTest, FollowsTheLogWhileItIsWritten) {
  ASSERT_TRUE(seek(store->log_end()));
  EXPECT_EQ(read(), "");
  write("a", 1, 1);
  write("b", 1, 2);
  EXPECT_EQ(read(), "a=1 b=2");
  write("a", 2, 3);
  EXPECT_EQ(read(), "a=3");
  EXPECT_EQ(read(), "");
  EXPECT_EQ(reader->position(), store->log_end());
}

TEST_F(LogReaderTest, GoesOnAtAPositionWithTheSeriesThatWereDefinedBefore) {
  ASSERT_TRUE(seek(store->log_end()));
  write("a", 1, 1);
  write("b", 1, 2);
  EXPECT_EQ(read(), "a=1 b=2");
  const LogPosition at = reader->position();
  write("a", 2, 3);
  open(at.segment);
  write("b", 2, 4);  // in a new segment, under a number of its own
  ASSERT_TRUE(seek(at));
  EXPECT_EQ(read(), "a=3 b=4");
}

TEST_F(LogReaderTest, WhatItHasNotReadStaysThroughCheckpointsAndRestarts) {
  ASSERT_TRUE(seek(store->log_end()));
  write("a", 1, 1);
  EXPECT_EQ(read(), "a=1");
  const LogPosition at = reader->position();
  store->keep_log_from(at.segment);
  write("a", 2, 2);
  for (int i = 0; i < 3; ++i) {
    write_segment(10'000 * (i + 1));
    ASSERT_TRUE(store->maintain());
    open(at.segment);
    write("a", 90'000 + i, 10 + i);
  }
  ASSERT_TRUE(seek(at));
  EXPECT_EQ(read(), "a=2 a=10 a=11 a=12");
  store->keep_log_from(reader->position().segment);
  const size_t before = env.list("metrics/wal")->size();
  ASSERT_TRUE(store->maintain());
  EXPECT_LT(env.list("metrics/wal")->size(), before);
  write("a", 100'000, 13);
  EXPECT_EQ(read(), "a=13");
}

TEST_F(LogReaderTest, AReaderTooFarBehindIsToldAndGoesOnAtTheCheckpoint) {
  open(1, 1000);
  write("a", 1, 1);
  ASSERT_TRUE(seek({1, 0}));
  EXPECT_EQ(read(), "a=1");
  const LogPosition at = reader->position();
  write_segment(10'000);
  write("b", 1, 1);
  ASSERT_TRUE(store->maintain());
  write("b", 20'000, 2);
  open(at.segment, 1000);
  const Status sought = seek(at);
  ASSERT_FALSE(sought);
  EXPECT_EQ(sought.error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(reader->seek_newest_checkpoint([&](const SeriesDef& def) { known[def.ref] = def.labels; }));
  EXPECT_EQ(read(), "b=2");
}

TEST_F(LogReaderTest, APositionBehindALostTailGoesOnInTheNextSegment) {
  ASSERT_TRUE(seek(store->log_end()));
  write("a", 1, 1);
  const LogPosition end = store->log_end();
  open(end.segment);
  write("a", 2, 2);
  ASSERT_TRUE(seek({end.segment, end.offset + 500}));
  EXPECT_EQ(read(), "a=2");
}

TEST_F(LogReaderTest, NamesTheSeriesOfACheckpointItHasPassed) {
  ASSERT_TRUE(seek(store->log_end()));
  write("a", 1, 1);
  EXPECT_EQ(read(), "a=1");
  EXPECT_FALSE(reader->checkpoint_since(0)->has_value());
  store->keep_log_from(reader->position().segment);
  write_segment(10'000);
  ASSERT_TRUE(store->maintain());
  write("b", 20'000, 2);
  EXPECT_EQ(read(), "b=2");
  // Of "a" everything is in a block, so the log would define it anew.
  const auto checkpoint = reader->checkpoint_since(0);
  ASSERT_TRUE(checkpoint && checkpoint->has_value());
  EXPECT_EQ((*checkpoint)->refs.size(), 1u);
  EXPECT_FALSE(reader->checkpoint_since((*checkpoint)->number)->has_value());
}

TEST_F(LogReaderTest, TheEndOfALogThatIsAllCheckpointCanBeSought) {
  for (const bool reopened : {false, true}) {
    SCOPED_TRACE(reopened);
    write("a", reopened ? 40'000 : 1, 1);
    write_segment(reopened ? 50'000 : 10'000);
    store->keep_log_from(kKeepNothing);
    ASSERT_TRUE(store->maintain());
    if (reopened) open(kKeepNothing);
    const Status sought = seek(store->log_end());
    ASSERT_TRUE(sought) << sought.error().to_string();
    write("b", reopened ? 60'000 : 30'000, 2);
    EXPECT_EQ(read(), "b=2");
  }
}

}  // namespace
}  // namespace sentinel::tsdb
