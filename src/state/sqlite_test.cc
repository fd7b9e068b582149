#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/file.h"
#include "state/database_suite.h"
#include "state/refusing_disk.h"

namespace sentinel::state {
namespace {

class TempDir {
 public:
  TempDir() {
    const std::string pattern = ::testing::TempDir() + "sentinel-state-XXXXXX";
    path_ = pattern;
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~TempDir() { EXPECT_TRUE(posix_env().remove_tree(path_)); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class SqliteFactory final : public DatabaseFactory {
 public:
  Result<std::unique_ptr<Database>> open(MetricRegistry& metrics) override {
    return open_sqlite(dir_.file("state.db"), metrics);
  }

 private:
  TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, DatabaseSuite,
                         ::testing::Values(Backend{"sqlite", [] { return std::make_unique<SqliteFactory>(); }}),
                         [](const auto& info) { return info.param.name; });

TEST(SqliteOpen, a_second_process_is_told_that_the_file_is_in_use) {
  TempDir dir;
  MetricRegistry metrics;
  auto first = open_sqlite(dir.file("s.db"), metrics);
  ASSERT_TRUE(first);
  const auto second = open_sqlite(dir.file("s.db"), metrics);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kConflict);
  EXPECT_NE(second.error().message().find("in use by another process"), std::string::npos);
  first->reset();
  EXPECT_TRUE(open_sqlite(dir.file("s.db"), metrics));
}

TEST(SqliteOpen, a_missing_folder_names_the_path) {
  MetricRegistry metrics;
  const auto db = open_sqlite("/nonexistent/folder/state.db", metrics);
  ASSERT_FALSE(db);
  EXPECT_NE(db.error().message().find("/nonexistent/folder/state.db"), std::string::npos);
}

TEST(SqliteOpen, a_folder_that_cannot_be_written_is_an_error) {
  MetricRegistry metrics;
  EXPECT_FALSE(open_sqlite("/proc/state.db", metrics));  // also root cannot create files there
}

TEST(SqliteOpen, a_file_that_is_no_database_says_so) {
  TempDir dir;
  std::ofstream(dir.file("s.db")) << std::string(5000, 'x');
  MetricRegistry metrics;
  const auto db = open_sqlite(dir.file("s.db"), metrics);
  ASSERT_FALSE(db);
  EXPECT_EQ(db.error().code(), ErrorCode::kIo);
  EXPECT_NE(db.error().message().find("damaged"), std::string::npos) << db.error().message();
}

TEST(SqliteWrite, a_full_disk_is_a_clear_error_and_changes_nothing) {
  TempDir dir;
  MetricRegistry metrics;
  auto db = open_sqlite(dir.file("s.db"), metrics);
  ASSERT_TRUE(db);
  ASSERT_TRUE((*db)->write([](Tx& tx) { return tx.exec("CREATE TABLE t (v TEXT)"); }));
  ASSERT_TRUE((*db)->write([](Tx& tx) -> Status {
    SENTINEL_TRY(tx.query("PRAGMA max_page_count = 40"));  // SQLite reports it as it does ENOSPC
    return {};
  }));
  const Status s = (*db)->write([](Tx& tx) -> Status {
    for (int i = 0; i < 100; ++i) SENTINEL_TRY(tx.exec("INSERT INTO t VALUES (?)", {std::string(4000, 'a')}));
    return {};
  });
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), ErrorCode::kIo);
  EXPECT_NE(s.error().message().find("disk is full"), std::string::npos) << s.error().message();
  int64_t count = -1;
  ASSERT_TRUE((*db)->read([&](Tx& tx) -> Status {
    SENTINEL_ASSIGN(const Rows rows, tx.query("SELECT COUNT(*) FROM t"));
    count = rows[0].integer(0);
    return {};
  }));
  EXPECT_EQ(count, 0);
  EXPECT_TRUE((*db)->write([](Tx& tx) { return tx.exec("INSERT INTO t VALUES ('small')"); }));
}

// The child acknowledges each committed number on a pipe until it is killed; everything acknowledged must be there.
void write_numbers_until_killed(const std::string& path, int acknowledge_fd) {
  MetricRegistry metrics;
  auto db = open_sqlite(path, metrics);
  if (!db) _exit(2);
  if (!(*db)->write([](Tx& tx) { return tx.exec("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)"); })) _exit(3);
  for (int64_t n = 1;; ++n) {
    const Status s = (*db)->write([&](Tx& tx) { return tx.exec("INSERT INTO t VALUES (?)", {n}); });
    if (!s || ::write(acknowledge_fd, &n, sizeof n) != sizeof n) _exit(4);
  }
}

TEST(SqliteCrash, everything_acknowledged_before_kill_9_is_there) {
  for (const int64_t kill_after : {1, 17, 120}) {
    TempDir dir;
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(fds[0]);
      write_numbers_until_killed(dir.file("s.db"), fds[1]);
    }
    ::close(fds[1]);
    int64_t acknowledged = 0;
    int64_t n = 0;
    while (::read(fds[0], &n, sizeof n) == sizeof n) {
      acknowledged = n;
      if (n == kill_after) ::kill(child, SIGKILL);  // what was in the pipe by then is still read
    }
    ::close(fds[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    ASSERT_GE(acknowledged, kill_after);

    MetricRegistry metrics;
    auto db = open_sqlite(dir.file("s.db"), metrics);
    ASSERT_TRUE(db) << db.error().to_string();
    int64_t count = 0;
    int64_t last = 0;
    ASSERT_TRUE((*db)->read([&](Tx& tx) -> Status {
      SENTINEL_ASSIGN(const Rows rows, tx.query("SELECT COUNT(*), MAX(n) FROM t"));
      count = rows[0].integer(0);
      last = rows[0].integer(1);
      return {};
    }));
    EXPECT_GE(last, acknowledged);
    EXPECT_EQ(count, last) << "no holes";
  }
}

class FailOpen : public ::testing::Test {
 protected:
  FailOpen() { reopen(); }
  void reopen(SqliteOptions options = {.busy_timeout = Millis(1), .retry_interval = Millis(0)}) {
    db_.reset();
    auto opened = open_sqlite(dir_.file("s.db"), metrics_, options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    db_ = std::move(*opened);
    ASSERT_TRUE(db_->write([](Tx& tx) {
      return tx.exec("CREATE TABLE IF NOT EXISTS t (i INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT UNIQUE)");
    }));
  }
  Status add(std::string v) {
    return db_->write([&](Tx& tx) { return tx.exec("INSERT INTO t (v) VALUES (?)", {v}); });
  }
  Result<Written> add_fail_open(std::string v) {
    return db_->write_fail_open([&](Tx& tx) { return tx.exec("INSERT INTO t (v) VALUES (?)", {v}); });
  }
  std::string all() {
    std::string out;
    EXPECT_TRUE(db_->read([&](Tx& tx) -> Status {
      SENTINEL_ASSIGN(const Rows rows, tx.query("SELECT i, v FROM t ORDER BY i"));
      for (const Row& row : rows) out += row.text(0) + row.text(1) + " ";
      return {};
    }));
    return out;
  }

  TempDir dir_;
  MetricRegistry metrics_;
  std::unique_ptr<Database> db_;
};

TEST_F(FailOpen, what_must_go_on_goes_on_in_memory_and_is_written_later) {
  ASSERT_TRUE(add("a"));
  EXPECT_EQ(add_fail_open("b").value(), Written::kDurable);
  {
    const RefusingDisk disk;
    EXPECT_FALSE(add("never"));
    EXPECT_FALSE(db_->health().memory_only) << "a plain write changes nothing about that";
    EXPECT_EQ(add_fail_open("c").value(), Written::kMemoryOnly);
    EXPECT_EQ(add_fail_open("d").value(), Written::kMemoryOnly);
    const Status refused = add("never");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(all(), "1a 2b 3c 4d ") << "everybody reads what was changed in memory";
    EXPECT_FALSE(db_->read([](Tx& tx) { return tx.exec("DELETE FROM t"); }));
    EXPECT_TRUE(db_->health().memory_only);
    EXPECT_EQ(db_->health().waiting_writes, 2u);
    EXPECT_FALSE(db_->health().reason.empty());
    db_->tend();
    EXPECT_TRUE(db_->health().memory_only);
  }
  db_->tend();
  EXPECT_FALSE(db_->health().memory_only);
  ASSERT_TRUE(add("e"));
  EXPECT_EQ(add_fail_open("f").value(), Written::kDurable);
  EXPECT_EQ(all(), "1a 2b 3c 4d 5e 6f ");
  reopen();
  EXPECT_EQ(all(), "1a 2b 3c 4d 5e 6f ");
  {  // a second time, with readers of the file that have statements prepared
    const RefusingDisk disk;
    EXPECT_EQ(add_fail_open("g").value(), Written::kMemoryOnly);
  }
  EXPECT_EQ(add_fail_open("h").value(), Written::kDurable) << "the next write finds the disk again by itself";
  EXPECT_EQ(all(), "1a 2b 3c 4d 5e 6f 7g 8h ");
}

TEST_F(FailOpen, an_error_that_is_not_of_the_storage_stays_one) {
  ASSERT_TRUE(add("a"));
  EXPECT_EQ(add_fail_open("a").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(db_->write_fail_open([](Tx&) -> Status { return fail(ErrorCode::kUnavailable, "no"); }).error().message(),
            "no");
  EXPECT_FALSE(db_->health().memory_only);
  const RefusingDisk disk;
  EXPECT_EQ(add_fail_open("a").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(add_fail_open("b").value(), Written::kMemoryOnly);
  EXPECT_EQ(add_fail_open("b").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(all(), "1a 2b ");
}

TEST_F(FailOpen, while_another_program_holds_the_lock_and_at_the_end_of_the_process) {
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(dir_.file("s.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(add_fail_open("a").value(), Written::kMemoryOnly);
  EXPECT_NE(db_->health().reason.find("locked by another program"), std::string::npos) << db_->health().reason;
  ASSERT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_close(other), SQLITE_OK);
  reopen();  // the old one wrote it when it was closed
  EXPECT_EQ(all(), "1a ");
}

TEST_F(FailOpen, a_state_that_is_too_large_is_not_copied) {
  reopen({.busy_timeout = Millis(1), .memory_bytes_max = 100});
  const RefusingDisk disk;
  EXPECT_FALSE(add_fail_open("a"));
  EXPECT_FALSE(db_->health().memory_only);
}

TEST(SqliteMetrics, writes_and_errors_are_counted) {
  TempDir dir;
  MetricRegistry metrics;
  auto db = open_sqlite(dir.file("s.db"), metrics);
  ASSERT_TRUE(db);
  EXPECT_FALSE((*db)->write([](Tx&) -> Status { return fail(ErrorCode::kConflict, "no"); }));
  for (const MetricFamily& family : metrics.collect()) {
    if (family.name == "sentinel_state_write_seconds") {
      EXPECT_EQ(family.points.at(0).counts.back(), 1u);
    }
    if (family.name == "sentinel_state_errors_total") {
      EXPECT_EQ(family.points.at(1).value, 1);  // operation="write" sorts after "read"
    }
  }
}

}  // namespace
}  // namespace sentinel::state
