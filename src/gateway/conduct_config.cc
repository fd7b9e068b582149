// Reading what conduct.h describes.
#include <algorithm>
#include <array>

#include "gateway/config_read.h"
#include "gateway/limits.h"

namespace sentinel::gateway {
namespace {

using text::YamlNode;

Result<BalanceKind> read_balance(const YamlNode& route) {
  SENTINEL_ASSIGN(const std::string name, route.string_or("balance", "weighted"));
  if (name == "weighted") return BalanceKind::kWeighted;
  if (name == "least_busy") return BalanceKind::kLeastBusy;
  if (name == "latency") return BalanceKind::kLatency;
  if (name == "cost") return BalanceKind::kCost;
  return fail(
      route.get("balance").error("balance must be weighted, least_busy, latency or cost, not \"" + name + "\""));
}

Result<HedgeConfig> read_hedge(const YamlNode& node) {
  HedgeConfig hedge;
  if (node.is_null()) return hedge;
  SENTINEL_TRY(node.expect_keys("hedge", {"after", "after_ms", "quantile"}));
  if (!node.has("after") && !node.has("after_ms")) return fail(node.error("hedge needs a field \"after\""));
  SENTINEL_ASSIGN(hedge.after, read_time(node, "after", Millis(1)));
  if (hedge.after.count() < 1) return fail(node.get("after").error("after must be longer than 0s"));
  SENTINEL_ASSIGN(hedge.quantile, read_number(node, "quantile", 0, 0, 0.999));
  return hedge;
}

Result<LastResortConfig> read_last_resort(const YamlNode& node) {
  LastResortConfig last;
  if (node.is_null()) return last;
  SENTINEL_TRY(node.expect_keys("last_resort", {"cached", "cached_max_age", "cached_max_age_ms", "answer"}));
  SENTINEL_ASSIGN(last.cached, node.boolean_or("cached", false));
  SENTINEL_ASSIGN(last.cached_max_age, read_time(node, "cached_max_age", last.cached_max_age));
  SENTINEL_ASSIGN(last.answer, node.string_or("answer", ""));
  if (!last.on()) return fail(node.error("last_resort needs `cached: true` or an `answer`"));
  return last;
}

// Exactly one of these says what the fault is.
struct FaultWord {
  std::string_view word;
  FaultKind kind;
};
constexpr FaultWord kFaultWords[] = {
    {"abort", FaultKind::kAbort},   {"delay", FaultKind::kDelay},       {"silence", FaultKind::kSilence},
    {"cut_after", FaultKind::kCut}, {"stall_after", FaultKind::kStall}, {"garble_after", FaultKind::kGarble},
};

Status read_fault_kind(const YamlNode& node, const FaultWord& word, FaultConfig& fault) {
  const std::string name(word.word);
  fault.kind = word.kind;
  switch (word.kind) {
    case FaultKind::kAbort: {
      SENTINEL_ASSIGN(fault.status, read_count(node, name, 0, 400, 599));
      return {};
    }
    case FaultKind::kDelay: {
      SENTINEL_ASSIGN(fault.delay, node.get(name).duration());
      return {};
    }
    case FaultKind::kSilence: {
      SENTINEL_ASSIGN(const bool silent, node.get(name).boolean());
      if (!silent) return fail(node.get(name).error("silence must be true"));
      return {};
    }
    default: {
      SENTINEL_ASSIGN(fault.after, read_count(node, name, 0, 0, 1'000'000));
      return {};
    }
  }
}

Result<FaultConfig> read_fault(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("fault", {"percent", "provider", "abort", "retry_after", "delay", "silence",
                                          "cut_after", "stall_after", "garble_after"}));
  FaultConfig fault;
  int kinds = 0;
  for (const FaultWord& word : kFaultWords) {
    if (!node.has(word.word)) continue;
    ++kinds;
    SENTINEL_TRY(read_fault_kind(node, word, fault));
  }
  if (kinds != 1) {
    return fail(node.error("a fault needs exactly one of abort, delay, silence, cut_after, stall_after, garble_after"));
  }
  SENTINEL_ASSIGN(fault.percent, read_number(node, "percent", 100, 0, 100));
  SENTINEL_ASSIGN(fault.provider, node.string_or("provider", ""));
  if (node.has("retry_after")) {
    if (fault.kind != FaultKind::kAbort) return fail(node.get("retry_after").error("only an abort has a retry_after"));
    SENTINEL_ASSIGN(fault.retry_after, node.get("retry_after").duration());
  }
  return fault;
}

Result<std::vector<FaultConfig>> read_faults(const YamlNode& list) {
  std::vector<FaultConfig> faults;
  if (!list.is_null() && !list.is_list()) return fail(list.error("must be a list of faults"));
  if (list.size() > kFaultsMax) return fail(list.error("a route may have at most 16 faults"));
  for (const YamlNode& node : list.items()) {
    SENTINEL_ASSIGN(FaultConfig fault, read_fault(node));
    faults.push_back(std::move(fault));
  }
  return faults;
}

}  // namespace

Result<BreakerConfig> read_breaker(const YamlNode& node) {
  BreakerConfig breaker;
  SENTINEL_TRY(node.expect_keys("breaker", {"threshold", "open", "open_ms", "failure_percent", "minimum_requests",
                                            "window", "window_ms", "probes"}));
  SENTINEL_ASSIGN(breaker.threshold, read_count(node, "threshold", breaker.threshold, 0, 1'000'000));
  SENTINEL_ASSIGN(breaker.open, read_time(node, "open", breaker.open));
  SENTINEL_ASSIGN(breaker.failure_percent, read_number(node, "failure_percent", breaker.failure_percent, 0, 100));
  SENTINEL_ASSIGN(breaker.minimum_requests,
                  read_count(node, "minimum_requests", breaker.minimum_requests, 1, 1'000'000));
  SENTINEL_ASSIGN(breaker.window, read_time(node, "window", breaker.window));
  SENTINEL_ASSIGN(breaker.probes, read_count(node, "probes", breaker.probes, 1, 1000));
  return breaker;
}

Result<RetryBudgetConfig> read_retry_budget(const YamlNode& node) {
  RetryBudgetConfig budget;
  SENTINEL_TRY(node.expect_keys("retry_budget", {"ratio", "minimum", "window", "window_ms"}));
  SENTINEL_ASSIGN(budget.ratio, read_number(node, "ratio", budget.ratio, 0, 10));
  SENTINEL_ASSIGN(budget.minimum, read_count(node, "minimum", budget.minimum, 0, 1'000'000));
  SENTINEL_ASSIGN(budget.window, read_time(node, "window", budget.window));
  return budget;
}

Result<KeysConfig> read_several_keys(const YamlNode& provider) {
  KeysConfig keys;
  SENTINEL_ASSIGN(keys.refused_rest, read_time(provider, "key_rest_refused", keys.refused_rest));
  SENTINEL_ASSIGN(keys.limited_rest, read_time(provider, "key_rest_limited", keys.limited_rest));
  const YamlNode list = provider.get("api_keys");
  if (list.is_null()) return keys;
  if (!list.is_list() || list.size() == 0 || list.size() > kProviderKeysMax)
    return fail(list.error("api_keys must be a list of 1 to 32 keys"));
  for (const YamlNode& node : list.items()) {
    SENTINEL_TRY(node.expect_keys("key", {"value", "env", "file"}));
    KeyConfig key;
    SENTINEL_ASSIGN(key.value, node.string_or("value", ""));
    SENTINEL_ASSIGN(key.env, node.string_or("env", ""));
    SENTINEL_ASSIGN(key.file, node.string_or("file", ""));
    if (!key.value.empty() + !key.env.empty() + !key.file.empty() != 1)
      return fail(node.error("a key needs exactly one of value, env, file"));
    keys.keys.push_back(std::move(key));
  }
  return keys;
}

Result<ConductConfig> read_conduct(const YamlNode& route) {
  ConductConfig conduct;
  SENTINEL_ASSIGN(conduct.balance, read_balance(route));
  SENTINEL_ASSIGN(conduct.context_fallback, read_targets(route.get("context_fallback")));
  SENTINEL_ASSIGN(conduct.hedge, read_hedge(route.get("hedge")));
  SENTINEL_ASSIGN(conduct.last_resort, read_last_resort(route.get("last_resort")));
  SENTINEL_ASSIGN(conduct.hold_streams, route.boolean_or("hold_streams", false));
  SENTINEL_ASSIGN(conduct.faults, read_faults(route.get("faults")));
  return conduct;
}

}  // namespace sentinel::gateway
