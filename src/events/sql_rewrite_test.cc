#include "events/sql_rewrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel::events {
namespace {

const TimePoint kNow = time_from_us(1'767'225'600'000'000);  // 2026-01-01T00:00:00Z

std::string rewritten(std::string_view sql) {
  const auto out = rewrite_sql(sql, kNow);
  return out ? out->text : "error: " + out.error().to_string();
}

TEST(SqlRewrite, ChangesOnlyWhatIsBigQuerys) {
  const std::pair<const char*, const char*> cases[] = {
      {"SELECT 1", "SELECT 1"},
      {"SELECT * FROM `a.b`", "SELECT * FROM \"a\".\"b\""},
      {"SELECT * FROM `a`.`b`", "SELECT * FROM \"a\".\"b\""},
      {"SELECT `we\"ird` FROM t", "SELECT \"we\"\"ird\" FROM t"},
      {"SELECT * FROM `p-1.sentinel_telemetry.llm_events`", "SELECT * FROM \"sentinel_telemetry\".\"llm_events\""},
      {"SELECT * FROM `p.other.t`", "SELECT * FROM \"p\".\"other\".\"t\""},
      {"SELECT current_timestamp", "SELECT TIMESTAMP '2026-01-01 00:00:00.000'"},
      {"SELECT Current_Timestamp ( )", "SELECT TIMESTAMP '2026-01-01 00:00:00.000'"},
      {"SELECT now() - x", "SELECT TIMESTAMP '2026-01-01 00:00:00.000' - x"},
      {"SELECT now FROM t", "SELECT now FROM t"},
      {"SELECT t.current_timestamp", "SELECT t.current_timestamp"},
      {"SELECT 1 AS current_timestamp", "SELECT 1 AS current_timestamp"},
      {"SELECT 'now() `a`', \"now()\", $$now()$$, $x$ `a` $x$, e'\\'now()'",
       "SELECT 'now() `a`', \"now()\", $$now()$$, $x$ `a` $x$, e'\\'now()'"},
      {"SELECT 'it''s now()' /* now() /* `x` */ */ -- now()\n, 1",
       "SELECT 'it''s now()' /* now() /* `x` */ */ -- now()\n, 1"},
      {"SELECT SAFE_CAST(a AS INT)", "SELECT TRY_CAST(a AS INT)"},
      {"SELECT * EXCEPT (a) FROM t", "SELECT * EXCLUDE (a) FROM t"},
      {"SELECT a FROM t EXCEPT (SELECT 1)", "SELECT a FROM t EXCEPT (SELECT 1)"},
      {"SELECT TIMESTAMP_DIFF(a, b, MINUTE)", "SELECT TIMESTAMP_DIFF(a, b, 'minute')"},
      {"SELECT TIMESTAMP_TRUNC(f(a, day), DAY)", "SELECT TIMESTAMP_TRUNC(f(a, day), 'day')"},
      {"SELECT f(a, DAY)", "SELECT f(a, DAY)"},
      {"SELECT DATE_TRUNC(a, WEEK)", "SELECT TIMESTAMP_TRUNC(a, 'week')"},
      {"SELECT date_trunc('week', a)", "SELECT date_trunc('week', a)"},
      {"SELECT ? + ?", "SELECT ? + ?"},
      {"SELECT $1", "SELECT $1"},
      {"SELECT ü FROM t", "SELECT ü FROM t"},
  };
  for (const auto& [sql, want] : cases) EXPECT_EQ(rewritten(sql), want) << sql;
}

TEST(SqlRewrite, PositionsLeadBackToTheUsersText) {
  const auto out = rewrite_sql("SELECT now(), a,\n  `x.y`, b", kNow);
  ASSERT_TRUE(out);
  const auto position = [&](std::string_view needle) {
    const Position p = out->position_of(out->text.find(needle));
    return std::pair(p.line, p.column);
  };
  EXPECT_EQ(position("SELECT"), std::pair(1, 1));
  EXPECT_EQ(position("TIMESTAMP"), std::pair(1, 8));
  EXPECT_EQ(position("00:00"), std::pair(1, 8)) << "inside a replacement: where it starts";
  EXPECT_EQ(position(", a"), std::pair(1, 13));
  EXPECT_EQ(position("\"x\""), std::pair(2, 3));
  EXPECT_EQ(position(", b"), std::pair(2, 8));
}

TEST(SqlRewrite, RefusesWhatIsNoQuery) {
  for (const char* sql :
       {"", " ", ";", "-- x", "/* x */", "DROP TABLE x", "EXPLAIN", "EXPLAIN DROP TABLE x",
        "EXPLAIN ANALYZE (FORMAT json) INSERT INTO x VALUES (1)", "(", "SELECT 'x", "SELECT \"x", "SELECT `x",
        "SELECT $a$ x", "SELECT ``", "SELECT /* x", "select GLOB ('*')", "SELECT \xff"}) {
    EXPECT_FALSE(rewrite_sql(sql, kNow)) << sql;
  }
  EXPECT_EQ(rewrite_sql(std::string(1u << 20, ' '), kNow).error().code(), ErrorCode::kTooLarge);
}

// Whatever the bytes, whitespace-for-whitespace and string-for-string the copied parts stay.
// What the engine would build in one step, without looking at its limits, is bounded before it starts.
TEST(SqlRewrite, RefusesWhatGrowsWithoutBound) {
  for (const char* sql : {
           "SELECT repeat('x', 2000000000)",
           "SELECT repeat('x', n) FROM t",
           "SELECT repeat('x', 10 * 100000)",
           "SELECT repeat(repeat('x', 1000), 1000)",
           "SELECT repeat(\"repeat\"('x', 1000), 1000)",
           "SELECT 'x'.repeat(1000)",
           "SELECT system.main.repeat('x', 5)",
           "SELECT \"repeat\" ('x', 2000000000)",
           "SELECT lpad('x', 10001, ' ')",
           "SELECT rpad('x', 1e9, ' ')",
           "SELECT list_resize([1], 1000000000)",
           "SELECT len(range(100000000))",
           "SELECT unnest(generate_series(1, 100000000))",
           "SELECT * FROM t, range(5)",
           "SELECT printf('%1000000000d', 1)",
           "SELECT printf('%*d', 1000000000, 1)",
           "SELECT format('{:{}}', 1, 1000000000)",
           "SELECT format(f, 1) FROM t",
           "SELECT repeat('x'",
           "SELECT repeat(",
       }) {
    EXPECT_THAT(rewritten(sql), testing::StartsWith("error: ")) << sql;
  }
  for (const char* sql : {
           "SELECT repeat('ab', 10000)",
           "SELECT lpad(CAST(hour AS TEXT), 2, '0')",
           "SELECT repeat(f(a, b), 3) || x",
           "SELECT * FROM range(0, 1000000) r",
           "SELECT * FROM t JOIN generate_series(1, 3) s ON true",
           "SELECT printf('%05.2f', x)",
           "SELECT format('{:>10}', x)",
           "SELECT repeat FROM t",
           "SELECT max(repeat('x', 2)), repeat('y', 3)",
       }) {
    EXPECT_EQ(rewritten(sql), sql);
  }
}

TEST(SqlRewrite, AnyTextEitherFailsOrEndsUpWithPositionsInside) {
  Random random(17);
  const std::vector<std::string> parts = {"SELECT ", "now()", "'",  "\"",      "`",
                                          "a",       ".",     "(",  ")",       " ",
                                          "\n",      "--",    "/*", "*/",      "current_timestamp",
                                          "$$",      "$a$",   ",",  "DAY",     "timestamp_trunc",
                                          "e'",      "\\",    "ü",  "EXPLAIN "};
  for (int i = 0; i < 20'000; ++i) {
    std::string sql = random.chance(0.8) ? "SELECT " : "";
    for (auto n = random.below(12); n > 0; --n) sql += parts[random.below(parts.size())];
    const auto out = rewrite_sql(sql, kNow);
    if (!out) continue;
    ASSERT_LE(out->explained_at, out->text.size()) << sql;
    for (size_t offset = 0; offset <= out->text.size(); ++offset) {
      const Position p = out->position_of(offset);
      ASSERT_GE(p.line, 1);
      ASSERT_LE(static_cast<size_t>(p.column), sql.size() + 1) << sql;
    }
  }
}

}  // namespace
}  // namespace sentinel::events
