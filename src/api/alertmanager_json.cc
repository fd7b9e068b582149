#include "api/alertmanager_json.h"

#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>
#include <boost/json.hpp>

#include "alerting/matcher_parser.h"
#include "base/strings.h"
#include "text/json.h"

namespace sentinel::api {
namespace {

namespace json = boost::json;
using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr int kRequired = 602;  // go-openapi's codes
constexpr int kWrongType = 601;
constexpr int kTooFewItems = 612;

constexpr size_t kKeptParserBytesMax = 1024 * 1024;  // of a body

tl::unexpected<AlertmanagerError> refuse(int status, int code, std::string message) {
  return tl::unexpected(AlertmanagerError{status, code, std::move(message)});
}
tl::unexpected<AlertmanagerError> not_parsed(std::string_view what, std::string_view why) {
  return refuse(400, 400, fmt::format("parsing {} body from \"\" failed, because {}", what, why));
}
tl::unexpected<AlertmanagerError> required(std::string_view name) {
  return refuse(422, kRequired, fmt::format("{} in body is required", name));
}

// Go's zero time, in any zone, means "not said".
bool is_go_zero(TimePoint t) { return to_us(t) < -62'135'500'000'000'000; }

bool fast_digits(const char* text, size_t count, int* out) {
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  *out = value;
  return true;
}

Result<TimePoint> read_time(std::string_view text) {
  // "2026-11-21T02:24:57.123Z" and its kin without a fraction are what senders write.
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millis = 0;
  const char* p = text.data();
  const bool with_millis = text.size() == 24;
  if ((with_millis || text.size() == 20) && text.back() == 'Z' && text[4] == '-' && text[7] == '-' && text[10] == 'T' &&
      text[13] == ':' && text[16] == ':' && (!with_millis || text[19] == '.') && fast_digits(p, 4, &year) &&
      fast_digits(p + 5, 2, &month) && fast_digits(p + 8, 2, &day) && fast_digits(p + 11, 2, &hour) &&
      fast_digits(p + 14, 2, &minute) && fast_digits(p + 17, 2, &second) &&
      (!with_millis || fast_digits(p + 20, 3, &millis)) && hour < 24 && minute < 60 && second < 60) {
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (date.ok()) {
      return TimePoint(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
             std::chrono::seconds(second) + Millis(millis);
    }
  }
  // Seconds since 1970, which parse_time takes too, are no time here.
  if (text.find('T') == std::string_view::npos) return fail(ErrorCode::kInvalidArgument, "not RFC 3339");
  return parse_time(text);
}

std::string time_problem(std::string_view text) {
  return fmt::format(R"(parsing time {} as "2006-01-02 15:04:05": cannot parse {} as "2006")", go_quote(text),
                     go_quote(text));
}

std::string_view go_kind(element_type type) {
  switch (type) {
    case element_type::ARRAY: return "array";
    case element_type::OBJECT: return "object";
    case element_type::STRING: return "string";
    case element_type::BOOL: return "bool";
    case element_type::NULL_VALUE: return "null";
    default: return "number";
  }
}

std::string go_mismatch(element value, std::string_view field, std::string_view wanted) {
  return fmt::format("json: cannot unmarshal {} into Go struct field {} of type {}", go_kind(value.type()), field,
                     wanted);
}

// Null and absent are empty. "" on success, else what is wrong.
std::string read_labels(element value, std::string_view field, model::Labels* out) {
  if (value.is_null()) return "";
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return go_mismatch(value, field, "models.LabelSet");
  std::vector<model::Label> labels;
  labels.reserve(object.size());
  for (const auto& [name, text] : object) {
    std::string_view string;
    if (text.get(string) != simdjson::SUCCESS) return go_mismatch(text, field, "string");
    labels.push_back({std::string(name), std::string(string)});
  }
  *out = model::Labels(std::move(labels));
  return "";
}

std::string read_time_field(element value, std::string_view field, TimePoint* out) {
  if (value.is_null()) return "";
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return go_mismatch(value, field, "strfmt.DateTime");
  if (text.empty()) return "";
  const auto time = read_time(text);
  if (!time) return time_problem(text);
  *out = is_go_zero(*time) ? TimePoint{} : *time;
  return "";
}

// A URI as go-openapi's format check takes one: something that url.ParseRequestURI reads.
bool is_request_uri(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() == '/') return true;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(colon), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '-' ||
           c == '.';
  });
}

AlertmanagerResult<model::Alert> read_alert(element value, size_t index) {
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) {
    return not_parsed("alerts", fmt::format("json: cannot unmarshal {} into Go value of type models.PostableAlert",
                                            go_kind(value.type())));
  }
  model::Alert alert;
  bool has_labels = false;
  std::string problem;
  for (const auto& [name, field] : object) {
    if (name == "labels") {
      has_labels = !field.is_null();
      problem = read_labels(field, "Alert.labels", &alert.labels);
    } else if (name == "annotations") {
      problem = read_labels(field, "PostableAlert.annotations", &alert.annotations);
    } else if (name == "startsAt") {
      problem = read_time_field(field, "PostableAlert.startsAt", &alert.starts_at);
    } else if (name == "endsAt") {
      problem = read_time_field(field, "PostableAlert.endsAt", &alert.ends_at);
    } else if (name == "generatorURL" && !field.is_null()) {
      std::string_view text;
      if (field.get(text) != simdjson::SUCCESS) problem = go_mismatch(field, "Alert.generatorURL", "strfmt.URI");
      alert.generator_url = text;
    }
    if (!problem.empty()) return not_parsed("alerts", problem);
  }
  if (!has_labels) return required(fmt::format("{}.labels", index));
  if (!is_request_uri(alert.generator_url)) {
    return refuse(422, kWrongType,
                  fmt::format("{}.generatorURL in body must be of type uri: {}", index, go_quote(alert.generator_url)));
  }
  return alert;
}

// ---- silences ----

AlertmanagerResult<std::string> silence_text(const json::object& body, const char* name, bool is_required) {
  const json::value* value = body.if_contains(name);
  if (value == nullptr || value->is_null()) {
    if (is_required) return required(name);
    return std::string();
  }
  if (!value->is_string()) {
    return not_parsed("silence", fmt::format("json: cannot unmarshal {} into Go struct field Silence.{} of type string",
                                             text::json_kind_name(*value), name));
  }
  return std::string(value->get_string());
}

AlertmanagerResult<TimePoint> silence_time(const json::object& body, const char* name) {
  AlertmanagerResult<std::string> text = silence_text(body, name, true);
  if (!text) return tl::unexpected(text.error());
  const auto time = read_time(*text);
  if (!time) return not_parsed("silence", time_problem(*text));
  return is_go_zero(*time) ? TimePoint{} : *time;
}

AlertmanagerResult<model::Matcher> read_matcher(const json::value& value, size_t index) {
  if (!value.is_object()) return not_parsed("silence", "json: cannot unmarshal a matcher that is no object");
  const json::object& object = value.get_object();
  const auto boolean = [&](const char* name, bool fallback) -> AlertmanagerResult<bool> {
    const json::value* field = object.if_contains(name);
    if (field == nullptr || field->is_null()) return fallback;
    if (!field->is_bool()) {
      return not_parsed("silence", fmt::format("json: cannot unmarshal {} into Go struct field Matcher.{} of type bool",
                                               text::json_kind_name(*field), name));
    }
    return field->get_bool();
  };
  for (const char* name : {"isRegex", "name", "value"}) {
    if (!object.contains(name) || object.at(name).is_null())
      return required(fmt::format("matchers.{}.{}", index, name));
  }
  const auto regex = boolean("isRegex", false);
  if (!regex) return tl::unexpected(regex.error());
  const auto equal = boolean("isEqual", true);
  if (!equal) return tl::unexpected(equal.error());
  auto name = silence_text(object, "name", true);
  if (!name) return tl::unexpected(name.error());
  auto text = silence_text(object, "value", true);
  if (!text) return tl::unexpected(text.error());
  const model::MatchType type = *regex ? (*equal ? model::MatchType::kRegexp : model::MatchType::kNotRegexp)
                                       : (*equal ? model::MatchType::kEqual : model::MatchType::kNotEqual);
  auto matcher = model::Matcher::make(type, *name, *text);
  if (!matcher) {
    return refuse(400, 0,
                  fmt::format("invalid silence: invalid label matcher {}: invalid regular expression {}: {}", index,
                              go_quote(*text), matcher.error().message()));
  }
  return *matcher;
}

AlertmanagerResult<model::Matchers> read_matchers(const json::value& list) {
  if (!list.is_array()) return not_parsed("silence", "json: cannot unmarshal matchers that are no array");
  if (list.get_array().empty()) return refuse(422, kTooFewItems, "matchers in body should have at least 1 items");
  model::Matchers out;
  for (const json::value& item : list.get_array()) {
    auto matcher = read_matcher(item, out.size());
    if (!matcher) return tl::unexpected(matcher.error());
    out.push_back(std::move(*matcher));
  }
  return out;
}

// All sets of a silence; the first is `matchers`, and only it must be there.
AlertmanagerResult<std::vector<model::Matchers>> read_matcher_sets(const json::object& body) {
  std::vector<model::Matchers> sets;
  const json::value* first = body.if_contains("matchers");
  const json::value* more = body.if_contains("matcherSets");
  const bool has_more = more != nullptr && more->is_array() && !more->get_array().empty();
  if (first == nullptr || first->is_null()) {
    if (!has_more) return required("matchers");
  } else {
    auto set = read_matchers(*first);
    if (!set) return tl::unexpected(set.error());
    sets.push_back(std::move(*set));
  }
  if (!has_more) return sets;
  for (const json::value& item : more->get_array()) {
    auto set = read_matchers(item);
    if (!set) return tl::unexpected(set.error());
    // What we answer repeats the first set here, so that a silence can be sent back as it was read.
    if (std::find(sets.begin(), sets.end(), *set) == sets.end()) sets.push_back(std::move(*set));
  }
  return sets;
}

// ---- out ----

void write_labels(text::JsonWriter& w, const model::Labels& labels) {
  w.begin_object();
  for (const model::Label& label : labels) w.field(label.name, label.value);
  w.end_object();
}

void write_strings(text::JsonWriter& w, std::string_view name, const std::vector<std::string>& list) {
  w.key(name).begin_array();
  for (const std::string& item : list) w.string(item);
  w.end_array();
}

void write_alert(text::JsonWriter& w, const alerting::AlertView& view) {
  const model::Alert& a = view.alert;
  w.begin_object();
  write_labels(w.key("annotations"), a.annotations);
  w.field("endsAt", alertmanager_time(a.ends_at));
  w.field("fingerprint", a.fingerprint_hex());
  w.key("receivers").begin_array();
  for (const std::string& name : view.receivers) w.begin_object().field("name", name).end_object();
  w.end_array();
  w.field("startsAt", alertmanager_time(a.starts_at));
  w.key("status").begin_object();
  write_strings(w, "inhibitedBy", view.inhibited_by);
  write_strings(w, "mutedBy", view.muted_by);
  write_strings(w, "silencedBy", view.silenced_by);
  w.field("state", view.state == alerting::AlertVisibility::kActive ? "active" : "suppressed");
  w.end_object();
  w.field("updatedAt", alertmanager_time(a.updated_at));
  if (!a.generator_url.empty()) w.field("generatorURL", a.generator_url);
  write_labels(w.key("labels"), a.labels);
  w.end_object();
}

void write_matchers(text::JsonWriter& w, const model::Matchers& matchers) {
  w.begin_array();
  for (const model::Matcher& m : matchers) {
    const bool equal = m.type() == model::MatchType::kEqual || m.type() == model::MatchType::kRegexp;
    const bool regex = m.type() == model::MatchType::kRegexp || m.type() == model::MatchType::kNotRegexp;
    w.begin_object().field("isEqual", equal).field("isRegex", regex);
    w.field("name", m.name()).field("value", m.value()).end_object();
  }
  w.end_array();
}

void write_silence(text::JsonWriter& w, const alerting::Silence& s, TimePoint now) {
  w.begin_object().field("id", s.id);
  w.key("status").begin_object().field("state", alerting::silence_state_name(s.state(now))).end_object();
  w.field("updatedAt", alertmanager_time(s.updated_at));
  write_labels(w.key("annotations"), s.annotations);
  w.field("comment", s.comment).field("createdBy", s.created_by).field("endsAt", alertmanager_time(s.ends_at));
  w.key("matchers");
  write_matchers(w, s.matcher_sets.empty() ? model::Matchers() : s.matcher_sets.front());
  if (s.matcher_sets.size() > 1) {
    w.key("matcherSets").begin_array();
    for (const model::Matchers& set : s.matcher_sets) write_matchers(w, set);
    w.end_array();
  }
  w.field("startsAt", alertmanager_time(s.starts_at)).end_object();
}

}  // namespace

net::Response alertmanager_json(int status, std::string body) {
  net::Response response = net::json_response(status, std::move(body));
  response.headers.set("Content-Type", "application/json");
  response.headers.set("Cache-Control", "no-store");
  return response;
}

net::Response alertmanager_response(const AlertmanagerError& error) {
  std::string body;
  text::JsonWriter w(body);
  if (error.code == 0)
    w.string(error.message);
  else
    w.begin_object().field("code", error.code).field("message", error.message).end_object();
  return alertmanager_json(error.status, body + "\n");
}

AlertmanagerResult<std::vector<model::Alert>> parse_alerts(std::string_view body) {
  if (trim(body).empty()) return required("alerts");
  // Its buffers are several times the body: one that is made anew each time costs more than the parsing.
  thread_local simdjson::dom::parser kept;
  simdjson::dom::parser big;
  simdjson::dom::parser& parser = body.size() <= kKeptParserBytesMax ? kept : big;
  element root;
  if (const auto error = parser.parse(body.data(), body.size()).get(root); error != simdjson::SUCCESS)
    return not_parsed("alerts", simdjson::error_message(error));
  std::vector<model::Alert> out;
  if (root.is_null()) return out;
  simdjson::dom::array list;
  if (root.get(list) != simdjson::SUCCESS) {
    return not_parsed("alerts", fmt::format("json: cannot unmarshal {} into Go value of type models.PostableAlerts",
                                            go_kind(root.type())));
  }
  out.reserve(list.size());
  size_t index = 0;
  for (const element item : list) {
    auto alert = read_alert(item, index++);
    if (!alert) return tl::unexpected(alert.error());
    out.push_back(std::move(*alert));
  }
  return out;
}

AlertmanagerResult<alerting::Silence> parse_silence(std::string_view body) {
  if (trim(body).empty()) return required("silence");
  const auto parsed = text::parse_json_object(body);
  if (!parsed) return not_parsed("silence", parsed.error().message());
  const json::object& object = *parsed;
  alerting::Silence s;
  const auto text = [&](const char* name, bool is_required, std::string* out) -> AlertmanagerResult<bool> {
    auto value = silence_text(object, name, is_required);
    if (!value) return tl::unexpected(value.error());
    *out = std::move(*value);
    return true;
  };
  if (const auto ok = text("id", false, &s.id); !ok) return tl::unexpected(ok.error());
  if (const auto ok = text("comment", true, &s.comment); !ok) return tl::unexpected(ok.error());
  if (const auto ok = text("createdBy", true, &s.created_by); !ok) return tl::unexpected(ok.error());
  const auto ends_at = silence_time(object, "endsAt");
  if (!ends_at) return tl::unexpected(ends_at.error());
  auto sets = read_matcher_sets(object);
  if (!sets) return tl::unexpected(sets.error());
  const auto starts_at = silence_time(object, "startsAt");
  if (!starts_at) return tl::unexpected(starts_at.error());
  s.matcher_sets = std::move(*sets);
  s.starts_at = *starts_at;
  s.ends_at = *ends_at;
  if (const json::value* annotations = object.if_contains("annotations"); annotations != nullptr) {
    if (!annotations->is_null() && !annotations->is_object())
      return not_parsed("silence", "json: cannot unmarshal annotations that are no object");
    std::vector<model::Label> labels;
    if (annotations->is_object()) {
      for (const auto& [name, value] : annotations->get_object()) {
        if (!value.is_string()) return not_parsed("silence", "json: cannot unmarshal an annotation that is no string");
        labels.push_back({std::string(name), std::string(value.get_string())});
      }
    }
    s.annotations = model::Labels(std::move(labels));
  }
  return s;
}

AlertmanagerResult<std::vector<model::Matchers>> parse_matcher_sets(std::string_view body) {
  const auto parsed = text::parse_json_object(body);
  if (!parsed) return not_parsed("silence", parsed.error().message());
  return read_matcher_sets(*parsed);
}

AlertmanagerResult<model::Matchers> parse_filter(const std::vector<std::string>& texts) {
  model::Matchers out;
  for (const std::string& text : texts) {
    auto matcher = alerting::parse_matcher(text);
    if (!matcher) return refuse(400, 0, "bad matcher format: " + text);
    out.push_back(std::move(*matcher));
  }
  return out;
}

bool parse_flag(std::string_view text, bool absent) {
  if (text.empty()) return absent;
  const std::string word = to_lower(text);
  static constexpr std::string_view kYes[] = {"true", "1",        "yes",     "ok", "y",
                                              "on",   "selected", "checked", "t",  "enabled"};
  return std::find(std::begin(kYes), std::end(kYes), word) != std::end(kYes);
}

std::string alerts_json(const std::vector<alerting::AlertView>& alerts) {
  std::string out;
  out.reserve(alerts.size() * 512);
  text::JsonWriter w(out);
  w.begin_array();
  for (const alerting::AlertView& view : alerts) write_alert(w, view);
  w.end_array();
  return out + "\n";
}

std::string groups_json(const std::vector<alerting::GroupView>& groups) {
  std::string out;
  text::JsonWriter w(out);
  w.begin_array();
  for (const alerting::GroupView& group : groups) {
    w.begin_object().key("alerts").begin_array();
    for (const alerting::AlertView& view : group.alerts) write_alert(w, view);
    w.end_array();
    write_labels(w.key("labels"), group.labels);
    w.key("receiver").begin_object().field("name", group.receiver).end_object();
    write_labels(w.key("routeLabels"), group.route_labels);
    w.end_object();
  }
  w.end_array();
  return out + "\n";
}

std::string silence_json(const alerting::Silence& silence, TimePoint now) {
  std::string out;
  text::JsonWriter w(out);
  write_silence(w, silence, now);
  return out + "\n";
}

std::string silences_json(const std::vector<alerting::Silence>& silences, TimePoint now) {
  std::string out;
  text::JsonWriter w(out);
  w.begin_array();
  for (const alerting::Silence& s : silences) write_silence(w, s, now);
  w.end_array();
  return out + "\n";
}

std::string alertmanager_time(TimePoint t) {
  return format_rfc3339(TimePoint(std::chrono::floor<Millis>(t.time_since_epoch())));
}

}  // namespace sentinel::api
