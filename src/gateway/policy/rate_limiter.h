#pragma once
// How much of something a subject may use in a window: the generic cell rate algorithm (GCRA). A limit of N per W lets
// N through at once and gives back one each W/N, so there is no edge of a window at which twice as much goes through.
//
// State is one number a subject and limit: the time at which everything used will have been given back. It lies in a
// table of fixed size without locks, so that all cores share one count. A cell whose time has passed holds nothing and
// is given to whoever comes next.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/metrics.h"

namespace sentinel::gateway {

// What a limit is about; together with the limit itself a subject has one count.
enum class LimitUnit { kRequests, kTokens, kUsd };
std::string_view limit_unit_name(LimitUnit unit);

struct RateLimit {
  LimitUnit unit = LimitUnit::kRequests;
  int64_t amount = 0;  // requests, tokens, or micro-dollars; above 0
  Millis per{0};
};

// Thread-safe, wait-free but for a compare-and-swap loop. Owned by Policies.
class RateLimiter {
 public:
  explicit RateLimiter(MetricRegistry& metrics, size_t cells);
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  struct Taken {
    bool allowed = true;
    int64_t remaining = 0;  // after this
    Micros full_after{0};   // until nothing is used any more
    Micros retry_after{0};  // when refused: until this cost would be allowed
    bool never = false;     // it costs more than the whole limit
  };
  // Takes `cost` for `subject`, or nothing. REQUIRES: limit.amount > 0, limit.per > 0, cost >= 0.
  Taken take(uint64_t subject, const RateLimit& limit, int64_t cost, TimePoint now);
  // A call cost so much more (or, negative, less) than was taken for it. What is owed waits at most
  // kRateDebtWindowsMax windows.
  void settle(uint64_t subject, const RateLimit& limit, int64_t difference, TimePoint now);

 private:
  struct Cell {
    std::atomic<uint64_t> subject{0};
    std::atomic<int64_t> free_at_ns{0};  // the "theoretical arrival time" of GCRA
  };
  Cell* find(uint64_t subject, int64_t now_ns);

  const size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  Counter& full_;
};

// Of a limit's definition and who it counts: what take() is told. Never 0.
uint64_t limit_subject(std::string_view scope, std::string_view who, const RateLimit& limit);

}  // namespace sentinel::gateway
