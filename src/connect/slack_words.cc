#include "connect/slack_words.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "connect/limits.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;

constexpr size_t kHeaderBytesMax = 150;
constexpr size_t kFieldBytesMax = 1000;
constexpr size_t kTopicBytesMax = 250;

std::string cut(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  return std::string(utf8_prefix(text, bytes_max - 3)) + "…";
}

// Cut before it is escaped: half an escape would be shown as it is. An escape is at most five bytes for one.
std::string cut_escaped(std::string_view text, size_t bytes_max) {
  std::string out = slack_escaped(text);
  for (size_t most = bytes_max; out.size() > bytes_max && most > 8; most = most * 3 / 4)
    out = slack_escaped(cut(text, most));
  return out;
}

json::object plain(std::string_view text) { return {{"type", "plain_text"}, {"text", text}, {"emoji", false}}; }
json::object marked(std::string text) { return {{"type", "mrkdwn"}, {"text", std::move(text)}}; }

void add_part(json::array& blocks, std::string_view name, std::string_view text) {
  if (trim(text).empty()) return;
  const std::string body = cut_escaped(text, kMessageBytesMax - name.size() - 8);
  blocks.push_back(json::object{{"type", "section"}, {"text", marked(fmt::format("*{}*\n{}", name, body))}});
}

json::object field(std::string_view name, std::string_view value) {
  return marked(fmt::format("*{}*\n{}", name, value.empty() ? "-" : cut_escaped(value, kFieldBytesMax)));
}

json::object button(std::string_view action, std::string_view text, std::string_view value) {
  return {{"type", "button"}, {"action_id", action}, {"text", plain(text)}, {"value", value}};
}

json::object severity_menu(const model::Incident& incident) {
  const auto option = [](std::string_view name) { return json::object{{"text", plain(name)}, {"value", name}}; };
  json::array options;
  for (const char* name : {"SEV1", "SEV2", "SEV3", "SEV4"}) options.push_back(option(name));
  return {{"type", "static_select"},
          {"action_id", kSlackSeverity},
          {"placeholder", plain("Severity")},
          {"initial_option", option(model::severity_name(incident.severity))},
          {"options", std::move(options)}};
}

json::object actions_of(const View& view, bool buttons) {
  const model::Incident& incident = view.incident();
  json::array elements;
  const bool over = incident.status == model::IncidentStatus::kResolved;
  if (buttons && incident.status == model::IncidentStatus::kOpen) {
    json::object acknowledge = button(kSlackAcknowledge, "Acknowledge", incident.id);
    acknowledge["style"] = "primary";
    elements.push_back(std::move(acknowledge));
    elements.push_back(button(kSlackEscalate, "Escalate", incident.id));
  }
  if (buttons && !over) {
    json::object resolve = button(kSlackResolve, "Resolve", incident.id);
    resolve["confirm"] = json::object{{"title", plain("Resolve " + view.name())},
                                      {"text", plain("Nobody is paged for it any more.")},
                                      {"confirm", plain("Resolve")},
                                      {"deny", plain("Not yet")}};
    elements.push_back(std::move(resolve));
    elements.push_back(severity_menu(incident));
  }
  json::object open = button(kSlackOpen, "Open", incident.id);
  open["url"] = view.link;
  elements.push_back(std::move(open));
  // The menu has no value of its own: whose it is stands here.
  return {{"type", "actions"}, {"block_id", "sentinel:" + incident.id}, {"elements", std::move(elements)}};
}

}  // namespace

std::string slack_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string slack_unescaped(std::string_view text) {
  std::string out = replace_all(std::string(text), "&lt;", "<");
  out = replace_all(std::move(out), "&gt;", ">");
  return replace_all(std::move(out), "&amp;", "&");
}

json::array slack_blocks(const View& view, bool buttons) {
  const model::Incident& incident = view.incident();
  json::array blocks;
  blocks.push_back(json::object{{"type", "header"}, {"text", plain(cut(headline_of(incident), kHeaderBytesMax))}});
  json::array fields;
  fields.push_back(field("Status", model::incident_status_name(incident.status)));
  fields.push_back(field("Severity", model::severity_name(incident.severity)));
  fields.push_back(field("Assignee", incident.assignee));
  fields.push_back(field("Since", format_rfc3339(incident.detected_at)));
  blocks.push_back(json::object{{"type", "section"}, {"fields", std::move(fields)}});
  add_part(blocks, "What failed", view.record.headline.what_failed);
  add_part(blocks, "Why", view.record.headline.why);
  if (incident.status == model::IncidentStatus::kResolved) {
    add_part(blocks, "Root cause", incident.root_cause);
    add_part(blocks, "Resolution", incident.resolution);
  } else {
    add_part(blocks, "Next step", view.record.headline.next_step);
  }
  blocks.push_back(actions_of(view, buttons));
  return blocks;
}

std::string slack_topic(const View& view) {
  const model::Incident& i = view.incident();
  return cut(fmt::format("{} {} · {} · {} · {}", view.name(), model::severity_name(i.severity),
                         model::incident_status_name(i.status), i.assignee.empty() ? "nobody" : i.assignee, i.title),
             kTopicBytesMax);
}

std::string slack_thread_text(const News& news) {
  std::string out;
  for (const model::TimelineEntry* entry : news.entries) {
    if (!out.empty()) out += "\n";
    out += cut_escaped(line_of(*entry), kMessageBytesMax);
  }
  return out;
}

std::string slack_help(std::string_view command) {
  return fmt::format(
      "`{0} list` open incidents\n`{0} ack [N]` acknowledge\n`{0} resolve [N] [how]` resolve\n`{0} note [N] text` "
      "write "
      "on the timeline\n`{0} sev [N] SEV2` set the severity\n`{0} escalate [N]` tell the next level\n`{0} oncall` who "
      "is "
      "on call\nIn an incident's own channel the number can be left out.",
      command);
}

}  // namespace sentinel::connect
