// The store against a map, and against a disk that fails at every single write.

#include <bit>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/strings.h"
#include "tsdb/log_reader.h"
#include "tsdb/store.h"

namespace sentinel::tsdb {
namespace {

using model::Labels;
using model::Matcher;
using model::MatchType;
using model::Sample;

constexpr int64_t kStart = 1'767'225'600'000;
constexpr int64_t kFar = std::numeric_limits<int64_t>::max();

// What a store should hold, by series and time: the bits of a float, or a histogram as text.
using Model = std::map<Labels, std::map<int64_t, std::string>>;

std::string text_of(double v) { return std::to_string(std::bit_cast<uint64_t>(v)); }
// Without the hint, which depends on the neighbours.
std::string text_of(const model::FloatHistogram& h) {
  if (model::is_stale_nan(h.sum)) return "h(stale)";
  std::string out = "h(" + std::to_string(h.schema) + " " + text_of(h.count) + " " + text_of(h.sum) + " " +
                    text_of(h.zero_count) + " " + text_of(h.zero_threshold);
  for (const auto* side : {&h.positive, &h.negative}) {
    out += " |";
    for (size_t i = 0; i < side->size(); ++i) out += std::to_string(side->index[i]) + ":" + text_of(side->count[i]);
  }
  for (const double bound : h.custom_values) out += " " + text_of(bound);
  return out + ")";
}

// A counter histogram that is larger the larger `n` is.
model::HistogramPtr make_histogram(uint64_t n, bool custom) {
  auto h = std::make_shared<model::FloatHistogram>();
  h->count = static_cast<double>(n);
  h->sum = static_cast<double>(n) / 4;
  if (custom) {
    h->schema = model::kCustomBucketsSchema;
    h->custom_values = {0.5, 1};
  } else {
    h->schema = n % 7 == 0 ? 1 : 2;
    h->zero_threshold = 0.001;
    h->negative.push(0, 1);
  }
  for (uint64_t i = 0; i < 2 + n % 2; ++i) h->positive.push(static_cast<int32_t>(i), static_cast<double>(n / (i + 1)));
  return h;
}

std::string show(const Model& model, const model::Matchers& matchers, int64_t min_ms, int64_t max_ms) {
  std::string out;
  for (const auto& [labels, samples] : model) {
    if (!model::matches_all(matchers, labels)) continue;
    std::string line;
    for (auto it = samples.lower_bound(min_ms); it != samples.end() && it->first <= max_ms; ++it) {
      line += " " + std::to_string(it->first) + "=" + it->second;
    }
    if (!line.empty()) out += labels.to_string() + line + "\n";
  }
  return out;
}

std::string show(const std::vector<SeriesData>& found) {
  std::string out;
  for (const SeriesData& series : found) {
    out += series.labels.to_string();
    std::map<int64_t, std::string> points;
    for (const Sample& s : series.samples) points[s.t_ms] = text_of(s.v);
    for (const model::HistogramSample& s : series.histograms) points[s.t_ms] = text_of(*s.h);
    EXPECT_EQ(points.size(), series.samples.size() + series.histograms.size());
    for (const auto& [t, text] : points) out += " " + std::to_string(t) + "=" + text;
    out += "\n";
  }
  return out;
}

// "Not reset" is only said where it is true.
void check_hints(const std::vector<SeriesData>& found) {
  for (const SeriesData& series : found) {
    for (size_t i = 1; i < series.histograms.size(); ++i) {
      const model::FloatHistogram& h = *series.histograms[i].h;
      EXPECT_NE(h.hint, model::CounterResetHint::kReset);
      if (h.hint != model::CounterResetHint::kNotReset) continue;
      model::FloatHistogram plain = h;
      plain.hint = model::CounterResetHint::kUnknown;
      EXPECT_FALSE(plain.detect_reset(*series.histograms[i - 1].h)) << series.labels.to_string() << " " << i;
    }
  }
}

model::Matchers everything() { return {Matcher::make(MatchType::kRegexp, "__name__", ".+").value()}; }

std::string content(const Store& store) {
  auto found = store.select(everything(), -kFar, kFar, {});
  EXPECT_TRUE(found) << found.error().to_string();
  const auto exemplars = store.exemplars({}, -kFar, kFar);
  if (!found || !exemplars) return "error";
  check_hints(*found);
  for (const SeriesExemplars& e : *exemplars) {
    SeriesData data;
    data.labels = e.series.with("__name__", "z_exemplars");
    for (const model::Exemplar& exemplar : e.exemplars) data.samples.push_back({exemplar.t_ms, exemplar.v});
    found->push_back(std::move(data));
  }
  std::sort(found->begin(), found->end(), [](const auto& a, const auto& b) { return a.labels < b.labels; });
  return show(*found);
}

class Oracle {
 public:
  explicit Oracle(uint64_t seed) : random_(seed) {
    options_.dir = "data";
    options_.sync_interval = Micros(0);
    options_.block_range = Millis(50'000);
    options_.retention = std::chrono::hours(240);
    options_.out_of_order_window = Millis(random_.chance(0.5) ? 0 : 3'000);
    options_.checkpoint_log_bytes = 4'000;
    reopen();
  }

  void step() {
    now_ += static_cast<int64_t>(random_.below(3'000));
    append_batch();
    if (random_.chance(0.03)) ASSERT_TRUE(store_->maintain());
    if (random_.chance(0.02)) reopen();
    if (random_.chance(0.02)) erase();
    if (random_.chance(0.01)) ASSERT_TRUE(store_->clean_tombstones());
    if (random_.chance(0.5)) compare();
  }

 private:
  void reopen() {
    store_.reset();
    metrics_ = std::make_unique<MetricRegistry>();
    auto opened = Store::open(env_, clock_, *metrics_, options_);
    ASSERT_TRUE(opened) << opened.error().to_string();
    store_ = std::move(*opened);
  }

  Labels random_labels() {
    Labels labels{{"__name__", random_.chance(0.5) ? "m" : "n"}};
    if (random_.chance(0.8)) labels.set("job", std::string(1, static_cast<char>('a' + random_.below(4))));
    if (random_.chance(0.5)) labels.set("pod", "p" + std::to_string(random_.below(5)));
    return labels;
  }

  // The rules of the header, on the map.
  bool takes(const Labels& labels, int64_t t_ms, std::string text) {
    auto& samples = model_[labels];
    const bool after_histogram = !samples.empty() && samples.rbegin()->second.starts_with("h");
    if (after_histogram && text == text_of(model::stale_nan()) && t_ms != samples.rbegin()->first) text = "h(stale)";
    if (after_histogram && text == text_of(model::stale_nan()) && samples.rbegin()->second == "h(stale)")
      text = "h(stale)";
    if (const auto it = samples.find(t_ms); it != samples.end()) {
      return it->second == text && samples.rbegin()->first - t_ms <= options_.out_of_order_window.count();
    }
    if (!samples.empty() && samples.rbegin()->first - t_ms > options_.out_of_order_window.count()) return false;
    samples[t_ms] = text;
    return true;
  }

  // Each its own batch of one where a series mixes kinds: what a stale marker becomes is decided when it is committed.
  void append_batch() {
    auto appender = store_->appender();
    const auto count = 1 + random_.below(12);
    for (uint64_t i = 0; i < count; ++i) {
      const Labels labels = random_labels();
      const bool histogram = labels.get("job") == "d" && random_.chance(0.8);
      if (labels.get("job") == "d") ASSERT_TRUE(appender->commit());
      const int64_t t = kStart + now_ - (random_.chance(0.1) ? static_cast<int64_t>(random_.below(6'000)) : 0);
      const auto ref = appender->ref(labels);
      ASSERT_TRUE(ref);
      const Model before = model_;
      Status status;
      bool expected = false;
      if (histogram) {
        const bool restart = random_.chance(0.1);
        const auto h = make_histogram(restart ? 1 : static_cast<uint64_t>(now_ / 1'000), labels.has("pod"));
        status = appender->append_histogram(*ref, {t, h});
        expected = takes(labels, t, text_of(*h));
      } else {
        const Sample sample{t, random_.chance(0.05) ? model::stale_nan() : double(random_.below(5))};
        status = appender->append(*ref, sample);
        expected = takes(labels, t, text_of(sample.v));
      }
      if (!status && status.error().message().ends_with("older than the head")) {
        model_ = before;  // where the head begins is the store's own affair
        continue;
      }
      ASSERT_EQ(status.has_value(), expected)
          << labels.to_string() << " " << t << (status ? "" : status.error().to_string());
      if (labels.get("job") == "d") ASSERT_TRUE(appender->commit());
    }
    ASSERT_TRUE(appender->commit());
  }

  void erase() {
    const model::Matchers matchers = random_matchers();
    const int64_t min_ms = kStart + static_cast<int64_t>(random_.below(static_cast<uint64_t>(now_) + 1));
    int64_t max_ms = min_ms + static_cast<int64_t>(random_.below(60'000));
    // The newest samples stay: the head remembers their time until a restart, the map would not.
    for (const auto& [labels, samples] : model_) {
      if (!samples.empty() && model::matches_all(matchers, labels))
        max_ms = std::min(max_ms, samples.rbegin()->first - 1);
    }
    if (min_ms > max_ms) return;
    ASSERT_TRUE(store_->delete_series({matchers}, min_ms, max_ms));
    for (auto& [labels, samples] : model_) {
      if (model::matches_all(matchers, labels)) samples.erase(samples.lower_bound(min_ms), samples.upper_bound(max_ms));
    }
  }

  model::Matchers random_matchers() {
    static const std::vector<std::string> patterns = {".*",  ".+", "a|b", "[ab]", "p[0-2]",
                                                      "p.*", "",   "m",   "n|",   "(?:c|d)"};
    model::Matchers matchers = {random_.chance(0.5) ? Matcher::equal("__name__", "m")
                                                    : Matcher::make(MatchType::kRegexp, "__name__", "m|n").value()};
    for (auto n = random_.below(3); n > 0; --n) {
      const auto type = static_cast<MatchType>(random_.below(4));
      const bool regexp = type == MatchType::kRegexp || type == MatchType::kNotRegexp;
      static const std::vector<std::string> values = {"a", "b", "p1", "", "zzz"};
      matchers.push_back(
          Matcher::make(type, random_.chance(0.5) ? "job" : "pod",
                        regexp ? patterns[random_.below(patterns.size())] : values[random_.below(values.size())])
              .value());
    }
    return matchers;
  }

  void compare() {
    const model::Matchers matchers = random_matchers();
    int64_t min_ms = kStart + static_cast<int64_t>(random_.below(static_cast<uint64_t>(now_) + 1));
    int64_t max_ms = min_ms + static_cast<int64_t>(random_.below(40'000));
    if (random_.chance(0.1)) min_ms = -kFar;
    if (random_.chance(0.1)) max_ms = kFar;
    const auto found = store_->select(matchers, min_ms, max_ms, {});
    ASSERT_TRUE(found) << found.error().to_string();
    const std::string want = show(model_, matchers, min_ms, max_ms);
    ASSERT_EQ(show(*found), want);
    check_hints(*found);
    const auto series = store_->series({matchers}, min_ms, max_ms);
    ASSERT_TRUE(series);
    // All series with samples in the range, and none that has no samples at all or is not selected.
    std::set<Labels> listed(series->begin(), series->end());
    EXPECT_TRUE(std::is_sorted(series->begin(), series->end()));
    std::set<std::string> jobs;
    for (const SeriesData& one : *found) {
      EXPECT_TRUE(listed.contains(one.labels)) << one.labels.to_string();
      if (one.labels.has("job")) jobs.emplace(one.labels.get("job"));
    }
    std::set<std::string> jobs_possible;
    for (const Labels& labels : listed) {
      EXPECT_TRUE(model_.contains(labels) && model::matches_all(matchers, labels));
      if (labels.has("job")) jobs_possible.emplace(labels.get("job"));
    }
    const auto values = store_->label_values("job", {matchers}, min_ms, max_ms);
    ASSERT_TRUE(values);
    EXPECT_TRUE(std::includes(values->begin(), values->end(), jobs.begin(), jobs.end()));
    EXPECT_EQ(*values, std::vector<std::string>(jobs_possible.begin(), jobs_possible.end()));
    const auto names = store_->label_names({matchers}, min_ms, max_ms);
    ASSERT_TRUE(names);
    EXPECT_EQ(std::count(names->begin(), names->end(), "job"), jobs_possible.empty() ? 0 : 1);
  }

  Random random_;
  FaultEnv env_;
  FakeClock clock_;
  StoreOptions options_;
  std::unique_ptr<MetricRegistry> metrics_;
  std::unique_ptr<Store> store_;
  Model model_;
  int64_t now_ = 0;
};

TEST(StoreOracle, AnswersAsAMapWould) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Oracle oracle(seed);
    for (int i = 0; i < 250; ++i) {
      oracle.step();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

// Reads the log for somebody far away, as remote write out does: what it handed on before its position was saved is
// there for good; the rest it reads again.
class Follower {
 public:
  Follower(Env& env, std::function<LogPosition()> end) : env_(env), end_(std::move(end)) {}

  // Where it would go on; without a saved position, at the very beginning.
  LogPosition saved() const {
    const auto text = env_.read_file(kFile);
    if (!text) return {1, 0};
    const size_t space = text->find(' ');
    const auto number = [](std::string_view digits) { return static_cast<uint64_t>(parse_int(digits).value()); };
    return {number(text->substr(0, space)), number(text->substr(space + 1))};
  }
  // After the store was opened.
  void start() {
    reader_.emplace(env_, "data", end_);
    series_.clear();
    const LogPosition from = saved();
    got_ = at_[from];
    const Status sought = reader_->seek(from, [&](const SeriesDef& def) { series_[def.ref] = def.labels; });
    EXPECT_TRUE(sought) << sought.error().to_string();
  }
  // Everything there is to read now.
  void read() {
    BatchRecord batch;
    for (;;) {
      const auto more = reader_->next(batch);
      ASSERT_TRUE(more) << more.error().to_string();
      if (!*more) return;
      for (const SeriesDef& def : batch.series) series_[def.ref] = def.labels;
      for (const RefSample& s : batch.samples) got_[labels(s.ref)][s.sample.t_ms] = text_of(s.sample.v);
      for (const RefHistogram& h : batch.histograms) got_[labels(h.ref)][h.sample.t_ms] = text_of(*h.sample.h);
    }
  }
  // REQUIRES: the log is synced up to here.
  bool save() {
    const LogPosition at = reader_->position();
    at_[at] = got_;
    return env_.write_file_atomic(kFile, std::to_string(at.segment) + " " + std::to_string(at.offset)).has_value();
  }
  const Model& got() const { return got_; }

 private:
  static constexpr const char* kFile = "position";
  const Labels& labels(uint64_t ref) {
    EXPECT_TRUE(series_.contains(ref)) << "a sample of a series that nobody defined";
    return series_[ref];
  }

  Env& env_;
  const std::function<LogPosition()> end_;
  std::optional<LogReader> reader_;
  std::map<uint64_t, Labels> series_;
  Model got_;
  std::map<LogPosition, Model> at_;  // what it had handed on where it saved
};

// One scripted life of a store on a disk whose power fails at some write.
class Life {
 public:
  static constexpr int kBatches = 64;
  static constexpr int kBack = 58;

  explicit Life(uint64_t seed) : env(seed) {
    options.dir = "data";
    options.sync_interval = Micros(0);
    options.block_range = Millis(10'000);
    options.retention = Millis(60'000'000);
    options.checkpoint_log_bytes = 600;
    options.out_of_order_window = Millis(2'000);
    prefixes.push_back(model);
  }

  bool open() {
    metrics = std::make_unique<MetricRegistry>();
    options.log.keep_from = follower.saved().segment;
    auto opened = Store::open(env, clock, *metrics, options);
    if (!opened) return false;
    store = std::move(*opened);
    follower.start();
    return true;
  }

  // Runs until the end or the first failure.
  void run() {
    if (!open()) return;
    for (int i = 0; i < kBatches; ++i) {
      if (!append(i)) return;
      if (i % 3 == 0) follower.read();
      if (i % 29 == 20) {  // seldom, so that maintenance meets batches the log has not synced
        if (!store->sync()) return;
        synced = prefixes.size() - 1;
        if (!follower.save()) return;
        store->keep_log_from(follower.saved().segment);
      }
      // In the end twice more, so that series that only blocks have leave memory.
      if ((i % 20 == 15 || i == 56 || i == kBack - 1) && !store->maintain()) return;
      if (i == kBack - 1) in_memory = metric("sentinel_tsdb_series_in_memory");
      if (i % 20 == 18 && !erase(i)) return;
      if (i == 45 && !store->clean_tombstones()) return;
      if (i == 50 && !store->snapshot(true)) return;
      if (i == 30) {
        store.reset();
        if (!open()) return;
      }
    }
  }

  double metric(std::string_view name) const {
    for (const auto families = metrics->collect(); const auto& family : families) {
      if (family.name == name) return family.points.at(0).value;
    }
    return -1;
  }

  // Deletes from one series in blocks and head. Not atomic: who got no answer asks again after a power cut.
  bool erase(int i) {
    const Labels labels{{"__name__", "h"}, {"era", "0"}};
    const int64_t from = kStart + (i / 3) * 1'000;
    const int64_t to = from + 3'000;
    erasing = i;
    if (!store->delete_series({{Matcher::equal("__name__", "h"), Matcher::equal("era", "0")}}, from, to)) return false;
    erasing.reset();
    for (Model& m : prefixes) forget(m, labels, from, to);
    forget(model, labels, from, to);
    return true;
  }
  static void forget(Model& m, const Labels& labels, int64_t from, int64_t to) {
    if (const auto it = m.find(labels); it != m.end()) {
      it->second.erase(it->second.lower_bound(from), it->second.upper_bound(to));
    }
  }

  bool append(int i) {
    auto appender = store->appender();
    for (int s = 0; s < 3; ++s) {
      const Labels labels{{"__name__", "m"}, {"s", std::to_string((i + s) % 5)}, {"era", era(i)}};
      const Sample sample{kStart + i * 1'000 - (s == 2 && i % 5 == 0 ? 1'500 : 0), double(i * 10 + s)};
      const auto ref = appender->ref(labels);
      if (!ref || !appender->append(*ref, sample)) continue;
      model[labels][sample.t_ms] = text_of(sample.v);
    }
    append_others(*appender, i);
    prefixes.push_back(model);
    return appender->commit().has_value();
  }

  // A histogram a batch, and an exemplar, which stands in the model as a sample of a series of its own.
  void append_others(Appender& appender, int i) {
    const Labels labels{{"__name__", "h"}, {"era", era(i)}};
    const auto ref = appender.ref(labels);
    const auto h = make_histogram(static_cast<uint64_t>(i) + 1, i % 2 == 0);
    const int64_t t_ms = kStart + i * 1'000;
    if (ref && appender.append_histogram(*ref, {t_ms, h})) model[labels][t_ms] = text_of(*h);
    const model::Exemplar exemplar{Labels{{"trace_id", std::to_string(i)}}, t_ms, double(i)};
    if (ref && appender.append_exemplar(*ref, exemplar)) model[of_exemplars(labels)][t_ms] = text_of(exemplar.v);
  }
  // The first series come back when they have left memory.
  static std::string era(int i) { return i < kBack ? std::to_string(i / 20) : "0"; }
  static Labels of_exemplars(const Labels& labels) { return labels.with("__name__", "z_exemplars"); }

  FaultEnv env;
  FakeClock clock;
  StoreOptions options;
  std::unique_ptr<MetricRegistry> metrics;
  std::unique_ptr<Store> store;
  Follower follower{env, [this] { return store->log_end(); }};
  Model model;
  std::vector<Model> prefixes;  // after 0, 1, 2, … batches
  std::optional<int> erasing;   // the deletion that the power failed during
  size_t synced = 0;            // batches known to be on disk
  double in_memory = 0;         // series, when the first ones should have left
};

// Which prefix of the batches the store holds, or none.
std::optional<size_t> prefix_of(const Life& life) {
  const std::string now = content(*life.store);
  for (size_t i = life.prefixes.size(); i-- > 0;) {
    if (show(life.prefixes[i], everything(), -kFar, kFar) == now) return i;
  }
  return std::nullopt;
}

// All of the store that the log carries has gone far away: what was deleted as well.
void expect_followed(Life& life) {
  life.follower.read();
  for (const auto& [labels, points] : life.model) {
    if (labels.get("__name__") == "z_exemplars") continue;
    const auto there = life.follower.got().find(labels);
    for (const auto& [t_ms, text] : points) {
      ASSERT_TRUE(there != life.follower.got().end() && there->second.contains(t_ms)) << labels.to_string() << t_ms;
      ASSERT_EQ(there->second.at(t_ms), text) << labels.to_string() << " " << t_ms;
    }
  }
}

TEST(StoreOracle, WhateverWriteThePowerFailsAtNothingSyncedIsLostAndNothingInvented) {
  uint64_t operations = 0;
  {
    Life whole(1);
    whole.run();
    ASSERT_EQ(prefix_of(whole), size_t{Life::kBatches});
    EXPECT_GT(whole.store->stats().blocks, 0u) << "the script should reach block cutting";
    EXPECT_EQ(whole.in_memory, 6) << "the script should reach the removal of series";
    expect_followed(whole);
    operations = whole.env.write_operations();
  }
  ASSERT_GT(operations, 100u);
  for (uint64_t n = 1; n <= operations; ++n) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE("power fails at write " + std::to_string(n) + ", seed " + std::to_string(seed));
      Life life(seed);
      life.env.crash_after(n);
      life.run();
      life.store.reset();
      life.env.reopen_after_crash();
      ASSERT_TRUE(life.open());
      if (life.erasing) ASSERT_TRUE(life.erase(*life.erasing));
      const auto kept = prefix_of(life);
      ASSERT_TRUE(kept) << "not a whole number of batches\n" << content(*life.store);
      ASSERT_GE(*kept, life.synced);
      // And on it goes.
      life.model = life.prefixes[*kept];
      life.prefixes.resize(*kept + 1);
      expect_followed(life);
      ASSERT_TRUE(life.append(70));
      ASSERT_TRUE(life.store->sync());
      ASSERT_TRUE(life.store->maintain());
      life.store.reset();
      life.env.crash_after(1);
      EXPECT_FALSE(life.env.sync_dir("data"));
      life.env.reopen_after_crash();
      ASSERT_TRUE(life.open());
      ASSERT_EQ(content(*life.store), show(life.model, everything(), -kFar, kFar));
      expect_followed(life);
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace sentinel::tsdb
