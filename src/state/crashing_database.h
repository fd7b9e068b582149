#pragma once
// For tests: a process that dies at a chosen write of its state, before or after it is on disk. From then on nothing it
// does reaches anybody, until it is started anew.

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "state/database.h"

namespace sentinel::state {

struct Crash {
  int64_t at = -1;     // the write that it happens at, counted from 1; -1: none
  bool after = false;  // it is on disk, but nobody hears so
  int64_t writes = 0;
  bool dead = false;
};

class CrashingDatabase final : public Database {
 public:
  // `crash` outlives it.
  CrashingDatabase(std::unique_ptr<Database> under, Crash& crash) : under_(std::move(under)), crash_(crash) {}

  Status write(const std::function<Status(Tx&)>& fn) override {
    SENTINEL_TRY(before());
    SENTINEL_TRY(under_->write(fn));
    return after();
  }
  Result<Written> write_fail_open(const std::function<Status(Tx&)>& fn) override {
    SENTINEL_TRY(before());
    SENTINEL_ASSIGN(const Written written, under_->write_fail_open(fn));
    SENTINEL_TRY(after());
    return written;
  }
  void tend() override { under_->tend(); }
  DatabaseHealth health() const override { return under_->health(); }
  Status read(const std::function<Status(Tx&)>& fn) override { return under_->read(fn); }
  Status migrate(std::string_view module, const std::vector<Migration>& migrations) override {
    return under_->migrate(module, migrations);
  }

 private:
  static Status gone() { return fail(ErrorCode::kUnavailable, "the process has died"); }
  Status before() {
    if (crash_.dead) return gone();
    crash_.dead = ++crash_.writes == crash_.at && !crash_.after;
    return crash_.dead ? gone() : Status();
  }
  Status after() {
    crash_.dead = crash_.writes == crash_.at;
    return crash_.dead ? gone() : Status();
  }

  const std::unique_ptr<Database> under_;
  Crash& crash_;
};

}  // namespace sentinel::state
