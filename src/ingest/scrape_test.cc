// What becomes of scraped text, target by target; and which targets there are. No network.
#include <gtest/gtest.h>

#include "base/file.h"
#include "ingest/discovery.h"
#include "ingest/proto_writer.h"
#include "ingest/target_ingest.h"
#include "model/sample.h"

namespace sentinel::ingest {
namespace {

constexpr std::string_view kText = "text/plain; version=0.0.4";

Result<ScrapeConfig> parse(const std::string& yaml) {
  return parse_scrape_config(*text::parse_yaml(yaml, "prometheus.yml"), "/etc/prom");
}
ScrapeJob job_of(const std::string& fields) {
  auto config = parse("scrape_configs: [{job_name: j, " + fields + "}]");
  EXPECT_TRUE(config) << (config ? "" : config.error().to_string());
  return config ? config->jobs.at(0) : ScrapeJob();
}

class Scrape : public testing::Test {
 protected:
  void open(const std::string& fields = "honor_labels: false") {
    tsdb::StoreOptions options;
    options.dir = "metrics";
    options.sync_interval = Micros(0);
    store = std::move(tsdb::Store::open(env, clock, metrics, options).value());
    target = std::make_unique<TargetIngest>(*store, metadata, std::make_shared<const ScrapeJob>(job_of(fields)),
                                            model::Labels{{"instance", "i"}, {"job", "j"}});
  }
  // Seconds after the start.
  ScrapeResult take(std::string_view text, int64_t at_s, std::string_view type = kText) {
    return target->take(text, type, now + at_s * 1000, 0.25);
  }
  // Samples of what matches, as "labels: value@second ...", sorted; instance and job are left out.
  std::string stored(const std::string& name_regex) const {
    const auto found = store->select({*model::Matcher::make(model::MatchType::kRegexp, "__name__", name_regex)},
                                     INT64_MIN, INT64_MAX, {});
    std::string out;
    for (const tsdb::SeriesData& series : found.value()) {
      model::Labels labels = series.labels;
      if (labels.get("instance") == "i") labels.remove("instance");
      if (labels.get("job") == "j") labels.remove("job");
      out += labels.to_string() + ":";
      for (const model::Sample& s : series.samples) {
        out += " " + (model::is_stale_nan(s.v) ? "end" : std::to_string(static_cast<int64_t>(s.v)));
        out += "@" + std::to_string((s.t_ms - now) / 1000);
      }
      out += "\n";
    }
    return out;
  }

  FaultEnv env;
  FakeClock clock;
  int64_t now = to_ms(clock.now());
  MetricRegistry metrics;
  MetadataStore metadata;
  std::unique_ptr<tsdb::Store> store;
  std::unique_ptr<TargetIngest> target;
};

TEST_F(Scrape, StoresSamplesAndWhatTheScrapeDid) {
  open();
  EXPECT_TRUE(take("a 1\nb{x=\"y\"} 2\n", 0).status);
  EXPECT_TRUE(take("a 3\nb{x=\"y\"} 4\n", 15).status);
  EXPECT_EQ(stored("a|b"), "a: 1@0 3@15\nb{x=\"y\"}: 2@0 4@15\n");
  EXPECT_EQ(stored("up|scrape_.*"),
            "scrape_duration_seconds: 0@0 0@15\nscrape_samples_post_metric_relabeling: 2@0 2@15\n"
            "scrape_samples_scraped: 2@0 2@15\nscrape_series_added: 2@0 0@15\nup: 1@0 1@15\n");
}

TEST_F(Scrape, SeriesThatVanishEnd) {
  open();
  (void)take("a 1\nb 2\nc 3 " + std::to_string(now) + "\n", 0);
  (void)take("a 1\n", 15);
  EXPECT_EQ(stored("a|b|c"), "a: 1@0 1@15\nb: 2@0 end@15\nc: 3@0\n")
      << "what has its own time does not end by a marker";
  (void)take("a 1\nb 5\n", 30);
  EXPECT_EQ(stored("b"), "b: 2@0 end@15 5@30\n");
}

TEST_F(Scrape, AFailedScrapeEndsEverythingAndStoresNothing) {
  open();
  (void)take("a 1\n", 0);
  const ScrapeResult result = take("a 2\nnew 1\nbroken{\n", 15);
  ASSERT_FALSE(result.status);
  EXPECT_NE(result.status.error().message().find("expected label name"), std::string::npos);
  EXPECT_EQ(stored("a|new"), "a: 1@0 end@15\n");
  EXPECT_EQ(stored("up"), "up: 1@0 0@15\n");
  (void)target->fail_scrape(Error(ErrorCode::kIo, "refused"), now + 30'000, 0.1);
  EXPECT_EQ(stored("a|up"), "a: 1@0 end@15\nup: 1@0 0@15 0@30\n") << "what has ended ends once";
  (void)take("a 3\n", 45);
  EXPECT_EQ(stored("a"), "a: 1@0 end@15 3@45\n");
}

// A family `h` of one native histogram with a bucket and a count, in the protobuf format.
std::string native(int count) {
  std::string histogram;
  ProtoWriter h(histogram);
  h.varint(1, static_cast<uint64_t>(count));
  h.float64(2, count);
  h.bytes(12, std::string("\x08\x02\x10\x01", 4));  // one bucket, at index 1
  h.sint64(13, count);
  std::string metric;
  ProtoWriter(metric).bytes(7, histogram);
  std::string family;
  ProtoWriter f(family);
  f.bytes(1, "h");
  f.varint(3, 4);
  f.bytes(4, metric);
  std::string out;
  put_text(out, family);
  return out;
}

TEST_F(Scrape, NativeHistogramsComeOverProtobufAndEnd) {
  constexpr std::string_view kProto =
      "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
  open("scrape_native_histograms: true");
  ASSERT_TRUE(take(native(3), 0, kProto).status);
  ASSERT_TRUE(take(native(5), 15, kProto).status);
  EXPECT_EQ(take("a 1\n", 30).added, 1u) << "the target may answer in another format at any time";
  const auto found = store->select({model::Matcher::equal("__name__", "h")}, INT64_MIN, INT64_MAX, {});
  ASSERT_EQ(found->size(), 1u);
  ASSERT_EQ(found->at(0).histograms.size(), 3u);
  EXPECT_EQ(found->at(0).histograms[1].h->count, 5);
  EXPECT_EQ(found->at(0).histograms[1].h->positive.index, std::vector<int32_t>{1});
  EXPECT_TRUE(model::is_stale_nan(found->at(0).histograms[2].h->sum)) << "the end";
  EXPECT_EQ(target->metadata()->count("h"), 0u);
  const ScrapeResult broken = take("\x05xx", 45, kProto);
  EXPECT_EQ(broken.status.error().message(), "proto: malformed length of a metric family");
}

TEST_F(Scrape, ATargetThatGoesEndsWithItsReports) {
  open();
  (void)take("a 1\n", 0);
  target->end(now + 10'000);
  EXPECT_EQ(stored("a|up"), "a: 1@0 end@10\nup: 1@0 end@10\n");
}

TEST_F(Scrape, LabelsThatCollide) {
  open();
  (void)take("a{job=\"own\",exported_job=\"x\"} 1\n", 0);
  EXPECT_EQ(stored("a"), "a{exported_exported_job=\"own\", exported_job=\"x\"}: 1@0\n");
  target.reset();
  store.reset();
  open("honor_labels: true");
  (void)take("h{job=\"own\"} 1\n", 0);
  EXPECT_EQ(stored("h"), "h{job=\"own\"}: 1@0\n");
}

TEST_F(Scrape, RelabelsMetrics) {
  open(
      "metric_relabel_configs: [{source_labels: [__name__], regex: 'drop_.*', action: drop},"
      " {source_labels: [x], regex: '(.)', target_label: y}, {regex: x, action: labeldrop}]");
  const ScrapeResult result = take("drop_me 1\nkeep{x=\"1\"} 2\n", 0);
  EXPECT_EQ(result.scraped, 2u);
  EXPECT_EQ(result.after_relabel, 1u);
  EXPECT_EQ(stored("keep|drop_me"), "keep{y=\"1\"}: 2@0\n");
}

TEST_F(Scrape, OwnTimesAreHonouredUnlessTold) {
  open();
  (void)take("a 1 " + std::to_string(now - 5000) + "\n", 0);
  EXPECT_EQ(stored("a"), "a: 1@-5\n");
  target.reset();
  store.reset();
  open("honor_timestamps: false");
  (void)take("b 1 " + std::to_string(now - 5000) + "\n", 0);
  EXPECT_EQ(stored("b"), "b: 1@0\n");
}

TEST_F(Scrape, Limits) {
  const std::pair<const char*, const char*> cases[] = {
      {"sample_limit: 1", "sample limit exceeded"},
      {"label_limit: 3", "label_limit exceeded (metric: b, number of labels: 4, limit: 3)"},
      {"label_name_length_limit: 8",
       "label_name_length_limit exceeded (metric: b, label name: a_long_name, length: 11, limit: 8)"},
      {"label_value_length_limit: 4",
       "label_value_length_limit exceeded (metric: b, label name: a_long_name, value: \"value\", length: 5, limit: 4)"},
  };
  for (const auto& [fields, message] : cases) {
    target.reset();
    store.reset();
    open(fields);
    const ScrapeResult result = take("a 1\nb{a_long_name=\"value\"} 1\n", 0);
    ASSERT_FALSE(result.status) << fields;
    EXPECT_EQ(result.status.error().message(), message);
    EXPECT_EQ(stored("a|b"), "") << fields;
    EXPECT_TRUE(env.remove_tree("metrics"));
  }
}

TEST_F(Scrape, ContentTypes) {
  open();
  EXPECT_FALSE(take("a 1\n", 0, "").status);
  EXPECT_FALSE(take("a 1\n", 1, "text/html").status);
  EXPECT_TRUE(take("a 1\n# EOF\n", 2, "application/openmetrics-text; version=1.0.0; charset=utf-8").status);
  EXPECT_FALSE(take("a 1\n", 3, "application/openmetrics-text").status) << "no # EOF";
  target.reset();
  store.reset();
  open("fallback_scrape_protocol: PrometheusText0.0.4");
  EXPECT_TRUE(take("a 1\n", 4, "").status);
}

TEST_F(Scrape, RemembersMetadata) {
  open();
  (void)take("# HELP a What.\n# TYPE a counter\na 1\n", 0);
  const TargetIngest::Metadata expected{{"a", {MetricKind::kCounter, "What.", ""}}};
  EXPECT_EQ(*target->metadata(), expected);
  EXPECT_EQ(metadata.all().at("a").size(), 1u);
}

TEST(ScrapeConfigFile, ReadsWhatPrometheusReads) {
  const auto config = parse(R"(
global: {scrape_interval: 15s, scrape_timeout: 5s, external_labels: {region: eu}, sample_limit: 7}
scrape_configs:
- job_name: api
  scrape_interval: 10s
  metrics_path: /m
  scheme: https
  params: {module: [a, b]}
  basic_auth: {username: u, password: p}
  tls_config: {insecure_skip_verify: true, ca_file: ca.pem}
  body_size_limit: 10MB
  static_configs: [{targets: ["a:1", "b:2"], labels: {env: prod}}]
  file_sd_configs: [{files: [targets/*.json]}]
  dns_sd_configs: [{names: [x.local], type: A, port: 9}]
- job_name: other
)");
  ASSERT_TRUE(config) << config.error().to_string();
  const ScrapeJob& job = config->jobs[0];
  EXPECT_EQ(job.interval, std::chrono::seconds(10));
  EXPECT_EQ(job.timeout, std::chrono::seconds(5));
  EXPECT_EQ(job.body_bytes_max, 10u << 20);
  EXPECT_EQ(job.sample_limit, 7u);
  EXPECT_EQ(job.client.authorization, "Basic dTpw");
  EXPECT_FALSE(job.client.verify_tls);
  EXPECT_EQ(job.client.ca_file, "/etc/prom/ca.pem");
  EXPECT_EQ(job.file_discovery[0].files[0], "/etc/prom/targets/*.json");
  EXPECT_EQ(static_targets(job).size(), 2u);
  EXPECT_EQ(config->jobs[1].interval, std::chrono::seconds(15));
  EXPECT_EQ(config->external_labels.to_string(), R"({region="eu"})");
}

TEST(ScrapeConfigFile, RefusesWithThePlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"scrape_configs: [{}]", "job_name is empty"},
      {"scrape_configs: [{job_name: a}, {job_name: a}]", "found multiple scrape configs with job name \"a\""},
      {"scrape_configs: [{job_name: a, scrape_interval: 1s, scrape_timeout: 2s}]", "scrape timeout greater than"},
      {"scrape_configs: [{job_name: a, kubernetes_sd_configs: []}]", "kubernetes_sd_configs is not supported"},
      {"scrape_configs: [{job_name: a, static_config: []}]", "did you mean \"static_configs\""},
      {"scrape_configs: [{job_name: a, static_configs: [{targets: ['http://x']}]}]", "is not a valid hostname"},
      {"scrape_configs: [{job_name: a, tls_config: {cert_file: x}}]", "cert_file is not supported"},
      {"scrape_configs: [{job_name: a, dns_sd_configs: [{names: [x], type: A}]}]", "a port is required"},
      {"scrape_configs: [{job_name: a, scheme: ftp}]", "expected http or https"},
  };
  for (const auto& [yaml, message] : cases) {
    const auto config = parse(yaml);
    ASSERT_FALSE(config.has_value()) << yaml;
    EXPECT_NE(config.error().to_string().find(message), std::string::npos) << config.error().to_string();
    EXPECT_TRUE(config.error().to_string().starts_with("prometheus.yml:1:")) << config.error().to_string();
  }
}

TEST(Targets, AreWhatRelabellingMakesOfThem) {
  const ScrapeJob job = job_of(
      "params: {module: [a b, c]}, relabel_configs: [{source_labels: [__address__], regex: '(.*):1', target_label: "
      "__param_target},"
      " {source_labels: [__meta_kind], regex: skip, action: drop}, {source_labels: [__meta_kind], target_label: "
      "kind}]");
  const auto target = make_target(job, {{"__address__", "host:1"}, {"__meta_kind", "db"}});
  ASSERT_TRUE(target) << target.error().message();
  EXPECT_EQ(target->url, "http://host:1/metrics?module=a%20b&module=c&target=host");
  EXPECT_EQ(target->labels.to_string(), R"({instance="host:1", job="j", kind="db"})");
  EXPECT_EQ(target->discovered.get("__scrape_interval__"), "1m");
  const auto dropped = make_target(job, {{"__address__", "host:1"}, {"__meta_kind", "skip"}});
  ASSERT_TRUE(dropped);
  EXPECT_TRUE(dropped->labels.empty());
  EXPECT_FALSE(make_target(job, {{"__meta_kind", "db"}}));
}

TEST(Targets, ComeFromFiles) {
  FaultEnv env;
  EXPECT_TRUE(env.make_dirs("sd"));
  EXPECT_TRUE(env.write_file_atomic("sd/a.json", R"([{"targets": ["x:1"], "labels": {"env": "p"}}])"));
  EXPECT_TRUE(env.write_file_atomic("sd/b.yml", "- targets: ['y:2', 'z:3']\n"));
  EXPECT_TRUE(env.write_file_atomic("sd/note.txt", "no targets"));
  const auto found = file_targets(env, {{"sd/*.json", "sd/b.yml", "sd/missing-*.yml"}});
  ASSERT_TRUE(found) << found.error().to_string();
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].to_string(), R"({__address__="x:1", __meta_filepath="sd/a.json", env="p"})");
  EXPECT_TRUE(env.write_file_atomic("sd/b.yml", "- targets: {"));
  EXPECT_FALSE(file_targets(env, {{"sd/*.yml"}}));
}

}  // namespace
}  // namespace sentinel::ingest
