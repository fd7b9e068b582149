// Opsgenie's alert API: create and close by alias, the group's hash; with update_alerts also message and description.

#include <boost/json.hpp>

#include <array>

#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kMessageRunesMax = 130;
constexpr std::array<std::string_view, 5> kResponderTypes = {"team", "teams", "user", "escalation", "schedule"};

struct Responder {
  std::string id;
  std::string name;
  std::string username;
  std::string type;
};

Fields responder_fields(Responder& r) {
  return {{"id", &r.id}, {"name", &r.name}, {"username", &r.username}, {"type", &r.type}};
}

Status check_responder(const text::YamlNode& node, Responder& r) {
  if (r.id.empty() && r.username.empty() && r.name.empty()) {
    return fail(node.error("an Opsgenie responder needs an id, a username or a name"));
  }
  if (r.type.find("{{") != std::string::npos) return check_template(node.get("type"), r.type);
  const bool known =
      std::find(kResponderTypes.begin(), kResponderTypes.end(), to_lower(r.type)) != kResponderTypes.end();
  if (!known) {
    return fail(node.error("the type of an Opsgenie responder must be team, teams, user, escalation or schedule"));
  }
  return {};
}

json::array strings_json(const std::vector<std::string>& strings) {
  json::array out;
  for (const std::string& s : strings) out.emplace_back(s);
  return out;
}

class OpsGenie final : public Receiver {
 public:
  OpsGenie() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    url_ = globals.opsgenie_api_url;
    SENTINEL_TRY(
        read(node, "opsgenie_configs", globals,
             {{"api_key", &api_key_},
              {"api_url", UrlField{&url_}},
              {"message", &message_},
              {"description", &description_},
              {"source", &source_},
              {"details", &details_},
              {"entity", &entity_},
              {"responders", list_of<Responder>("Opsgenie responder", &responders_, responder_fields, check_responder)},
              {"actions", &actions_},
              {"tags", &tags_},
              {"note", &note_},
              {"priority", &priority_},
              {"update_alerts", &update_alerts_}}));
    api_key_ = api_key_.or_else(globals.opsgenie_api_key);
    if (api_key_.empty()) return fail(node.error("no Opsgenie API key, neither here nor in global"));
    url_ = with_slash(url_);
    return {};
  }

  Next begin(Attempt& attempt) const override {
    const Result<std::string> key = read_secret(api_key_);
    if (!key) return failed(key.error());
    const std::string authorization = "GenieKey " + attempt.expand(*key);
    std::vector<HttpCall> calls = requests(attempt);
    if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("Opsgenie alert"));
    for (HttpCall& call : calls) {
      call.headers.set("Content-Type", "application/json");
      call.headers.set("Authorization", authorization);
    }
    return send_from(std::move(calls), 0, attempt.now);
  }

 private:
  // One after the other, until one is refused.
  static Next send_from(std::vector<HttpCall> calls, size_t index, TimePoint now) {
    HttpCall call = calls.at(index);
    return ask(std::move(call), [calls = std::move(calls), index, now](const net::Response& response) {
      SendResult result = judge_status(response, now);
      const bool more = result.kind == SendResult::Kind::kDelivered && index + 1 < calls.size();
      return more ? send_from(calls, index + 1, now) : done(std::move(result));
    });
  }

  std::vector<HttpCall> requests(Attempt& attempt) const {
    Expander& expand = attempt.expand;
    const std::string alias = group_hash(attempt.notification);
    const auto about = [&](const char* what) { return url_ + "v2/alerts/" + alias + what + "?identifierType=alias"; };
    if (!attempt.notification.firing()) {
      return {{about("/close"), json::serialize(json::object{{"source", expand(source_)}})}};
    }
    const std::string message = truncate_runes(expand(message_), kMessageRunesMax);
    const std::string description = expand(description_);
    std::vector<HttpCall> calls = {
        {url_ + "v2/alerts", json::serialize(create_message(attempt, alias, message, description))}};
    if (!update_alerts_) return calls;
    json::object message_update;
    if (!message.empty()) message_update["message"] = message;
    json::object description_update;
    if (!description.empty()) description_update["description"] = description;
    calls.push_back({about("/message"), json::serialize(message_update), "PUT"});
    calls.push_back({about("/description"), json::serialize(description_update), "PUT"});
    return calls;
  }

  json::object create_message(Attempt& attempt, const std::string& alias, const std::string& message,
                              const std::string& description) const {
    Expander& expand = attempt.expand;
    StringMap details;
    for (const model::Label& label : expand.data().common_labels) details[label.name] = label.value;
    for (const auto& [name, value] : details_) details[name] = expand(value);
    json::object details_json;
    for (const auto& [name, value] : details) details_json[name] = value;
    json::object o = {{"alias", alias}, {"message", message}};
    if (!description.empty()) o["description"] = description;
    o["details"] = std::move(details_json);
    o["source"] = expand(source_);
    if (json::array all = responders(expand); !all.empty()) o["responders"] = std::move(all);
    if (const auto tags = split_nonempty(expand(tags_)); !tags.empty()) o["tags"] = strings_json(tags);
    expand.put_unless_empty(o, "note", note_);
    expand.put_unless_empty(o, "priority", priority_);
    expand.put_unless_empty(o, "entity", entity_);
    if (const auto actions = split_nonempty(expand(actions_)); !actions.empty()) o["actions"] = strings_json(actions);
    return o;
  }

  // Those that come out empty are left out, so that they can be filled from labels; "teams" is a list of names.
  json::array responders(Expander& expand) const {
    json::array out;
    for (const Responder& r : responders_) {
      json::object o;
      expand.put_unless_empty(o, "id", r.id);
      expand.put_unless_empty(o, "name", r.name);
      expand.put_unless_empty(o, "username", r.username);
      const std::string type = expand(r.type);
      if (o.empty() && type.empty()) continue;
      if (type == "teams") {
        const std::string names = o.contains("name") ? std::string(o.at("name").as_string()) : "";
        for (const std::string& team : split_nonempty(names)) {
          out.push_back(json::object{{"name", expand(team)}, {"type", "team"}});
        }
        continue;
      }
      o["type"] = type;
      out.push_back(std::move(o));
    }
    return out;
  }

  Secret api_key_;  // a template
  std::string url_;
  std::string message_ = R"({{ template "opsgenie.default.message" . }})";
  std::string description_ = R"({{ template "opsgenie.default.description" . }})";
  std::string source_ = R"({{ template "opsgenie.default.source" . }})";
  StringMap details_;
  std::string entity_;
  std::vector<Responder> responders_;
  std::string actions_;
  std::string tags_;
  std::string note_;
  std::string priority_;
  bool update_alerts_ = false;
};

}  // namespace

ReceiverResult read_opsgenie(const text::YamlNode& entry, const Globals& globals) {
  return read_as<OpsGenie>(entry, globals);
}

}  // namespace sentinel::receivers
