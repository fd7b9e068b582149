#include "events/narrow_pass.h"

#include <gtest/gtest.h>

namespace sentinel::events {
namespace {

TEST(NarrowPass, TakesPlainTopQueriesOfWideColumns) {
  const auto plan = plan_narrow_pass(
      "SELECT request_id, prompt FROM \"sentinel_telemetry\".\"llm_events\" WHERE safety_score < 0.5 -- x\n"
      "ORDER BY timestamp DESC LIMIT 50 OFFSET 5;");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->keys_sql,
            "SELECT timestamp, request_id FROM \"sentinel_telemetry\".\"llm_events\" WHERE safety_score < 0.5 ORDER BY "
            "timestamp DESC LIMIT 55");
  EXPECT_EQ(
      plan->narrowed({{"2026-01-01 00:00:02", "b"}, {"2026-01-01 00:00:01", "it's"}}),
      "SELECT request_id, prompt FROM \"sentinel_telemetry\".\"llm_events\" WHERE timestamp BETWEEN TIMESTAMP "
      "'2026-01-01 00:00:01' AND TIMESTAMP '2026-01-01 00:00:02' AND timestamp IN (TIMESTAMP '2026-01-01 00:00:02', "
      "TIMESTAMP '2026-01-01 00:00:01') AND request_id IN ('b', 'it''s') AND (safety_score < 0.5\n) ORDER BY timestamp "
      "DESC LIMIT 50 OFFSET 5");
  EXPECT_EQ(plan->narrowed({}),
            "SELECT request_id, prompt FROM \"sentinel_telemetry\".\"llm_events\" WHERE false AND (safety_score < "
            "0.5\n) ORDER "
            "BY timestamp DESC LIMIT 50 OFFSET 5");
  for (const char* sql : {"SELECT * FROM llm_events ORDER BY timestamp LIMIT 1",
                          "select prompt as p from llm_events e order by e.latency_ms limit 3",
                          "SELECT e.*, latency_ms / 1000 AS s FROM llm_events AS e WHERE (a OR b) AND c IN (1, 2) "
                          "ORDER BY cost_usd DESC NULLS LAST LIMIT 10",
                          "SELECT substr(prompt, 1, 20) FROM llm_events ORDER BY drift_score LIMIT 20"}) {
    EXPECT_TRUE(plan_narrow_pass(sql)) << sql;
  }
}

TEST(NarrowPass, LeavesAloneWhateverCouldAnswerOtherwise) {
  for (const char* sql : {"SELECT request_id FROM llm_events ORDER BY timestamp LIMIT 5",  // nothing wide
                          "SELECT prompt FROM llm_events LIMIT 5",
                          "SELECT prompt FROM llm_events ORDER BY timestamp",
                          "SELECT prompt FROM llm_events ORDER BY 1 LIMIT 5",  // an ordinal
                          "SELECT latency_ms AS timestamp, prompt FROM llm_events ORDER BY timestamp LIMIT 5",
                          "SELECT latency_ms timestamp, prompt FROM llm_events ORDER BY timestamp LIMIT 5",
                          "SELECT latency_ms AS x, prompt FROM llm_events WHERE x > 5 ORDER BY cost_usd LIMIT 5",
                          "SELECT max(prompt) FROM llm_events ORDER BY timestamp LIMIT 5",
                          "SELECT prompt, count(*) FROM llm_events GROUP BY prompt ORDER BY prompt LIMIT 5",
                          "SELECT DISTINCT prompt FROM llm_events ORDER BY prompt LIMIT 5",
                          "SELECT prompt FROM llm_events, llm_events b ORDER BY timestamp LIMIT 5",
                          "SELECT prompt FROM llm_events JOIN x ON true ORDER BY timestamp LIMIT 5",
                          "SELECT prompt FROM (SELECT * FROM llm_events) ORDER BY timestamp LIMIT 5",
                          "SELECT prompt FROM other ORDER BY timestamp LIMIT 5",
                          "SELECT prompt FROM llm_events WHERE model = ? ORDER BY timestamp LIMIT 5",
                          "SELECT prompt FROM llm_events WHERE random() < 0.5 ORDER BY timestamp LIMIT 5",
                          "SELECT prompt FROM llm_events WHERE latency_ms > (SELECT 1) ORDER BY timestamp LIMIT 5",
                          "SELECT prompt, row_number() OVER () FROM llm_events ORDER BY timestamp LIMIT 5",
                          "SELECT prompt FROM llm_events ORDER BY timestamp LIMIT 5000",
                          "SELECT prompt FROM llm_events ORDER BY timestamp LIMIT 5 + 1",
                          "SELECT prompt FROM llm_events ORDER BY timestamp LIMIT 10%",
                          "SELECT prompt FROM llm_events ORDER BY ALL LIMIT 5",
                          "WITH x AS (SELECT 1) SELECT prompt FROM llm_events ORDER BY timestamp LIMIT 5",
                          "SELECT prompt FROM llm_events ORDER BY timestamp LIMIT 5 UNION SELECT 1",
                          "SELECT prompt FROM llm_events) ORDER BY x LIMIT 1 (",
                          "",
                          "SELECT",
                          "EXPLAIN SELECT prompt FROM llm_events ORDER BY timestamp LIMIT 5"}) {
    EXPECT_FALSE(plan_narrow_pass(sql)) << sql;
  }
}

}  // namespace
}  // namespace sentinel::events
