#pragma once
// Pings addresses of an outside watcher, so that it notices when this process is dead, stands still, or evaluates no
// rules any more. No bare timer: a ping is the notification of an alert that always fires. It goes out only while rule
// evaluation has handed that alert to alerting a moment ago (since this process started), and it takes the way of a
// notification: a row of the outbox in a transaction, then the delivery. A disk that refuses therefore stops it, too.
//
// Lives on the control scheduler.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alerting/delivery.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "receivers/sender.h"
#include "state/database.h"

namespace sentinel::alerting {

inline constexpr std::string_view kDeadManChannel = "dead_man";

struct DeadManOptions {
  std::vector<std::string> urls;  // secrets: they are neither stored nor logged
  Micros every = std::chrono::minutes(1);
  std::string alert = "Watchdog";          // the one that always fires
  Micros fresh = std::chrono::minutes(3);  // an alert that is older is no sign of life; it is sent again each minute
  bool operator==(const DeadManOptions&) const = default;
};

class DeadMan {
 public:
  // When that alert was last handed over and fires; absent: it does not fire.
  using Heard = std::function<std::optional<TimePoint>(const std::string& alert)>;
  // Gets messages whose `integration` is "dead_man/N", N the number of the address; answers when it was asked.
  DeadMan(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, receivers::Sender& sender,
          Heard heard, DeadManOptions options);
  ~DeadMan();
  DeadMan(const DeadMan&) = delete;
  DeadMan& operator=(const DeadMan&) = delete;

  void reload(DeadManOptions options);
  const DeadManOptions& options() const { return options_; }
  bool alive() const { return alive_; }  // at the last look

 private:
  void look();
  Status ping(TimePoint now);

  Scheduler& scheduler_;
  state::Database& database_;
  const Heard heard_;
  DeadManOptions options_;
  const TimePoint started_at_;
  bool alive_ = false;
  Gauge& alive_gauge_;
  Counter& pings_;
  Counter& failures_;
  std::unique_ptr<Delivery> delivery_;
  TimerId timer_ = TimerId::kNone;
};

}  // namespace sentinel::alerting
