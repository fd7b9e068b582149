#include "ingest/write_queue.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <snappy-c.h>

#include "base/random.h"
#include "ingest/limits.h"
#include "ingest/proto_reader.h"
#include "text/yaml.h"

namespace sentinel::ingest {
namespace {

using Kind = SendOutcome::Kind;

// The receiver: a store of its own behind the writer that reads remote write, which refuses as it is told. Strict: a
// request of 1.0 with one sample out of order is refused whole, as Prometheus does.
class Receiver final : public WriteSender {
 public:
  Receiver(Env& env, const Clock& clock, const std::string& dir) : clock_(clock) {
    tsdb::StoreOptions options;
    options.dir = dir;
    options.sync_interval = Micros(0);
    store = std::move(tsdb::Store::open(env, clock, metrics_, options).value());
    writer_ = std::make_unique<RemoteWriter>(*store, metadata, clock, metrics_, RemoteWriteOptions{});
  }

  void send(WriteProtocol protocol, std::shared_ptr<const std::string> body, Done done) override {
    ++requests;
    if (dead) return;
    if (!answers.empty()) {
      const SendOutcome outcome = answers.front();
      answers.erase(answers.begin());
      done(outcome);
      return;
    }
    if (down) {
      done(judge_answer(0, "connection refused", "", true, clock_.now()));
      return;
    }
    if (!whole_request_fits(*body)) {
      ++refused;
      done(judge_answer(400, "out of order sample", "", true, clock_.now()));
      return;
    }
    const WriteAnswer answer = writer_->write(content_type_of(protocol), "snappy", *body);
    if (lose_answer) {
      lose_answer = false;
      done(judge_answer(0, "connection reset", "", true, clock_.now()));
      return;
    }
    done(judge_answer(answer.status, answer.message, "", true, clock_.now()));
  }

  // "a{…} v@seconds …" of every series, one a line; histograms as their count, seconds since `from`.
  std::string stored(TimePoint from) const {
    const auto found =
        store->select({*model::Matcher::make(model::MatchType::kRegexp, "__name__", ".+")}, INT64_MIN, INT64_MAX, {});
    std::string out;
    for (const tsdb::SeriesData& series : found.value()) {
      out += series.labels.to_string();
      for (const model::Sample& s : series.samples) out += fmt::format(" {}@{}", s.v, (s.t_ms - to_ms(from)) / 1000);
      for (const auto& h : series.histograms) out += fmt::format(" h{}@{}", h.h->count, (h.t_ms - to_ms(from)) / 1000);
      out += '\n';
    }
    return out;
  }

  std::unique_ptr<tsdb::Store> store;
  MetadataStore metadata;
  std::vector<SendOutcome> answers;  // given first, nothing is stored then
  bool down = false;
  bool dead = false;  // no answer ever
  bool strict = false;
  bool lose_answer = false;  // once: stored, and the connection breaks
  int requests = 0;
  int refused = 0;

 private:
  // What Prometheus asks of a request of 1.0: no sample older than the newest of its series.
  bool whole_request_fits(const std::string& body) {
    if (!strict) return true;
    size_t size = 0;
    EXPECT_EQ(snappy_uncompressed_length(body.data(), body.size(), &size), SNAPPY_OK);
    std::string raw(size, '\0');
    EXPECT_EQ(snappy_uncompress(body.data(), body.size(), raw.data(), &size), SNAPPY_OK);
    auto newest = newest_;
    ProtoReader in(raw);
    while (in.next()) {
      ProtoReader series(in.bytes());
      std::string labels;
      while (series.next()) {
        const std::string_view field = series.bytes();
        if (series.field() == 1) labels += field;
        if (series.field() != 2) continue;
        ProtoReader sample(field);
        int64_t t_ms = 0;
        while (sample.next()) sample.field() == 2 ? void(t_ms = sample.int64()) : sample.skip();
        if (t_ms < newest[labels]) return false;
        newest[labels] = t_ms;
      }
    }
    newest_ = newest;
    return true;
  }

  const Clock& clock_;
  MetricRegistry metrics_;
  std::unique_ptr<RemoteWriter> writer_;
  std::map<std::string, int64_t> newest_;
};

class WriteQueueTest : public testing::Test {
 protected:
  WriteQueueTest() {
    EXPECT_TRUE(env.make_dirs("positions"));
    target.name = "there";
    target.url = "http://there/api/v1/write";
    open_store();
    receiver = std::make_shared<Receiver>(receiver_env, sim.clock(), "receiver");
  }
  void open_store() {
    store.reset();
    tsdb::StoreOptions options;
    options.dir = "metrics";
    options.sync_interval = Micros(0);
    options.checkpoint_log_bytes = 0;
    options.log.keep_from = 0;
    store = std::move(tsdb::Store::open(env, sim.clock(), metrics, options).value());
  }
  void start() {
    queue = std::make_shared<WriteQueue>(sim, env, *store, metadata, metrics, receiver, target,
                                         WriteQueueOptions{"metrics", "positions/there.position", external});
    queue->start();
  }
  // The process ends without a word: only what was written to files is left.
  void crash() {
    queue.reset();
    open_store();
    start();
  }
  void write(const std::string& name, double v, const char* label = "1") {
    const auto appender = store->appender();
    const auto ref = appender->ref(model::Labels{{"__name__", name}, {"l", label}}).value();
    ASSERT_TRUE(appender->append(ref, {to_ms(sim.now()), v}));
    ASSERT_TRUE(appender->commit());
  }
  void second() { sim.run_for(std::chrono::seconds(1)); }
  std::string stored() const { return receiver->stored(begin); }
  double number(const std::string& name, const std::string& reason = "") const {
    for (const MetricFamily& family : metrics.collect()) {
      if (family.name != "prometheus_remote_storage_" + name) continue;
      double sum = 0;
      for (const MetricPoint& point : family.points) {
        const bool right = reason.empty() || std::any_of(point.labels.begin(), point.labels.end(),
                                                         [&](const auto& label) { return label.second == reason; });
        if (right) sum += point.value;
      }
      return sum;
    }
    return -1;
  }

  SimScheduler sim;
  const TimePoint begin = sim.now();
  FaultEnv env;
  FaultEnv receiver_env;
  MetricRegistry metrics;
  MetadataStore metadata;
  std::unique_ptr<tsdb::Store> store;
  std::shared_ptr<Receiver> receiver;
  WriteTarget target;
  model::Labels external;
  std::shared_ptr<WriteQueue> queue;
};

TEST_F(WriteQueueTest, SendsAtTheDeadlineOrWhenThereIsEnough) {
  target.shards = 1;
  target.samples_per_send = 3;
  start();
  write("a", 1);
  sim.run_for(Millis(4'900));
  EXPECT_EQ(receiver->requests, 0);
  sim.run_for(Millis(200));
  EXPECT_EQ(stored(), "a{l=\"1\"} 1@0\n");
  for (int i = 2; i <= 4; ++i) {
    write("a", i);
    sim.run_for(Millis(10));
  }
  sim.run_for(Millis(100));
  EXPECT_EQ(receiver->requests, 2);
  EXPECT_EQ(number("samples_total"), 4);
  EXPECT_EQ(number("samples_pending"), 0);
  EXPECT_GT(number("highest_timestamp_in_seconds"), 1e9);
}

TEST_F(WriteQueueTest, RelabelsAndAddsExternalLabels) {
  const auto yaml = text::parse_yaml(
      "[{source_labels: [__name__], regex: noise, action: drop}, {regex: l, action: "
      "labeldrop}]",
      "test");
  target.relabel_rules = parse_relabel_rules(*yaml).value();
  external = {{"site", "x"}, {"__name__", "never"}};
  start();
  write("noise", 1);
  write("a", 2);
  sim.run_for(std::chrono::seconds(6));
  EXPECT_EQ(stored(), "a{site=\"x\"} 2@0\n");
  EXPECT_EQ(number("samples_dropped_total", "dropped_series"), 1);
}

TEST_F(WriteQueueTest, TriesAgainWithGrowingPausesUntilTheReceiverIsBack) {
  target.send_deadline = Millis(100);
  start();
  receiver->down = true;
  write("a", 1);
  sim.run_for(std::chrono::seconds(60));
  // 30 ms, doubled to 5 s: 9 times in the first 10 s, then every 5 s.
  EXPECT_GT(receiver->requests, 15);
  EXPECT_LT(receiver->requests, 25);
  EXPECT_EQ(number("samples_failed_total"), 0);
  EXPECT_EQ(number("samples_retried_total"), receiver->requests);
  EXPECT_EQ(number("samples_pending"), 1);
  receiver->down = false;
  sim.run_for(std::chrono::seconds(5));
  EXPECT_EQ(stored(), "a{l=\"1\"} 1@0\n");
}

TEST_F(WriteQueueTest, WaitsAsLongAsTheReceiverAsks) {
  target.send_deadline = Millis(100);
  start();
  receiver->answers = {judge_answer(429, "slow down", "20", true, begin)};
  write("a", 1);
  sim.run_for(std::chrono::seconds(19));
  EXPECT_EQ(receiver->requests, 1);
  sim.run_for(std::chrono::seconds(2));
  EXPECT_EQ(receiver->requests, 2);
  EXPECT_EQ(stored(), "a{l=\"1\"} 1@0\n");
}

TEST_F(WriteQueueTest, WhatIsRefusedForGoodIsCountedAndNotSentAgain) {
  target.send_deadline = Millis(100);
  start();
  receiver->answers = {judge_answer(400, "bad", "", true, begin)};
  write("a", 1);
  second();
  write("a", 2);
  second();
  EXPECT_EQ(receiver->requests, 2);
  EXPECT_EQ(stored(), "a{l=\"1\"} 2@1\n");
  EXPECT_EQ(number("samples_failed_total"), 1);
}

TEST(WriteAnswer, SaysWhatToDo) {
  const TimePoint now = time_from_ms(1'445'412'470'000);  // Wed, 21 Oct 2015 07:27:50 GMT
  struct Case {
    int status;
    const char* retry_after;
    bool retry_429;
    Kind kind;
    int64_t wait_s;  // -1: not said
  };
  for (const Case& c : {Case{200, "", true, Kind::kTaken, -1}, Case{204, "", true, Kind::kTaken, -1},
                        Case{0, "", true, Kind::kRetry, -1}, Case{500, "", true, Kind::kRetry, -1},
                        Case{503, "7", true, Kind::kRetry, 7}, Case{429, "0", true, Kind::kRetry, 0},
                        Case{429, "5", false, Kind::kRefused, -1}, Case{400, "5", true, Kind::kRefused, -1},
                        Case{301, "", true, Kind::kRefused, -1}, Case{503, "999999", true, Kind::kRetry, 3600},
                        Case{503, "-1", true, Kind::kRetry, -1}, Case{503, "soon", true, Kind::kRetry, -1},
                        Case{503, "Wed, 21 Oct 2015 07:28:00 GMT", true, Kind::kRetry, 10},
                        Case{503, "Wed, 21 Oct 2015 07:00:00 GMT", true, Kind::kRetry, 0}}) {
    const SendOutcome out = judge_answer(c.status, "", c.retry_after, c.retry_429, now);
    EXPECT_EQ(out.kind, c.kind) << c.status << " " << c.retry_after;
    EXPECT_EQ(out.retry_after ? out.retry_after->count() / 1'000'000 : -1, c.wait_s) << c.status << c.retry_after;
  }
}

TEST_F(WriteQueueTest, ASlowReceiverHoldsUpNobodyAndTheQueueIsBounded) {
  target.capacity = 10;
  target.samples_per_send = 5;
  target.shards = 2;
  start();
  receiver->dead = true;
  for (int i = 0; i < 500; ++i) {
    write("a", i, i % 2 == 0 ? "x" : "y");
    sim.run_for(Millis(1'000));
  }
  EXPECT_LE(number("samples_pending"), 20);
  EXPECT_LE(receiver->requests, 2);
}

TEST_F(WriteQueueTest, GoesOnAfterACrashWithWhatWasNotAcknowledged) {
  target.send_deadline = Millis(100);
  start();
  write("a", 1);
  second();
  receiver->down = true;
  write("a", 2);
  second();
  write("b", 3);
  second();
  crash();
  write("a", 4);
  receiver->down = false;
  sim.run_for(std::chrono::seconds(10));
  EXPECT_EQ(stored(), "a{l=\"1\"} 1@0 2@1 4@3\nb{l=\"1\"} 3@2\n");
  EXPECT_EQ(number("samples_dropped_total", "unintentionally_dropped_series"), 0);
}

TEST_F(WriteQueueTest, WithoutAPositionOnlyWhatComesNowIsSent) {
  write("a", 1);
  second();
  start();
  write("a", 2);
  sim.run_for(std::chrono::seconds(6));
  EXPECT_EQ(stored(), "a{l=\"1\"} 2@1\n");
}

TEST_F(WriteQueueTest, AReceiverThatRefusesOldSamplesGetsTheNewOnesAfterACrash) {
  target.send_deadline = Millis(100);
  target.shards = 1;
  receiver->strict = true;
  start();
  write("a", 1);
  second();
  // Taken there, but the position that says so is not saved: as if the crash came between.
  const std::string position = *env.read_file("positions/there.position");
  for (int i = 2; i <= 9; ++i) {
    write("a", i);
    write("b", i);
    second();
  }
  ASSERT_TRUE(env.write_file_atomic("positions/there.position", position));
  queue.reset();
  open_store();
  for (int i = 10; i <= 12; ++i) {
    write("a", i);
    second();
  }
  start();
  sim.run_for(std::chrono::seconds(20));
  EXPECT_GT(receiver->refused, 0);
  EXPECT_EQ(stored(),
            "a{l=\"1\"} 1@0 2@1 3@2 4@3 5@4 6@5 7@6 8@7 9@8 10@9 11@10 12@11\n"
            "b{l=\"1\"} 2@1 3@2 4@3 5@4 6@5 7@6 8@7 9@8\n");
  EXPECT_EQ(number("samples_pending"), 0);
}

TEST_F(WriteQueueTest, ALostAnswerLosesNothing) {
  target.send_deadline = Millis(100);
  target.shards = 1;
  receiver->strict = true;
  start();
  receiver->lose_answer = true;
  for (int i = 0; i < 5; ++i) {
    write("a", i);
    second();
  }
  EXPECT_EQ(stored(), "a{l=\"1\"} 0@0 1@1 2@2 3@3 4@4\n");
}

TEST_F(WriteQueueTest, WhatBecomesTooOldIsDropped) {
  target.send_deadline = Millis(100);
  target.age_limit = std::chrono::seconds(30);
  start();
  receiver->down = true;
  write("a", 1);
  sim.run_for(std::chrono::seconds(40));
  write("a", 2);
  sim.run_for(std::chrono::seconds(1));
  receiver->down = false;
  sim.run_for(std::chrono::seconds(10));
  EXPECT_EQ(stored(), "a{l=\"1\"} 2@40\n");
  EXPECT_EQ(number("samples_dropped_total", "too_old"), 1);
}

TEST_F(WriteQueueTest, HistogramsExemplarsAndMetadataGoInBothVersions) {
  for (const WriteProtocol protocol : {WriteProtocol::kV1, WriteProtocol::kV2}) {
    SCOPED_TRACE(static_cast<int>(protocol));
    receiver = std::make_shared<Receiver>(receiver_env, sim.clock(), fmt::format("v{}", static_cast<int>(protocol)));
    target.protocol = protocol;
    target.send_exemplars = target.send_histograms = true;
    metadata.put("a", {MetricKind::kGauge, "what a is", "seconds"});
    start();
    auto h = std::make_shared<model::FloatHistogram>();
    h->schema = 2;
    h->count = 12;
    h->sum = 3.5;
    h->zero_count = 1;
    h->zero_threshold = 1e-9;
    for (const int32_t i : {-4, -3, 0, 7, 8}) h->positive.push(i, 2);
    h->negative.push(3, 1);
    const auto appender = store->appender();
    const auto series = appender->ref(model::Labels{{"__name__", "hist"}}).value();
    ASSERT_TRUE(appender->append_histogram(series, {to_ms(sim.now()), h}));
    const auto plain = appender->ref(model::Labels{{"__name__", "a"}}).value();
    ASSERT_TRUE(appender->append(plain, {to_ms(sim.now()), 5}));
    ASSERT_TRUE(appender->append_exemplar(plain, {model::Labels{{"trace", "t1"}}, to_ms(sim.now()), 0.25}));
    ASSERT_TRUE(appender->commit());
    const int64_t t_ms = to_ms(sim.now());
    sim.run_for(std::chrono::seconds(70));
    const auto found = receiver->store->select({model::Matcher::equal("__name__", "hist")}, t_ms, t_ms, {}).value();
    ASSERT_EQ(found.size(), 1u);
    ASSERT_EQ(found[0].histograms.size(), 1u);
    EXPECT_TRUE(found[0].histograms[0].h->equals(*h));
    const auto exemplars = receiver->store->exemplars({{model::Matcher::equal("__name__", "a")}}, t_ms, t_ms).value();
    ASSERT_EQ(exemplars.size(), 1u);
    EXPECT_EQ(exemplars[0].exemplars[0].labels.get("trace"), "t1");
    const auto known = receiver->metadata.all();
    ASSERT_TRUE(known.contains("a"));
    EXPECT_EQ(known.at("a").front(), (FamilyMetadata{MetricKind::kGauge, "what a is", "seconds"}));
    queue->stop();
    second();
  }
}

// A receiver that is now up, now down, now loses answers; a sender that crashes: every sample arrives, in order.
TEST_F(WriteQueueTest, EverySampleArrivesWhateverHappens) {
  for (const uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    Random random(seed);
    receiver = std::make_shared<Receiver>(receiver_env, sim.clock(), fmt::format("seed{}", seed));
    receiver->strict = true;
    target.name = fmt::format("seed{}", seed);
    target.send_deadline = Millis(300);
    target.capacity = 40;
    target.samples_per_send = 15;
    target.shards = 3;
    if (queue) queue->stop();
    ASSERT_TRUE(env.remove("positions/there.position"));
    start();
    std::map<std::string, std::string> expected;
    for (int i = 0; i < 300; ++i) {
      const std::string label = std::to_string(random.below(7));
      write(fmt::format("s{}", seed), i, label.c_str());
      expected[label] += fmt::format(" {}@{}", i, (to_ms(sim.now()) - to_ms(begin)) / 1000);
      second();
      const uint64_t event = random.below(100);
      if (event < 10) receiver->down = !receiver->down;
      if (event >= 90) receiver->lose_answer = true;
      if (event >= 40 && event < 44) crash();
      if (event == 50) ASSERT_TRUE(store->maintain());
    }
    receiver->down = false;
    sim.run_for(std::chrono::seconds(60));
    std::string lines;
    for (const auto& [label, points] : expected) lines += fmt::format("s{}{{l=\"{}\"}}{}\n", seed, label, points);
    EXPECT_EQ(stored(), lines);
    EXPECT_EQ(number("samples_dropped_total"), 0);
  }
}

TEST(WritePosition, SurvivesAndRefusesDamage) {
  const std::string text = encode_write_position({12, 345'678});
  EXPECT_EQ(decode_write_position(text).value(), (tsdb::LogPosition{12, 345'678}));
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(decode_write_position(text.substr(0, i))) << i;
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_FALSE(decode_write_position(flipped)) << i;
  }
}

TEST(WriteConfig, ReadsPrometheusSyntax) {
  const auto yaml = text::parse_yaml(R"(
remote_write:
- url: https://there/api/v1/write
  name: mimir
  headers: {X-Scope-OrgID: tenant}
  remote_timeout: 12s
  protobuf_message: io.prometheus.write.v2.Request
  send_exemplars: true
  send_native_histograms: true
  basic_auth: {username: u, password: p}
  tls_config: {insecure_skip_verify: true}
  write_relabel_configs: [{source_labels: [a], regex: b, action: drop}]
  queue_config: {capacity: 500, max_shards: 3, min_shards: 1, max_samples_per_send: 100, batch_send_deadline: 2s,
                 min_backoff: 1s, max_backoff: 9s, sample_age_limit: 1h, retry_on_http_429: false}
  metadata_config: {send: false, send_interval: 2m}
- url: http://other
)",
                                     "test");
  const auto targets = parse_write_targets(*yaml, "/etc");
  ASSERT_TRUE(targets) << targets.error().to_string();
  ASSERT_EQ(targets->size(), 2u);
  const WriteTarget& t = targets->front();
  EXPECT_EQ(t.name, "mimir");
  EXPECT_EQ(t.protocol, WriteProtocol::kV2);
  EXPECT_EQ(t.timeout, Millis(12'000));
  EXPECT_EQ(t.client.authorization, "Basic dTpw");
  EXPECT_FALSE(t.client.verify_tls);
  EXPECT_EQ(t.client.headers.front().second, "tenant");
  EXPECT_EQ(t.relabel_rules.size(), 1u);
  EXPECT_EQ(t.capacity, 500u);
  EXPECT_EQ(t.shards, 3u);
  EXPECT_EQ(t.backoff_max, Millis(9'000));
  EXPECT_EQ(t.age_limit, Millis(3'600'000));
  EXPECT_FALSE(t.retry_on_429);
  EXPECT_FALSE(t.send_metadata);
  EXPECT_EQ((*targets)[1].name.size(), 6u);
}

TEST(WriteConfig, RefusesWithThePlace) {
  for (const auto& [text, part] : std::map<std::string, std::string>{
           {"[{name: x}]", "url for remote_write is empty"},
           {"[{url: 'ftp://x'}]", "expected http"},
           {"[{url: 'http://x', headers: {Authorization: x}}]", "authorization header must be changed"},
           {"[{url: 'http://x', headers: {Content-Type: x}}]", "reserved header"},
           {"[{url: 'http://x', protobuf_message: y}]", "unknown remote write protobuf message y"},
           {"[{url: 'http://x', queue_confg: {}}]", "did you mean \"queue_config\""},
           {"[{url: 'http://x', sigv4: {}}]", "sigv4 is not supported"},
           {"[{url: 'http://x', queue_config: {max_shards: 0}}]", "expected a number from 1"},
           {"[{url: 'http://x', queue_config: {min_backoff: 9s}}]", "max_backoff"},
           {"[{url: 'http://x'}, {url: 'http://x'}]", "found multiple remote write configs"},
           {"{url: 'http://x'}", "expected a list"}}) {
    const auto yaml = text::parse_yaml("remote_write: " + text, "test");
    ASSERT_TRUE(yaml) << text;
    const auto targets = parse_write_targets(*yaml, "");
    ASSERT_FALSE(targets) << text;
    EXPECT_NE(targets.error().to_string().find(part), std::string::npos) << targets.error().to_string();
  }
}

}  // namespace
}  // namespace sentinel::ingest
