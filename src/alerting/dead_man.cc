#include "alerting/dead_man.h"

#include <fmt/format.h>

#include "base/log.h"

namespace sentinel::alerting {

DeadMan::DeadMan(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, receivers::Sender& sender,
                 Heard heard, DeadManOptions options)
    : scheduler_(scheduler),
      database_(database),
      heard_(std::move(heard)),
      options_(std::move(options)),
      started_at_(scheduler.now()),
      alive_gauge_(metrics.gauge("sentinel_dead_man_alive",
                                 "Whether the last look found rules evaluated and alerts handed on.")),
      pings_(metrics.counter("sentinel_dead_man_pings_total", "Pings that the outside watcher took.")),
      failures_(metrics.counter("sentinel_dead_man_failures_total",
                                "Attempts to ping that the outside watcher did not take.")) {
  Delivery::Hooks hooks;
  hooks.finishing = [](state::Tx&, const std::vector<Finished>&) { return Status(); };
  hooks.finished = [] {};
  // One that comes late would say that we live when we may not.
  hooks.wanted = [this](state::Tx&, const state::OutboxMessage& message) -> Result<bool> {
    return alive_ && scheduler_.now() - message.created_at < options_.every;
  };
  hooks.attempted = [this](state::Tx&, const std::vector<Attempted>& attempts) -> Status {
    for (const Attempted& a : attempts) {
      if (a.kind == Attempted::Kind::kDelivered) pings_.add();
      if (a.kind != Attempted::Kind::kRetry && a.kind != Attempted::Kind::kFailed) continue;
      failures_.add();
      log_warn("dead_man", "the outside watcher was not reached", {{"key", a.key}, {"error", a.error}});
    }
    return {};
  };
  delivery_ =
      std::make_unique<Delivery>(scheduler, database, metrics, sender, std::move(hooks), DigestOptions{.above = 0},
                                 Track{.channel = kDeadManChannel,
                                       .pending_metric = "sentinel_dead_man_pending",
                                       .pending_help = "Pings of the outside watcher not yet taken.",
                                       .notifications = false});
  delivery_->wake();
  timer_ = scheduler_.after(Micros(0), [this] { look(); });
}

DeadMan::~DeadMan() { scheduler_.cancel(timer_); }

void DeadMan::reload(DeadManOptions options) {
  if (options == options_) return;
  options_ = std::move(options);
  scheduler_.cancel(timer_);
  timer_ = scheduler_.after(Micros(0), [this] { look(); });
}

void DeadMan::look() {
  const TimePoint now = scheduler_.now();
  const bool wanted = !options_.urls.empty();
  const auto heard = wanted ? heard_(options_.alert) : std::nullopt;
  const bool was = alive_;
  alive_ = heard && *heard >= started_at_ && now - *heard < options_.fresh;
  alive_gauge_.set(alive_ ? 1 : 0);
  if (wanted && was && !alive_)
    log_error("dead_man", "no ping: the alert that always fires is not heard of", {{"alert", options_.alert}});
  if (alive_) {
    const Status pinged = ping(now);
    if (!pinged) log_error("dead_man", "no ping: it could not be stored", {{"error", pinged.error().to_string()}});
  }
  // Until it lives for the first time it is looked for each second, so that a restart is not taken for a death.
  const Micros next = wanted && !alive_ ? std::min<Micros>(options_.every, std::chrono::seconds(1)) : options_.every;
  timer_ = scheduler_.after(next, [this] { look(); });
}

Status DeadMan::ping(TimePoint now) {
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    for (size_t i = 0; i < options_.urls.size(); ++i) {
      state::OutboxMessage row;
      row.channel = kDeadManChannel;
      row.receiver = fmt::format("dead_man/{}", i);
      row.key = fmt::format("dead_man/{}/{}", i, to_us(now));
      row.payload = "{}";
      row.created_at = row.due_at = now;
      SENTINEL_TRY(state::Outbox::enqueue(tx, row));
    }
    return {};
  }));
  delivery_->wake();
  return {};
}

}  // namespace sentinel::alerting
