#include "incident/page_words.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "text/json.h"

namespace sentinel::incident {
namespace {

std::string line(std::string_view name, const std::string& text) {
  return text.empty() ? "" : fmt::format("{}: {}\n", name, text);
}

std::string data_of(const oncall::EscalationEvent& e, const std::string& name) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object().field("event", e.kind);
  if (!e.level.empty()) json.field("level", e.level);
  if (!e.user.empty()) json.field("user", e.user).field("name", name);
  if (!e.detail.empty()) json.field("detail", e.detail);
  json.end_object();
  return out;
}

}  // namespace

std::string page_title(const model::Incident& incident) {
  return fmt::format("[{}] INC-{}: {}", model::severity_name(incident.severity), incident.number, incident.title);
}

oncall::PageText page_text(const oncall::Page& page, const IncidentRecord* record, const std::string& external_url,
                           const std::string& token) {
  oncall::PageText out;
  out.summary = record == nullptr ? page.title : page_title(record->incident);
  if (record != nullptr) {
    out.link = fmt::format("{}/#/incidents/INC-{}", external_url, record->incident.number);
    out.labels = model::Labels{{"alertname", "Page"},
                               {"incident", fmt::format("INC-{}", record->incident.number)},
                               {"severity", std::string(model::severity_name(record->incident.severity))},
                               {"service", std::string(record->incident.labels.get("service"))}};
    out.description = record->headline.what_failed + "\n" + line("Why", record->headline.why) +
                      line("Next", record->headline.next_step);
  } else {
    out.link = external_url;
    out.labels = model::Labels{{"alertname", "Page"}};
  }
  out.description += fmt::format("You are told by policy {}, level {}.", page.policy, page.level);
  if (!token.empty()) {
    out.acknowledge_url = fmt::format("{}/oncall/answer/{}", external_url, token);
    out.keypress_url = out.acknowledge_url + "/key";
  }
  out.sms = out.summary + (out.acknowledge_url.empty() ? "" : " Acknowledge: " + out.acknowledge_url);
  return out;
}

oncall::PageText test_text(const oncall::Page& page, const std::string& external_url) {
  oncall::PageText out;
  out.summary = "[TEST] A test page from Sentinel";
  out.description = page.title;
  out.sms = out.summary + ". Nothing is wrong.";
  out.link = external_url;
  out.labels = model::Labels{{"alertname", "TestPage"}};
  return out;
}

std::optional<PageWords> words_of(const oncall::EscalationEvent& e, const std::string& name) {
  const auto says = [&](std::string kind, std::string text, std::string by = "") {
    return PageWords{std::move(kind), std::move(text), data_of(e, name), std::move(by)};
  };
  if (e.kind == "paged") return says("page", fmt::format("{} is paged by {} (level {})", name, e.detail, e.level));
  if (e.kind == "delivered") return says("page", fmt::format("page delivered: {} to {}", e.detail, name));
  if (e.kind == "undelivered") {
    const size_t colon = e.detail.find(": ");
    const std::string channel = e.detail.substr(0, colon);
    const std::string error = colon == std::string::npos ? "" : e.detail.substr(colon + 2);
    return says("page", fmt::format("page undelivered: {} to {}: {}", channel, name, error));
  }
  if (e.kind == "unreached")
    return says("escalation", fmt::format("nobody of level {} can be reached; the next one is told", e.level));
  if (e.kind == "skipped") return says("escalation", fmt::format("level {} skipped: {}", e.level, e.detail));
  if (e.kind == "waiting") return says("escalation", fmt::format("nobody is told yet: {}", e.detail));
  if (e.kind == "escalated") return says("escalation", fmt::format("escalated by {}", e.user), e.user);
  if (e.kind == "reescalated") return says("escalation", fmt::format("people are told anew: {}", e.detail));
  if (e.kind == "reassigned")
    return says("escalation", fmt::format("people are told anew by policy {}", e.detail), e.user);
  if (e.kind == "exhausted")
    return says("escalation", e.detail.empty() ? "all levels were told and nobody has acknowledged"
                                               : fmt::format("nobody is left to tell: {}", e.detail));
  if (e.kind == "last_resort") return says("escalation", fmt::format("the last resort is told: {}", e.detail));
  if (e.kind == "nobody") return says("escalation", fmt::format("nobody can be told: {}", e.detail));
  return std::nullopt;  // triggered, acknowledged, resolved
}

}  // namespace sentinel::incident
