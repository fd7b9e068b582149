#pragma once
// The part of the configuration that says how a route behaves when its providers do not.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace sentinel::gateway {

struct TargetConfig {
  std::string provider;
  std::string model;  // empty: as asked for
  double weight = 1;
  std::optional<double> cost{};  // for `balance: cost`: the lowest is asked first; none: by the price table
};

// Of the attempts at one provider, how many may be retries or hedges.
struct RetryBudgetConfig {
  double ratio = 0.2;  // of the first attempts within the window
  int minimum = 10;    // these many are always allowed
  Millis window = std::chrono::seconds(10);
};

struct BreakerConfig {
  int threshold = 5;  // failures in a row; 0: not by these
  Millis open = std::chrono::seconds(60);
  double failure_percent = 0;  // of the attempts within the window; 0: not by these
  int minimum_requests = 20;   // fewer attempts within the window say nothing
  Millis window = std::chrono::seconds(30);
  int probes = 1;  // successes in a row that close it again
};

// One of a provider's keys: exactly one of the three.
struct KeyConfig {
  std::string value;
  std::string env;
  std::string file;
};

struct KeysConfig {
  std::vector<KeyConfig> keys;                     // used in turn
  Millis refused_rest = std::chrono::minutes(10);  // after 401 or 403
  Millis limited_rest = std::chrono::seconds(30);  // after 429, unless Retry-After says how long
};

enum class BalanceKind { kWeighted, kLeastBusy, kLatency, kCost };

// A second attempt beside a slow first one; whichever has something for the client first serves it.
struct HedgeConfig {
  Millis after{0};      // 0: no hedging
  double quantile = 0;  // of the target's last answers, once enough are known; 0: always `after`
  bool on() const { return after.count() > 0; }
};

// What is answered when every target has failed.
struct LastResortConfig {
  bool cached = false;  // the last good answer to the same request of the same caller
  Millis cached_max_age = std::chrono::hours(24);
  std::string answer;  // else this text; empty: the failure is told
  bool on() const { return cached || !answer.empty(); }
};

enum class FaultKind { kAbort, kDelay, kSilence, kCut, kStall, kGarble };

// Done to a share of the attempts, as if the provider had done it.
struct FaultConfig {
  FaultKind kind = FaultKind::kAbort;
  double percent = 100;
  std::string provider;               // only attempts at this one; empty: at any
  int status = 503;                   // abort: what the provider seems to answer, without being asked
  std::optional<Millis> retry_after;  // abort
  Millis delay{0};                    // delay: before it is asked
  int after = 0;                      // cut, stall, garble: so many contents of a stream come through
};

struct ConductConfig {
  BalanceKind balance = BalanceKind::kWeighted;
  std::vector<TargetConfig> context_fallback;  // asked when a prompt is too long for the others
  HedgeConfig hedge;
  LastResortConfig last_resort;
  bool hold_streams = false;  // a stream goes out only when it is whole, so that a broken one can begin anew elsewhere
  std::vector<FaultConfig> faults;
};

}  // namespace sentinel::gateway
