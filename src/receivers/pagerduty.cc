// PagerDuty events, v2 (routing_key) and v1 (service_key). The group's hash is the key that folds trigger and resolve.

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kSummaryRunesMax = 1024;
constexpr size_t kEventBytesMax = 512'000;
constexpr const char* kV1Url = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
constexpr const char* kTooLarge =
    "Custom details have been removed because the original event exceeds the maximum size of 512KB";

struct Image {
  std::string src;
  std::string alt;
  std::string href;
};
struct Link {
  std::string href;
  std::string text;
};

// Only a 400 says what is wrong.
std::string details_of(const net::Response& response) {
  if (response.status != 400) return "";
  const auto answer = text::parse_json_object(response.body);
  if (!answer) return "";
  const auto errors = text::json_strings(*answer, "errors");
  return text::json_string_or(*answer, "message", "").value_or("") + ": " +
         (errors ? join(*errors, ",") : std::string());
}

class PagerDuty final : public Receiver {
 public:
  PagerDuty() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    url_ = globals.pagerduty_url;
    json::object own;
    const auto details = [&own](const text::YamlNode& n) -> Status {
      if (!n.is_map()) return fail(n.error("details must be a map"));
      SENTINEL_ASSIGN(const json::value value, json_from_yaml(n));
      own = value.as_object();
      return {};
    };
    const auto image = [](Image& i) -> Fields { return {{"src", &i.src}, {"alt", &i.alt}, {"href", &i.href}}; };
    const auto link = [](Link& l) -> Fields { return {{"href", &l.href}, {"text", &l.text}}; };
    SENTINEL_TRY(read(node, "pagerduty_configs", globals,
                      {{"service_key", &service_key_},
                       {"routing_key", &routing_key_},
                       {"url", UrlField{&url_}},
                       {"client", &client_},
                       {"client_url", &client_url_},
                       {"description", &description_},
                       {"details", ReadNode(details)},
                       {"images", list_of<Image>("PagerDuty image", &images_, image)},
                       {"links", list_of<Link>("PagerDuty link", &links_, link)},
                       {"source", &source_},
                       {"severity", &severity_},
                       {"class", &class_},
                       {"component", &component_},
                       {"group", &group_},
                       {"timeout", GoDurationField{&timeout_}}}));
    if (service_key_.empty() && routing_key_.empty()) {
      return fail(node.error("missing service_key or routing_key in PagerDuty configuration"));
    }
    if (source_.empty()) source_ = client_;
    if (severity_.empty()) severity_ = "error";
    for (const auto& [name, value] : own) details_[name] = value;
    return {};
  }

  Next begin(Attempt& attempt) const override {
    const bool v1 = !service_key_.empty();
    const Result<std::string> key = read_secret(v1 ? service_key_ : routing_key_);
    if (!key) return failed(key.error());
    const std::string expanded_key = attempt.expand(*key);
    const json::value details = expand_document(details_, attempt.expand);
    json::object event = v1 ? event_v1(attempt, expanded_key, details) : event_v2(attempt, expanded_key, details);
    if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("PagerDuty event"));
    if (expanded_key.empty()) return failed({ErrorCode::kUnprocessable, "the PagerDuty key is empty"});
    std::string body = json::serialize(event);
    if (body.size() > kEventBytesMax) {
      const json::object reason = {{"error", kTooLarge}};
      if (v1) {
        event["details"] = reason;
      } else {
        event["payload"].as_object()["custom_details"] = reason;
      }
      body = json::serialize(event);
    }
    // v1 says 403 when it is asked too often.
    return ask(json_call(v1 ? kV1Url : url_, body), [now = attempt.now, v1](const net::Response& response) {
      return done(judge_status(response, now, v1 ? 403 : 0, details_of(response)));
    });
  }

 private:
  json::object event_v1(Attempt& attempt, const std::string& key, const json::value& details) const {
    Expander& expand = attempt.expand;
    const bool firing = attempt.notification.firing();
    json::object event = {{"service_key", key},
                          {"incident_key", group_hash(attempt.notification)},
                          {"event_type", firing ? "trigger" : "resolve"}};
    if (std::string text = truncate_runes(expand(description_), kSummaryRunesMax); !text.empty()) {
      event["description"] = text;
    }
    event["event_action"] = "";
    event["payload"] = nullptr;
    if (firing) {
      expand.put_unless_empty(event, "client", client_);
      expand.put_unless_empty(event, "client_url", client_url_);
    }
    event["details"] = details;
    return event;
  }

  json::object event_v2(Attempt& attempt, const std::string& key, const json::value& details) const {
    Expander& expand = attempt.expand;
    json::object payload = {{"summary", truncate_runes(expand(description_), kSummaryRunesMax)},
                            {"source", expand(source_)},
                            {"severity", expand(severity_)}};
    expand.put_unless_empty(payload, "class", class_);
    expand.put_unless_empty(payload, "component", component_);
    expand.put_unless_empty(payload, "group", group_);
    payload["custom_details"] = details;
    json::object event = {{"routing_key", key},
                          {"dedup_key", group_hash(attempt.notification)},
                          {"event_action", attempt.notification.firing() ? "trigger" : "resolve"},
                          {"payload", std::move(payload)}};
    expand.put_unless_empty(event, "client", client_);
    expand.put_unless_empty(event, "client_url", client_url_);
    json::array images;
    for (const Image& i : images_) {
      json::object o = {{"src", expand(i.src)}, {"alt", expand(i.alt)}, {"href", expand(i.href)}};
      if (!o["src"].as_string().empty()) images.push_back(std::move(o));
    }
    if (!images.empty()) event["images"] = std::move(images);
    json::array links;
    for (const Link& l : links_) {
      json::object o = {{"href", expand(l.href)}, {"text", expand(l.text)}};
      if (!o["href"].as_string().empty()) links.push_back(std::move(o));
    }
    if (!links.empty()) event["links"] = std::move(links);
    return event;
  }

  Secret service_key_;  // templates, as all but the URL
  Secret routing_key_;
  std::string url_;
  std::string client_ = R"({{ template "pagerduty.default.client" . }})";
  std::string client_url_ = R"({{ template "pagerduty.default.clientURL" . }})";
  std::string description_ = R"({{ template "pagerduty.default.description" .}})";
  json::object details_ = {{"firing", "{{ .Alerts.Firing | toJson }}"},
                           {"resolved", "{{ .Alerts.Resolved | toJson }}"},
                           {"num_firing", "{{ .Alerts.Firing | len }}"},
                           {"num_resolved", "{{ .Alerts.Resolved | len }}"}};
  std::vector<Image> images_;
  std::vector<Link> links_;
  std::string source_;
  std::string severity_;
  std::string class_;
  std::string component_;
  std::string group_;
};

}  // namespace

ReceiverResult read_pagerduty(const text::YamlNode& entry, const Globals& globals) {
  return read_as<PagerDuty>(entry, globals);
}

}  // namespace sentinel::receivers
