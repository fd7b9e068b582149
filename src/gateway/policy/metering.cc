#include "gateway/policy/metering.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/strings.h"

namespace sentinel::gateway {
namespace {

// What is taken for a call that is not made yet. An answer may be as long as the client allows, but hardly ever is: one
// that alone could use up the limit has to wait until all of it is free, and is not refused for good.
int64_t likely_cost(const RateLimit& limit, const Consumption& estimate) {
  switch (limit.unit) {
    case LimitUnit::kRequests: return 1;
    case LimitUnit::kTokens:
      return estimate.tokens_least > limit.amount ? estimate.tokens_least : std::min(estimate.tokens, limit.amount);
    case LimitUnit::kUsd: return std::min(estimate.cost_microusd, limit.amount);
  }
  return 0;
}

int64_t cost_in(LimitUnit unit, const Consumption& usage) {
  switch (unit) {
    case LimitUnit::kRequests: return 1;
    case LimitUnit::kTokens: return usage.tokens;
    case LimitUnit::kUsd: return usage.cost_microusd;
  }
  return 0;
}

std::string amount_text(LimitUnit unit, int64_t amount) {
  if (unit == LimitUnit::kUsd) return fmt::format("{:.2f} US dollars", static_cast<double>(amount) / 1e6);
  return fmt::format("{} {}", amount, limit_unit_name(unit));
}

std::string whose(CountBy by) { return by == CountBy::kAll ? "" : fmt::format(" of this {}", count_by_name(by)); }

// As OpenAI writes durations in its headers: "850ms", "6s", "1m30s".
std::string reset_text(Micros after) {
  const Millis ms = std::chrono::ceil<Millis>(after);
  if (ms < Millis(1000)) return fmt::format("{}ms", ms.count());
  const auto s = std::chrono::ceil<std::chrono::seconds>(ms).count();
  return s < 60 ? fmt::format("{}s", s) : fmt::format("{}m{}s", s / 60, s % 60);
}

}  // namespace

std::string key_budget_subject(std::string_view key_id, BudgetPeriod period) {
  return fmt::format("key:{}/key/{}/{}", key_id, key_id, budget_period_name(period));
}

std::string_view Caller::counted_by(CountBy by) const {
  switch (by) {
    case CountBy::kAll: return "";
    case CountBy::kKey: return key_id;
    case CountBy::kUser: return user;
    case CountBy::kTeam: return key ? std::string_view(key->spec.team) : std::string_view();
    case CountBy::kRoute: return route;
  }
  return "";
}

void Metering::add(std::string_view place, const std::vector<LimitConfig>& limits,
                   const std::vector<BudgetConfig>& budgets) {
  for (const LimitConfig& config : limits) {
    const std::string scope = fmt::format("{}/{}", place, count_by_name(config.by));
    taken_.push_back(
        {&config.limit, config.by, limit_subject(scope, caller_.counted_by(config.by), config.limit), 0, {}});
  }
  for (const BudgetConfig& config : budgets) {
    reserved_.push_back({&config, fmt::format("{}/{}/{}/{}", place, count_by_name(config.by),
                                              caller_.counted_by(config.by), budget_period_name(config.period))});
  }
}

bool Metering::needs_estimate() const {
  return !reserved_.empty() || std::any_of(taken_.begin(), taken_.end(), [](const TakenLimit& taken) {
    return taken.limit->unit != LimitUnit::kRequests;
  });
}

void Metering::give_back(size_t limits, size_t budgets, TimePoint now) {
  for (size_t i = 0; i < limits; ++i) policies_.rates.settle(taken_[i].subject, *taken_[i].limit, -taken_[i].cost, now);
  for (size_t i = 0; i < budgets; ++i) {
    policies_.budgets.settle(reserved_[i].account, reserved_[i].budget->period, estimate_.cost_microusd, 0, now);
  }
}

Failure Metering::refused(const TakenLimit& taken) const {
  const RateLimit& limit = *taken.limit;
  const std::string allowed =
      fmt::format("{} per {}{}", amount_text(limit.unit, limit.amount), format_duration(limit.per), whose(taken.by));
  if (taken.state.never) {
    return make_failure(ErrorType::kPolicyRateLimited,
                        fmt::format("this request needs {}, which is more than the whole limit: {}",
                                    amount_text(limit.unit, taken.cost), allowed));
  }
  Failure failure = make_failure(ErrorType::kPolicyRateLimited, "rate limit reached: " + allowed);
  failure.retry_after = std::chrono::ceil<Millis>(taken.state.retry_after);
  return failure;
}

Outcome Metering::take(const Consumption& estimate, Family family, TimePoint now, net::Headers& headers) {
  estimate_ = estimate;
  for (size_t i = 0; i < taken_.size(); ++i) {
    TakenLimit& taken = taken_[i];
    taken.cost = likely_cost(*taken.limit, estimate);
    taken.state = policies_.rates.take(taken.subject, *taken.limit, taken.cost, now);
    if (taken.state.allowed) continue;
    give_back(i, 0, now);
    Failure failure = refused(taken);
    if (failure.retry_after) headers.set("retry-after-ms", std::to_string(failure.retry_after->count()));
    if (taken.state.never) headers.set("x-should-retry", "false");
    taken_.resize(i + 1);  // the others have said nothing
    write_headers(family, now, headers);
    return failure;
  }
  for (size_t i = 0; i < reserved_.size(); ++i) {
    ReservedBudget& reserved = reserved_[i];
    const BudgetConfig& budget = *reserved.budget;
    const auto got =
        policies_.budgets.reserve(reserved.subject, budget.period, budget.amount_microusd, estimate.cost_microusd, now);
    reserved.account = got.account;
    if (got.allowed) continue;
    give_back(taken_.size(), i, now);
    Failure failure =
        make_failure(ErrorType::kPolicyBudgetExceeded,
                     fmt::format("the budget of {} a {}{} is spent; the next begins {}",
                                 amount_text(LimitUnit::kUsd, budget.amount_microusd),
                                 budget_period_name(budget.period), whose(budget.by), format_rfc3339(got.ends_at)));
    failure.retry_after = std::chrono::ceil<Millis>(got.ends_at - now);
    headers.set("x-should-retry", "false");
    return failure;
  }
  open_ = true;
  write_headers(family, now, headers);
  return std::nullopt;
}

// Of each unit the limit of which least is left.
void Metering::write_headers(Family family, TimePoint now, net::Headers& headers) const {
  for (const LimitUnit unit : {LimitUnit::kRequests, LimitUnit::kTokens}) {
    const TakenLimit* least = nullptr;
    const auto left = [](const TakenLimit& t) {
      return static_cast<double>(t.state.remaining) / static_cast<double>(t.limit->amount);
    };
    for (const TakenLimit& taken : taken_) {
      if (taken.limit->unit == unit && (least == nullptr || left(taken) < left(*least))) least = &taken;
    }
    if (least == nullptr) continue;
    const std::string_view name = limit_unit_name(unit);
    const std::string limit = std::to_string(least->limit->amount);
    const std::string remaining = std::to_string(least->state.remaining);
    if (family == Family::kAnthropic) {
      headers.set(fmt::format("anthropic-ratelimit-{}-limit", name), limit);
      headers.set(fmt::format("anthropic-ratelimit-{}-remaining", name), remaining);
      headers.set(fmt::format("anthropic-ratelimit-{}-reset", name), format_rfc3339(now + least->state.full_after));
    } else {
      headers.set(fmt::format("x-ratelimit-limit-{}", name), limit);
      headers.set(fmt::format("x-ratelimit-remaining-{}", name), remaining);
      headers.set(fmt::format("x-ratelimit-reset-{}", name), reset_text(least->state.full_after));
    }
  }
}

void Metering::settle(const Consumption& actual, TimePoint now) {
  if (!open_) return;
  open_ = false;
  for (const TakenLimit& taken : taken_) {
    if (taken.limit->unit == LimitUnit::kRequests) continue;
    policies_.rates.settle(taken.subject, *taken.limit, cost_in(taken.limit->unit, actual) - taken.cost, now);
  }
  for (const ReservedBudget& reserved : reserved_) {
    policies_.budgets.settle(reserved.account, reserved.budget->period, estimate_.cost_microusd, actual.cost_microusd,
                             now);
  }
}

}  // namespace sentinel::gateway
