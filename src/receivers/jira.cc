// Jira issues: one for each alert group, found again by a label that holds the group's hash. Search, then create or
// update, then a transition when the issue should be open or done and is not.

#include <boost/json.hpp>

#include "base/strings.h"
#include "net/url.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kSummaryRunesMax = 255;
constexpr size_t kDescriptionRunesMax = 32767;

struct IssueField {
  std::string text;  // a template
  bool enable_update = true;
};

// A text, or {template: …, enable_update: …}.
ReadNode issue_field(IssueField* field) {
  return [field](const text::YamlNode& node) -> Status {
    if (!node.is_map()) {
      SENTINEL_ASSIGN(field->text, node.string());
      return {};
    }
    return read_fields(node, "Jira field", {{"template", &field->text}, {"enable_update", &field->enable_update}});
  };
}

struct Issue {
  std::string key;
  bool has_status = false;
  bool is_done = false;
};

std::string string_at(const json::value* value, std::initializer_list<const char*> path) {
  for (const char* key : path) {
    if (value == nullptr || !value->is_object()) return "";
    value = value->as_object().if_contains(key);
  }
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

// As Go's %q, which JQL understands.
std::string quoted(const std::string& text) { return go_quote(text); }

// A step that failed: what was asked goes into the error.
SendResult step_result(const net::Response& response, TimePoint now, std::string_view what) {
  SendResult result = judge_status(response, now);
  if (result.kind != SendResult::Kind::kDelivered) result.error = std::string(what) + ": " + result.error;
  return result;
}

class Jira final : public Receiver {
 public:
  Jira() : Receiver(true) {}
  Status configure(const text::YamlNode& node, const Globals& globals);
  Next begin(Attempt& attempt) const override;

 private:
  std::string search_url() const;
  std::string jql(Attempt& attempt) const;
  Result<json::object> issue_body(Attempt& attempt) const;
  Result<void> add_description(Expander& expand, json::object& fields) const;
  Next create(Attempt* attempt) const;
  Next update(Attempt* attempt, const Issue& issue) const;
  Next transition(Attempt* attempt, const Issue& issue) const;
  HttpCall call(std::string method, std::string url, std::string body) const;
  std::string at(const std::string& path) const { return join_url(url_, path); }

  std::string url_;
  std::string api_type_ = "auto";
  std::string project_;
  IssueField summary_{R"({{ template "jira.default.summary" . }})"};
  IssueField description_{R"({{ template "jira.default.description" . }})"};
  std::vector<std::string> labels_;
  std::string priority_ = R"({{ template "jira.default.priority" . }})";
  std::string issue_type_;
  std::string reopen_transition_;
  std::string resolve_transition_;
  std::string wont_fix_resolution_;
  Millis reopen_duration_{0};
  json::object fields_;
};

Status Jira::configure(const text::YamlNode& node, const Globals& globals) {
  url_ = globals.jira_api_url;
  const auto custom = [this](const text::YamlNode& n) -> Status {
    if (!n.is_map()) return fail(n.error("fields must be a map"));
    SENTINEL_ASSIGN(const json::value value, json_from_yaml(n));
    fields_ = value.as_object();
    return {};
  };
  SENTINEL_TRY(read(node, "jira_configs", globals,
                    {{"api_url", UrlField{&url_}},
                     {"api_type", &api_type_},
                     {"project", &project_},
                     {"summary", issue_field(&summary_)},
                     {"description", issue_field(&description_)},
                     {"labels", &labels_},
                     {"priority", &priority_},
                     {"issue_type", &issue_type_},
                     {"reopen_transition", &reopen_transition_},
                     {"resolve_transition", &resolve_transition_},
                     {"wont_fix_resolution", &wont_fix_resolution_},
                     {"reopen_duration", &reopen_duration_},
                     {"fields", ReadNode(custom)}}));
  if (project_.empty()) return fail(node.error("missing project in Jira configuration"));
  if (issue_type_.empty()) return fail(node.error("missing issue_type in Jira configuration"));
  if (api_type_ != "auto" && api_type_ != "cloud" && api_type_ != "datacenter") {
    return fail(node.get("api_type").error("api_type must be auto, cloud or datacenter"));
  }
  if (url_.empty()) return fail(node.error("no Jira api_url, neither here nor in global"));
  return {};
}

// Jira Cloud has a search of its own, and only in version 3 of the API.
std::string Jira::search_url() const {
  const Result<net::Url> parsed = net::parse_url(url_);
  const bool cloud = api_type_ == "cloud" || (api_type_ == "auto" && parsed && parsed->host.ends_with("atlassian.net"));
  if (!cloud) return at("search");
  std::string url = at("search/jql");
  constexpr std::string_view kOld = "/rest/api/2/";
  if (const size_t place = url.find(kOld); place != std::string::npos) url[place + kOld.size() - 2] = '3';
  return url;
}

std::string Jira::jql(Attempt& attempt) const {
  std::string out;
  // "resolution != X" alone would leave out issues without any.
  if (!wont_fix_resolution_.empty()) {
    out += "(resolution is EMPTY or resolution != " + quoted(wont_fix_resolution_) + ") and ";
  }
  const int64_t minutes = reopen_duration_.count() / 60'000;
  if (attempt.notification.firing() && !reopen_transition_.empty() && minutes > 0) {
    out += "(resolutiondate is EMPTY OR resolutiondate >= -" + std::to_string(minutes) + "m) and ";
  } else {
    out += "statusCategory != Done and ";
  }
  return out + "project=" + quoted(attempt.expand(project_)) +
         " and labels=" + quoted("ALERT{" + group_hash(attempt.notification) + "}") +
         " order by status ASC,resolutiondate DESC";
}

HttpCall Jira::call(std::string method, std::string url, std::string body) const {
  HttpCall call = json_call(std::move(url), std::move(body));
  call.method = std::move(method);
  call.headers.set("Accept-Language", "en");
  return call;
}

Next Jira::begin(Attempt& attempt) const {
  const json::object search = {{"fields", json::array{"status"}}, {"jql", jql(attempt)}, {"maxResults", 2}};
  if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("Jira project"));
  return ask(call("POST", search_url(), json::serialize(search)), [this, &attempt](const net::Response& response) {
    SendResult result = step_result(response, attempt.now, "looking for the issue");
    if (result.kind != SendResult::Kind::kDelivered) return done(std::move(result));
    const auto answer = text::parse_json_object(response.body);
    if (!answer) return failed({ErrorCode::kUnprocessable, "looking for the issue: the answer is not JSON"});
    const auto issues = text::json_array(*answer, "issues");
    if (!issues || (*issues)->empty()) {
      return attempt.notification.firing() ? create(&attempt) : done();  // nothing to close
    }
    const json::value& found = (*issues)->front();
    Issue issue;
    issue.key = string_at(&found, {"key"});
    const json::value* fields = found.is_object() ? found.as_object().if_contains("fields") : nullptr;
    issue.has_status = fields != nullptr && fields->is_object() && fields->as_object().contains("status");
    issue.is_done = string_at(fields, {"status", "statusCategory", "key"}) == "done";
    return update(&attempt, issue);
  });
}

Result<void> Jira::add_description(Expander& expand, json::object& fields) const {
  std::string text = truncate_runes(expand(description_.text), kDescriptionRunesMax);
  std::string base = url_;
  while (base.ends_with('/')) base.pop_back();
  if (base.ends_with("/3")) {  // the version that wants a document instead of a text
    const std::string_view document = trim(text);
    if (document.empty() || expand.error()) return {};
    auto parsed = text::parse_json(document);
    if (!parsed) return fail(ErrorCode::kUnprocessable, "the description must be JSON for version 3 of the API");
    fields["description"] = std::move(*parsed);
  } else if (!text.empty()) {
    fields["description"] = text;
  }
  return {};
}

Result<json::object> Jira::issue_body(Attempt& attempt) const {
  Expander& expand = attempt.expand;
  std::map<std::string, json::value> all;  // in key order, as Go writes it
  json::object fields = {{"summary", truncate_runes(expand(summary_.text), kSummaryRunesMax)},
                         {"issuetype", json::object{{"name", expand(issue_type_)}}},
                         {"project", json::object{{"key", expand(project_)}}}};
  SENTINEL_TRY(add_description(expand, fields));
  std::vector<std::string> labels;
  for (const std::string& label : labels_) labels.push_back(expand(label));
  labels.push_back("ALERT{" + group_hash(attempt.notification) + "}");
  std::sort(labels.begin(), labels.end());
  json::array label_list;
  for (const std::string& label : labels) label_list.emplace_back(label);
  fields["labels"] = std::move(label_list);
  if (std::string priority = expand(priority_); !priority.empty())
    fields["priority"] = json::object{{"name", priority}};
  for (const auto& [name, value] : fields_) fields[name] = expand_document(value, expand);
  if (expand.error()) return fail(expand.error()->with_context("Jira issue"));
  for (auto& [name, value] : fields) all[std::string(name)] = std::move(value);
  json::object sorted;
  for (auto& [name, value] : all) sorted[name] = std::move(value);
  return sorted;
}

Next Jira::create(Attempt* attempt) const {
  auto fields = issue_body(*attempt);
  if (!fields) return failed(fields.error());
  return ask(call("POST", at("issue"), json::serialize(json::object{{"fields", std::move(*fields)}})),
             [attempt](const net::Response& response) {
               return done(step_result(response, attempt->now, "creating the issue"));
             });
}

Next Jira::update(Attempt* attempt, const Issue& issue) const {
  auto fields = issue_body(*attempt);
  if (!fields) return failed(fields.error());
  if (!summary_.enable_update) fields->erase("summary");
  if (!description_.enable_update) fields->erase("description");
  const std::string body = json::serialize(json::object{{"fields", std::move(*fields)}});
  return ask(call("PUT", at("issue/" + issue.key), body), [this, attempt, issue](const net::Response& response) {
    SendResult result = step_result(response, attempt->now, "updating " + issue.key);
    return result.kind == SendResult::Kind::kDelivered ? transition(attempt, issue) : done(std::move(result));
  });
}

Next Jira::transition(Attempt* attempt, const Issue& issue) const {
  const bool firing = attempt->notification.firing();
  const std::string& wanted = firing ? reopen_transition_ : resolve_transition_;
  if (issue.key.empty() || !issue.has_status || issue.is_done != firing || wanted.empty()) return done();
  const std::string url = at("issue/" + issue.key + "/transitions");
  return ask(call("GET", url, ""), [this, attempt, wanted, url, issue](const net::Response& response) {
    SendResult result = step_result(response, attempt->now, "transitions of " + issue.key);
    if (result.kind != SendResult::Kind::kDelivered) return done(std::move(result));
    const auto answer = text::parse_json_object(response.body);
    const auto list = answer ? text::json_array(*answer, "transitions") : fail(answer.error());
    for (const json::value& item : list ? **list : json::array()) {
      if (string_at(&item, {"name"}) != wanted) continue;
      const json::object body = {{"transition", json::object{{"id", string_at(&item, {"id"})}}}};
      return ask(call("POST", url, json::serialize(body)), [attempt, issue](const net::Response& r) {
        return done(step_result(r, attempt->now, "transition of " + issue.key));
      });
    }
    return failed({ErrorCode::kUnprocessable, "issue " + issue.key + " has no transition \"" + wanted + "\""});
  });
}

}  // namespace

ReceiverResult read_jira(const text::YamlNode& entry, const Globals& globals) { return read_as<Jira>(entry, globals); }

}  // namespace sentinel::receivers
