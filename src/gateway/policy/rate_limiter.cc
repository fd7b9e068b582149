#include "gateway/policy/rate_limiter.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/hash.h"
#include "gateway/policy/limits.h"

namespace sentinel::gateway {
namespace {

int64_t window_ns(const RateLimit& limit) { return limit.per.count() * 1'000'000; }

// The time that `cost` takes to be given back. A double is exact enough: windows have at most 2.7e15 ns.
int64_t time_of(const RateLimit& limit, int64_t cost) {
  const double ns =
      static_cast<double>(cost) * static_cast<double>(window_ns(limit)) / static_cast<double>(limit.amount);
  constexpr double kMost = 4e18;
  return static_cast<int64_t>(std::clamp(ns, -kMost, kMost));
}

int64_t cost_of(const RateLimit& limit, int64_t ns) {
  return static_cast<int64_t>(std::floor(
      static_cast<double>(ns) * static_cast<double>(limit.amount) / static_cast<double>(window_ns(limit)) + 1e-6));
}

Micros up_to_micros(int64_t ns) { return Micros((ns + 999) / 1000); }

}  // namespace

std::string_view limit_unit_name(LimitUnit unit) {
  switch (unit) {
    case LimitUnit::kRequests: return "requests";
    case LimitUnit::kTokens: return "tokens";
    case LimitUnit::kUsd: return "usd";
  }
  return "";
}

uint64_t limit_subject(std::string_view scope, std::string_view who, const RateLimit& limit) {
  uint64_t hash = hash64(scope, static_cast<uint64_t>(limit.unit) + 1);
  hash = hash64(who, hash ^ static_cast<uint64_t>(limit.per.count()));
  return hash == 0 ? 1 : hash;
}

RateLimiter::RateLimiter(MetricRegistry& metrics, size_t cells)
    : mask_(cells - 1),
      cells_(std::make_unique<Cell[]>(cells)),
      full_(metrics.counter("sentinel_gateway_rate_table_full_total",
                            "Times a rate limit was not checked because too many subjects have one under way.")) {
  SENTINEL_ASSERT((cells & mask_) == 0);
}

// Two cores that take the same free cell for different subjects at the same moment: the loser goes on looking. One that
// still counts into a cell that has just been given away miscounts one call; a lock would cost more than that is worth.
RateLimiter::Cell* RateLimiter::find(uint64_t subject, int64_t now_ns) {
  const size_t home = static_cast<size_t>(subject) & mask_;
  for (size_t i = 0; i < kRateProbesMax; ++i) {
    Cell& cell = cells_[(home + i) & mask_];
    if (cell.subject.load(std::memory_order_acquire) == subject) return &cell;
  }
  for (size_t i = 0; i < kRateProbesMax; ++i) {
    Cell& cell = cells_[(home + i) & mask_];
    uint64_t owner = cell.subject.load(std::memory_order_acquire);
    if (owner != 0 && cell.free_at_ns.load(std::memory_order_acquire) > now_ns) continue;
    if (cell.subject.compare_exchange_strong(owner, subject, std::memory_order_acq_rel)) return &cell;
    if (owner == subject) return &cell;
  }
  full_.add();
  return nullptr;
}

RateLimiter::Taken RateLimiter::take(uint64_t subject, const RateLimit& limit, int64_t cost, TimePoint now) {
  Taken taken;
  const int64_t now_ns = to_us(now) * 1000;
  const int64_t window = window_ns(limit);
  if (cost > limit.amount) {
    taken.allowed = false;
    taken.never = true;
    taken.remaining = limit.amount;
    return taken;
  }
  Cell* const cell = find(subject, now_ns);
  if (cell == nullptr) {
    taken.remaining = limit.amount - cost;
    return taken;
  }
  const int64_t needs = time_of(limit, cost);
  int64_t seen = cell->free_at_ns.load(std::memory_order_acquire);
  while (true) {
    const int64_t used_until = std::clamp(seen, now_ns, now_ns + kRateDebtWindowsMax * window);
    const int64_t after = used_until + needs;
    if (after - now_ns > window) {
      taken.allowed = false;
      taken.retry_after = up_to_micros(after - now_ns - window);
      taken.remaining = std::max<int64_t>(cost_of(limit, window - (used_until - now_ns)), 0);
      taken.full_after = up_to_micros(used_until - now_ns);
      return taken;
    }
    if (!cell->free_at_ns.compare_exchange_weak(seen, after, std::memory_order_acq_rel)) continue;
    taken.remaining = cost_of(limit, window - (after - now_ns));
    taken.full_after = up_to_micros(after - now_ns);
    return taken;
  }
}

void RateLimiter::settle(uint64_t subject, const RateLimit& limit, int64_t difference, TimePoint now) {
  if (difference == 0) return;
  const int64_t now_ns = to_us(now) * 1000;
  Cell* const cell = find(subject, now_ns);
  if (cell == nullptr) return;
  const int64_t by = time_of(limit, difference);
  int64_t seen = cell->free_at_ns.load(std::memory_order_acquire);
  while (true) {
    const int64_t most = now_ns + kRateDebtWindowsMax * window_ns(limit);
    const int64_t after = std::min(std::max(seen, now_ns) + by, most);
    if (cell->free_at_ns.compare_exchange_weak(seen, after, std::memory_order_acq_rel)) return;
  }
}

}  // namespace sentinel::gateway
