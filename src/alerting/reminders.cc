#include "alerting/reminders.h"

#include <algorithm>

#include "alerting/alerting.h"
#include "alerting/limits.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/strings.h"
#include "model/alert.h"

namespace sentinel::alerting {

Result<std::optional<TimePoint>> remind_at(const Silence& s, const ReminderOptions& options) {
  const std::string_view text = s.annotations.get(kRemindBeforeAnnotation);
  if (text == "off") return std::nullopt;
  Micros before = options.before;
  if (!text.empty()) {
    const auto asked = parse_duration(text);
    if (!asked || asked->count() <= 0) {
      return fail(ErrorCode::kInvalidArgument, "invalid silence: annotation " + std::string(kRemindBeforeAnnotation) +
                                                   " must be off or how long before the end, as 30m");
    }
    before = *asked;
  } else if (before <= Micros(0) || s.annotations.has(kRecurringAnnotation) || s.ends_at - s.starts_at < 2 * before) {
    return std::nullopt;
  }
  const TimePoint at = s.ends_at - before;
  return at <= s.starts_at || s.updated_at > at ? std::nullopt : std::optional(at);
}

const receivers::ReceiverConfig* reminder_receiver(const Silence& s, const ReminderOptions& options,
                                                   const std::vector<receivers::ReceiverConfig>& receivers) {
  const auto first = [&](const auto& is_it) {
    const auto it = std::find_if(receivers.begin(), receivers.end(), is_it);
    return it == receivers.end() ? nullptr : &*it;
  };
  const auto named = [&](std::string_view name) {
    return first([name](const receivers::ReceiverConfig& r) { return r.name == name; });
  };
  if (const std::string_view asked = s.annotations.get(kRemindReceiverAnnotation); !asked.empty()) return named(asked);
  if (!s.created_by.empty()) {
    if (const auto* own = named(s.created_by)) return own;
    const auto* owned = first([&](const receivers::ReceiverConfig& r) {
      const auto owner = r.labels.find("owner");
      return owner != r.labels.end() && owner->second == s.created_by;
    });
    if (owned != nullptr) return owned;
  }
  return options.receiver.empty() ? nullptr : named(options.receiver);
}

std::string reminder_group_key(const Silence& s) {
  return "{}/silence_reminder:{ends_at=\"" + format_rfc3339(s.ends_at) + "\", silence=\"" + s.id + "\"}";
}

namespace {

std::string matchers_text(const Silence& s) {
  std::string out;
  for (const model::Matchers& set : s.matcher_sets) {
    out += out.empty() ? "{" : " or {";
    for (size_t i = 0; i < set.size(); ++i) out += (i == 0 ? "" : ", ") + set[i].to_string();
    out += "}";
  }
  return out;
}

// What is told of it, as an alert, since that is what all receivers and templates know how to show.
receivers::NotifiedAlert reminder_alert(const Silence& s, size_t firing, TimePoint now, const std::string& url) {
  receivers::NotifiedAlert out;
  model::Alert& alert = out.alert;
  alert.labels.set(model::kAlertNameLabel, kReminderAlertName);
  alert.labels.set("silence", s.id);
  alert.labels.set("created_by", s.created_by);
  alert.labels.set("severity", "info");
  const Millis left = std::chrono::round<std::chrono::seconds>(s.ends_at - now);
  alert.annotations.set("summary", "Silence " + s.id + " ends in " + format_duration(left) + ", it mutes " +
                                       std::to_string(firing) + (firing == 1 ? " firing alert" : " firing alerts"));
  alert.annotations.set("description", "It mutes " + matchers_text(s) + " until " + format_rfc3339(s.ends_at) +
                                           (s.comment.empty() ? "" : ": " + s.comment));
  alert.annotations.set("firing_alerts", std::to_string(firing));
  alert.generator_url = url + "/#/silences/" + s.id;
  alert.starts_at = now;
  alert.updated_at = now;
  return out;
}

}  // namespace

// After any change of silences, receivers, or what was told.
void Alerting::watch_reminders() {
  reminders_.clear();
  const TimePoint now = scheduler_.now();
  for (const Silence& s : silences_.list()) {
    if (s.state(now) == SilenceState::kExpired) continue;
    const auto at = remind_at(s, options_.reminders);
    if (at && *at && !reminded(s)) reminders_.emplace(**at, s.id);
  }
}

// Also when it is under way, or was told by another instance.
bool Alerting::reminded(const Silence& s) const {
  const auto* receiver = reminder_receiver(s, options_.reminders, config_->receivers);
  if (receiver == nullptr) return false;
  return std::any_of(receiver->integrations.begin(), receiver->integrations.end(),
                     [&](const auto& i) { return log_.find(reminder_group_key(s), i.id()) != nullptr; });
}

std::optional<TimePoint> Alerting::next_reminder() const {
  if (!peer_wait_ || reminders_.empty()) return std::nullopt;
  return reminders_.begin()->first + *peer_wait_;
}

size_t Alerting::muted_by(const Silence& s, TimePoint now) const {
  Fingerprints muted;
  for (const model::Matchers& set : s.matcher_sets) {
    for (const auto& [fingerprint, record] : candidates(set, now)) {
      if (record->firing) muted.insert(fingerprint);
    }
  }
  return muted.size();
}

Status Alerting::remind(TimePoint now) {
  if (!peer_wait_) return {};
  std::vector<LogEntry> log;
  std::vector<state::OutboxMessage> messages;
  std::vector<AuditEntry> audit;
  std::set<std::pair<TimePoint, std::string>> left = reminders_;
  while (!left.empty() && left.begin()->first + *peer_wait_ <= now && audit.size() < kGroupsPerFlushMax) {
    const auto s = silences_.get(left.begin()->second);
    left.erase(left.begin());
    if (!s || s->state(now) != SilenceState::kActive || reminded(*s)) continue;
    const auto* receiver = reminder_receiver(*s, options_.reminders, config_->receivers);
    if (receiver == nullptr) continue;
    receivers::Notification n;
    n.receiver = receiver->name;
    n.group_key = reminder_group_key(*s);
    n.alerts.push_back(reminder_alert(*s, muted_by(*s, now), now, options_.external_url));
    n.group_labels = n.alerts.front().alert.labels.keep({std::string(model::kAlertNameLabel), "silence"});
    n.reason = "silence ends soon";
    n.external_url = options_.external_url;
    n.created_at = now;
    n.expires_at = s->ends_at;
    for (const receivers::Integration& integration : receiver->integrations) {
      LogEntry entry;
      entry.group_key = n.group_key;
      entry.integration = integration.id();
      entry.generation = to_us(now);
      entry.expires_at = s->ends_at + options_.data_retention;
      entry.telling = Told{now, {n.alerts.front().alert.fingerprint()}, {}, {}};
      messages.push_back(outbox_message(entry, n));
      log.push_back(std::move(entry));
    }
    audit.push_back({0, now, {}, "silence.reminded", s->id, "", audit_json(*s)});
    log_info("silences", "ends soon", {{"id", s->id}, {"receiver", receiver->name}});
  }
  if (!audit.empty()) {
    SENTINEL_TRY(database_.write_fail_open([&](state::Tx& tx) -> Status {
      for (const LogEntry& entry : log) SENTINEL_TRY(NotificationLog::write(tx, entry));
      for (state::OutboxMessage& message : messages) {
        SENTINEL_ASSIGN(message.id, state::Outbox::enqueue(tx, message));
      }
      for (const AuditEntry& entry : audit) SENTINEL_TRY(Audit::add(tx, entry));
      return {};
    }));
  }
  reminders_ = std::move(left);
  for (LogEntry& entry : log) log_.put(std::move(entry));
  if (!messages.empty()) delivery_.wake();
  return {};
}

std::vector<EndingSilence> Alerting::ending_silences(Micros within) const {
  const TimePoint now = scheduler_.now();
  std::vector<EndingSilence> out;
  for (Silence& s : silences_.list()) {
    if (s.state(now) != SilenceState::kActive || s.ends_at > now + within) continue;
    EndingSilence e;
    const auto at = remind_at(s, options_.reminders);
    const auto* receiver = reminder_receiver(s, options_.reminders, config_->receivers);
    if (at && *at && receiver != nullptr) {
      e.remind_at = *at;
      e.receiver = receiver->name;
      e.reminded = reminded(s);
    }
    e.firing = muted_by(s, now);
    e.silence = std::move(s);
    out.push_back(std::move(e));
  }
  std::sort(out.begin(), out.end(), [](const EndingSilence& a, const EndingSilence& b) {
    return std::pair(a.silence.ends_at, a.silence.id) < std::pair(b.silence.ends_at, b.silence.id);
  });
  return out;
}

}  // namespace sentinel::alerting
