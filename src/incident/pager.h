#pragma once
// Has people told of incidents: an incident that opens begins an escalation in the same transaction, what people do
// with it stops or restarts it, and each page with its outcome is an entry of the incident's timeline. Pages are rows
// of the outbox with a delivery of their own, so that no notification waits before them.
//
// Lives on the control scheduler: every call is made on its thread.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/actor.h"
#include "alerting/delivery.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "incident/escalator.h"
#include "incident/messenger.h"
#include "incident/page_links.h"
#include "incident/service.h"
#include "oncall/calendars.h"
#include "oncall/changes.h"
#include "oncall/channels.h"
#include "oncall/config.h"
#include "oncall/escalation.h"
#include "oncall/people.h"
#include "receivers/config.h"
#include "receivers/sender.h"
#include "state/database.h"

namespace sentinel::incident {

// For receivers::NetSender: the channels by which pages go out.
std::vector<receivers::ReceiverConfig> channel_configs(const oncall::Config& config);

class Pager final : public Escalator, public oncall::EscalationListener {
 public:
  static Status migrate(state::Database& database);
  // REQUIRES: migrate() ran; `incidents` has this as its escalator from now on; all references outlive it. `sender`
  // knows the channels of `config`. Overdue steps and pages go out at once, judged against the present.
  // `reply_address`: as of set_reply_address().
  static Result<std::unique_ptr<Pager>> open(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics,
                                             receivers::Sender& sender, Service& incidents,
                                             std::shared_ptr<const oncall::Config> config, std::string external_url,
                                             std::string reply_address = {});
  ~Pager() override;

  Status on_incident(state::Tx& tx, IncidentEvent event, IncidentRecord& record, const Actor& actor) override;
  Status on_escalation(state::Tx& tx, const std::vector<oncall::EscalationEvent>& events) override;
  // people.cc
  Status send(state::Tx& tx, const IncidentRecord& record, const std::vector<Message>& messages) override;
  std::optional<Person> person(std::string_view name) const override;
  std::vector<Person> team(std::string_view id) const override;
  bool reaches(std::string_view user, std::string_view channel) const override;
  Result<bool> escalate_next(state::Tx& tx, const IncidentRecord& record) override;
  Result<std::vector<Person>> superiors(state::Tx& tx, const IncidentRecord& record,
                                        const std::vector<std::string>& named) override;

  // On an error nothing has changed.
  Status reload(std::shared_ptr<const oncall::Config> config);
  // The configuration with what people have changed about its schedules.
  const oncall::Config& config() const { return *config_; }
  std::shared_ptr<const oncall::Config> shared_config() const { return config_; }
  // Without these changes, for reload().
  std::shared_ptr<const oncall::Config> written_config() const { return written_; }
  // Called after each change of what config() gives.
  void on_config(std::function<void()> handler) { config_handler_ = std::move(handler); }

  // What people change about schedules: in force and on disk on return. An id that is there is replaced.
  // In the audit with who did it, as all of these.
  Result<oncall::ScheduleChange> change_schedule(oncall::ScheduleChange change, const alerting::Actor& by = {});
  Status remove_change(std::string_view id, const alerting::Actor& by = {});  // kNotFound
  // Users, teams and maintenance windows beside those of the configuration (oncall/people.h). A user or team that the
  // configuration does not know is made.
  Status change_user(oncall::User user, const alerting::Actor& by);
  // He is as the configuration says again; one who was made here is gone. kNotFound: nothing was changed about him.
  Status reset_user(std::string_view id, const alerting::Actor& by);
  Status change_team(oncall::Team team, const alerting::Actor& by);
  Status reset_team(std::string_view id, const alerting::Actor& by);  // as reset_user()
  Result<oncall::WindowChange> add_window(oncall::MaintenanceWindow window, const alerting::Actor& by);
  Status remove_window(std::string_view id, const alerting::Actor& by);  // kNotFound
  const oncall::People& people() const { return people_; }
  const std::vector<oncall::ScheduleChange>& changes() const { return changes_; }
  // A calendar was read: what it says is in force, and kept, on return. On an error the last good one stays.
  Status follow(const oncall::Subscription& calendar, const std::string& text);
  const PageLinks& links() const { return links_; }
  oncall::Escalations& escalations() { return *escalations_; }

  // Answers to a page, by the token of its links. kNotFound: not one of ours, or forgotten.
  Result<oncall::PageRecord> page_of(std::string_view token);
  Result<IncidentRecord> incident(std::string_view id);  // ULID, "17" or "INC-17"; without all that is in it
  // Where answers to mails go, "reply@example.org"; "": nowhere. Each page has a token of its own in it.
  void set_reply_address(std::string address) { reply_address_ = std::move(address); }
  // By the token of such an address, any case. kNotFound.
  Result<oncall::PageRecord> page_of_reply(std::string_view token);
  // The name of a user, or the id when the configuration does not know it.
  std::string name_of(const std::string& user) const;
  Result<IncidentRecord> acknowledge(const oncall::PageRecord& page);
  Status escalate(const oncall::PageRecord& page);

  size_t pages_waiting() const { return delivery_->queued(); }
  Messenger& messenger() { return *messenger_; }
  const std::string& external_url() const { return external_url_; }

 private:
  class PageSender;
  Pager(Scheduler& scheduler, state::Database& database, Service& incidents,
        std::shared_ptr<const oncall::Config> config, std::string external_url)
      : scheduler_(scheduler),
        database_(database),
        incidents_(incidents),
        written_(std::move(config)),
        external_url_(std::move(external_url)) {}

  oncall::Trigger trigger_of(const IncidentRecord& record, std::string policy) const;
  Status opened(state::Tx& tx, IncidentRecord& record);
  Status changed(state::Tx& tx, const IncidentRecord& record, const Actor& actor);
  Status acknowledged_again(state::Tx& tx, IncidentRecord& record, const Actor& actor);
  Status write_timeline(state::Tx& tx, const oncall::EscalationEvent& event);
  Status attempted(state::Tx& tx, const std::vector<alerting::Attempted>& attempts);
  Result<receivers::Outgoing> outgoing(receivers::Outgoing page);
  Result<oncall::PageText> text_of(const oncall::Page& page);
  std::shared_ptr<const oncall::Config> composed(const oncall::Config& written,
                                                 const std::vector<oncall::ScheduleChange>& changes,
                                                 const oncall::People& people) const;
  Status in_force(std::shared_ptr<const oncall::Config> written, std::vector<oncall::ScheduleChange> changes,
                  oncall::People people);
  struct PeopleNote {
    std::string action;  // "user.changed"
    std::string target, before, after;
  };
  // In the audit and, by `put`, on disk in one transaction; then in force.
  Status put_people(oncall::People people, const alerting::Actor& by, const PeopleNote& what,
                    const std::function<Status(state::Tx&)>& put);
  Status note(state::Tx& tx, const alerting::Actor& by, std::string action, std::string target, std::string before,
              std::string after) const;
  void settle();  // once the transaction that is under way has been committed
  void prune();

  Scheduler& scheduler_;
  state::Database& database_;
  Service& incidents_;
  std::shared_ptr<const oncall::Config> written_;
  std::vector<oncall::ScheduleChange> changes_;
  oncall::CalendarTexts calendars_;
  oncall::People people_;
  std::shared_ptr<const oncall::Config> config_;  // all of them
  std::function<void()> config_handler_;
  const std::string external_url_;
  std::string reply_address_;
  PageLinks links_;
  std::unique_ptr<oncall::Escalations> escalations_;
  std::unique_ptr<Messenger> messenger_;
  std::unique_ptr<receivers::Sender> page_sender_;
  std::unique_ptr<alerting::Delivery> delivery_;
  const model::Incident* changing_ = nullptr;  // in the transaction under way
  std::vector<std::string> just_paged_;        // users, in it
  bool settling_ = false;
  TimerId prune_timer_ = TimerId::kNone;
  std::shared_ptr<Pager*> self_ = std::make_shared<Pager*>(this);  // null inside once destroyed
};

}  // namespace sentinel::incident
