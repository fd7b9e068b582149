// Slack: a channel for each incident, or one message in a channel that is there; edited as the incident changes, with
// the timeline in its thread. Back come buttons, the slash command and what people write in the thread.

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "connect/kinds.h"
#include "connect/limits.h"
#include "connect/signature.h"
#include "connect/slack_requests.h"
#include "connect/slack_words.h"
#include "net/url.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;

constexpr std::string_view kCreate = "conversations.create";
constexpr std::string_view kFindChannel = "conversations.list";
constexpr std::string_view kPost = "chat.postMessage";
constexpr std::string_view kUpdate = "chat.update";
constexpr std::string_view kHistory = "conversations.history";
constexpr std::string_view kReplies = "conversations.replies";
constexpr std::string_view kTopic = "conversations.setTopic";
constexpr std::string_view kPin = "pins.add";
constexpr std::string_view kInvite = "conversations.invite";
constexpr std::string_view kArchive = "conversations.archive";
constexpr std::string_view kUnarchive = "conversations.unarchive";

// What of the timeline is for those who follow in the thread.
const std::set<std::string> kThreadKinds{"status", "severity", "assignee", "note",  "update",
                                         "title",  "role",     "merge",    "split", "escalation"};

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Faults of theirs: the request itself is good.
bool may_pass(std::string_view error) {
  return is_one_of(error, {"ratelimited", "rate_limited", "fatal_error", "internal_error", "service_unavailable",
                           "request_timeout", "team_added_to_org"});
}

class Slack final : public Connection {
 public:
  Slack() : Connection("slack", false) {}
  Status configure(const text::YamlNode& node, const std::string& folder);

  std::optional<Step> next(const View& view, const Memory& memory, bool doubtful) const override;
  receivers::SendResult heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                              std::vector<Command>& asks) const override;
  Place place(const Memory& memory) const override;
  std::optional<TimePoint> again_at(const View& view, const Memory& memory) const override;
  Result<Received> receive(const net::Request& request, TimePoint now) const override;
  net::Response reply(const Received& received, const std::vector<Spoken>& spoken) const override;
  std::optional<receivers::HttpCall> aside(const Received& received, const std::vector<Spoken>& spoken) const override;
  Status authorize(receivers::HttpCall& call) const override;

 private:
  Step step(std::string_view method, const json::object& body, Memory note = {}) const;
  Step ask(std::string_view method, const receivers::StringMap& query, Memory note = {}) const;
  Step make_channel(const View& view, const Memory& memory, bool doubtful) const;
  std::optional<Step> post(const View& view, const Memory& memory, bool doubtful) const;
  std::optional<Step> dress(const View& view, const Memory& memory) const;  // pin, topic, members
  std::optional<Step> thread(const View& view, const Memory& memory, bool doubtful) const;
  json::object message(const View& view, const std::string& channel) const;
  std::optional<Step> archive(const View& view, const Memory& memory) const;
  receivers::SendResult refused(const Step& step, const std::string& error, Memory& memory) const;
  receivers::SendResult make_another(const std::string& error, Memory& memory) const;
  bool answers() const { return !signing_secret_.empty(); }
  bool own_channel() const { return channel_.empty(); }

  std::string api_url_ = "https://slack.com/api/";
  std::string workspace_url_;  // https://example.slack.com: for links
  std::string channel_;        // "": one for each incident
  receivers::Secret bot_token_;
  receivers::Secret user_token_;  // opens archived channels again, which no bot may
  receivers::Secret signing_secret_;
  Millis archive_after_{0};  // from the end of the incident; 0: never
  bool private_ = false;
  bool invite_ = true;
  bool broadcast_ = false;  // the thread's messages are shown in the channel as well
  bool notes_ = true;       // what people write in the thread is a note
};

Status Slack::configure(const text::YamlNode& node, const std::string& folder) {
  SENTINEL_TRY(read(node, folder,
                    {{"api_url", receivers::UrlField{&api_url_}},
                     {"workspace_url", receivers::UrlField{&workspace_url_}},
                     {"channel", &channel_},
                     {"bot_token", &bot_token_},
                     {"user_token", &user_token_},
                     {"archive_after", &archive_after_},
                     {"signing_secret", &signing_secret_},
                     {"private", &private_},
                     {"invite", &invite_},
                     {"broadcast", &broadcast_},
                     {"notes", &notes_}}));
  if (bot_token_.empty()) return fail(node.error("slack needs bot_token or bot_token_file"));
  if (!channel_.empty() && !is_slack_id(channel_))
    return fail(node.get("channel").error(
        "expected a channel's id, such as C0123456789 (in Slack: the channel's details, at the bottom); leave it out "
        "for a channel of each incident's own"));
  if (archive_after_.count() > 0 && !own_channel())
    return fail(node.get("archive_after").error("a channel of many incidents is not archived: leave channel out"));
  locate(bot_token_);
  locate(user_token_);
  locate(signing_secret_);
  return {};
}

Status Slack::authorize(receivers::HttpCall& call) const {
  const bool as_user = !user_token_.empty() && call.url.ends_with(kUnarchive);
  SENTINEL_ASSIGN(const std::string token, receivers::read_secret(as_user ? user_token_ : bot_token_));
  call.headers.set("Authorization", "Bearer " + token);
  return {};
}

// ---- out ----

Step Slack::step(std::string_view method, const json::object& body, Memory note) const {
  return {std::string(method), json_call("POST", receivers::join_url(api_url_, method), body), std::move(note)};
}

// Methods that only read take their arguments from the address.
Step Slack::ask(std::string_view method, const receivers::StringMap& query, Memory note) const {
  return {std::string(method),
          json_call("GET", receivers::join_url(api_url_, method) + "?" + receivers::form_encode(query), nullptr),
          std::move(note)};
}

std::optional<Step> Slack::next(const View& view, const Memory& memory, bool doubtful) const {
  if (memory_text(memory, "channel").empty()) {
    if (view.incident().status == model::IncidentStatus::kResolved) return std::nullopt;
    if (own_channel()) return make_channel(view, memory, doubtful);
  }
  if (memory_flag(memory, "archived")) {
    // What is said in it meanwhile waits until it is needed again.
    if (view.incident().status == model::IncidentStatus::kResolved) return std::nullopt;
    return step(kUnarchive, {{"channel", memory_text(memory, "channel")}});
  }
  if (auto said = post(view, memory, doubtful)) return said;
  if (auto dressed = dress(view, memory)) return dressed;
  if (auto told = thread(view, memory, doubtful)) return told;
  return archive(view, memory);
}

std::optional<TimePoint> Slack::again_at(const View& view, const Memory& memory) const {
  const std::optional<TimePoint>& ended = view.incident().resolved_at;
  if (archive_after_.count() == 0 || !ended || memory_text(memory, "channel").empty()) return std::nullopt;
  if (memory_flag(memory, "archived") || memory_flag(memory, "kept_open")) return std::nullopt;
  return *ended + archive_after_;
}

std::optional<Step> Slack::archive(const View& view, const Memory& memory) const {
  const std::optional<TimePoint> due = again_at(view, memory);
  if (!due || view.now < *due) return std::nullopt;
  return step(kArchive, {{"channel", memory_text(memory, "channel")}});
}

// "#incident-2026-11-21-2" is the name it has here; one that is taken there gets a further number.
Step Slack::make_channel(const View& view, const Memory& memory, bool doubtful) const {
  std::string name = slack_channel_name(view.incident().channel);
  const int64_t taken = memory_int(memory, "taken");
  if (taken > 0) name += fmt::format("-x{}", taken);
  if (memory_flag(memory, "find")) {
    receivers::StringMap query{
        {"exclude_archived", "true"}, {"limit", "200"}, {"types", "public_channel,private_channel"}};
    if (const std::string cursor = memory_text(memory, "cursor"); !cursor.empty()) query["cursor"] = cursor;
    return ask(kFindChannel, query, {{"name", name}, {"since", to_us(view.incident().created_at) / 1'000'000}});
  }
  return step(kCreate, {{"name", name}, {"is_private", private_}}, {{"name", name}, {"doubtful", doubtful}});
}

json::object Slack::message(const View& view, const std::string& channel) const {
  const json::object payload = {{"incident", view.incident().id}, {"kind", "summary"}};
  return {{"channel", channel},
          {"text", slack_escaped(headline_of(view.incident()))},
          {"blocks", slack_blocks(view, answers())},
          {"unfurl_links", false},
          {"metadata", json::object{{"event_type", "sentinel_incident"}, {"event_payload", payload}}}};
}

std::optional<Step> Slack::post(const View& view, const Memory& memory, bool doubtful) const {
  const std::string channel = own_channel() ? memory_text(memory, "channel") : channel_;
  const std::string ts = memory_text(memory, "ts");
  json::object body = message(view, channel);
  const std::string print = print_of(json::serialize(body));
  if (ts.empty()) {
    if (memory_int(memory, "reposts") > kRepostsMax) return std::nullopt;
    if (doubtful && !memory_flag(memory, "blind")) {
      // It may stand there already: the metadata of a message says whose it is.
      return ask(kHistory,
                 {{"channel", channel},
                  {"include_all_metadata", "true"},
                  {"limit", "200"},
                  {"oldest", std::to_string(to_us(view.incident().created_at) / 1'000'000 - 5)}},
                 {{"incident", view.incident().id}, {"channel", channel}});
    }
    return step(kPost, body, {{"print", print}});
  }
  if (memory_text(memory, "print") == print) return std::nullopt;
  body["ts"] = ts;
  return step(kUpdate, body, {{"print", print}});
}

// What a channel of its own has beside the message.
std::optional<Step> Slack::dress(const View& view, const Memory& memory) const {
  const std::string channel = memory_text(memory, "channel");
  if (!own_channel() || memory_text(memory, "ts").empty()) return std::nullopt;
  if (memory_text(memory, "pinned") != memory_text(memory, "ts")) {
    const std::string ts = memory_text(memory, "ts");
    return step(kPin, {{"channel", channel}, {"timestamp", ts}}, {{"ts", ts}});
  }
  if (const std::string topic = slack_topic(view); memory_text(memory, "topic") != print_of(topic))
    return step(kTopic, {{"channel", channel}, {"topic", topic}}, {{"topic", print_of(topic)}});
  if (!invite_) return std::nullopt;
  const json::value* invited = memory.if_contains("invited");
  for (const std::string& user : view.paged) {
    const std::string person = person_of(user);
    if (person.empty()) continue;
    const bool there = invited != nullptr && invited->is_array() &&
                       std::find(invited->get_array().begin(), invited->get_array().end(), json::value(person)) !=
                           invited->get_array().end();
    if (!there) return step(kInvite, {{"channel", channel}, {"users", person}}, {{"person", person}});
  }
  return std::nullopt;
}

std::optional<Step> Slack::thread(const View& view, const Memory& memory, bool doubtful) const {
  const std::string ts = memory_text(memory, "ts");
  const std::string channel = memory_text(memory, "channel");
  const int64_t told = memory_int(memory, "told");
  if (ts.empty()) return std::nullopt;
  const News news = news_after(view, told, kind(), kThreadKinds);
  if (news.entries.empty()) return std::nullopt;
  if (doubtful && !memory_flag(memory, "blind")) {
    return ask(kReplies, {{"channel", channel}, {"ts", ts}, {"include_all_metadata", "true"}, {"limit", "200"}},
               {{"incident", view.incident().id}});
  }
  const json::object payload = {{"incident", view.incident().id}, {"kind", "timeline"}, {"last", news.last}};
  json::object body = {{"channel", channel},
                       {"thread_ts", ts},
                       {"text", slack_thread_text(news)},
                       {"unfurl_links", false},
                       {"metadata", json::object{{"event_type", "sentinel_incident"}, {"event_payload", payload}}}};
  if (broadcast_) body["reply_broadcast"] = true;
  return step(kPost, body, {{"told", news.last}});
}

Place Slack::place(const Memory& memory) const {
  const std::string channel = memory_text(memory, "channel");
  const std::string ts = memory_text(memory, "ts");
  if (channel.empty()) return {};
  Place out;
  // In a channel of many incidents the channel says nothing about which is meant.
  out.remote = own_channel() ? channel : "";
  out.alias = ts.empty() ? "" : channel + "/" + ts;
  const std::string name = memory_text(memory, "name");
  out.title = name.empty() ? channel : "#" + name;
  if (!workspace_url_.empty()) {
    std::string stamp = ts;
    std::erase(stamp, '.');
    out.url = receivers::join_url(workspace_url_, "archives/" + channel + (ts.empty() ? "" : "/p" + stamp));
  } else {
    out.url = "https://slack.com/app_redirect?channel=" + channel;
  }
  return out;
}

receivers::SendResult Slack::refused(const Step& step, const std::string& error, Memory& memory) const {
  const std::string_view call = step.name;
  if (may_pass(error)) return retry_later(error);
  if (call == kCreate && error == "name_taken") {
    // By us, where nobody can say whether an earlier attempt made it.
    if (memory_flag(step.note, "doubtful")) {
      memory["find"] = true;
      return {};
    }
    const int64_t taken = memory_int(memory, "taken") + 1;
    if (taken > kNameTriesMax) return never(error);
    memory["taken"] = taken;
    return {};
  }
  if (call == kUpdate && is_one_of(error, {"message_not_found", "cant_update_message", "edit_window_closed"})) {
    memory.erase("ts");
    memory["reposts"] = memory_int(memory, "reposts") + 1;
    return {};
  }
  if (call == kHistory || call == kReplies) {  // without the right to read, what is doubtful is said again
    memory["blind"] = true;
    return {};
  }
  // Missing ornaments hold up nobody.
  if (call == kPin) memory["pinned"] = memory_text(step.note, "ts");
  if (call == kTopic) memory["topic"] = memory_text(step.note, "topic");
  if (call == kInvite) {
    if (!memory.contains("invited")) memory["invited"] = json::array();
    memory["invited"].as_array().push_back(step.note.at("person"));
  }
  if (call == kPin || call == kTopic || call == kInvite) {
    if (!is_one_of(error, {"already_pinned", "already_in_channel", "cant_invite_self"}))
      memory["lacks"] = call_lacks(call, error);
    return {};
  }
  if (call == kArchive) {
    memory[error == "already_archived" ? "archived" : "kept_open"] = true;
    if (error != "already_archived") memory["lacks"] = call_lacks(call, error);
    return {};
  }
  if (call == kUnarchive && error == "not_archived") {
    memory.erase("archived");
    return {};
  }
  if (call == kUnarchive || (call == kPost && is_one_of(error, {"channel_not_found", "is_archived"}) && own_channel()))
    return make_another(error, memory);
  return never(error);
}

receivers::SendResult Slack::make_another(const std::string& error, Memory& memory) const {
  for (const char* key : {"channel", "ts", "pinned", "topic", "invited", "name", "archived"}) memory.erase(key);
  const int64_t taken = memory_int(memory, "taken") + 1;
  if (taken > kNameTriesMax) return never(error);
  memory["taken"] = taken;
  return {};
}

receivers::SendResult Slack::heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                                   std::vector<Command>&) const {
  if (receivers::SendResult judged = receivers::judge_status(answer, now);
      judged.kind != receivers::SendResult::Kind::kDelivered)
    return judged;
  const auto body = text::parse_json_object(answer.body);
  if (!body) return retry_later("the answer is not JSON: " + receivers::shown_body(answer.body));
  if (!memory_flag(*body, "ok")) {
    const std::string error = memory_text(*body, "error");
    return refused(step, error.empty() ? "refused without a reason" : error, memory);
  }
  return slack_accepted(step.name, step.note, *body, memory);
}

// ---- in ----

Result<Received> Slack::receive(const net::Request& request, TimePoint now) const {
  if (!answers()) return fail(ErrorCode::kNotFound, "this integration has no signing_secret: it takes no requests");
  SENTINEL_ASSIGN(const std::string secret, receivers::read_secret(signing_secret_));
  SENTINEL_TRY(check_slack(request, secret, now));
  return read_slack_request(request, notes_);
}

net::Response Slack::reply(const Received& received, const std::vector<Spoken>& spoken) const {
  if (received.commands.empty() || !received.reply_url.empty()) return net::text_response(200, "");
  if (received.id.starts_with("event:")) return net::json_response(200, "{}");
  std::string text;
  for (const Spoken& s : spoken) text += (text.empty() ? "" : "\n") + slack_escaped(s.text);
  return net::json_response(200, json::serialize(json::object{{"response_type", "ephemeral"}, {"text", text}}));
}

// A button's answer is not shown; what went wrong is told to whoever pressed it, and to nobody else.
std::optional<receivers::HttpCall> Slack::aside(const Received& received, const std::vector<Spoken>& spoken) const {
  std::string text;
  for (const Spoken& s : spoken) {
    if (!s.ok) text += (text.empty() ? "" : "\n") + slack_escaped(s.text);
  }
  const auto parsed = net::parse_url(received.reply_url);
  const auto own = net::parse_url(api_url_);
  if (text.empty() || !parsed || !own) return std::nullopt;
  // The address is signed by Slack, and still nothing is sent anywhere else.
  if (parsed->host != own->host && parsed->host != "hooks.slack.com") return std::nullopt;
  return json_call("POST", received.reply_url,
                   json::object{{"response_type", "ephemeral"}, {"replace_original", false}, {"text", text}});
}

}  // namespace

ConnectionResult read_slack(const text::YamlNode& node, const std::string& folder) {
  return read_as<Slack>(node, folder);
}

}  // namespace sentinel::connect
