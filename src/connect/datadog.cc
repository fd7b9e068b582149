// Datadog: an event for each thing that happened to an incident, under one aggregation key, and, when asked for, an
// incident in Datadog's own desk that is kept true. Nothing comes back.

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "connect/kinds.h"
#include "connect/limits.h"
#include "promql/parser.h"
#include "receivers/payload.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;
using model::IncidentStatus;

constexpr size_t kTitleRunesMax = 500;
constexpr size_t kTextBytesMax = 3900;                   // Datadog takes 4000
constexpr Micros kEventAgeMax = std::chrono::hours(17);  // it takes 18
constexpr std::string_view kEvent = "event";
constexpr std::string_view kOpen = "create incident";
constexpr std::string_view kFind = "search incidents";
constexpr std::string_view kEdit = "edit incident";

std::string_view alert_type_of(const model::Incident& incident) {
  if (incident.status == IncidentStatus::kResolved) return "success";
  return incident.severity <= model::Severity::kSev2   ? "error"
         : incident.severity == model::Severity::kSev3 ? "warning"
                                                       : "info";
}

std::string state_of(const model::Incident& incident) {
  if (incident.status == IncidentStatus::kResolved) return "resolved";
  return incident.status == IncidentStatus::kMonitoring ? "stable" : "active";
}

// "SEV-2".
std::string severity_of(const model::Incident& incident) {
  return fmt::format("SEV-{}", static_cast<int>(incident.severity));
}

json::object dropdown(std::string_view value) { return {{"type", "dropdown"}, {"value", value}}; }

class Datadog final : public Connection {
 public:
  Datadog() : Connection("datadog", false) {}
  Status configure(const text::YamlNode& node, const std::string& folder);

  std::optional<Step> next(const View& view, const Memory& memory, bool doubtful) const override;
  receivers::SendResult heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                              std::vector<Command>& asks) const override;
  Place place(const Memory& memory) const override;
  Result<Received> receive(const net::Request&, TimePoint) const override {
    return fail(ErrorCode::kNotFound, "Datadog sends nothing here");
  }
  Status authorize(receivers::HttpCall& call) const override;
  const SeriesOut* series() const override { return series_.match.empty() ? nullptr : &series_; }

 private:
  Status read_metrics(const text::YamlNode& node);
  Step step(std::string_view name, std::string method, std::string_view path, const json::value& body,
            Memory note = {}) const;
  Step event(const View& view, const std::string& said) const;
  std::optional<Step> incident(const View& view, const Memory& memory, bool doubtful) const;

  std::string url_ = "https://api.datadoghq.com";
  std::string app_url_;  // https://app.datadoghq.com: for links
  receivers::Secret api_key_;
  receivers::Secret app_key_;
  bool events_ = true;
  bool incidents_ = false;
  std::vector<std::string> tags_;
  SeriesOut series_;
};

Status Datadog::configure(const text::YamlNode& node, const std::string& folder) {
  SENTINEL_TRY(read(node, folder,
                    {{"url", receivers::UrlField{&url_}},
                     {"app_url", receivers::UrlField{&app_url_}},
                     {"api_key", &api_key_},
                     {"app_key", &app_key_},
                     {"events", &events_},
                     {"incidents", &incidents_},
                     {"tags", &tags_},
                     {"metrics", receivers::ReadNode([&](const text::YamlNode& n) { return read_metrics(n); })}}));
  if (api_key_.empty()) return fail(node.error("datadog needs api_key or api_key_file"));
  if (incidents_ && app_key_.empty()) return fail(node.error("incidents in Datadog need app_key or app_key_file"));
  locate(api_key_);
  locate(app_key_);
  series_.url = receivers::join_url(url_, "api/v2/series");
  series_.tags = tags_;
  return {};
}

Status Datadog::read_metrics(const text::YamlNode& node) {
  std::vector<std::string> match;
  SENTINEL_TRY(receivers::read_fields(
      node, "metrics", {{"match", &match}, {"interval", &series_.interval}, {"prefix", &series_.prefix}}));
  if (match.empty() || match.size() > kSelectorsMax)
    return fail(
        node.error(fmt::format("expected match, 1 to {} selectors such as '{{__name__=~\"llm_.*\"}}'", kSelectorsMax)));
  for (size_t i = 0; i < match.size(); ++i) {
    auto matchers = promql::parse_metric_selector(match[i]);
    if (!matchers) return fail(node.get("match").items()[i].error(matchers.error().message()));
    series_.match.push_back(std::move(*matchers));
  }
  const bool whole = series_.interval.count() % 1000 == 0;
  if (!whole || series_.interval < kSeriesIntervalMin || series_.interval > kSeriesIntervalMax)
    return fail(node.get("interval").error("expected whole seconds, 5s to 10m"));
  const bool letter = series_.prefix.empty() || (std::isalpha(static_cast<unsigned char>(series_.prefix[0])) != 0);
  if (!letter) return fail(node.get("prefix").error("expected a letter first"));
  return {};
}

Status Datadog::authorize(receivers::HttpCall& call) const {
  SENTINEL_ASSIGN(const std::string key, receivers::read_secret(api_key_));
  call.headers.set("DD-API-KEY", key);
  if (app_key_.empty()) return {};
  SENTINEL_ASSIGN(const std::string app, receivers::read_secret(app_key_));
  call.headers.set("DD-APPLICATION-KEY", app);
  return {};
}

Step Datadog::step(std::string_view name, std::string method, std::string_view path, const json::value& body,
                   Memory note) const {
  return {std::string(name), json_call(std::move(method), receivers::join_url(url_, path), body), std::move(note)};
}

Step Datadog::event(const View& view, const std::string& said) const {
  const model::Incident& i = view.incident();
  const incident::Headline& head = view.record.headline;
  std::string text = fmt::format("**What failed**: {}\n\n", head.what_failed);
  if (!head.why.empty()) text += fmt::format("**Why**: {}\n\n", head.why);
  const bool over = i.status == IncidentStatus::kResolved;
  if (!over && !head.next_step.empty()) text += fmt::format("**Next step**: {}\n\n", head.next_step);
  if (over && !i.resolution.empty()) text += fmt::format("**Resolution**: {}\n\n", i.resolution);
  text = fmt::format("%%% \n{}\n\n[{}]({})\n %%%", utf8_prefix(text, kTextBytesMax - view.link.size() - 40),
                     view.name(), view.link);
  json::array tags{"source:sentinel", fmt::format("incident:{}", view.name()),
                   fmt::format("severity:{}", to_lower(model::severity_name(i.severity))),
                   fmt::format("status:{}", model::incident_status_name(i.status))};
  for (const char* name : {"service", "env", "category", "model", "endpoint"}) {
    if (const std::string_view value = i.labels.get(name); !value.empty())
      tags.emplace_back(fmt::format("{}:{}", name, value));
  }
  for (const std::string& tag : tags_) tags.emplace_back(tag);
  json::object body = {
      {"title", receivers::truncate_runes(fmt::format("{} ({})", headline_of(i), model::incident_status_name(i.status)),
                                          kTitleRunesMax)},
      {"text", text},
      {"alert_type", alert_type_of(i)},
      {"priority", i.severity == model::Severity::kSev4 ? "low" : "normal"},
      {"aggregation_key", "sentinel-" + i.id},
      {"source_type_name", "sentinel"},
      {"tags", std::move(tags)}};
  if (view.now - i.updated_at < kEventAgeMax) body["date_happened"] = to_us(i.updated_at) / 1'000'000;
  return step(kEvent, "POST", "api/v1/events", body, {{"said", said}});
}

std::optional<Step> Datadog::next(const View& view, const Memory& memory, bool doubtful) const {
  const model::Incident& i = view.incident();
  const std::string said =
      fmt::format("{} {}", model::incident_status_name(i.status), model::severity_name(i.severity));
  const bool begun = memory.contains("said") || memory.contains("id");
  if (!begun && !doubtful && i.status == IncidentStatus::kResolved) return std::nullopt;
  if (incidents_) {
    if (auto kept = incident(view, memory, doubtful)) return kept;
  }
  if (events_ && memory_text(memory, "said") != said) return event(view, said);
  return std::nullopt;
}

std::optional<Step> Datadog::incident(const View& view, const Memory& memory, bool doubtful) const {
  const model::Incident& i = view.incident();
  const json::object fields = {{"state", dropdown(state_of(i))}, {"severity", dropdown(severity_of(i))}};
  const std::string title = fmt::format("{}: {}", view.name(), i.title);
  const json::object wanted = {{"title", title}, {"fields", fields}};
  const std::string print = print_of(json::serialize(wanted));
  const std::string id = memory_text(memory, "id");
  if (id.empty() && doubtful) {
    const receivers::StringMap query{
        {"query", "state:(active OR stable)"}, {"sort", "-created"}, {"page[size]", "100"}};
    return step(kFind, "GET", "api/v2/incidents/search?" + receivers::form_encode(query), nullptr, {{"title", title}});
  }
  if (id.empty()) {
    json::object attributes = wanted;
    attributes["customer_impacted"] = false;
    const std::string cell =
        fmt::format("{}\n\n{}", utf8_prefix(view.record.headline.what_failed, kTextBytesMax), view.link);
    attributes["initial_cells"] = json::array{
        json::object{{"cell_type", "markdown"}, {"important", true}, {"content", json::object{{"content", cell}}}}};
    return step(kOpen, "POST", "api/v2/incidents",
                json::object{{"data", json::object{{"type", "incidents"}, {"attributes", std::move(attributes)}}}},
                {{"print", print}});
  }
  if (memory_text(memory, "print") == print) return std::nullopt;
  return step(kEdit, "PATCH", "api/v2/incidents/" + id,
              json::object{{"data", json::object{{"type", "incidents"}, {"id", id}, {"attributes", wanted}}}},
              {{"print", print}});
}

// Of the answers to a search: what an earlier attempt made has our title.
void adopt(const Step& step, const json::object& answer, Memory& memory) {
  const json::value* list = nullptr;
  const json::object* in = &answer;
  for (const char* key : {"data", "attributes", "incidents"}) {
    list = in == nullptr ? nullptr : in->if_contains(key);
    in = list == nullptr ? nullptr : list->if_object();
  }
  if (list == nullptr || !list->is_array()) return;
  for (const json::value& found : list->get_array()) {
    if (string_at(found, {"data", "attributes", "title"}) != memory_text(step.note, "title")) continue;
    memory["id"] = string_at(found, {"data", "id"});
    return;
  }
}

receivers::SendResult Datadog::heard(const Step& step, const net::Response& answer, TimePoint now, Memory& memory,
                                     std::vector<Command>&) const {
  receivers::SendResult judged = receivers::judge_status(answer, now);
  if (answer.status == 429 && !judged.retry_after)
    judged.retry_after = receivers::parse_retry_after(answer.headers.get("X-RateLimit-Reset"), now);
  if (judged.kind != receivers::SendResult::Kind::kDelivered) return judged;
  const auto body = text::parse_json_object(answer.body);
  if (step.name == kEvent) memory["said"] = memory_text(step.note, "said");
  if (step.name == kEdit) memory["print"] = memory_text(step.note, "print");
  if (step.name == kFind && body) adopt(step, *body, memory);
  if (step.name != kOpen) return judged;
  const std::string id = body ? string_at(*body, {"data", "id"}) : "";
  if (id.empty()) return never("the answer names no incident");
  memory["id"] = id;
  memory["print"] = memory_text(step.note, "print");
  const json::value* data = body->if_contains("data");
  const json::value* attributes = data->get_object().if_contains("attributes");
  if (attributes != nullptr && attributes->is_object())
    memory["number"] = memory_int(attributes->get_object(), "public_id");
  return judged;
}

Place Datadog::place(const Memory& memory) const {
  const std::string id = memory_text(memory, "id");
  const int64_t number = memory_int(memory, "number");
  if (id.empty()) return {"", "", memory.contains("said") ? "Datadog events" : "", ""};
  Place out{id, "", number > 0 ? fmt::format("Datadog IR-{}", number) : "Datadog", ""};
  if (!app_url_.empty() && number > 0) out.url = receivers::join_url(app_url_, fmt::format("incidents/{}", number));
  return out;
}

}  // namespace

ConnectionResult read_datadog(const text::YamlNode& node, const std::string& folder) {
  return read_as<Datadog>(node, folder);
}

}  // namespace sentinel::connect
