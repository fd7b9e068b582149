#pragma once
// Escalations on a scheduler: what is due happens when it is due, also when the process was down then. All state is in
// the database as absolute times; this object holds none but one timer.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "oncall/escalation_steps.h"
#include "state/database.h"

namespace sentinel::oncall {

// Told in the transaction of the change, so that an incident's timeline has it or neither happened.
class EscalationListener {
 public:
  virtual ~EscalationListener() = default;
  virtual Status on_escalation(state::Tx& tx, const std::vector<EscalationEvent>& events) = 0;
};

// Lives on the scheduler's thread; every function is called there. Blocks for a disk write.
class Escalations {
 public:
  // REQUIRES: `database` has been migrated; everything outlives this object. `listener` may be null. Overdue timers
  // run at once, judged against the present state.
  static Result<std::unique_ptr<Escalations>> open(Scheduler& scheduler, state::Database& database,
                                                   MetricRegistry& metrics, EscalationListener* listener,
                                                   std::shared_ptr<const Config> config);
  static Status migrate(state::Database& database) { return EscalationStore::migrate(database); }
  ~Escalations();
  Escalations(const Escalations&) = delete;
  Escalations& operator=(const Escalations&) = delete;

  // When the disk refuses these go on in memory (what they do must not wait for a disk); Written says so.
  Result<state::Written> trigger(const Trigger& trigger);
  Result<state::Written> resolve(std::string_view key, std::string_view actor);
  // What people do is on disk, or refused.
  Status acknowledge(std::string_view key, std::string_view actor);
  Status escalate(std::string_view key, std::string_view actor);
  Status reassign(std::string_view key, std::string_view policy, std::string_view actor);
  // Returns the key of the escalation that is none (EscalationSteps::test_page).
  Result<std::string> test_page(std::string_view user, std::string_view channel, std::string_view actor);
  // Forgets what was resolved before.
  Status prune(TimePoint resolved_before);
  Status reload(std::shared_ptr<const Config> config);

  // The same inside the transaction of a caller, who calls committed() after it, or rolled_back().
  Status trigger_in(state::Tx& tx, const Trigger& trigger);
  Status resolve_in(state::Tx& tx, std::string_view key, std::string_view actor);
  Status acknowledge_in(state::Tx& tx, std::string_view key, std::string_view actor);
  Status escalate_in(state::Tx& tx, std::string_view key, std::string_view actor);
  Status restart_in(state::Tx& tx, const Trigger& trigger, std::string_view actor);
  Status change_in(state::Tx& tx, const Trigger& trigger, std::string_view actor);
  Status delivered_in(state::Tx& tx, std::string_view message_key);
  Status undelivered_in(state::Tx& tx, std::string_view message_key, std::string_view error);
  Status unwanted_in(state::Tx& tx, std::string_view message_key);
  void committed();
  void rolled_back() { uncommitted_.clear(); }

  Result<std::vector<Escalation>> list(bool resolved, size_t limit) const;
  Result<std::vector<EscalationEvent>> events(std::string_view key, size_t limit) const;
  Result<std::vector<PageRecord>> pages(std::string_view key, size_t limit) const;
  Result<std::optional<Escalation>> find(std::string_view key) const;
  const Config& config() const { return *config_; }
  std::shared_ptr<const Config> shared_config() const { return config_; }
  // Called after pages have been put into the outbox.
  void on_pages(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  Escalations(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, EscalationListener* listener,
              std::shared_ptr<const Config> config);
  using Step = std::function<Status(EscalationSteps&)>;
  using Events = std::vector<EscalationEvent>;
  Result<Events> run_in(state::Tx& tx, const Step& step);
  Result<state::Written> run_open(const Step& step);
  Status run_durable(const Step& step);
  Status run_for_caller(state::Tx& tx, const Step& step);
  void run_due();
  void arm();
  void arm_at(TimePoint when);
  void count(const Events& events);

  Scheduler& scheduler_;
  state::Database& database_;
  EscalationListener* const listener_;
  std::shared_ptr<const Config> config_;
  std::function<void()> wake_;
  Counter& pages_;
  Counter& exhausted_;
  Counter& nobody_;
  Counter& failures_;
  Counter& undelivered_;
  Counter& unreached_;
  Counter& delivered_;
  Events uncommitted_;  // of the transaction of a caller
  TimerId timer_ = TimerId::kNone;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sentinel::oncall
