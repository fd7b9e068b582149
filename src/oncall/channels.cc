#include "oncall/channels.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/strings.h"
#include "receivers/kinds.h"
#include "text/json.h"

namespace sentinel::oncall {
namespace {

using text::YamlNode;

struct Default {
  std::string_view field;
  std::string_view yaml;
};

constexpr std::string_view kAddress = R"("{{ .GroupLabels.address }}")";
constexpr std::string_view kSummary = R"("{{ .CommonAnnotations.summary }}")";
constexpr std::string_view kDescription = R"("{{ .CommonAnnotations.description }}")";
constexpr std::string_view kLink = R"("{{ .CommonAnnotations.link }}")";
// A service that does not answer must not hold up the next contact.
constexpr std::string_view kTimeout = "10s";

constexpr std::string_view kMailHtml =
    R"("<p style=\"white-space:pre-wrap\">{{ .CommonAnnotations.description }}</p>)"
    R"({{ with .CommonAnnotations.acknowledge_url }}<p><a href=\"{{ . }}\">Acknowledge</a></p>{{ end }})"
    R"({{ with .CommonAnnotations.link }}<p><a href=\"{{ . }}\">{{ . }}</a></p>{{ end }}")";
constexpr std::string_view kMailText =
    R"("{{ .CommonAnnotations.description }}\n)"
    R"({{ with .CommonAnnotations.acknowledge_url }}\nAcknowledge: {{ . }}{{ end }}\n{{ .CommonAnnotations.link }}\n")";
constexpr std::string_view kSlackActions =
    R"([{type: button, text: Acknowledge, style: primary, url: "{{ .CommonAnnotations.acknowledge_url }}"}, )"
    R"({type: button, text: Open, url: "{{ .CommonAnnotations.link }}"}])";
// One template for the whole document: a value of its own that reads as YAML would become what it reads as.
constexpr std::string_view kWebhookPayload =
    R"('{"key": {{ .CommonAnnotations.page | toJson }}, "user": {{ .GroupLabels.user | toJson }}, )"
    R"("incident": {{ .CommonLabels.incident | toJson }}, "severity": {{ .CommonLabels.severity | toJson }}, )"
    R"("summary": {{ .CommonAnnotations.summary | toJson }}, "description": {{ .CommonAnnotations.description | toJson }}, )"
    R"("link": {{ .CommonAnnotations.link | toJson }}, "acknowledge_url": {{ .CommonAnnotations.acknowledge_url | toJson }}}')";
constexpr std::string_view kDetails = R"({page: '{"description": {{ .CommonAnnotations.description | toJson }}, )"
                                      R"("acknowledge_url": {{ .CommonAnnotations.acknowledge_url | toJson }}}'})";

constexpr Default kEmail[] = {
    {"to", kAddress},
    {"text", kMailText},
    {"html", kMailHtml},
    {"headers", R"({Subject: "{{ .CommonAnnotations.summary }}", Reply-To: "{{ .CommonAnnotations.reply_to }}"})"}};
constexpr Default kSlack[] = {{"channel", kAddress},      {"title", kSummary},    {"title_link", kLink},
                              {"text", kDescription},     {"fallback", kSummary}, {"footer", R"("")"},
                              {"actions", kSlackActions}, {"timeout", kTimeout}};
constexpr Default kPagerDuty[] = {{"routing_key", kAddress}, {"description", kSummary}, {"client", "Sentinel"},
                                  {"client_url", kLink},     {"severity", "critical"},  {"timeout", kTimeout},
                                  {"details", kDetails}};
constexpr Default kWebhook[] = {{"url", kAddress}, {"payload", kWebhookPayload}, {"timeout", kTimeout}};
constexpr Default kNtfy[] = {{"topic", kAddress},
                             {"title", kSummary},
                             {"message", kDescription},
                             {"click", kLink},
                             {"tags", "[rotating_light]"},
                             {"timeout", kTimeout},
                             {"actions", R"([{label: Acknowledge, url: "{{ .CommonAnnotations.acknowledge_url }}"}])"}};
constexpr Default kSms[] = {{"to", kAddress}, {"body", R"("{{ .CommonAnnotations.sms }}")"}, {"timeout", kTimeout}};
constexpr Default kCall[] = {{"to", kAddress},
                             {"say", kSummary},
                             {"timeout", kTimeout},
                             {"digits_url", R"("{{ .CommonAnnotations.keypress_url }}")"}};
constexpr Default kPushover[] = {
    {"user_key", kAddress}, {"title", kSummary}, {"message", kDescription}, {"url", kLink}};
constexpr Default kMattermost[] = {{"channel", kAddress}, {"text", kDescription}};
constexpr Default kTeams[] = {{"webhook_url", kAddress}, {"title", kSummary}, {"text", kDescription}};

struct Known {
  std::string_view kind;
  std::span<const Default> defaults;
};
constexpr std::array<Known, 10> kKnown = {{{"email", kEmail},
                                           {"slack", kSlack},
                                           {"pagerduty", kPagerDuty},
                                           {"webhook", kWebhook},
                                           {"ntfy", kNtfy},
                                           {"twilio_sms", kSms},
                                           {"twilio_call", kCall},
                                           {"pushover", kPushover},
                                           {"mattermost", kMattermost},
                                           {"msteamsv2", kTeams}}};

bool plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
           c == '+' || c == '-';
  });
}

// The node as YAML on one line, so that defaults can be put beside what was written.
void write_flow(const YamlNode& node, std::string& out) {
  if (node.is_null()) {
    out += "null";
  } else if (node.is_list()) {
    out += '[';
    for (const YamlNode& item : node.items()) {
      write_flow(item, out);
      out += ", ";
    }
    out += ']';
  } else if (node.is_map()) {
    out += '{';
    for (const YamlNode::Entry& entry : node.entries()) {
      out += json_quote(entry.name()) + ": ";
      write_flow(entry.value, out);
      out += ", ";
    }
    out += '}';
  } else {
    const std::string text = node.string().value_or("");
    out += !node.quoted() && plain(text) ? text : json_quote(text);
  }
}

std::string with_defaults(const YamlNode& node, std::span<const Default> defaults) {
  std::string out = "{";
  for (const YamlNode::Entry& entry : node.entries()) {
    if (entry.name() == "kind" || entry.name() == "test") continue;
    out += json_quote(entry.name()) + ": ";
    write_flow(entry.value, out);
    out += ", ";
  }
  for (const Default& d : defaults) {
    if (node.has(d.field) || node.has(std::string(d.field) + "_file")) continue;
    out += std::string(d.field) + ": " + std::string(d.yaml) + ", ";
  }
  return out + "}";
}

std::string kind_list() {
  std::string out;
  for (const Known& k : kKnown) out += (out.empty() ? "" : ", ") + std::string(k.kind);
  return out;
}

}  // namespace

Result<receivers::Integration> read_channel(const YamlNode& node, const std::string& name,
                                            const receivers::Globals& globals) {
  SENTINEL_ASSIGN(const YamlNode kind_node, node.require("channel", "kind"));
  SENTINEL_ASSIGN(const std::string kind, kind_node.string());
  const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return k.kind == kind; });
  const auto all = receivers::kinds();
  const auto reader = std::find_if(all.begin(), all.end(), [&](const receivers::Kind& k) { return k.name == kind; });
  if (known == kKnown.end() || reader == all.end()) {
    return fail(kind_node.error("a page cannot be sent by \"" + kind + "\"; expected one of " + kind_list()));
  }
  SENTINEL_ASSIGN(const YamlNode entry, text::parse_yaml(with_defaults(node, known->defaults), "channel"));
  receivers::ReceiverResult impl = reader->read(entry, globals);
  if (!impl) return fail(node.error("channel \"" + name + "\": " + impl.error().message()));
  // The name is that of its own lane: a storm of notifications by the same kind does not hold up a page.
  return receivers::Integration{"page:" + name, reader->name, 0, std::move(*impl)};
}

bool pages_on(std::string_view kind) { return kind == "pagerduty"; }

Result<Page> decode_page(std::string_view payload) {
  SENTINEL_ASSIGN(const auto json, text::parse_json_object(payload));
  Page page;
  SENTINEL_ASSIGN(page.key, text::json_string(json, "key"));
  SENTINEL_ASSIGN(page.escalation, text::json_string(json, "escalation"));
  SENTINEL_ASSIGN(page.generation, text::json_int(json, "generation"));
  SENTINEL_ASSIGN(page.step, text::json_int(json, "step"));
  SENTINEL_ASSIGN(page.policy, text::json_string(json, "policy"));
  SENTINEL_ASSIGN(page.level, text::json_string(json, "level"));
  SENTINEL_ASSIGN(page.title, text::json_string(json, "title"));
  SENTINEL_ASSIGN(page.urgent, text::json_bool(json, "urgent"));
  SENTINEL_ASSIGN(page.user, text::json_string(json, "user"));
  SENTINEL_ASSIGN(page.name, text::json_string(json, "name"));
  SENTINEL_ASSIGN(page.channel, text::json_string(json, "channel"));
  SENTINEL_ASSIGN(page.address, text::json_string(json, "address"));
  SENTINEL_ASSIGN(const std::string at, text::json_string(json, "at"));
  SENTINEL_ASSIGN(page.at, parse_time(at));
  SENTINEL_ASSIGN(page.over, text::json_bool_or(json, "over", false));
  return page;
}

receivers::Notification page_notification(const Page& page, const PageText& text, TimePoint expires_at) {
  receivers::Notification n;
  n.receiver = page.user;
  // What services fold by: one thing to be told of, from its opening to its end.
  n.group_key = "page/" + page.escalation + "/" + std::to_string(page.generation);
  n.group_labels = model::Labels{{"address", page.address}, {"channel", page.channel}, {"user", page.user}};
  n.reason = "page";
  receivers::NotifiedAlert told;
  told.alert.labels = text.labels;
  told.alert.annotations = model::Labels{{"acknowledge_url", text.acknowledge_url},
                                         {"description", text.description},
                                         {"keypress_url", text.keypress_url},
                                         {"link", text.link},
                                         {"page", page.key},
                                         {"reply_to", text.reply_to},
                                         {"sms", text.sms},
                                         {"summary", text.summary}};
  told.alert.starts_at = page.at;
  told.resolved = page.over;
  if (page.over) told.alert.ends_at = page.at;
  n.alerts.push_back(std::move(told));
  n.external_url = text.link;
  n.created_at = page.at;
  n.expires_at = expires_at;
  return n;
}

}  // namespace sentinel::oncall
