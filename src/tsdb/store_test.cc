#include "tsdb/store.h"

#include <atomic>
#include <barrier>
#include <bit>
#include <limits>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/random.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::MatchType;
using model::Sample;

constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
constexpr int64_t kStart = 1'767'225'600'000;  // where FakeClock stands

StoreOptions manual() {
  StoreOptions options;
  options.dir = "data";
  options.sync_interval = Micros(0);
  return options;
}

// A store on an Env with everything it needs.
struct Fixture {
  explicit Fixture(StoreOptions options = manual()) : options_(std::move(options)) { reopen(); }
  void reopen() {
    store.reset();
    metrics = std::make_unique<MetricRegistry>();
    auto opened = Store::open(env, clock, *metrics, options_);
    ASSERT_TRUE(opened) << opened.error().to_string();
    store = std::move(*opened);
  }
  Status put(const Labels& labels, Sample sample) {
    auto appender = store->appender();
    SENTINEL_ASSIGN(const SeriesRef ref, appender->ref(labels));
    SENTINEL_TRY(appender->append(ref, sample));
    return appender->commit();
  }
  std::vector<SeriesData> all(int64_t min_ms = -kAll, int64_t max_ms = kAll) {
    auto found = store->select({Matcher::make(MatchType::kRegexp, "__name__", ".+").value()}, min_ms, max_ms, {});
    EXPECT_TRUE(found) << found.error().to_string();
    if (found && alone) expect_same_in_pieces(*found, min_ms, max_ms);
    return found ? *found : std::vector<SeriesData>();
  }
  // Read piece by piece, and back to front, the answer is the same; labels that nobody asked for may be left out.
  void expect_same_in_pieces(const std::vector<SeriesData>& expected, int64_t min_ms, int64_t max_ms) {
    for (const WantedLabels& wanted : {WantedLabels{}, WantedLabels{false, {"job", "nowhere"}}}) {
      const auto selection = store->begin_select({Matcher::make(MatchType::kRegexp, "__name__", ".+").value()}, min_ms,
                                                 max_ms, {}, wanted);
      ASSERT_TRUE(selection) << selection.error().to_string();
      size_t at = expected.size();
      SeriesData one;
      for (size_t i = (*selection)->size(); i-- > 0;) {
        const auto any = (*selection)->read(i, one);
        ASSERT_TRUE(any) << any.error().to_string();
        if (!*any) continue;
        ASSERT_GT(at, 0u);
        const SeriesData& same = expected[--at];
        EXPECT_EQ(one.labels.get("job"), same.labels.get("job"));
        if (wanted.all) EXPECT_EQ(one.labels, same.labels);
        EXPECT_EQ(one.samples.size(), same.samples.size());
        EXPECT_TRUE(std::equal(one.samples.begin(), one.samples.end(), same.samples.begin(), same.samples.end(),
                               [](const Sample& a, const Sample& b) {
                                 return a.t_ms == b.t_ms &&
                                        std::bit_cast<uint64_t>(a.v) == std::bit_cast<uint64_t>(b.v);
                               }));
        EXPECT_EQ(one.histograms.size(), same.histograms.size());
      }
      EXPECT_EQ(at, 0u);
    }
  }
  double metric(std::string_view name) {
    for (const auto& family : metrics->collect()) {
      if (family.name == name) return family.points.at(0).value;
    }
    return -1;
  }

  bool alone = true;  // nobody writes beside this thread
  FaultEnv env;
  FakeClock clock;
  StoreOptions options_;
  std::unique_ptr<MetricRegistry> metrics;
  std::unique_ptr<Store> store;
};

std::string show(const std::vector<SeriesData>& found) {
  std::string out;
  for (const SeriesData& series : found) {
    out += series.labels.to_string() + ":";
    for (const Sample& s : series.samples) {
      out += " " + std::to_string(s.t_ms) + "=" + std::to_string(std::bit_cast<uint64_t>(s.v));
    }
    out += "\n";
  }
  return out;
}

const Labels kUp{{"__name__", "up"}, {"job", "a"}};

TEST(Store, ASampleIsVisibleWhenCommitReturnsAndNotBefore) {
  Fixture f;
  auto appender = f.store->appender();
  const auto ref = appender->ref(kUp);
  ASSERT_TRUE(ref);
  ASSERT_TRUE(appender->append(*ref, {10, 1}));
  EXPECT_TRUE(f.all().empty());
  ASSERT_TRUE(appender->commit());
  ASSERT_EQ(f.all().size(), 1u);
  EXPECT_EQ(f.all()[0].labels, kUp);
  EXPECT_EQ(f.all()[0].samples.size(), 1u);
  EXPECT_EQ(f.store->stats().samples_appended, 1u);
  ASSERT_TRUE(appender->append(*ref, {20, 2})) << "the reference stays good after commit";
  ASSERT_TRUE(appender->commit());
  EXPECT_EQ(f.all()[0].samples.size(), 2u);
}

TEST(Store, TellsItsListenerOfWhatIsStoredOnceItIsVisible) {
  struct Recorder final : CommitListener {
    explicit Recorder(Store& s) : store(s) {}
    void committed(std::span<const SeriesRef> series, int64_t newest) override {
      for (const SeriesRef ref : series) got.push_back(store.labels(ref).to_string());
      refs.assign(series.begin(), series.end());
      newest_ms = newest;
      visible = store.select({Matcher::equal("__name__", "a")}, 0, kAll, {})->size();
    }
    Store& store;
    std::vector<std::string> got;
    std::vector<SeriesRef> refs;
    int64_t newest_ms = 0;
    size_t visible = 0;
  };
  Fixture f;
  Recorder recorder(*f.store);
  f.store->listen(&recorder);
  auto appender = f.store->appender();
  const SeriesRef a = appender->ref({{"__name__", "a"}, {"x", "1"}}).value();
  const SeriesRef b = appender->ref({{"__name__", "b"}}).value();
  ASSERT_TRUE(appender->append(a, {kStart, 1}));
  ASSERT_TRUE(appender->append(a, {kStart + 5, 1}));
  ASSERT_TRUE(appender->append(b, {kStart + 1, 2}));
  EXPECT_TRUE(recorder.got.empty());
  ASSERT_TRUE(appender->commit());
  EXPECT_EQ(recorder.got, (std::vector<std::string>{"a{x=\"1\"}", "a{x=\"1\"}", "b"}));
  EXPECT_EQ(recorder.refs, (std::vector<SeriesRef>{a, a, b})) << "the references the appender gave";
  EXPECT_EQ(recorder.newest_ms, kStart + 5);
  EXPECT_EQ(recorder.visible, 1u);
  f.store->listen(nullptr);
  ASSERT_TRUE(f.put({{"__name__", "b"}}, {kStart + 9, 2}));
  EXPECT_EQ(recorder.got.size(), 3u);
}

TEST(Store, RefusesOutOfOrderAndOtherValuesAtTheSameTime) {
  Fixture f;
  ASSERT_TRUE(f.put(kUp, {100, 1}));
  EXPECT_EQ(f.put(kUp, {99, 1}).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(f.put(kUp, {100, 2}).error().code(), ErrorCode::kConflict);
  EXPECT_TRUE(f.put(kUp, {100, 1})) << "the same sample again is no error";
  EXPECT_EQ(f.all()[0].samples.size(), 1u);
  EXPECT_EQ(f.metric("sentinel_tsdb_samples_rejected_total"), 2);
}

TEST(Store, RefusesTheSameInsideOneBatch) {
  Fixture f;
  auto appender = f.store->appender();
  const auto ref = *appender->ref(kUp);
  ASSERT_TRUE(appender->append(ref, {100, 1}));
  EXPECT_TRUE(appender->append(ref, {100, 1}));
  EXPECT_EQ(appender->append(ref, {100, 2}).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(appender->append(ref, {99, 2}).error().code(), ErrorCode::kConflict);
  ASSERT_TRUE(appender->commit());
  EXPECT_EQ(f.all()[0].samples.size(), 1u);
}

TEST(Store, TakesLateSamplesWithinTheWindow) {
  StoreOptions options = manual();
  options.out_of_order_window = Millis(50);
  Fixture f(options);
  for (int64_t t : {100, 200, 170, 150, 160}) ASSERT_TRUE(f.put(kUp, {t, double(t)})) << t;
  EXPECT_EQ(f.put(kUp, {149, 1}).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(f.put(kUp, {170, 1}).error().code(), ErrorCode::kConflict) << "another value";
  EXPECT_TRUE(f.put(kUp, {170, 170})) << "the same value";
  const std::string before = show(f.all());
  ASSERT_EQ(f.all()[0].samples.size(), 5u);
  EXPECT_EQ(f.all()[0].samples[1].t_ms, 150);
  f.reopen();
  EXPECT_EQ(show(f.all()), before);
}

// append() looks at what the store holds and at the newest of the batch, not at every late one in it.
TEST(Store, LateSamplesOfOneBatchThatExcludeEachOtherAreCounted) {
  StoreOptions options = manual();
  options.out_of_order_window = Millis(1'000'000);
  Fixture f(options);
  const auto appender = f.store->appender();
  const auto ref = *appender->ref(kUp);
  for (const Sample& sample : {Sample{60, 1}, Sample{50, 1}, Sample{50, 2}, Sample{50, 1}}) {
    ASSERT_TRUE(appender->append(ref, sample)) << sample.v;
  }
  ASSERT_TRUE(appender->commit());
  EXPECT_EQ(show(f.all()), show({{kUp, {{50, 1}, {60, 1}}}}));
  EXPECT_EQ(f.metric("sentinel_tsdb_samples_rejected_total"), 1);

  const auto many = static_cast<int64_t>(kLateSamplesMax) + 5;
  ASSERT_TRUE(f.put(kUp, {many + 100, 1}));
  for (int64_t t = 61; t < 61 + many; ++t) ASSERT_TRUE(appender->append(ref, {t, 1}));
  ASSERT_TRUE(appender->commit());
  EXPECT_EQ(f.all()[0].samples.size(), kLateSamplesMax + 2) << "the two that came in order";
  EXPECT_EQ(f.metric("sentinel_tsdb_samples_rejected_total"), 1 + 6) << "one late sample was there already";
  f.reopen();
  EXPECT_EQ(f.all()[0].samples.size(), kLateSamplesMax + 2);
}

TEST(Store, KeepsEveryBitOfANaN) {
  Fixture f;
  const double odd_nan = std::bit_cast<double>(uint64_t{0xfff8000000000123});
  ASSERT_TRUE(f.put(kUp, {1, model::stale_nan()}));
  ASSERT_TRUE(f.put(kUp, {2, std::nan("")}));
  ASSERT_TRUE(f.put(kUp, {3, odd_nan}));
  EXPECT_TRUE(f.put(kUp, {3, odd_nan}));
  EXPECT_FALSE(f.put(kUp, {3, std::nan("")}));
  const std::string before = show(f.all());
  EXPECT_TRUE(model::is_stale_nan(f.all()[0].samples[0].v));
  EXPECT_FALSE(model::is_stale_nan(f.all()[0].samples[1].v));
  f.reopen();
  EXPECT_EQ(show(f.all()), before);
}

TEST(Store, OneSeriesTooManyIsRefusedAndCounted) {
  StoreOptions options = manual();
  options.series_max = 2;
  Fixture f(options);
  ASSERT_TRUE(f.put(Labels{{"__name__", "a"}}, {1, 1}));
  ASSERT_TRUE(f.put(Labels{{"__name__", "b"}}, {1, 1}));
  EXPECT_EQ(f.put(Labels{{"__name__", "c"}}, {1, 1}).error().code(), ErrorCode::kTooLarge);
  EXPECT_TRUE(f.put(Labels{{"__name__", "a"}}, {2, 1})) << "known ones go on";
  EXPECT_EQ(f.metric("sentinel_tsdb_series_refused_total"), 1);
  f.options_.series_max = 1;
  f.reopen();
  EXPECT_EQ(f.all().size(), 2u) << "what the log holds is never refused";
}

TEST(Store, ASecondStoreOnTheFolderIsRefused) {
  Fixture f;
  MetricRegistry metrics;
  EXPECT_EQ(Store::open(f.env, f.clock, metrics, manual()).error().code(), ErrorCode::kConflict);
}

TEST(Store, BadQueriesGetErrors) {
  Fixture f;
  ASSERT_TRUE(f.put(kUp, {1, 1}));
  EXPECT_EQ(f.store->select({}, 0, 10, {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(f.store->select({Matcher::equal("x", "")}, 0, 10, {}).error().code(), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(f.put(kUp, {2, 1}));
  EXPECT_EQ(f.store->select({Matcher::equal("job", "a")}, 0, 10, {.samples_max = 1}).error().code(),
            ErrorCode::kTooLarge);
  EXPECT_TRUE(f.store->select({Matcher::equal("job", "a")}, 0, 10, {.samples_max = 2}));
}

TEST(Store, AFullDiskRefusesTheBatchAndForgetsNothing) {
  Fixture f;
  ASSERT_TRUE(f.put(kUp, {1, 1}));
  f.env.disk_full(true);
  EXPECT_EQ(f.put(Labels{{"__name__", "new"}}, {1, 1}).error().code(), ErrorCode::kIo);
  EXPECT_FALSE(f.put(kUp, {2, 1}));
  EXPECT_EQ(f.all().size(), 1u) << "what is not in the log is not shown";
  f.env.disk_full(false);
  ASSERT_TRUE(f.put(Labels{{"__name__", "new"}}, {1, 1}));
  ASSERT_TRUE(f.put(kUp, {2, 1}));
  const std::string before = show(f.all());
  f.reopen();
  EXPECT_EQ(show(f.all()), before);
}

TEST(Store, LabelsAreListedForTheRangeAndMatchersAsked) {
  Fixture f;
  ASSERT_TRUE(f.put(Labels{{"__name__", "a"}, {"job", "x"}}, {10, 1}));
  ASSERT_TRUE(f.put(Labels{{"__name__", "a"}, {"pod", "y"}}, {20, 1}));
  ASSERT_TRUE(f.put(Labels{{"__name__", "b"}, {"job", "z"}}, {30, 1}));
  using testing::ElementsAre;
  EXPECT_THAT(*f.store->label_names({}, 0, 100), ElementsAre("__name__", "job", "pod"));
  EXPECT_THAT(*f.store->label_names({}, 20, 20), ElementsAre("__name__", "pod"));
  EXPECT_THAT(*f.store->label_values("job", {}, 0, 100), ElementsAre("x", "z"));
  EXPECT_THAT(*f.store->label_values("job", {{Matcher::equal("__name__", "a")}}, 0, 100), ElementsAre("x"));
  EXPECT_EQ(f.store->series({{Matcher::equal("job", "x")}, {Matcher::equal("job", "z")}}, 0, 100)->size(), 2u);
  EXPECT_EQ(f.store->series({}, 0, 15)->size(), 1u);
  EXPECT_TRUE(f.store->series({}, 11, 19)->empty());
}

// Old samples move to block files, and every answer stays the same.
TEST(Store, MaintenanceChangesNoAnswer) {
  StoreOptions options = manual();
  options.block_range = Millis(100'000);
  options.out_of_order_window = Millis(5'000);
  options.retention = std::chrono::hours(24);
  Fixture f(options);
  Random random(9);
  const int64_t begin = kStart - 3'000'000;
  for (int64_t t = begin; t < kStart; t += 5'000) {
    auto appender = f.store->appender();
    for (int s = 0; s < 8; ++s) {
      if (random.chance(0.2) || (s == 3 && t > begin + 500'000)) continue;
      const auto ref = *appender->ref(Labels{{"__name__", "m"}, {"s", std::to_string(s)}});
      ASSERT_TRUE(appender->append(ref, {t + s, random.normal()}));
      if (random.chance(0.1)) ASSERT_TRUE(appender->append(ref, {t + s - 2'500, 7}));
    }
    ASSERT_TRUE(appender->commit());
  }
  const std::string before = show(f.all());
  const std::string part = show(f.all(begin + 333'333, begin + 777'777));
  const uint64_t log_before = f.store->stats().wal_bytes;
  ASSERT_TRUE(f.store->maintain());
  EXPECT_GT(f.store->stats().blocks, 3u);
  EXPECT_LT(f.store->stats().blocks, 28u) << "small blocks are merged";
  EXPECT_LT(f.store->stats().wal_bytes, log_before / 2) << "the log is cut";
  EXPECT_EQ(show(f.all()), before);
  EXPECT_EQ(show(f.all(begin + 333'333, begin + 777'777)), part);
  EXPECT_EQ(f.store->label_values("s", {}, begin, kStart)->size(), 8u);
  EXPECT_FALSE(f.put(Labels{{"__name__", "m"}, {"s", "1"}}, {begin, 1})) << "blocks are closed";
  f.reopen();
  EXPECT_EQ(show(f.all()), before);
  EXPECT_EQ(show(f.all(begin + 333'333, begin + 777'777)), part);
  ASSERT_TRUE(f.put(Labels{{"__name__", "m"}, {"s", "3"}}, {kStart, 1}))
      << "a series whose samples have all gone to blocks";
  ASSERT_TRUE(f.put(Labels{{"__name__", "m"}, {"s", "1"}}, {kStart + 10, 1}));
  const std::string after = show(f.all());
  f.reopen();
  EXPECT_EQ(show(f.all()), after);
}

TEST(Store, AReferenceOutlivesItsSamplesInTheHead) {
  StoreOptions options = manual();
  options.block_range = Millis(100'000);
  Fixture f(options);
  auto appender = f.store->appender();
  const auto ref = *appender->ref(kUp);
  ASSERT_TRUE(appender->append(ref, {kStart - 900'000, 1}));
  ASSERT_TRUE(appender->commit());
  ASSERT_TRUE(f.put(Labels{{"__name__", "other"}}, {kStart, 1}));
  ASSERT_TRUE(f.store->maintain());
  EXPECT_EQ(f.store->stats().series, 1u) << "a series without samples in the head is not counted";
  ASSERT_TRUE(appender->append(ref, {kStart, 2}));
  ASSERT_TRUE(appender->commit());
  const std::string before = show(f.all());
  EXPECT_EQ(f.all().size(), 2u);
  f.reopen();
  EXPECT_EQ(show(f.all()), before) << "its definition went into the log again";
}

TEST(Store, RetentionRemovesBlocksByTimeAndBySize) {
  StoreOptions options = manual();
  options.block_range = Millis(60'000);
  options.retention = Millis(600'000);
  Fixture f(options);
  for (int64_t t = kStart - 1'200'000; t <= kStart; t += 1'000) ASSERT_TRUE(f.put(kUp, {t, 1}));
  ASSERT_TRUE(f.store->maintain());
  ASSERT_TRUE(f.store->maintain());
  const int64_t oldest = f.all()[0].samples.front().t_ms;
  EXPECT_GE(oldest, kStart - 600'000 - 120'000);
  EXPECT_LE(oldest, kStart - 600'000);
  // What the limit is of: the log and the blocks. One byte less than there is costs the oldest block, no more.
  ASSERT_TRUE(f.store->maintain());
  const auto size = [&] {
    return static_cast<uint64_t>(f.metric("sentinel_tsdb_log_bytes") + f.metric("sentinel_tsdb_block_bytes"));
  };
  const size_t blocks = f.store->stats().blocks;
  ASSERT_GE(blocks, 2u);
  f.options_.retention_bytes = size();
  f.reopen();
  ASSERT_TRUE(f.store->maintain());
  EXPECT_EQ(f.store->stats().blocks, blocks);
  f.options_.retention_bytes = size() - 1;
  f.reopen();
  ASSERT_TRUE(f.store->maintain());
  EXPECT_EQ(f.store->stats().blocks, blocks - 1);
  f.options_.retention_bytes = 1;
  f.reopen();
  ASSERT_TRUE(f.store->maintain());
  EXPECT_EQ(f.store->stats().blocks, 0u);
  EXPECT_GE(f.all()[0].samples.front().t_ms, kStart - 180'000);
}

TEST(Store, AHeadWithoutNewSamplesExpiresToo) {
  StoreOptions options = manual();
  options.retention = std::chrono::hours(10);
  Fixture f(options);
  ASSERT_TRUE(f.put(kUp, {kStart, 1}));
  f.clock.advance(std::chrono::hours(12));
  ASSERT_TRUE(f.store->maintain());
  EXPECT_TRUE(f.all().empty());
  EXPECT_EQ(f.store->stats().series, 0u);
  f.reopen();
  EXPECT_TRUE(f.all().empty());
}

TEST(Store, ALongLogIsCondensed) {
  StoreOptions options = manual();
  options.checkpoint_log_bytes = 20'000;
  Fixture f(options);
  for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(f.put(kUp, {kStart + i, 1}));
  const std::string before = show(f.all());
  EXPECT_GT(f.store->stats().wal_bytes, 40'000u);
  ASSERT_TRUE(f.store->maintain());
  EXPECT_LT(f.store->stats().wal_bytes, 5'000u);
  EXPECT_EQ(f.metric("sentinel_tsdb_checkpoints_total"), 1);
  ASSERT_TRUE(f.put(kUp, {kStart + 9'000, 5}));
  f.reopen();
  auto found = f.all();
  ASSERT_EQ(found[0].samples.size(), 2'001u);
  EXPECT_EQ(found[0].samples.back().v, 5);
  found[0].samples.pop_back();
  EXPECT_EQ(show(found), before);
}

TEST(Store, ReadersBesideTheWriterSeeWholePrefixes) {
  StoreOptions options = manual();
  options.sync_interval = std::chrono::milliseconds(1);
  options.block_range = Millis(1'000);
  options.retention = Millis(std::numeric_limits<int32_t>::max());
  Fixture f(options);
  f.alone = false;
  constexpr int kBatches = 20'000;
  std::atomic<int> committed{0};
  std::thread writer([&] {
    for (int i = 0; i < kBatches; ++i) {
      auto appender = f.store->appender();
      for (const char* job : {"a", "b"}) {
        const auto ref = *appender->ref(Labels{{"__name__", "m"}, {"job", job}, {"n", std::to_string(i % 7)}});
        ASSERT_TRUE(appender->append(ref, {kStart + i, double(i)}));
      }
      ASSERT_TRUE(appender->commit());
      committed.store(i + 1);
      if (i % 2'000 == 1'999) ASSERT_TRUE(f.store->maintain());
    }
  });
  while (committed.load() < kBatches) {
    const int known = committed.load();
    size_t seen = 0;
    for (const SeriesData& series : f.all()) {
      seen += series.samples.size();
      for (size_t i = 1; i < series.samples.size(); ++i) {
        ASSERT_EQ(series.samples[i].t_ms, series.samples[i - 1].t_ms + 7);
        ASSERT_EQ(series.samples[i].v, double(series.samples[i].t_ms - kStart));
      }
    }
    ASSERT_GE(seen, 2 * static_cast<size_t>(known));
  }
  writer.join();
  EXPECT_EQ(f.store->stats().samples_appended, 2u * kBatches);
}

model::HistogramPtr counter_histogram(double n) {
  auto h = std::make_shared<model::FloatHistogram>();
  h->count = n;
  h->sum = n;
  h->positive.push(1, n);
  return h;
}

Status put_histogram(Store& store, const Labels& labels, int64_t t_ms, const model::HistogramPtr& h) {
  auto appender = store.appender();
  SENTINEL_ASSIGN(const SeriesRef ref, appender->ref(labels));
  SENTINEL_TRY(appender->append_histogram(ref, {t_ms, h}));
  return appender->commit();
}

std::string hints(const std::vector<SeriesData>& found) {
  std::string out;
  for (const SeriesData& series : found) {
    for (const auto& s : series.histograms) out += "urng"[static_cast<size_t>(s.h->hint)];
    out += ";";
  }
  return out;
}

TEST(Store, AHistogramThatGoesOnIsNotAResetAlsoAfterARestart) {
  Fixture f;
  for (const auto& [t, n] : {std::pair(1, 5.0), {2, 6.0}, {3, 4.0}, {4, 4.0}}) {
    ASSERT_TRUE(put_histogram(*f.store, kUp, t, counter_histogram(n)));
  }
  EXPECT_EQ(hints(f.all()), "unun;");
  f.reopen();
  ASSERT_TRUE(put_histogram(*f.store, kUp, 5, counter_histogram(7)));
  auto gauge = std::make_shared<model::FloatHistogram>(*counter_histogram(1));
  gauge->hint = model::CounterResetHint::kGauge;
  ASSERT_TRUE(put_histogram(*f.store, kUp, 6, gauge));
  ASSERT_TRUE(put_histogram(*f.store, kUp, 7, counter_histogram(9)));
  EXPECT_EQ(hints(f.all()), "ununngu;");
}

TEST(Store, FloatsAndHistogramsShareTheTimesOfASeries) {
  Fixture f;
  ASSERT_TRUE(f.put(kUp, {1, 1}));
  ASSERT_TRUE(put_histogram(*f.store, kUp, 2, counter_histogram(1)));
  EXPECT_EQ(f.put(kUp, {2, 1}).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(put_histogram(*f.store, kUp, 1, counter_histogram(1)).error().code(), ErrorCode::kConflict);
  EXPECT_TRUE(put_histogram(*f.store, kUp, 2, counter_histogram(1))) << "the same again";
  EXPECT_FALSE(put_histogram(*f.store, kUp, 2, counter_histogram(2)));
  ASSERT_TRUE(f.put(kUp, {3, model::stale_nan()}));
  EXPECT_TRUE(f.put(kUp, {3, model::stale_nan()})) << "the same again";
  const auto found = f.all();
  EXPECT_EQ(found[0].samples.size(), 1u);
  ASSERT_EQ(found[0].histograms.size(), 2u) << "a stale marker ends the histograms";
  EXPECT_TRUE(model::is_stale_nan(found[0].histograms[1].h->sum));
  ASSERT_TRUE(f.put(kUp, {4, 2}));
  EXPECT_EQ(f.all()[0].samples.size(), 2u);
  auto bad = std::make_shared<model::FloatHistogram>();
  bad->schema = 99;
  EXPECT_EQ(put_histogram(*f.store, kUp, 9, bad).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Store, OneBatchKeepsTheOrderOfItsKinds) {
  Fixture f;
  auto appender = f.store->appender();
  const auto ref = *appender->ref(kUp);
  ASSERT_TRUE(appender->append_histogram(ref, {1, counter_histogram(1)}));
  ASSERT_TRUE(appender->append(ref, {2, 1}));
  ASSERT_TRUE(appender->append_histogram(ref, {3, counter_histogram(1)}));
  EXPECT_FALSE(appender->append(ref, {3, 1}));
  EXPECT_FALSE(appender->append_histogram(ref, {2, counter_histogram(1)}));
  ASSERT_TRUE(appender->commit());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(f.all()[0].samples.size(), 1u);
    EXPECT_EQ(hints(f.all()), "uu;");
    f.reopen();
  }
}

TEST(Store, ExemplarsAreKeptWithTheirSeriesAndOverRestarts) {
  Fixture f;
  auto appender = f.store->appender();
  const auto ref = *appender->ref(kUp);
  ASSERT_TRUE(appender->append(ref, {kStart, 1}));
  const model::Exemplar exemplar{Labels{{"trace_id", "abc"}}, kStart, 0.5};
  ASSERT_TRUE(appender->append_exemplar(ref, exemplar));
  EXPECT_TRUE(f.store->exemplars({}, -kAll, kAll)->empty()) << "not committed yet";
  ASSERT_TRUE(appender->commit());
  EXPECT_TRUE(appender->append_exemplar(ref, exemplar)) << "the same again";
  EXPECT_EQ(appender->append_exemplar(ref, {{}, kStart - 1, 1}).error().code(), ErrorCode::kConflict);
  ASSERT_TRUE(appender->commit());
  for (int round = 0; round < 3; ++round) {
    const auto found = f.store->exemplars({{Matcher::equal("job", "a")}}, kStart, kStart);
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 1u);
    EXPECT_EQ((*found)[0].series, kUp);
    ASSERT_EQ((*found)[0].exemplars.size(), 1u);
    EXPECT_EQ((*found)[0].exemplars[0].labels, exemplar.labels);
    f.options_.checkpoint_log_bytes = 1;  // from the second round on out of a checkpoint
    ASSERT_TRUE(f.store->maintain());
    f.reopen();
  }
}

// Series come and go; what has left the head and is not used leaves memory.
TEST(Store, ChurnedSeriesLeaveMemoryAndComeBackWhenAskedFor) {
  StoreOptions options = manual();
  options.block_range = Millis(100'000);
  Fixture f(options);
  auto appender = f.store->appender();
  const auto old = *appender->ref(kUp);
  ASSERT_TRUE(appender->append(old, {kStart - 900'000, 1}));
  ASSERT_TRUE(appender->commit());
  for (int pod = 0; pod < 50; ++pod) {
    ASSERT_TRUE(f.put(Labels{{"__name__", "x"}, {"pod", std::to_string(pod)}}, {kStart - 900'000, 1}));
  }
  ASSERT_TRUE(f.put(Labels{{"__name__", "other"}}, {kStart, 1}));
  ASSERT_TRUE(f.store->maintain());
  ASSERT_TRUE(appender->append(old, {kStart - 10, 7})) << "used since, so it stays another round";
  ASSERT_TRUE(f.store->maintain());
  EXPECT_EQ(f.metric("sentinel_tsdb_series_in_memory"), 2);
  ASSERT_TRUE(appender->commit());
  ASSERT_TRUE(f.store->maintain());
  EXPECT_EQ(f.metric("sentinel_tsdb_series_in_memory"), 2);
  EXPECT_EQ(f.all().size(), 52u) << "the blocks still have them";
  const std::string before = show(f.all());
  ASSERT_TRUE(f.put(Labels{{"__name__", "x"}, {"pod", "7"}}, {kStart, 1}));
  EXPECT_EQ(f.metric("sentinel_tsdb_series_in_memory"), 2) << "counted at the next maintenance";
  const std::string after = show(f.all());
  EXPECT_NE(before, after);
  f.reopen();
  EXPECT_EQ(show(f.all()), after);
}

TEST(Store, AReferenceWhoseSeriesIsGoneIsRefused) {
  Fixture f;
  auto appender = f.store->appender();
  const auto ref = *appender->ref(kUp);
  ASSERT_TRUE(f.store->maintain());
  EXPECT_TRUE(appender->append(ref, {kStart, 1}));
  ASSERT_TRUE(appender->commit());
  auto late = f.store->appender();
  const auto other = *late->ref(Labels{{"__name__", "other"}});
  ASSERT_TRUE(late->commit());
  ASSERT_TRUE(f.store->maintain());
  ASSERT_TRUE(f.store->maintain());
  EXPECT_EQ(late->append(other, {kStart, 1}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(late->append_exemplar(other, {{}, kStart, 1}).error().code(), ErrorCode::kNotFound);
  const auto again = late->ref(Labels{{"__name__", "other"}});
  ASSERT_TRUE(again);
  EXPECT_NE(*again, other);
  EXPECT_TRUE(late->append(*again, {kStart, 1}));
  ASSERT_TRUE(late->commit());
  EXPECT_EQ(f.all().size(), 2u);
}

// Between append and commit a batch can wait longer than two maintenance rounds take: behind a slow disk, or because
// the process was stopped.
TEST(Store, ABatchKeepsItsSeriesUntilItIsCommitted) {
  Fixture f;
  auto appender = f.store->appender();
  const auto ref = *appender->ref(kUp);
  const auto idle_rounds = [&] {
    for (int round = 0; round < 4; ++round) ASSERT_TRUE(f.store->maintain());
  };
  idle_rounds();
  ASSERT_TRUE(appender->append(ref, {kStart, 1})) << "between ref and append";
  idle_rounds();
  ASSERT_TRUE(appender->commit());
  ASSERT_EQ(f.all().size(), 1u) << "accepted, so it must not be lost";
  EXPECT_EQ(f.metric("sentinel_tsdb_samples_rejected_total"), 0);

  // Known from before, used again just before the round that would remove it.
  const auto cached = *appender->ref(Labels{{"__name__", "cached"}});
  ASSERT_TRUE(appender->commit());
  ASSERT_TRUE(f.store->maintain());
  ASSERT_TRUE(appender->append(cached, {kStart, 2}));
  idle_rounds();
  ASSERT_TRUE(appender->commit());
  EXPECT_EQ(f.all().size(), 2u);

  // A batch that is given up keeps nothing.
  auto given_up = f.store->appender();
  ASSERT_TRUE(given_up->ref(Labels{{"__name__", "never"}}));
  idle_rounds();
  EXPECT_EQ(f.metric("sentinel_tsdb_series_in_memory"), 3);
  given_up.reset();
  idle_rounds();
  EXPECT_EQ(f.metric("sentinel_tsdb_series_in_memory"), 2);
}

// An appender that comes and goes all the time must not keep the others' dead series in memory.
TEST(Store, ShortBatchesDoNotHoldUpTheRemovalOfSeries) {
  Fixture f;
  ASSERT_TRUE(f.store->appender()->ref(kUp));
  std::unique_ptr<Appender> before;
  for (int round = 0; round < 4; ++round) {
    auto next = f.store->appender();
    const auto ref = next->ref(Labels{{"__name__", "busy"}});
    ASSERT_TRUE(ref);
    ASSERT_TRUE(next->append(*ref, {kStart + round, 1}));
    before = std::move(next);  // the one before ends when the next has begun: one is always open
    ASSERT_TRUE(f.store->maintain());
  }
  EXPECT_EQ(f.metric("sentinel_tsdb_series_in_memory"), 1);
}

// A store with blocks and a head; two jobs, a sample each 5 s.
struct Aged : Fixture {
  Aged() : Fixture(options()) {
    for (int64_t t = begin; t < kStart; t += 5'000) {
      EXPECT_TRUE(put(kUp, {t, double(t - begin)}));
      EXPECT_TRUE(put(Labels{{"__name__", "up"}, {"job", "b"}}, {t, 1}));
    }
    EXPECT_TRUE(store->maintain());
    EXPECT_GT(store->stats().blocks, 1u);
  }
  static StoreOptions options() {
    StoreOptions out = manual();
    out.block_range = Millis(100'000);
    return out;
  }
  static constexpr int64_t begin = kStart - 1'000'000;
};

TEST(Store, DeletedSamplesAreGoneFromBlocksAndHeadAndStayGone) {
  Aged f;
  const int64_t from = Aged::begin + 250'000;
  const int64_t to = kStart - 20'000;
  ASSERT_TRUE(f.store->delete_series({{Matcher::equal("job", "a")}}, from, to));
  const auto expect_gone = [&](const char* when) {
    const auto found = f.all();
    ASSERT_EQ(found.size(), 2u) << when;
    EXPECT_EQ(found[1].samples.size(), 200u) << when;
    EXPECT_EQ(found[0].samples.size(), 50u + 3u) << when;
    for (const Sample& s : found[0].samples) EXPECT_TRUE(s.t_ms < from || s.t_ms > to) << when;
    EXPECT_EQ(f.all(from, to).size(), 1u) << when;
    EXPECT_EQ(f.store->series({{Matcher::equal("job", "a")}}, from + 100'000, to - 100'000)->size(), 0u) << when;
  };
  expect_gone("at once");
  f.reopen();
  expect_gone("after a restart");
  ASSERT_TRUE(f.put(kUp, {kStart, 1}));
  EXPECT_EQ(f.all()[0].samples.size(), 54u) << "what comes later is kept";
  ASSERT_TRUE(f.store->delete_series({{Matcher::equal("job", "a")}}, kStart, kStart));
  const uint64_t bytes = f.store->stats().block_bytes;
  ASSERT_TRUE(f.store->clean_tombstones());
  EXPECT_LT(f.store->stats().block_bytes, bytes);
  expect_gone("after cleaning");
  f.reopen();
  expect_gone("after cleaning and a restart");
  EXPECT_FALSE(f.store->delete_series({{Matcher::equal("job", "")}}, 0, 1));
}

// A block gets its name, and then its folder cannot be synced: the file is there, but the store goes on without it.
// What is deleted then must not come back with that file at the next start.
TEST(Store, WhatIsDeletedStaysGoneWhenABlockWasNotCompleted) {
  const int64_t from = Aged::begin + 30'000;
  const int64_t to = kStart + 900'000;
  const std::vector<model::Matchers> job_a = {{Matcher::equal("job", "a")}};
  for (const std::string step : {"clean", "cut"}) {
    SCOPED_TRACE(step);
    Aged f;
    if (step == "clean") ASSERT_TRUE(f.store->delete_series(job_a, Aged::begin, Aged::begin + 10'000));
    for (int64_t t = kStart; step != "clean" && t < kStart + 400'000; t += 5'000) ASSERT_TRUE(f.put(kUp, {t, 1}));
    ASSERT_TRUE(f.store->sync());
    f.env.fail_dir_syncs(true);
    const Status failed = step == "clean" ? f.store->clean_tombstones() : f.store->maintain();
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message(), testing::HasSubstr("cannot sync data/blocks"));
    ASSERT_FALSE(f.store->delete_series(job_a, from, to)) << "it could not be kept";
    f.env.fail_dir_syncs(false);
    ASSERT_TRUE(f.store->delete_series(job_a, from, to));
    const std::string after = show(f.all());
    EXPECT_EQ(f.store->select({Matcher::equal("job", "a")}, from, to, {})->size(), 0u);
    f.reopen();
    EXPECT_EQ(show(f.all()), after);
    ASSERT_TRUE(f.store->maintain());
    ASSERT_TRUE(f.store->clean_tombstones());
    EXPECT_EQ(show(f.all()), after);
  }
}

TEST(Store, DeletingEverythingLeavesAnEmptyStoreThatGoesOn) {
  Aged f;
  ASSERT_TRUE(f.store->delete_series({{Matcher::equal("__name__", "up")}}, -kAll, kAll));
  EXPECT_TRUE(f.all().empty());
  EXPECT_TRUE(f.store->label_values("job", {}, -kAll, kAll)->empty());
  ASSERT_TRUE(f.store->clean_tombstones());
  f.reopen();
  EXPECT_TRUE(f.all().empty());
  ASSERT_TRUE(f.put(kUp, {kStart, 1}));
  ASSERT_TRUE(f.store->maintain());
  EXPECT_EQ(f.all().size(), 1u);
}

TEST(Store, ASnapshotIsAStoreOfItsOwn) {
  Aged f;
  ASSERT_TRUE(f.store->delete_series({{Matcher::equal("job", "b")}}, -kAll, Aged::begin + 300'000));
  const std::string before = show(f.all());
  const auto name = f.store->snapshot(true);
  ASSERT_TRUE(name) << name.error().to_string();
  EXPECT_TRUE(name->starts_with("20260101T000000Z-")) << *name;
  const auto without_head = f.store->snapshot(false);
  ASSERT_TRUE(without_head);
  ASSERT_NE(*name, *without_head);
  ASSERT_TRUE(f.put(kUp, {kStart, 5}));
  f.options_.dir = "data/snapshots/" + *name;
  f.reopen();
  EXPECT_EQ(show(f.all()), before);
  ASSERT_TRUE(f.put(kUp, {kStart, 6})) << "and it can be gone on with";
  f.options_.dir = "data/snapshots/" + *without_head;
  f.reopen();
  EXPECT_LT(f.all()[0].samples.size(), 200u);
}

TEST(Store, CardinalityNamesTheLargest) {
  Fixture f;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(f.put(Labels{{"__name__", "a"}, {"pod", "pod-" + std::to_string(i)}}, {kStart + i, 1}));
  }
  ASSERT_TRUE(f.put(Labels{{"__name__", "b"}, {"pod", "pod-1"}}, {kStart, 1}));
  const Cardinality found = f.store->cardinality(2);
  EXPECT_EQ(found.series, 11u);
  EXPECT_EQ(found.label_pairs, 12u);
  EXPECT_EQ(found.chunks, 11u);
  EXPECT_EQ(found.min_ms, kStart);
  EXPECT_EQ(found.max_ms, kStart + 9);
  const auto show_counts = [](const std::vector<NamedCount>& counts) {
    std::string out;
    for (const NamedCount& c : counts) out += c.name + " " + std::to_string(c.count) + ";";
    return out;
  };
  EXPECT_EQ(show_counts(found.series_by_metric), "a 10;b 1;");
  EXPECT_EQ(show_counts(found.values_by_label), "pod 10;__name__ 2;");
  EXPECT_EQ(show_counts(found.value_bytes_by_label), "pod 55;__name__ 11;");
  EXPECT_EQ(show_counts(found.series_by_pair), "__name__=a 10;pod=pod-1 2;");
}

// Series are born and removed while others read and delete: for the sanitizers, and nothing acknowledged is missing.
TEST(Store, ReadersMaySeeSeriesThatAreBeingRemoved) {
  StoreOptions options = manual();
  options.block_range = Millis(200);
  options.retention = Millis(std::numeric_limits<int32_t>::max());
  Fixture f(options);
  f.alone = false;
  constexpr int kBatches = 3'000;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < kBatches; ++i) {
      const std::string pod = std::to_string(i / 10);
      EXPECT_TRUE(f.put(Labels{{"__name__", "m"}, {"pod", pod}}, {kStart + i, double(i)}));
    }
    done.store(true);
  });
  std::thread keeper([&] {
    while (!done.load()) {
      ASSERT_TRUE(f.store->maintain());
      ASSERT_TRUE(f.store->delete_series({{Matcher::equal("pod", "3")}}, kStart, kStart + 100));
    }
  });
  const model::Matchers all = {Matcher::equal("__name__", "m")};
  while (!done.load()) {
    for (const SeriesData& series : f.all()) ASSERT_TRUE(series.labels.has("pod"));
    ASSERT_TRUE(f.store->series({all}, -kAll, kAll));
    ASSERT_TRUE(f.store->label_values("pod", {all}, kStart, kAll));
    ASSERT_TRUE(f.store->label_names({}, kStart, kAll));
    (void)f.store->cardinality(5);
  }
  writer.join();
  keeper.join();
  ASSERT_TRUE(f.store->maintain());
  ASSERT_TRUE(f.store->maintain());
  size_t samples = 0;
  for (const SeriesData& series : f.all()) samples += series.samples.size();
  EXPECT_GE(samples, static_cast<size_t>(kBatches) - 10);
  EXPECT_EQ(f.metric("sentinel_tsdb_samples_rejected_total"), 0);
  EXPECT_LT(f.metric("sentinel_tsdb_series_in_memory"), 100);
}

// Writers that keep their references meet the removal of the very series they write: each was empty in the head long
// enough to go. Whatever append and commit took is there in the end.
TEST(Store, KeptReferencesMeetTheRemovalOfTheirSeries) {
  StoreOptions options = manual();
  options.block_range = Millis(200);
  options.retention = Millis(std::numeric_limits<int32_t>::max());
  Fixture f(options);
  f.alone = false;
  constexpr int kSteps = 2'000;
  constexpr int kSeries = 50;  // each comes back after 500 ms
  constexpr int kTogether = 5;
  std::barrier step(2);  // none falls so far behind that the head has moved past it
  std::atomic<int> writing{2};
  std::atomic<int> found_gone{0};
  const auto write = [&](const std::string& job) {
    std::vector<std::optional<SeriesRef>> refs(kSeries);
    const auto appender = f.store->appender();
    for (int i = 0; i < kSteps; ++i) {
      if (i % kTogether == 0) step.arrive_and_wait();
      auto& ref = refs[static_cast<size_t>(i % kSeries)];
      const Labels labels{{"__name__", "m"}, {"job", job}, {"n", std::to_string(i % kSeries)}};
      if (!ref) ref = appender->ref(labels).value();
      Status status = appender->append(*ref, {kStart + i * 10, double(i)});
      if (!status && status.error().code() == ErrorCode::kNotFound) {
        found_gone.fetch_add(1);
        ref = appender->ref(labels).value();
        status = appender->append(*ref, {kStart + i * 10, double(i)});
      }
      EXPECT_TRUE(status) << status.error().to_string();
      EXPECT_TRUE(appender->commit());
    }
    writing.fetch_sub(1);
  };
  std::thread one(write, "one");
  std::thread two(write, "two");
  while (writing.load() > 0) {
    EXPECT_TRUE(f.store->maintain());
    std::this_thread::yield();  // the commit lock is not fair
  }
  one.join();
  two.join();
  size_t samples = 0;
  for (const SeriesData& series : f.all()) samples += series.samples.size();
  EXPECT_EQ(samples, size_t{2} * kSteps);
  EXPECT_EQ(f.metric("sentinel_tsdb_samples_rejected_total"), found_gone.load()) << "only by append";
}

}  // namespace
}  // namespace sentinel::tsdb
