#pragma once
// What a subject may spend in a calendar day or month (UTC). Spending is kept over a restart: changed() says what has
// to be written, restore() reads it back.
//
// A call reserves what it will probably cost, so that many at once cannot spend the same last dollar; settling replaces
// that by what it did cost.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"

namespace sentinel::gateway {

enum class BudgetPeriod { kDay, kMonth };
std::string_view budget_period_name(BudgetPeriod period);
TimePoint period_begin(BudgetPeriod period, TimePoint now);
TimePoint period_end(BudgetPeriod period, TimePoint now);

struct Spending {
  std::string subject;
  TimePoint period_begin;
  int64_t spent_microusd = 0;
};

// One subject's account. Lives as long as its book.
class BudgetAccount;

// Thread-safe without locks: a table of fixed size, accounts are added and never taken away. Owned by Policies.
class BudgetBook {
 public:
  BudgetBook(MetricRegistry& metrics, size_t cells);
  ~BudgetBook();
  BudgetBook(const BudgetBook&) = delete;
  BudgetBook& operator=(const BudgetBook&) = delete;

  struct Reserved {
    bool allowed = true;
    BudgetAccount* account = nullptr;  // what settle() is told; null: the table is full, nothing is counted
    int64_t spent_microusd = 0;        // so far, without what is reserved
    TimePoint ends_at;
  };
  // Refused when what was spent and reserved before has reached `amount`; else `estimate` is reserved.
  // `subject` names who and which budget: "key/k1/day".
  Reserved reserve(std::string_view subject, BudgetPeriod period, int64_t amount_microusd, int64_t estimate_microusd,
                   TimePoint now);
  // REQUIRES: once for each reserve() that was allowed, with the same estimate.
  void settle(BudgetAccount* account, BudgetPeriod period, int64_t estimate_microusd, int64_t cost_microusd,
              TimePoint now);
  int64_t spent(std::string_view subject, BudgetPeriod period, TimePoint now) const;

  // What was spent since the last call; one caller at a time.
  std::vector<Spending> changed();
  // What changed() gave could not be kept: the next one gives it again.
  void mark_changed(const std::vector<Spending>& spendings);
  // Before the first call.
  void restore(const std::vector<Spending>& spendings);

 private:
  BudgetAccount* find(std::string_view subject, bool add);

  const size_t mask_;
  const std::unique_ptr<std::atomic<BudgetAccount*>[]> cells_;
  Counter& full_;
};

}  // namespace sentinel::gateway
