// Jira Cloud, REST v3: a ticket for each incident, found again by a label of its own before it would be made twice; a
// link back; its status follows ours and ours its; updates are comments.

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "connect/jira_words.h"
#include "connect/kinds.h"
#include "connect/limits.h"
#include "connect/signature.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;
using model::IncidentStatus;

constexpr size_t kSummaryRunesMax = 255;
constexpr size_t kTextBytesMax = 16 * 1024;
constexpr Micros kIndexLag = std::chrono::seconds(4);  // until a new ticket is found by a search
constexpr Millis kPollMin = std::chrono::seconds(1);

// Names of calls, which `heard` goes by.
constexpr std::string_view kSearch = "search";
constexpr std::string_view kCreate = "create issue";
constexpr std::string_view kRemoteLink = "remote link";
constexpr std::string_view kEdit = "edit issue";
constexpr std::string_view kWays = "transitions";
constexpr std::string_view kMove = "transition";
constexpr std::string_view kComments = "comments";
constexpr std::string_view kComment = "comment";
constexpr std::string_view kRead = "read issue";
constexpr std::string_view kReadComments = "read comments";

constexpr std::string_view kStatusRead = "status_read";  // in a memory: of this look the status was read

std::string_view category_of(IncidentStatus status) {
  if (status == IncidentStatus::kOpen) return kJiraNew;
  return status == IncidentStatus::kResolved ? kJiraDone : kJiraBusy;
}

std::string label_of(const model::Incident& incident) { return "sentinel-" + to_lower(incident.id); }

class Jira final : public Connection {
 public:
  Jira() : Connection("jira", true) {}
  Status configure(const text::YamlNode& node, const std::string& folder);

  std::optional<Step> next(const View& view, const Memory& memory, bool doubtful) const override;
  receivers::SendResult heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                              std::vector<Command>& asks) const override;
  Place place(const Memory& memory) const override;
  Result<Received> receive(const net::Request& request, TimePoint now) const override;
  Status authorize(receivers::HttpCall& call) const override;
  Micros poll_interval() const override { return poll_; }

 private:
  Step step(std::string_view name, std::string method, const std::string& path, const json::value& body,
            Memory note = {}) const;
  Step create(const View& view) const;
  json::object fields_of(const View& view) const;
  std::optional<Step> status(const View& view, const Memory& memory) const;
  std::optional<Step> comment(const View& view, const Memory& memory, bool doubtful) const;
  receivers::SendResult accepted(const Step& step, const json::object& answer, Memory& memory,
                                 std::vector<Command>& asks) const;
  void choose_way(const Step& step, const json::object& answer, Memory& memory) const;

  std::string url_;
  std::string user_;
  receivers::Secret token_;
  receivers::Secret webhook_secret_;
  std::string project_;
  std::string issue_type_ = "Task";
  std::vector<std::string> labels_;
  std::vector<std::string> components_;
  receivers::StringMap priority_;     // by severity: "SEV1": "Highest"
  receivers::StringMap transitions_;  // by category: new, indeterminate, done
  std::string comments_ = "updates";
  std::set<std::string> comment_kinds_;
  Millis poll_{0};
};

Status Jira::configure(const text::YamlNode& node, const std::string& folder) {
  receivers::StringMap ways;
  SENTINEL_TRY(read(node, folder,
                    {{"url", receivers::UrlField{&url_}},
                     {"user", &user_},
                     {"token", &token_},
                     {"webhook_secret", &webhook_secret_},
                     {"project", &project_},
                     {"issue_type", &issue_type_},
                     {"labels", &labels_},
                     {"components", &components_},
                     {"priority", &priority_},
                     {"transitions", &ways},
                     {"comments", &comments_},
                     {"poll", &poll_}}));
  if (url_.empty()) return fail(node.error("jira needs url, such as https://example.atlassian.net"));
  if (project_.empty()) return fail(node.error("jira needs project, the key of one"));
  if (user_.empty() != token_.empty()) return fail(node.error("jira needs both user and token, or http_config"));
  for (const auto& [when, way] : ways) {
    const std::string_view category = when == "open"           ? kJiraNew
                                      : when == "acknowledged" ? kJiraBusy
                                      : when == "resolved"     ? kJiraDone
                                                               : "";
    if (category.empty())
      return fail(node.get("transitions").error("expected transitions of open, acknowledged and resolved"));
    transitions_[std::string(category)] = way;
  }
  if (comments_ != "none" && comments_ != "updates" && comments_ != "all")
    return fail(node.get("comments").error("expected none, updates or all"));
  if (comments_ != "none") comment_kinds_.insert("update");
  if (comments_ == "all") comment_kinds_.insert({"note", "status", "severity", "assignee"});
  if (poll_.count() != 0 && poll_ < kPollMin) return fail(node.get("poll").error("expected 0s or at least 1s"));
  for (const auto& [severity, name] : priority_) {
    if (!model::parse_severity(severity)) return fail(node.get("priority").error("expected SEV1 to SEV4"));
  }
  locate(token_);
  locate(webhook_secret_);
  return {};
}

Status Jira::authorize(receivers::HttpCall& call) const {
  if (user_.empty()) return {};
  SENTINEL_ASSIGN(const std::string token, receivers::read_secret(token_));
  call.headers.set("Authorization", "Basic " + base64_encode(user_ + ":" + token));
  return {};
}

// ---- out ----

Step Jira::step(std::string_view name, std::string method, const std::string& path, const json::value& body,
                Memory note) const {
  Step out{std::string(name), json_call(std::move(method), receivers::join_url(url_, "rest/api/3/" + path), body),
           std::move(note)};
  out.call.headers.set("Accept", "application/json");
  return out;
}

json::object Jira::fields_of(const View& view) const {
  json::object fields = {{"summary", receivers::truncate_runes(headline_of(view.incident()), kSummaryRunesMax)}};
  for (const auto& [severity, name] : priority_) {
    if (model::parse_severity(severity) == view.incident().severity) fields["priority"] = json::object{{"name", name}};
  }
  return fields;
}

Step Jira::create(const View& view) const {
  const model::Incident& incident = view.incident();
  json::object fields = fields_of(view);
  const std::string print = print_of(json::serialize(fields));
  fields["project"] = json::object{{"key", project_}};
  fields["issuetype"] = json::object{{"name", issue_type_}};
  const auto text = [](std::string_view whole) { return std::string(utf8_prefix(whole, kTextBytesMax)); };
  fields["description"] = adf_document({{"What failed", text(view.record.headline.what_failed)},
                                        {"Why", text(view.record.headline.why)},
                                        {"Next step", text(view.record.headline.next_step)},
                                        {"Since", format_rfc3339(incident.detected_at)}},
                                       view.link);
  json::array labels{label_of(incident)};
  for (const std::string& label : labels_) labels.emplace_back(label);
  fields["labels"] = std::move(labels);
  json::array components;
  for (const std::string& name : components_) components.push_back(json::object{{"name", name}});
  if (!components.empty()) fields["components"] = std::move(components);
  return step(kCreate, "POST", "issue", json::object{{"fields", std::move(fields)}}, {{"print", print}});
}

std::optional<Step> Jira::next(const View& view, const Memory& memory, bool doubtful) const {
  const std::string key = memory_text(memory, "key");
  if (memory_flag(memory, "gone")) return std::nullopt;
  if (key.empty()) {
    if (view.incident().status == IncidentStatus::kResolved && !doubtful) return std::nullopt;
    if (!doubtful) return create(view);
    // A ticket cannot be asked for twice with one key: whether it was made is found by its label.
    const std::string jql =
        fmt::format("project = {} AND labels = {}", go_quote(project_), go_quote(label_of(view.incident())));
    return step(kSearch, "POST", "search/jql",
                json::object{{"jql", jql}, {"fields", json::array{"status"}}, {"maxResults", 2}});
  }
  if (memory_flag(memory, kLook)) {
    if (!memory_flag(memory, kStatusRead))
      return step(kRead, "GET", fmt::format("issue/{}?fields=status", key), nullptr);
    return step(kReadComments, "GET",
                fmt::format("issue/{}/comment?orderBy=-created&maxResults={}&expand=properties", key, kCommentsPerLook),
                nullptr);
  }
  if (!memory_flag(memory, "linked")) {
    const json::object object = {{"url", view.link}, {"title", headline_of(view.incident())}};
    return step(kRemoteLink, "POST", fmt::format("issue/{}/remotelink", key),
                json::object{{"globalId", "sentinel=" + view.incident().id}, {"object", object}});
  }
  const json::object fields = fields_of(view);
  if (const std::string print = print_of(json::serialize(fields)); memory_text(memory, "print") != print)
    return step(kEdit, "PUT", "issue/" + key, json::object{{"fields", fields}}, {{"print", print}});
  if (auto moved = status(view, memory)) return moved;
  return comment(view, memory, doubtful);
}

// Which transition leads there differs from project to project, and from status to status: it is asked for each time.
std::optional<Step> Jira::status(const View& view, const Memory& memory) const {
  const std::string wanted(category_of(view.incident().status));
  if (memory_text(memory, "category") == wanted || memory_text(memory, "no_way") == wanted) return std::nullopt;
  const std::string path = fmt::format("issue/{}/transitions", memory_text(memory, "key"));
  const std::string way = memory_text(memory, "way");
  if (way.empty() || memory_text(memory, "way_to") != wanted)
    return step(kWays, "GET", path, nullptr, {{"to", wanted}});
  return step(kMove, "POST", path, json::object{{"transition", json::object{{"id", way}}}}, {{"to", wanted}});
}

std::optional<Step> Jira::comment(const View& view, const Memory& memory, bool doubtful) const {
  const std::string key = memory_text(memory, "key");
  const News news = news_after(view, memory_int(memory, "told"), kind(), comment_kinds_);
  if (news.entries.empty()) return std::nullopt;
  if (doubtful) {
    return step(kComments, "GET", fmt::format("issue/{}/comment?orderBy=-created&maxResults=20&expand=properties", key),
                nullptr);
  }
  std::string text;
  for (const model::TimelineEntry* entry : news.entries) text += (text.empty() ? "" : "\n") + line_of(*entry);
  const json::object mark = {{"key", kJiraOwnMark}, {"value", json::object{{"last", news.last}}}};
  return step(kComment, "POST", fmt::format("issue/{}/comment", key),
              json::object{{"body", adf_document({{"", std::string(kJiraOwnWords) + text}}, "")},
                           {"properties", json::array{mark}}},
              {{"told", news.last}});
}

// What of an answer's list says that an earlier attempt got through.
int64_t told_in(const json::object& answer) {
  int64_t told = 0;
  for (const json::object* comment : jira_comments(answer)) {
    if (const json::object* mark = jira_own_mark(*comment)) told = std::max(told, memory_int(*mark, "last"));
  }
  return told;
}

void Jira::choose_way(const Step& step, const json::object& answer, Memory& memory) const {
  const std::string to = memory_text(step.note, "to");
  const auto named = transitions_.find(to);
  memory.erase("way");
  const json::value* list = answer.if_contains("transitions");
  if (list != nullptr && list->is_array()) {
    for (const json::value& way : list->get_array()) {
      const bool fits = named == transitions_.end() ? string_at(way, {"to", "statusCategory", "key"}) == to
                                                    : iequals(string_at(way, {"name"}), named->second) ||
                                                          iequals(string_at(way, {"to", "name"}), named->second);
      if (!fits) continue;
      memory["way"] = string_at(way, {"id"});
      memory["way_to"] = to;
      break;
    }
  }
  if (!memory.contains("way")) memory["no_way"] = to;
}

receivers::SendResult Jira::accepted(const Step& step, const json::object& answer, Memory& memory,
                                     std::vector<Command>& asks) const {
  const std::string_view call = step.name;
  if (call == kSearch) {
    const json::value* issues = answer.if_contains("issues");
    const bool found = issues != nullptr && issues->is_array() && !issues->get_array().empty();
    if (found) {
      const json::value& issue = issues->get_array().front();
      memory["key"] = string_at(issue, {"key"});
      memory["category"] = string_at(issue, {"fields", "status", "statusCategory", "key"});
      memory.erase("searched");
    } else if (!memory_flag(memory, "searched")) {  // the index may not know it yet
      memory["searched"] = true;
      receivers::SendResult again = retry_later("looking once more for a ticket that may have been made");
      again.retry_after = kIndexLag;
      return again;
    } else {
      memory.erase("searched");
    }
  } else if (call == kCreate) {
    memory["key"] = string_at(answer, {"key"});
    memory["category"] = kJiraNew;
    memory["print"] = step.note.at("print");
    if (memory_text(memory, "key").empty()) return never("the answer names no ticket");
  } else if (call == kRemoteLink) {
    memory["linked"] = true;
  } else if (call == kEdit) {
    memory["print"] = step.note.at("print");
  } else if (call == kWays) {
    choose_way(step, answer, memory);
  } else if (call == kMove) {
    memory["category"] = step.note.at("to");
    for (const char* key : {"way", "way_to", "no_way"}) memory.erase(key);
  } else if (call == kComments) {
    memory["told"] = std::max(memory_int(memory, "told"), told_in(answer));
  } else if (call == kComment) {
    memory["told"] = step.note.at("told");
  } else if (call == kReadComments) {
    memory.erase(kLook);
    memory.erase(kStatusRead);
    std::vector<const json::object*> newest = jira_comments(answer);
    for (auto comment = newest.rbegin(); comment != newest.rend(); ++comment) {
      if (auto note = jira_note(**comment)) asks.push_back(std::move(*note));
    }
  } else if (call == kRead) {
    memory[kStatusRead] = true;
    const std::string category = string_at(answer, {"fields", "status", "statusCategory", "key"});
    if (category != memory_text(memory, "category")) {
      if (auto ask = jira_status_command(category, string_at(answer, {"fields", "status", "name"})))
        asks.push_back(std::move(*ask));
      memory["category"] = category;
    }
  }
  return {};
}

receivers::SendResult Jira::heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                                  std::vector<Command>& asks) const {
  if (answer.status == 404 && !memory_text(memory, "key").empty()) {  // somebody deleted it: it is not made again
    memory["gone"] = true;
    memory.erase(kLook);
    memory.erase(kStatusRead);
    return {};
  }
  if (step.name == kReadComments && answer.status / 100 == 4 && answer.status != 429) {
    // Without the right to read comments the status is followed all the same.
    memory.erase(kLook);
    memory.erase(kStatusRead);
    return {};
  }
  if (step.name == kMove && answer.status / 100 == 4 && answer.status != 429) {
    // The way is barred meanwhile, or asks for a field: a person has to go it. The next status is tried again.
    memory.erase("way");
    memory["no_way"] = step.note.at("to");
  }
  receivers::SendResult judged = receivers::judge_status(answer, now);
  if (judged.kind != receivers::SendResult::Kind::kDelivered) return judged;
  if (trim(answer.body).empty()) return accepted(step, {}, memory, asks);
  const auto body = text::parse_json_object(answer.body);
  if (!body) return retry_later("the answer is not JSON: " + receivers::shown_body(answer.body));
  return accepted(step, *body, memory, asks);
}

Place Jira::place(const Memory& memory) const {
  const std::string key = memory_text(memory, "key");
  if (key.empty()) return {};
  return {key, "", key + (memory_flag(memory, "gone") ? " (deleted)" : ""), receivers::join_url(url_, "browse/" + key)};
}

// ---- in ----

Result<Received> Jira::receive(const net::Request& request, TimePoint) const {
  if (webhook_secret_.empty())
    return fail(ErrorCode::kNotFound, "this integration has no webhook_secret: it takes no requests");
  SENTINEL_ASSIGN(const std::string secret, receivers::read_secret(webhook_secret_));
  SENTINEL_TRY(check_hub(request, secret));
  return read_jira_webhook(request);
}

}  // namespace

ConnectionResult read_jira(const text::YamlNode& node, const std::string& folder) {
  return read_as<Jira>(node, folder);
}

}  // namespace sentinel::connect
