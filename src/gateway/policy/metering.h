#pragma once
// Internal to gateway: the limits and budgets that one call comes under: what is taken before it is sent, and set right
// once it is known what it used.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/failure.h"
#include "gateway/policy/config.h"
#include "gateway/policy/policies.h"
#include "gateway/protocol/api.h"
#include "net/http.h"

namespace sentinel::gateway {

// Who a call is counted for.
struct Caller {
  std::shared_ptr<const VirtualKey> key;  // null: none
  std::string key_id;                     // of the virtual key, or of what else was shown
  std::string user;
  std::string route;

  std::string_view counted_by(CountBy by) const;
};

struct Consumption {
  int64_t tokens = 0;
  int64_t tokens_least = 0;  // of an estimate: the prompt's alone
  int64_t cost_microusd = 0;
};

// One object a call. Not thread-safe.
class Metering {
 public:
  Metering(Policies& policies, Caller caller) : policies_(policies), caller_(std::move(caller)) {}

  const Caller& caller() const { return caller_; }
  bool counts() const { return !taken_.empty() || !reserved_.empty(); }

  // Adds the limits of one place: the gateway, a route, a key. All are then asked by take().
  void add(std::string_view place, const std::vector<LimitConfig>& limits, const std::vector<BudgetConfig>& budgets);
  // There is a limit in tokens or dollars, so that an estimate is worth its price.
  bool needs_estimate() const;

  // Takes from every limit and budget, or from none and says why. Fills `headers`, too, when refused.
  Outcome take(const Consumption& estimate, Family family, TimePoint now, net::Headers& headers);
  // Once, after a take() that was allowed: what it really used.
  void settle(const Consumption& actual, TimePoint now);

 private:
  struct TakenLimit {
    const RateLimit* limit;
    CountBy by;
    uint64_t subject;
    int64_t cost = 0;
    RateLimiter::Taken state;
  };
  struct ReservedBudget {
    const BudgetConfig* budget;
    std::string subject;
    BudgetAccount* account = nullptr;
  };
  void give_back(size_t limits, size_t budgets, TimePoint now);
  Failure refused(const TakenLimit& taken) const;
  void write_headers(Family family, TimePoint now, net::Headers& headers) const;

  Policies& policies_;
  const Caller caller_;
  std::vector<TakenLimit> taken_;
  std::vector<ReservedBudget> reserved_;
  Consumption estimate_;
  bool open_ = false;  // taken and not yet settled
};

}  // namespace sentinel::gateway
