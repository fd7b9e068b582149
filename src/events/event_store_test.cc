// What every EventStore must do. The factory decides which one is asked.

#include "events/event_store.h"

#include <filesystem>
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/random.h"
#include "base/strings.h"
#include "events/duck.h"

namespace sentinel::events {
namespace {

using model::Interaction;
using testing::HasSubstr;

using Factory =
    std::function<Result<std::unique_ptr<EventStore>>(const Clock&, MetricRegistry&, const std::string& dir)>;

Result<std::unique_ptr<EventStore>> embedded(const Clock& clock, MetricRegistry& metrics, const std::string& dir) {
  EmbeddedOptions options;
  options.dir = dir;
  options.hot_rows = 1'000;
  options.memory_limit_mb = 256;
  return open_embedded(clock, metrics, options);
}

struct Backend {
  const char* name;
  Factory open;
};

class EventStoreSuite : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::temp_directory_path() / ("sentinel_events_" + std::to_string(getpid()) + "_" +
                                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    std::replace(dir_.begin(), dir_.end(), '/', '_');
    dir_ = (std::filesystem::temp_directory_path() / dir_).string();
    std::filesystem::remove_all(dir_);
    reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }
  void reopen() {
    store_.reset();
    metrics_ = std::make_unique<MetricRegistry>();
    auto opened = GetParam().open(clock_, *metrics_, dir_);
    ASSERT_TRUE(opened) << opened.error().to_string();
    store_ = std::move(*opened);
  }
  SqlResult run(std::string_view sql, const std::vector<Cell>& params = {}) {
    auto result = store_->query(sql, params);
    EXPECT_TRUE(result) << sql << "\n" << result.error().to_string();
    return result ? *result : SqlResult();
  }
  Error refused(std::string_view sql) {
    auto result = store_->query(sql);
    EXPECT_FALSE(result) << sql;
    return result ? Error(ErrorCode::kInternal, "was accepted") : result.error();
  }
  std::string show(std::string_view sql, const std::vector<Cell>& params = {}) {
    std::string out;
    for (const CellRow& row : run(sql, params).rows) {
      std::string line;
      for (const Cell& cell : row) {
        if (!line.empty()) line += ' ';
        if (std::holds_alternative<std::monostate>(cell)) line += "null";
        if (const auto* b = std::get_if<bool>(&cell)) line += *b ? "true" : "false";
        if (const auto* n = std::get_if<int64_t>(&cell)) line += std::to_string(*n);
        if (const auto* d = std::get_if<double>(&cell)) line += format_double(*d);
        if (const auto* s = std::get_if<std::string>(&cell)) line += *s;
      }
      out += (out.empty() ? "" : "\n") + line;
    }
    return out;
  }
  Interaction make(int n, int64_t age_s = 0) {
    Interaction e;
    e.request_id = "r" + std::to_string(n);
    e.timestamp_us = to_us(clock_.now()) - age_s * 1'000'000;
    e.service = "demo";
    e.model = n % 2 == 0 ? "small" : "large";
    e.prompt = "question " + std::to_string(n);
    e.response = "answer";
    e.latency_ms = n;
    e.safety_label = "SAFE";
    e.safety_score = 1;
    return e;
  }
  std::vector<Interaction> batch(int from, int count) {
    std::vector<Interaction> out;
    for (int i = 0; i < count; ++i) out.push_back(make(from + i));
    return out;
  }

  std::string dir_;
  FakeClock clock_;
  std::unique_ptr<MetricRegistry> metrics_;
  std::unique_ptr<EventStore> store_;
};

TEST_P(EventStoreSuite, EveryColumnComesBackAsItWasGiven) {
  Interaction e;
  e.request_id = "r1";
  e.trace_id = "0af7651916cd43dd8448eb211c80319c";
  e.timestamp_us = 1'767'225'600'123'456;
  e.service = "s";
  e.env = "prod";
  e.endpoint = "/qa";
  e.request_type = "chat";
  e.provider = "openai";
  e.model = "m";
  e.model_version = "m-1";
  e.prompt_id = "p1";
  e.prompt_template = "qa-v2";
  e.session_id = "sess";
  e.user_hash = "uh";
  e.prompt = "it's \"quoted\" \n ü 😀 \\ ";
  e.response = std::string(
      "a\xff"
      "b");  // not UTF-8
  e.finish_reason = "stop";
  e.stream = true;
  e.status = model::InteractionStatus::kError;
  e.error_type = "provider_timeout";
  e.http_status = 504;
  e.retry_count = 2;
  e.fallback_used = true;
  e.cache_hit = true;
  e.latency_ms = 12.5;
  e.ttft_ms = 3.25;
  e.tokens_input = 10;
  e.tokens_output = 20;
  e.tokens_cached_input = 5;
  e.tokens_reasoning = 7;
  e.tokens_cache_write = 8;
  e.tokens_cache_write_1h = 3;
  e.tokens_audio_input = 4;
  e.tokens_audio_output = 0;
  e.tokens_image_input = 6;
  e.service_tier = "flex";
  e.cost_microusd = 1'234'567;
  e.response_length = 2;
  e.safety_label = "TOXIC";
  e.safety_score = 0.25;
  e.safety_categories = {"hate", "violence"};
  e.pii_types = {"email"};
  e.prompt_injection_risk = 0.5;
  e.token_abuse = true;
  e.similarity_score = 0.75;
  e.drift_score = 0.25;
  e.baseline_ready = true;
  e.semantic_similarity_score = 0.5;
  e.support_score = 0.125;
  e.ungrounded = true;
  e.guard_action = "flag";
  e.simulate_flags = {"simulate_latency"};
  e.test_mode = true;
  e.tags = {{"team", "a\"b"}, {"k", "v"}};
  e.document_injection_risk = 0.25;
  e.explanation = {"TOXIC 0.75 in the response"};
  e.quality_issues = {"refusal", "language"};
  ASSERT_TRUE(store_->append({e}));
  const SqlResult result = run("SELECT * FROM llm_events");
  ASSERT_EQ(result.columns.size(), llm_events_columns().size());
  for (size_t i = 0; i < result.columns.size(); ++i) {
    EXPECT_EQ(result.columns[i].name, llm_events_columns()[i].name);
    EXPECT_EQ(result.columns[i].type, llm_events_columns()[i].type);
  }
  EXPECT_EQ(
      show("SELECT * EXCLUDE (prompt) FROM llm_events"),
      "r1 0af7651916cd43dd8448eb211c80319c 2026-01-01T00:00:00.123456Z s prod /qa chat openai m m-1 p1 qa-v2 sess uh "
      "a\xEF\xBF\xBD"
      "b stop true error provider_timeout 504 2 true true 12.5 3.25 10 20 5 7 1.234567 2 TOXIC 0.25 "
      "[\"hate\",\"violence\"] [\"email\"] 0.5 true 0.75 0.25 true 0.5 0.125 true flag [\"simulate_latency\"] true "
      "{\"team\":\"a\\\"b\",\"k\":\"v\"} 0.25 null [\"TOXIC 0.75 in the response\"] 8 3 4 0 6 null flex "
      "[\"refusal\",\"language\"]");
  EXPECT_EQ(show("SELECT prompt FROM llm_events"), e.prompt);
  EXPECT_EQ(show("SELECT tags->>'team', 'hate' = ANY(safety_categories) FROM llm_events"), "a\"b true");
}

TEST_P(EventStoreSuite, UnknownIsNullAndEmptyTextOfACallIsNot) {
  Interaction e;
  e.request_id = "r1";
  e.timestamp_us = to_us(clock_.now());
  ASSERT_TRUE(store_->append({e}));
  EXPECT_EQ(show("SELECT error_type, cost_usd, safety_score, ungrounded, ttft_ms, prompt = '', response = '', status, "
                 "tags, len(pii_types) FROM llm_events"),
            "null null null null null true true ok {} 0");
}

// The two investigations, exactly as users have them.
constexpr std::string_view kUnsafe =
    "SELECT request_id, timestamp, prompt, response, safety_label, safety_score FROM `sentinel_telemetry.llm_events`\n"
    "WHERE safety_score < 0.5 AND timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 10 MINUTE) ORDER BY "
    "timestamp "
    "DESC LIMIT 50";
constexpr std::string_view kDrift =
    "SELECT request_id, timestamp, prompt, response, drift_score, similarity_score FROM "
    "`sentinel_telemetry.llm_events`\n"
    "WHERE drift_score > 0.2 AND baseline_ready = true AND timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 "
    "HOUR) ORDER BY drift_score DESC LIMIT 20";

TEST_P(EventStoreSuite, BothInvestigationsRunAsWritten) {
  std::vector<Interaction> rows;
  for (int i = 0; i < 3'000; ++i) {
    Interaction e = make(i, i);  // one a second, back in time
    e.safety_score = i % 10 == 0 ? 0.1 : 0.9;
    e.safety_label = i % 10 == 0 ? "TOXIC" : "SAFE";
    e.drift_score = i % 100 == 0 ? 0.3 + i / 10'000.0 : 0.05;
    e.similarity_score = 1 - *e.drift_score;
    e.baseline_ready = i != 2'900;
    rows.push_back(e);
  }
  ASSERT_TRUE(store_->append(rows));
  for (int round = 0; round < 2; ++round) {
    const SqlResult unsafe = run(kUnsafe);
    ASSERT_EQ(unsafe.rows.size(), 50u);
    EXPECT_EQ(std::get<std::string>(unsafe.rows[0][0]), "r0");
    EXPECT_EQ(std::get<std::string>(unsafe.rows[49][0]), "r490");
    EXPECT_EQ(unsafe.columns[1].type, "TIMESTAMP");
    const SqlResult drift = run(kDrift);
    ASSERT_EQ(drift.rows.size(), 20u);
    EXPECT_EQ(std::get<std::string>(drift.rows[0][0]), "r2800");
    reopen();
  }
  clock_.advance(std::chrono::minutes(11));
  EXPECT_TRUE(run(kUnsafe).rows.empty()) << "the store's clock says what now is";
}

TEST_P(EventStoreSuite, TheTableHasAllItsNames) {
  ASSERT_TRUE(store_->append(batch(0, 3)));
  for (const char* name :
       {"llm_events", "sentinel_telemetry.llm_events", "`llm_events`", "`sentinel_telemetry.llm_events`",
        "`sentinel_telemetry`.`llm_events`", "`my-project.sentinel_telemetry.llm_events`", "\"llm_events\""}) {
    EXPECT_EQ(show(std::string("SELECT count(*) FROM ") + name), "3") << name;
  }
}

TEST_P(EventStoreSuite, BigQuerySpellingsWork) {
  ASSERT_TRUE(store_->append(batch(0, 10)));
  const std::pair<const char*, const char*> cases[] = {
      {"SELECT CURRENT_TIMESTAMP()", "2026-01-01T00:00:00.000Z"},
      {"SELECT current_timestamp", "2026-01-01T00:00:00.000Z"},
      {"SELECT TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)", "2026-01-02T00:00:00.000Z"},
      {"SELECT TIMESTAMP_DIFF(TIMESTAMP '2026-01-01 01:30:00', TIMESTAMP '2026-01-01 00:00:00', MINUTE)", "90"},
      {"SELECT TIMESTAMP_TRUNC(TIMESTAMP '2026-01-01 01:30:00', HOUR)", "2026-01-01T01:00:00.000Z"},
      {"SELECT DATE_TRUNC(DATE '2026-03-17', MONTH)", "2026-03-01T00:00:00.000Z"},
      {"SELECT date_trunc('hour', TIMESTAMP '2026-01-01 01:30:00')", "2026-01-01T01:00:00.000Z"},
      {"SELECT CURRENT_DATE()", "2026-01-01"},
      {"SELECT SAFE_CAST('x' AS BIGINT), SAFE_DIVIDE(1, 0)", "null null"},
      {"SELECT COUNTIF(latency_ms > 4) FROM llm_events", "5"},
      {"SELECT IF(true, 'a', 'b'), IFNULL(NULL, 2)", "a 2"},
      {"SELECT FORMAT_TIMESTAMP('%Y-%m', CURRENT_TIMESTAMP())", "2026-01"},
      {"SELECT * EXCEPT (b) FROM (SELECT 1 AS a, 2 AS b)", "1"},
      {"SELECT 'CURRENT_TIMESTAMP() `x`' -- CURRENT_TIMESTAMP()", "CURRENT_TIMESTAMP() `x`"},
      {"WITH x AS (SELECT model, count(*) n FROM llm_events GROUP BY 1) SELECT * FROM x ORDER BY model",
       "large 5\nsmall 5"},
      {"SELECT approx_quantile(latency_ms, 0.5) > 3 FROM llm_events", "true"},
      {"SELECT sum(tokens_input), sum(latency_ms), avg(latency_ms) FROM llm_events;", "null 45 4.5"},
  };
  for (const auto& [sql, want] : cases) EXPECT_EQ(show(sql), want) << sql;
}

// Wide top queries take another way inside; adding an expression that does nothing keeps them off it.
TEST_P(EventStoreSuite, TopQueriesOfWideColumnsAnswerAsPlainOnesDo) {
  std::vector<Interaction> rows;
  for (int i = 0; i < 2'500; ++i) {
    rows.push_back(make(i, (i * 7) % 900));  // several calls at the same time
    rows.back().latency_ms = (i * 37) % 1'000 + i / 10'000.0;
    rows.back().request_id = "it's " + std::to_string(i);
  }
  ASSERT_TRUE(store_->append(rows));
  const char* cases[] = {
      "WHERE latency_ms < 500 ORDER BY timestamp DESC, latency_ms LIMIT 20",
      "ORDER BY latency_ms DESC LIMIT 7 OFFSET 3", "WHERE latency_ms < 0 ORDER BY timestamp LIMIT 5",
      "WHERE model = 'small' OR latency_ms > 100 -- both\nORDER BY latency_ms LIMIT 15",
      "WHERE timestamp > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 MINUTE) ORDER BY latency_ms LIMIT 100"};
  for (const char* rest : cases) {
    const std::string plain = show("SELECT request_id, prompt, repeat('', 1) FROM llm_events " + std::string(rest));
    EXPECT_EQ(show("SELECT request_id, prompt, '' FROM llm_events " + std::string(rest)), plain) << rest;
  }
  Interaction nameless = make(1);
  nameless.request_id = "";
  nameless.latency_ms = 5'000;
  ASSERT_TRUE(store_->append({nameless}));
  EXPECT_EQ(show("SELECT prompt, latency_ms FROM llm_events ORDER BY latency_ms DESC LIMIT 1"), "question 1 5000");
}

TEST_P(EventStoreSuite, OnlyReadingIsAllowed) {
  ASSERT_TRUE(store_->append(batch(0, 5)));
  for (const char* sql : {"INSERT INTO llm_events SELECT * FROM llm_events",
                          "DELETE FROM llm_events",
                          "UPDATE llm_events SET model = 'x'",
                          "DROP VIEW llm_events",
                          "CREATE TABLE t (a int)",
                          "COPY (SELECT 1) TO '/tmp/x.csv'",
                          "ATTACH '/tmp/x.db'",
                          "SET threads=1",
                          "PRAGMA version",
                          "CALL duckdb_settings()",
                          "LOAD httpfs",
                          "INSTALL httpfs",
                          "EXPORT DATABASE '/tmp/x'",
                          "BEGIN",
                          "CHECKPOINT",
                          "VACUUM",
                          "EXPLAIN ANALYZE CREATE TABLE t (a int)",
                          "EXPLAIN (FORMAT json) DROP VIEW llm_events",
                          "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.csv'",
                          "SELECT 1; SELECT 2",
                          "SELECT 1; DROP VIEW llm_events",
                          "",
                          "   ",
                          "-- nothing",
                          "(DELETE FROM llm_events)",
                          "WITH x AS (DELETE FROM llm_events RETURNING 1) SELECT * FROM x"}) {
    EXPECT_EQ(refused(sql).code(), ErrorCode::kInvalidArgument) << sql;
  }
  EXPECT_EQ(show("SELECT count(*) FROM llm_events"), "5");
  EXPECT_FALSE(run("EXPLAIN SELECT * FROM llm_events").rows.empty());
  EXPECT_FALSE(run("EXPLAIN ANALYZE SELECT count(*) FROM llm_events").rows.empty());
  EXPECT_FALSE(run("DESCRIBE llm_events").rows.empty());
}

TEST_P(EventStoreSuite, NoFileCanBeRead) {
  ASSERT_TRUE(store_->append(batch(0, 2'500)));
  for (const std::string& sql :
       {std::string("SELECT * FROM read_text('/etc/passwd')"), std::string("SELECT * FROM '/etc/passwd'"),
        std::string("SELECT * FROM read_csv('/etc/passwd')"), std::string("SELECT * FROM glob('/*')"),
        std::string("SELECT * FROM \"read_blob\"('/etc/passwd')"),
        std::string("SELECT * FROM `read_text`('/etc/passwd')"),
        std::string("SELECT * FROM read_parquet('" + dir_ + "/segments/*.parquet')"),
        std::string("SELECT * FROM '" + dir_ + "/log/log-00000001'"),
        std::string("FROM query('select * from read_text(''/etc/passwd'')')"),
        std::string("SELECT * FROM query_table('/etc/passwd')"),
        std::string("SELECT * FROM main.read_text('/etc/passwd')")}) {
    const Error error = refused(sql);
    EXPECT_TRUE(error.code() == ErrorCode::kInvalidArgument || error.code() == ErrorCode::kPermissionDenied)
        << sql << error.to_string();
  }
}

TEST_P(EventStoreSuite, ErrorsSayWhere) {
  const struct {
    const char* sql;
    int line;
    int column;
    const char* text;
  } cases[] = {
      {"SELECT nosuch FROM llm_events", 1, 8, "nosuch"},
      {"SELECT 1,\n  nosuch(2)", 2, 3, "nosuch"},
      {"SELECT CURRENT_TIMESTAMP(), nosuch FROM llm_events", 1, 29, "nosuch"},
      {"SELECT *\nFROM `sentinel_telemetry.llm_events`\nWHERE  modell = 'x'", 3, 8, "modell"},
      {"SELECT * FROM `sentinel_telemetry.nosuch`", 1, 15, "nosuch"},
      {"SELECT 'abc", 1, 8, "does not end"},
      {"SELECT 1 /* x", 1, 10, "does not end"},
      {"SELECT FROM WHERE", 1, 13, "syntax error"},
      {"EXPLAIN SELECT nosuch FROM llm_events", 1, 16, "nosuch"},
      {"DELETE FROM llm_events", 1, 1, "only reading"},
      {"SELECT 1,\nread_text('x')", 2, 1, "read_text is not allowed"},
  };
  for (const auto& c : cases) {
    const Error error = refused(c.sql);
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << c.sql;
    ASSERT_TRUE(error.position()) << c.sql << ": " << error.to_string();
    EXPECT_EQ(error.position()->line, c.line) << c.sql << ": " << error.to_string();
    EXPECT_EQ(error.position()->column, c.column) << c.sql << ": " << error.to_string();
    EXPECT_THAT(error.message(), HasSubstr(c.text)) << c.sql;
  }
}

TEST_P(EventStoreSuite, ManyRowsAreCutAndLongQueriesStopped) {
  ASSERT_TRUE(store_->append(batch(0, 2'500)));
  auto cut = store_->query("SELECT request_id FROM llm_events", {.rows_max = 100});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->rows.size(), 100u);
  EXPECT_TRUE(cut->truncated);
  auto exact = store_->query("SELECT request_id FROM llm_events", {.rows_max = 2'500});
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->rows.size(), 2'500u);
  EXPECT_FALSE(exact->truncated);
  auto slow = store_->query("SELECT count(*) FROM range(100000000000) a", {.rows_max = 1, .timeout = Millis(100)});
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().code(), ErrorCode::kTimeout);
  EXPECT_EQ(show("SELECT count(*) FROM llm_events"), "2500") << "and the store goes on";
}

TEST_P(EventStoreSuite, ParametersAreBoundInOrder) {
  ASSERT_TRUE(store_->append(batch(0, 10)));
  EXPECT_EQ(show("SELECT request_id FROM llm_events WHERE model = ? AND latency_ms >= ? ORDER BY 1 LIMIT ?",
                 {std::string("small"), 4.0, int64_t{2}}),
            "r4\nr6");
  EXPECT_EQ(show("SELECT ?, ?, '?'", {std::monostate(), true}), "null true ?");
  EXPECT_EQ(show("SELECT count(*) FROM llm_events WHERE prompt = ?", {std::string("x' OR '1'='1")}), "0");
  EXPECT_EQ(store_->query("SELECT ?", std::vector<Cell>{}).error().code(), ErrorCode::kInvalidArgument);
}

TEST_P(EventStoreSuite, AllTypesOfResultsAreShown) {
  EXPECT_EQ(
      show("SELECT 1.25, 10000000000000000000000::HUGEINT, DATE '2026-02-03', TIME '10:00:01.5', INTERVAL 90 MINUTE, "
           "{'a': 1, 'b': [1, NULL]}, MAP {'k': 2.5}, 'x'::BLOB, [[1], []]::INT[][], 1::UTINYINT, "
           "TIMESTAMPTZ '2026-01-01 00:00:00+02', '00000000-0000-0000-0000-000000000001'::UUID, 'b'::ENUM('a','b'), "
           "1::FLOAT, 'nan'::DOUBLE, [1,2]::INT[2], NULL"),
      "1.25 10000000000000000000000 2026-02-03 10:00:01.500 01:30:00 {\"a\":1,\"b\":[1,null]} {\"k\":2.5} 78 [[1],[]] "
      "1 "
      "2025-12-31T22:00:00.000Z 00000000-0000-0000-0000-000000000001 b 1 NaN [1,2] null");
  EXPECT_EQ(refused("SELECT '101'::BIT").code(), ErrorCode::kUnprocessable);
}

TEST_P(EventStoreSuite, RowsAreThereThroughSealingReopeningAndCompaction) {
  int next = 0;
  std::string want;
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(store_->append(batch(next, 333)));
    next += 333;
    ASSERT_EQ(show("SELECT count(*), count(DISTINCT request_id) FROM llm_events"),
              std::to_string(next) + " " + std::to_string(next));
    if (i % 15 == 7) reopen();
    if (i % 10 == 9) ASSERT_TRUE(store_->maintain());
  }
  reopen();
  EXPECT_EQ(store_->stats().rows, static_cast<uint64_t>(next));
  EXPECT_EQ(show("SELECT count(*), sum(latency_ms)::BIGINT FROM llm_events"),
            std::to_string(next) + " " + std::to_string(int64_t{next} * (next - 1) / 2));
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(show("SELECT count(DISTINCT request_id) FROM llm_events"), std::to_string(next));
}

TEST_P(EventStoreSuite, ReadersBesideWritersSeeEveryBatchThatReturned) {
  std::atomic<int> written{0};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(store_->append(batch(i * 100, 100)));
      written.store((i + 1) * 100);
      if (i % 20 == 19) ASSERT_TRUE(store_->maintain());
    }
    done.store(true);
  });
  while (!done.load()) {
    const int before = written.load();
    const SqlResult result = run("SELECT count(*), min(prompt) FROM llm_events");
    const auto count = std::get<int64_t>(result.rows.at(0)[0]);
    ASSERT_GE(count, before);
    ASSERT_EQ(count % 100, 0) << "a batch is seen whole";
  }
  writer.join();
  EXPECT_EQ(show("SELECT count(*) FROM llm_events"), "6000");
}

TEST_P(EventStoreSuite, SecondStoreOnTheFolderIsRefused) {
  MetricRegistry metrics;
  EXPECT_EQ(GetParam().open(clock_, metrics, dir_).error().code(), ErrorCode::kConflict);
}

TEST_P(EventStoreSuite, WhatIsPastRetentionGoes) {
  std::vector<Interaction> old;
  for (int i = 0; i < 1'000; ++i) old.push_back(make(i, 40 * 86'400));
  ASSERT_TRUE(store_->append(old));
  ASSERT_TRUE(store_->append(batch(5'000, 10)));
  for (int i = 0; i < 500 && store_->stats().segments == 0; ++i)
    ASSERT_TRUE(store_->query("SELECT count(*) FROM range(10000000)"));
  ASSERT_EQ(store_->stats().segments, 1u) << "a full table is sealed by itself";
  ASSERT_TRUE(store_->maintain());
  EXPECT_EQ(show("SELECT count(*) FROM llm_events"), "10");
  EXPECT_EQ(store_->stats().segments, 0u);
  // Files go with whoever looked at them last: the thread that sealed one may be letting go of it still.
  store_.reset();
  EXPECT_TRUE(posix_env().list(dir_ + "/segments")->empty());
}

// What a data folder of an older program has: segments of before there were explanations, classes of tokens, or issues
// of quality.
TEST_P(EventStoreSuite, SegmentsOfEarlierVersionsAreReadBesideNewOnes) {
  const std::string segments = dir_ + "/segments/";
  const auto seal = [&](size_t count) {
    for (int i = 0; i < 500 && store_->stats().segments < count; ++i)
      ASSERT_TRUE(store_->query("SELECT count(*) FROM range(10000000)"));
    ASSERT_GE(store_->stats().segments, count);  // a reopened store also seals what the last one left
  };
  const auto make_older = [&](const char* since, const char* version) {
    store_.reset();
    const std::string name = posix_env().list(segments)->back();
    ASSERT_TRUE(name.starts_with("v4-"));
    const auto engine = DuckDatabase::open({});
    ASSERT_TRUE(engine);
    const auto connection = DuckConnection::open(**engine);
    ASSERT_TRUE(connection);
    std::string lacks;
    for (bool from = false; const Column& column : llm_events_columns()) {
      from = from || column.name == since;
      if (from) lacks += (lacks.empty() ? "" : ", ") + column.name;
    }
    ASSERT_TRUE((*connection)
                    ->exec("COPY (SELECT * EXCLUDE (" + lacks + ") FROM read_parquet('" + segments + name + "')) TO '" +
                           segments + version + name.substr(2) + "' (FORMAT parquet)"));
    ASSERT_TRUE(posix_env().remove(segments + name));
    reopen();
  };
  ASSERT_TRUE(store_->append(batch(0, 1'000)));
  ASSERT_TRUE(store_->append(batch(1'000, 1)));
  seal(1);
  make_older("document_injection_risk", "v1");
  std::vector<Interaction> later = batch(2'000, 1'000);
  for (Interaction& call : later) call.explanation = {"why"}, call.tokens_image_input = 9;
  ASSERT_TRUE(store_->append(later));
  ASSERT_TRUE(store_->append(batch(3'000, 1)));
  seal(2);
  const char* const counts =
      "SELECT count(*), count(*) FILTER (WHERE len(explanation) = 1), count(tokens_image_input) FROM llm_events";
  EXPECT_EQ(show(counts), "2002 1000 1000");
  make_older("tokens_cache_write", "v2");
  EXPECT_EQ(show(counts), "2002 1000 0") << "what the older program did not keep is unknown, the rest is there";
  EXPECT_EQ(show("SELECT prompt, explanation FROM llm_events WHERE request_id = 'r7'"), "question 7 null");
  EXPECT_EQ(show("SELECT prompt, explanation FROM llm_events WHERE request_id = 'r2007'"), "question 2007 [\"why\"]");
  std::vector<Interaction> odd = batch(4'000, 1'000);
  for (Interaction& call : odd) call.quality_issues = {"refusal"}, call.service_tier = "flex";
  ASSERT_TRUE(store_->append(odd));
  ASSERT_TRUE(store_->append(batch(5'000, 1)));
  seal(3);
  const char* const issues =
      "SELECT count(*), count(*) FILTER (WHERE len(quality_issues) = 1), count(service_tier) FROM llm_events";
  EXPECT_EQ(show(issues), "3003 1000 1000");
  make_older("quality_issues", "v3");
  EXPECT_EQ(show(issues), "3003 0 1000");
}

INSTANTIATE_TEST_SUITE_P(Backends, EventStoreSuite, testing::Values(Backend{"embedded", embedded}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sentinel::events
