#pragma once
// What every Database must do, as one test suite over a factory; each backend's test file instantiates it.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "state/database.h"
#include "state/kv.h"
#include "state/outbox.h"

namespace sentinel::state {

// Makes an empty place for a database and opens it as often as asked; at most one at a time is open.
class DatabaseFactory {
 public:
  virtual ~DatabaseFactory() = default;
  virtual Result<std::unique_ptr<Database>> open(MetricRegistry& metrics) = 0;
};
using MakeDatabaseFactory = std::function<std::unique_ptr<DatabaseFactory>()>;

struct Backend {
  std::string name;
  MakeDatabaseFactory make;
};

class DatabaseSuite : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    factory_ = GetParam().make();
    reopen();
  }
  void reopen() {
    database_.reset();
    auto opened = factory_->open(metrics_);
    ASSERT_TRUE(opened) << opened.error().to_string();
    database_ = std::move(*opened);
  }
  Database& db() { return *database_; }
  Rows query(std::string_view sql, const SqlParams& params = {}) {
    Rows rows;
    const Status s = db().read([&](Tx& tx) -> Status {
      SENTINEL_ASSIGN(rows, tx.query(sql, params));
      return {};
    });
    EXPECT_TRUE(s) << s.error().to_string();
    return rows;
  }
  Status exec(std::string_view sql, const SqlParams& params = {}) {
    return db().write([&](Tx& tx) { return tx.exec(sql, params); });
  }

  MetricRegistry metrics_;
  std::unique_ptr<DatabaseFactory> factory_;
  std::unique_ptr<Database> database_;
};

TEST_P(DatabaseSuite, values_come_back_as_they_were_written) {
  ASSERT_TRUE(exec("CREATE TABLE t (i INTEGER, d REAL, s TEXT, n TEXT)"));
  const std::string text("a\0b\xc3\xa9'", 6);
  ASSERT_TRUE(exec("INSERT INTO t VALUES (?, ?, ?, ?)", {int64_t{1} << 60, -0.5, text, std::monostate{}}));
  const Rows rows = query("SELECT i, d, s, n FROM t");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].integer(0), int64_t{1} << 60);
  EXPECT_EQ(rows[0].real(1), -0.5);
  EXPECT_EQ(rows[0].text(2), text);
  EXPECT_TRUE(rows[0].is_null(3));
  EXPECT_EQ(rows[0].text(3), "");
}

TEST_P(DatabaseSuite, an_error_in_the_function_rolls_everything_back) {
  ASSERT_TRUE(exec("CREATE TABLE t (i INTEGER)"));
  const Status s = db().write([&](Tx& tx) -> Status {
    SENTINEL_TRY(tx.exec("INSERT INTO t VALUES (1)"));
    return fail(ErrorCode::kUnprocessable, "changed my mind");
  });
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().message(), "changed my mind");
  EXPECT_EQ(query("SELECT COUNT(*) FROM t")[0].integer(0), 0);
}

TEST_P(DatabaseSuite, an_exception_in_the_function_rolls_back_and_becomes_an_error) {
  ASSERT_TRUE(exec("CREATE TABLE t (i INTEGER)"));
  const Status s = db().write([&](Tx& tx) -> Status {
    SENTINEL_TRY(tx.exec("INSERT INTO t VALUES (1)"));
    throw std::runtime_error("boom");
  });
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().message().find("boom"), std::string::npos);
  EXPECT_EQ(query("SELECT COUNT(*) FROM t")[0].integer(0), 0);
  EXPECT_TRUE(exec("INSERT INTO t VALUES (2)"));
}

TEST_P(DatabaseSuite, readers_see_the_last_commit_and_cannot_write) {
  ASSERT_TRUE(exec("CREATE TABLE t (i INTEGER)"));
  ASSERT_TRUE(exec("INSERT INTO t VALUES (1)"));
  ASSERT_TRUE(db().write([&](Tx& tx) -> Status {
    SENTINEL_TRY(tx.exec("INSERT INTO t VALUES (2)"));
    int64_t seen = 0;
    std::thread([&] { seen = query("SELECT COUNT(*) FROM t")[0].integer(0); }).join();
    EXPECT_EQ(seen, 1);
    return {};
  }));
  EXPECT_EQ(query("SELECT COUNT(*) FROM t")[0].integer(0), 2);
  EXPECT_FALSE(db().read([&](Tx& tx) { return tx.exec("INSERT INTO t VALUES (3)"); }));
}

TEST_P(DatabaseSuite, nested_transactions_on_one_thread_are_refused_instead_of_hanging) {
  const Status s = db().write([&](Tx&) { return db().write([](Tx&) -> Status { return {}; }); });
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), ErrorCode::kInternal);
  EXPECT_FALSE(db().read([&](Tx&) { return db().write([](Tx&) -> Status { return {}; }); }));
}

TEST_P(DatabaseSuite, concurrent_writers_take_turns) {
  ASSERT_TRUE(exec("CREATE TABLE t (v INTEGER)"));
  ASSERT_TRUE(exec("INSERT INTO t VALUES (0)"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 25; ++n) EXPECT_TRUE(exec("UPDATE t SET v = v + 1"));
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(query("SELECT v FROM t")[0].integer(0), 100);
}

TEST_P(DatabaseSuite, a_broken_constraint_is_a_conflict) {
  ASSERT_TRUE(exec("CREATE TABLE t (i INTEGER PRIMARY KEY)"));
  ASSERT_TRUE(exec("INSERT INTO t VALUES (1)"));
  const Status s = exec("INSERT INTO t VALUES (1)");
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), ErrorCode::kConflict);
}

TEST_P(DatabaseSuite, wrong_sql_and_wrong_parameter_count_are_errors) {
  EXPECT_FALSE(exec("SELEKT 1"));
  EXPECT_FALSE(exec("SELECT ?"));
  EXPECT_FALSE(exec(""));
}

TEST_P(DatabaseSuite, migrations_run_once_in_order_and_survive_reopening) {
  const std::vector<Migration> first = {{1, "CREATE TABLE m (a INTEGER); INSERT INTO m VALUES (1)"}};
  const std::vector<Migration> both = {first[0], {2, "ALTER TABLE m ADD COLUMN b INTEGER"}};
  ASSERT_TRUE(db().migrate("suite", first));
  ASSERT_TRUE(db().migrate("suite", first));
  reopen();
  ASSERT_TRUE(db().migrate("suite", both));
  EXPECT_EQ(query("SELECT a, b FROM m").size(), 1u);
  EXPECT_EQ(query("SELECT version FROM schema_migrations WHERE module = 'suite'").size(), 2u);
  // The older program refuses the newer state.
  const Status s = db().migrate("suite", first);
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), ErrorCode::kConflict);
}

TEST_P(DatabaseSuite, a_failing_migration_changes_nothing) {
  ASSERT_FALSE(db().migrate("suite", {{1, "CREATE TABLE half (a INTEGER); CREATE TABLE half (a INTEGER)"}}));
  EXPECT_TRUE(exec("CREATE TABLE half (a INTEGER)"));
}

TEST_P(DatabaseSuite, documents_by_key) {
  ASSERT_TRUE(KeyValue::migrate(db()));
  const TimePoint now = FakeClock().now();
  ASSERT_TRUE(db().write([&](Tx& tx) -> Status {
    SENTINEL_TRY(KeyValue::put(tx, "drift/a", "{}", now));
    SENTINEL_TRY(KeyValue::put(tx, "drift/b", "1", now));
    SENTINEL_TRY(KeyValue::put(tx, "drifu/c", "2", now));
    SENTINEL_TRY(KeyValue::put(tx, "drift/b", "3", now));
    EXPECT_FALSE(KeyValue::put(tx, "", "{}", now));
    return {};
  }));
  reopen();
  ASSERT_TRUE(KeyValue::migrate(db()));
  ASSERT_TRUE(db().write([&](Tx& tx) -> Status {
    EXPECT_EQ(KeyValue::get(tx, "drift/b").value(), "3");
    EXPECT_EQ(KeyValue::get(tx, "none").value(), std::nullopt);
    EXPECT_EQ(KeyValue::list(tx, "drift/", 10).value().size(), 2u);
    EXPECT_EQ(KeyValue::list(tx, "drift/", 1).value().front().first, "drift/a");
    SENTINEL_TRY(KeyValue::remove(tx, "drift/a"));
    EXPECT_EQ(KeyValue::list(tx, "", 10).value().size(), 2u);
    return {};
  }));
}

inline OutboxMessage outbox_message(std::string key, TimePoint due_at, std::string order_key = "") {
  OutboxMessage m;
  m.key = std::move(key);
  m.channel = "notification";
  m.receiver = "team/webhook/0";
  m.order_key = std::move(order_key);
  m.payload = "{}";
  m.created_at = FakeClock().now();
  m.due_at = due_at;
  return m;
}

TEST_P(DatabaseSuite, an_outbox_message_waits_retries_and_ends) {
  ASSERT_TRUE(Outbox::migrate(db()));
  const TimePoint t0 = FakeClock().now();
  ASSERT_TRUE(db().write([&](Tx& tx) -> Status {
    SENTINEL_ASSIGN(const int64_t id, Outbox::enqueue(tx, outbox_message("k1", t0 + Millis(10))));
    EXPECT_EQ(Outbox::enqueue(tx, outbox_message("k1", t0)).value(), id) << "the same key is written once";
    SENTINEL_ASSIGN(const int64_t other, Outbox::enqueue(tx, outbox_message("k2", t0 + Millis(20))));
    EXPECT_EQ(Outbox::due(tx, t0, 10).value().size(), 0u);
    EXPECT_EQ(Outbox::next_due(tx).value(), t0 + Millis(10));
    EXPECT_EQ(Outbox::due(tx, t0 + Millis(10), 10).value().size(), 1u);
    SENTINEL_TRY(Outbox::attempt_failed(tx, id, "refused", t0 + Millis(30), t0 + Millis(10)));
    EXPECT_EQ(Outbox::next_due(tx).value(), t0 + Millis(20));
    SENTINEL_TRY(Outbox::attempt_failed(tx, other, "404", std::nullopt, t0 + Millis(20)));
    SENTINEL_TRY(Outbox::delivered(tx, id, t0 + Millis(31)));
    EXPECT_EQ(Outbox::next_due(tx).value(), std::nullopt);
    return {};
  }));
  reopen();
  ASSERT_TRUE(db().write([&](Tx& tx) -> Status {
    const auto delivered = Outbox::list(tx, OutboxStatus::kDelivered, 10).value();
    EXPECT_EQ(delivered.size(), 1u);
    EXPECT_EQ(delivered.at(0).key, "k1");
    EXPECT_EQ(delivered.at(0).attempts, 2);
    EXPECT_EQ(delivered.at(0).finished_at, t0 + Millis(31));
    const auto failed = Outbox::list(tx, OutboxStatus::kFailed, 10).value();
    EXPECT_EQ(failed.at(0).last_error, "404");
    EXPECT_EQ(Outbox::list(tx, std::nullopt, 10).value().size(), 2u);
    EXPECT_EQ(Outbox::prune(tx, t0 + Millis(31)).value(), 1);
    EXPECT_EQ(Outbox::list(tx, std::nullopt, 10).value().size(), 1u);
    // A delivered message stays delivered; a failed one is tried anew.
    SENTINEL_TRY(Outbox::enqueue(tx, outbox_message("k1", t0)));
    EXPECT_EQ(Outbox::pending(tx, "notification", 0, 10).value().size(), 0u);
    SENTINEL_TRY(Outbox::enqueue(tx, outbox_message("k2", t0)));
    EXPECT_EQ(Outbox::pending(tx, "notification", 0, 10).value().at(0).key, "k2");
    EXPECT_EQ(Outbox::pending(tx, "other", 0, 10).value().size(), 0u);
    return {};
  }));
}

TEST_P(DatabaseSuite, of_one_order_key_only_the_oldest_pending_message_is_due) {
  ASSERT_TRUE(Outbox::migrate(db()));
  const TimePoint t0 = FakeClock().now();
  ASSERT_TRUE(db().write([&](Tx& tx) -> Status {
    SENTINEL_ASSIGN(const int64_t a1, Outbox::enqueue(tx, outbox_message("a1", t0, "a")));
    SENTINEL_TRY(Outbox::enqueue(tx, outbox_message("a2", t0, "a")));
    SENTINEL_TRY(Outbox::enqueue(tx, outbox_message("b1", t0, "b")));
    auto keys = [&] {
      std::string joined;
      const std::vector<OutboxMessage> due = Outbox::due(tx, t0, 10).value();
      for (const OutboxMessage& m : due) joined += m.key + " ";
      return joined;
    };
    EXPECT_EQ(keys(), "a1 b1 ");
    SENTINEL_TRY(Outbox::attempt_failed(tx, a1, "x", t0 + Millis(5), t0));
    EXPECT_EQ(keys(), "b1 ") << "a2 waits for the retry of a1";
    SENTINEL_TRY(Outbox::delivered(tx, a1, t0));
    EXPECT_EQ(keys(), "a2 b1 ");
    return {};
  }));
}

}  // namespace sentinel::state
