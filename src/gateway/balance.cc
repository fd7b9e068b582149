#include "gateway/balance.h"

#include <algorithm>
#include <limits>

namespace sentinel::gateway {
namespace {

struct Candidate {
  const Target* target = nullptr;
  Lane* lane = nullptr;
  double cost = 0;  // when it matters
};
struct Candidates {
  std::array<Candidate, kTargetsMax> list{};
  size_t count = 0;
};

double weight_sum(const Candidates& all) {
  double sum = 0;
  for (size_t i = 0; i < all.count; ++i) sum += all.list[i].target->weight;
  return sum;
}

size_t pick_weighted(const Candidates& all, Random& random) {
  double point = random.uniform() * weight_sum(all);
  size_t picked = 0;
  while (picked + 1 < all.count && point >= all.list[picked].target->weight) point -= all.list[picked++].target->weight;
  return picked;
}

// Fewest under way for its weight; of equals one by weight.
size_t pick_least_busy(const Candidates& all, Random& random) {
  Candidates equals;
  std::array<size_t, kTargetsMax> index{};
  double best = 0;
  for (size_t i = 0; i < all.count; ++i) {
    const double busy = all.list[i].lane->under_way.load(std::memory_order_relaxed) / all.list[i].target->weight;
    if (equals.count > 0 && busy > best) continue;
    if (busy < best) equals.count = 0;
    best = busy;
    index[equals.count] = i;
    equals.list[equals.count++] = all.list[i];
  }
  return index[pick_weighted(equals, random)];
}

// Of two taken at random the one that would answer sooner: no herd runs to the fastest.
size_t pick_latency(const Candidates& all, TimePoint now, Random& random) {
  const auto load = [&](size_t i) {
    const Lane& lane = *all.list[i].lane;
    return lane.latency.load(lane.under_way.load(std::memory_order_relaxed), now) / all.list[i].target->weight;
  };
  const size_t a = random.below(all.count);
  size_t b = random.below(all.count - 1);
  if (b >= a) ++b;
  return load(b) < load(a) ? b : a;
}

// The cheapest; of equals one by weight.
size_t pick_cost(const Candidates& all, Random& random) {
  Candidates equals;
  std::array<size_t, kTargetsMax> index{};
  for (size_t i = 0; i < all.count; ++i) {
    const double cost = all.list[i].cost;
    if (equals.count > 0 && cost > equals.list[0].cost) continue;
    if (equals.count > 0 && cost < equals.list[0].cost) equals.count = 0;
    index[equals.count] = i;
    equals.list[equals.count++] = all.list[i];
  }
  return index[pick_weighted(equals, random)];
}

size_t pick(BalanceKind balance, const Candidates& all, TimePoint now, Random& random) {
  if (all.count < 2) return 0;
  switch (balance) {
    case BalanceKind::kWeighted: return pick_weighted(all, random);
    case BalanceKind::kLeastBusy: return pick_least_busy(all, random);
    case BalanceKind::kLatency: return pick_latency(all, now, random);
    case BalanceKind::kCost: return pick_cost(all, random);
  }
  return 0;
}

// The best first; whoever comes after is asked only when it fails. By weight the others keep their order, else they are
// ranked as well.
void take_in_order(const Route& route, Candidates all, TimePoint now, Random& random, TargetOrder& order) {
  bool first = true;
  while (all.count > 0) {
    const bool ranked = first || route.config.conduct.balance != BalanceKind::kWeighted;
    const size_t best = ranked ? pick(route.config.conduct.balance, all, now, random) : 0;
    first = false;
    order.add(all.list[best].target);
    std::move(all.list.begin() + static_cast<std::ptrdiff_t>(best) + 1,
              all.list.begin() + static_cast<std::ptrdiff_t>(all.count),
              all.list.begin() + static_cast<std::ptrdiff_t>(best));
    --all.count;
  }
}

}  // namespace

std::optional<double> list_price(const CostOf& prices, const std::string& provider, std::string_view model) {
  if (!prices) return std::nullopt;
  constexpr int64_t kInput = 3000, kOutput = 1000;  // few enough for no price of long contexts
  model::Interaction call;
  call.provider = provider;
  call.model = model;
  call.tokens_input = kInput;
  call.tokens_output = kOutput;
  const auto microusd = prices(call);
  if (!microusd) return std::nullopt;
  return static_cast<double>(*microusd) / (kInput + kOutput);
}

namespace {

double cost_of(const Target& target, std::string_view asked_model, const CostOf& prices) {
  if (target.cost) return *target.cost;
  const std::string_view model = target.model.empty() ? asked_model : std::string_view(target.model);
  return list_price(prices, target.provider->config.name, model).value_or(std::numeric_limits<double>::infinity());
}

}  // namespace

Lane& lane_of(const Target& target, std::string_view asked_model) {
  return target.lane != nullptr ? *target.lane : target.provider->health->lane(asked_model);
}

TargetOrder order_targets(const Route& route, std::string_view asked_model, TimePoint now, Random& random,
                          const CostOf& prices) {
  TargetOrder order;
  if (route.targets.size() == 1) {
    order.add(&route.targets[0]);
  } else {
    Candidates well, open;
    for (const Target& target : route.targets) {
      if (target.weight <= 0) continue;
      Lane& lane = lane_of(target, asked_model);
      Candidates& to = lane.breaker.state(now) == BreakerState::kOpen ? open : well;
      const bool by_cost = route.config.conduct.balance == BalanceKind::kCost;
      to.list[to.count++] = {&target, &lane, by_cost ? cost_of(target, asked_model, prices) : 0};
    }
    take_in_order(route, well, now, random, order);
    take_in_order(route, open, now, random, order);
    if (order.count == 0 && !route.targets.empty()) order.add(&route.targets[0]);
  }
  for (const Target& target : route.fallback) order.add(&target);
  return order;
}

}  // namespace sentinel::gateway
