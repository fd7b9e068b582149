// PagerDuty: Events v2 out (trigger, acknowledge, resolve under one key), webhooks v3 in. What PagerDuty has said
// itself is not said back to it, and what we said last is not done again when it comes back as a webhook.

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "connect/kinds.h"
#include "connect/limits.h"
#include "connect/pagerduty_webhook.h"
#include "connect/signature.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;
using model::IncidentStatus;

constexpr std::string_view kNoKey = "";  // the routing key is put in when the event is sent
constexpr size_t kSummaryRunesMax = 1024;
constexpr size_t kDetailBytesMax = 16 * 1024;
constexpr int kBadRequestRetried = 408;  // what their own client tries again beside 429 and 5xx

std::string_view state_of(const model::Incident& incident) {
  if (incident.status == IncidentStatus::kOpen) return kTriggered;
  return incident.status == IncidentStatus::kResolved ? kResolved : kAcknowledged;
}

std::string_view severity_of(model::Severity severity) {
  switch (severity) {
    case model::Severity::kSev1: return "critical";
    case model::Severity::kSev2: return "error";
    case model::Severity::kSev3: return "warning";
    case model::Severity::kSev4: return "info";
  }
  return "error";
}

class PagerDuty final : public Connection {
 public:
  PagerDuty() : Connection("pagerduty", true) {}
  Status configure(const text::YamlNode& node, const std::string& folder);

  std::optional<Step> next(const View& view, const Memory& memory, bool doubtful) const override;
  receivers::SendResult heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                              std::vector<Command>& asks) const override;
  Place place(const Memory& memory) const override;
  Result<Received> receive(const net::Request& request, TimePoint now) const override;
  Status authorize(receivers::HttpCall& call) const override;

 private:
  Step event(const View& view, std::string_view action, const std::string& key, std::string_view state) const;

  std::string url_ = "https://events.pagerduty.com/v2/enqueue";
  receivers::Secret routing_key_;
  std::vector<receivers::Secret> webhook_secrets_;  // several while one is being changed
  receivers::Secret webhook_secret_;
  receivers::Secret webhook_secret_old_;
  std::string source_ = "sentinel";
};

Status PagerDuty::configure(const text::YamlNode& node, const std::string& folder) {
  SENTINEL_TRY(read(node, folder,
                    {{"url", receivers::UrlField{&url_}},
                     {"routing_key", &routing_key_},
                     {"webhook_secret", &webhook_secret_},
                     {"old_webhook_secret", &webhook_secret_old_},
                     {"source", &source_}}));
  if (routing_key_.empty()) return fail(node.error("pagerduty needs routing_key or routing_key_file"));
  locate(routing_key_);
  for (receivers::Secret* secret : {&webhook_secret_, &webhook_secret_old_}) {
    if (secret->empty()) continue;
    locate(*secret);
    webhook_secrets_.push_back(*secret);
  }
  return {};
}

Status PagerDuty::authorize(receivers::HttpCall& call) const {
  SENTINEL_ASSIGN(const std::string key, receivers::read_secret(routing_key_));
  SENTINEL_ASSIGN(json::object body, text::parse_json_object(call.body));
  body["routing_key"] = key;
  call.body = json::serialize(body);
  return {};
}

// ---- out ----

// One key from the opening to the end; an incident that is opened again is another one over there.
std::string key_of(const View& view, int64_t round) {
  return round == 0 ? "sentinel/" + view.incident().id : fmt::format("sentinel/{}/{}", view.incident().id, round);
}

Step PagerDuty::event(const View& view, std::string_view action, const std::string& key, std::string_view state) const {
  const model::Incident& incident = view.incident();
  json::object body = {{"routing_key", kNoKey}, {"event_action", action}, {"dedup_key", key}};
  Memory note = {{"key", key}, {"state", state}};
  if (action == "trigger") {
    json::object details = {{"incident", view.name()},
                            {"status", model::incident_status_name(incident.status)},
                            {"severity", model::severity_name(incident.severity)},
                            {"what_failed", utf8_prefix(view.record.headline.what_failed, kDetailBytesMax)},
                            {"why", utf8_prefix(view.record.headline.why, kDetailBytesMax)},
                            {"next_step", utf8_prefix(view.record.headline.next_step, kDetailBytesMax)}};
    json::object labels;
    for (const model::Label& label : incident.labels) labels[label.name] = label.value;
    details["labels"] = std::move(labels);
    json::object payload = {{"summary", receivers::truncate_runes(headline_of(incident), kSummaryRunesMax)},
                            {"source", source_},
                            {"severity", severity_of(incident.severity)},
                            {"timestamp", format_rfc3339(incident.detected_at)},
                            {"custom_details", std::move(details)}};
    if (const std::string_view service = incident.labels.get("service"); !service.empty())
      payload["component"] = service;
    if (const std::string_view env = incident.labels.get("env"); !env.empty()) payload["group"] = env;
    if (const std::string_view rule = incident.labels.get("alertname"); !rule.empty()) payload["class"] = rule;
    body["payload"] = std::move(payload);
    body["client"] = "Sentinel";
    body["client_url"] = view.link;
    body["links"] = json::array{json::object{{"href", view.link}, {"text", view.name()}}};
    note["severity"] = severity_of(incident.severity);
  }
  return {fmt::format("events v2 {}", action), json_call("POST", url_, body), std::move(note)};
}

// A repeated event with the same key changes nothing, so nothing is ever doubtful here.
std::optional<Step> PagerDuty::next(const View& view, const Memory& memory, bool) const {
  const std::string_view wanted = state_of(view.incident());
  const std::string there = memory_text(memory, "state");
  const int64_t round = memory_int(memory, "round");
  const std::string key = key_of(view, round);
  if (there.empty()) return wanted == kResolved ? std::nullopt : std::optional(event(view, "trigger", key, kTriggered));
  if (there == kResolved) {
    if (wanted == kResolved) return std::nullopt;
    return event(view, "trigger", key_of(view, round + 1), kTriggered);
  }
  if (wanted == kResolved) return event(view, "resolve", key, kResolved);
  // Opened again while they think somebody is at it: an acknowledgement cannot be taken back, so it ends and begins
  // anew.
  if (wanted == kTriggered && there == kAcknowledged) return event(view, "resolve", key, kResolved);
  if (memory_text(memory, "severity") != severity_of(view.incident().severity))
    return event(view, "trigger", key, there);  // joins what is there
  if (wanted == kAcknowledged && there == kTriggered) return event(view, "acknowledge", key, kAcknowledged);
  return std::nullopt;
}

receivers::SendResult PagerDuty::heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                                       std::vector<Command>&) const {
  receivers::SendResult judged = receivers::judge_status(answer, now, kBadRequestRetried);
  if (judged.kind != receivers::SendResult::Kind::kDelivered) return judged;
  const std::string key = memory_text(step.note, "key");
  if (!memory_text(memory, "key").empty() && memory_text(memory, "key") != key) {
    memory["round"] = memory_int(memory, "round") + 1;
    memory.erase("id");
    memory.erase("url");
  }
  memory["key"] = key;
  memory["state"] = memory_text(step.note, "state");
  if (step.note.contains("severity")) memory["severity"] = memory_text(step.note, "severity");
  return judged;
}

Place PagerDuty::place(const Memory& memory) const {
  const std::string id = memory_text(memory, "id");
  return {memory_text(memory, "key"), id, id.empty() ? "PagerDuty" : "PagerDuty " + id, memory_text(memory, "url")};
}

// ---- in ----

Result<Received> PagerDuty::receive(const net::Request& request, TimePoint) const {
  if (webhook_secrets_.empty())
    return fail(ErrorCode::kNotFound, "this integration has no webhook_secret: it takes no requests");
  Status checked;
  for (const receivers::Secret& secret : webhook_secrets_) {
    SENTINEL_ASSIGN(const std::string value, receivers::read_secret(secret));
    checked = check_pagerduty(request, value);
    if (checked) break;
  }
  SENTINEL_TRY(checked);
  return read_pagerduty_webhook(request.body);
}

}  // namespace

ConnectionResult read_pagerduty(const text::YamlNode& node, const std::string& folder) {
  return read_as<PagerDuty>(node, folder);
}

}  // namespace sentinel::connect
