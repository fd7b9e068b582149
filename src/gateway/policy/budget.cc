#include "gateway/policy/budget.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace sentinel::gateway {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::year_month_day;

class BudgetAccount {
 public:
  explicit BudgetAccount(std::string_view subject) : subject_(subject) {}

  const std::string& subject() const { return subject_; }

  // A new period begins with nothing spent. A core that books into the old one at the very moment another rolls it over
  // books one call into the wrong period.
  void roll(int64_t begin_us) {
    int64_t present = begin_us_.load(std::memory_order_acquire);
    while (present < begin_us) {
      if (!begin_us_.compare_exchange_weak(present, begin_us, std::memory_order_acq_rel)) continue;
      spent_.store(0, std::memory_order_release);
      changed_.store(true, std::memory_order_release);
      return;
    }
  }

  int64_t spent_in(int64_t begin_us) const {
    return begin_us_.load(std::memory_order_acquire) >= begin_us ? spent_.load(std::memory_order_acquire) : 0;
  }
  bool reserve(int64_t amount, int64_t estimate) {
    int64_t reserved = reserved_.load(std::memory_order_acquire);
    while (spent_.load(std::memory_order_acquire) + reserved < amount) {
      if (!reserved_.compare_exchange_weak(reserved, reserved + estimate, std::memory_order_acq_rel)) continue;
      // Another call may have reserved and settled between the two reads, so that `reserved` looks unchanged.
      if (spent_.load(std::memory_order_acquire) + reserved < amount) return true;
      reserved_.fetch_sub(estimate, std::memory_order_acq_rel);
      return false;
    }
    return false;
  }
  void settle(int64_t estimate, int64_t cost) {
    if (cost > 0) {
      spent_.fetch_add(cost, std::memory_order_acq_rel);
      changed_.store(true, std::memory_order_release);
    }
    reserved_.fetch_sub(estimate, std::memory_order_acq_rel);
  }
  void restore(const Spending& spending) {
    begin_us_.store(to_us(spending.period_begin));
    spent_.store(spending.spent_microusd);
  }
  void mark_changed() { changed_.store(true, std::memory_order_release); }
  bool take_changed(Spending& out) {
    if (!changed_.exchange(false, std::memory_order_acq_rel)) return false;
    out = {subject_, time_from_us(begin_us_.load(std::memory_order_acquire)), spent_.load(std::memory_order_acquire)};
    return true;
  }

 private:
  const std::string subject_;
  std::atomic<int64_t> begin_us_{0};
  std::atomic<int64_t> spent_{0};
  std::atomic<int64_t> reserved_{0};
  std::atomic<bool> changed_{false};
};

std::string_view budget_period_name(BudgetPeriod period) { return period == BudgetPeriod::kDay ? "day" : "month"; }

TimePoint period_begin(BudgetPeriod period, TimePoint now) {
  const auto day = floor<days>(now);
  if (period == BudgetPeriod::kDay) return day;
  const year_month_day date(day);
  return std::chrono::sys_days(date.year() / date.month() / 1);
}

TimePoint period_end(BudgetPeriod period, TimePoint now) {
  const auto begin = floor<days>(period_begin(period, now));
  if (period == BudgetPeriod::kDay) return begin + days(1);
  return std::chrono::sys_days(year_month_day(begin) + std::chrono::months(1));
}

BudgetBook::BudgetBook(MetricRegistry& metrics, size_t cells)
    : mask_(cells - 1),
      cells_(std::make_unique<std::atomic<BudgetAccount*>[]>(cells)),
      full_(metrics.counter("sentinel_gateway_budget_table_full_total",
                            "Times a budget was not checked because there are too many accounts.")) {
  SENTINEL_ASSERT((cells & mask_) == 0);
}

BudgetBook::~BudgetBook() {
  for (size_t i = 0; i <= mask_; ++i) delete cells_[i].load();
}

// Open addressing; an account once added keeps its cell, so whoever looks for it finds it before an empty one.
BudgetAccount* BudgetBook::find(std::string_view subject, bool add) {
  const size_t home = static_cast<size_t>(hash64(subject)) & mask_;
  std::unique_ptr<BudgetAccount> fresh;
  for (size_t i = 0; i <= mask_; ++i) {
    std::atomic<BudgetAccount*>& cell = cells_[(home + i) & mask_];
    BudgetAccount* there = cell.load(std::memory_order_acquire);
    if (there == nullptr) {
      if (!add) return nullptr;
      if (!fresh) fresh = std::make_unique<BudgetAccount>(subject);
      if (cell.compare_exchange_strong(there, fresh.get(), std::memory_order_acq_rel)) return fresh.release();
    }
    if (there->subject() == subject) return there;
  }
  if (add) full_.add();
  return nullptr;
}

BudgetBook::Reserved BudgetBook::reserve(std::string_view subject, BudgetPeriod period, int64_t amount_microusd,
                                         int64_t estimate_microusd, TimePoint now) {
  Reserved out;
  out.ends_at = period_end(period, now);
  BudgetAccount* const account = find(subject, true);
  if (account == nullptr) return out;
  const int64_t begin_us = to_us(period_begin(period, now));
  account->roll(begin_us);
  out.spent_microusd = account->spent_in(begin_us);
  out.allowed = account->reserve(amount_microusd, std::max<int64_t>(estimate_microusd, 0));
  if (out.allowed) out.account = account;
  return out;
}

void BudgetBook::settle(BudgetAccount* account, BudgetPeriod period, int64_t estimate_microusd, int64_t cost_microusd,
                        TimePoint now) {
  if (account == nullptr) return;
  account->roll(to_us(period_begin(period, now)));
  account->settle(std::max<int64_t>(estimate_microusd, 0), cost_microusd);
}

int64_t BudgetBook::spent(std::string_view subject, BudgetPeriod period, TimePoint now) const {
  const BudgetAccount* account = const_cast<BudgetBook*>(this)->find(subject, false);
  return account == nullptr ? 0 : account->spent_in(to_us(period_begin(period, now)));
}

std::vector<Spending> BudgetBook::changed() {
  std::vector<Spending> out;
  Spending spending;
  for (size_t i = 0; i <= mask_; ++i) {
    BudgetAccount* const account = cells_[i].load(std::memory_order_acquire);
    if (account != nullptr && account->take_changed(spending)) out.push_back(std::move(spending));
  }
  return out;
}

void BudgetBook::mark_changed(const std::vector<Spending>& spendings) {
  for (const Spending& spending : spendings) {
    if (BudgetAccount* const account = find(spending.subject, false)) account->mark_changed();
  }
}

void BudgetBook::restore(const std::vector<Spending>& spendings) {
  for (const Spending& spending : spendings) {
    if (BudgetAccount* const account = find(spending.subject, true)) account->restore(spending);
  }
}

}  // namespace sentinel::gateway
