#include "app/summary_writer.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "incident/summary.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr int kSummariesMax = 5;  // of one incident
constexpr size_t kAnswerMax = 1 << 20;

Result<std::string> text_of(const net::Response& response) {
  if (response.status != 200) return fail(ErrorCode::kUnavailable, fmt::format("status {}", response.status));
  boost::system::error_code wrong;
  const json::value root = json::parse(response.body, wrong);
  const json::value* content = wrong ? nullptr : root.find_pointer("/choices/0/message/content", wrong);
  if (content == nullptr || !content->is_string())
    return fail(ErrorCode::kUnavailable, "the answer has no choices[0].message.content");
  return incident::clean_summary(content->get_string());
}

}  // namespace

SummaryWriter::SummaryWriter(Scheduler& control, incident::Service& incidents, net::Runtime& runtime,
                             net::HttpClient& client, MetricRegistry& metrics, std::function<std::string()> own_url)
    : control_(control),
      incidents_(incidents),
      runtime_(runtime),
      client_(client),
      own_url_(std::move(own_url)),
      written_(metrics.counter("sentinel_incident_summaries_total", "Incidents summed up by a model.")),
      failed_(metrics.counter("sentinel_incident_summaries_failed_total", "Summaries asked for that did not come.")) {}

void SummaryWriter::diagnosed(const std::string& incident_id) {
  if (config_.model.empty()) return;
  const auto detail = incidents_.get(incident_id, 0);
  if (!detail || !detail->diagnosis) return;
  const incident::IncidentRecord& record = detail->record;
  if (record.incident.status == model::IncidentStatus::kResolved) {
    asked_.erase(incident_id);
    return;
  }
  if (record.incident.test_mode) return;
  // Before the server listens there is no gateway to ask; the next diagnosis comes within seconds.
  SummaryConfig config = config_;
  if (config.base_url.empty()) {
    config.base_url = own_url_();
    if (config.base_url.empty()) return;
    config.base_url += "/v1";
  }
  if (!asked_.contains(incident_id)) forget_those_over();
  Asked& asked = asked_[incident_id];
  if (asked.times == 0 && detail->summary) asked.why = detail->summary->of_why;  // before a restart
  if (asked.under_way || asked.times >= kSummariesMax || asked.why == record.headline.why) return;
  asked.why = record.headline.why;
  asked.under_way = true;
  ++asked.times;
  const std::string body = text::serialize(json::object{
      {"model", config_.model},
      {"temperature", 0},
      {"max_tokens", config_.max_tokens},
      {"messages", json::array{json::object{{"role", "system"}, {"content", incident::summary_instructions()}},
                               json::object{{"role", "user"}, {"content", incident::summary_facts(*detail)}}}}});
  runtime_.spawn(runtime_.any_core(), "summary", ask(incident_id, asked.why, std::move(config), body));
}

void SummaryWriter::forget_those_over() {
  std::erase_if(asked_, [this](const auto& entry) {
    const auto detail = entry.second.under_way ? Result<incident::IncidentDetail>(incident::IncidentDetail())
                                               : incidents_.get(entry.first, 0);
    return !detail || detail->record.incident.status == model::IncidentStatus::kResolved;
  });
}

net::Task<void> SummaryWriter::ask(std::string incident_id, std::string why, SummaryConfig config, std::string body) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = config.base_url + "/chat/completions";
  request.headers.set("Content-Type", "application/json");
  request.headers.set("User-Agent", "Sentinel");
  request.headers.set("x-sentinel-service", "sentinel");
  request.headers.set("x-sentinel-endpoint", "/incident-summary");
  if (!config.api_key.empty()) request.headers.set("Authorization", "Bearer " + config.api_key);
  request.body = std::move(body);
  request.body_bytes_max = kAnswerMax;
  request.timeouts.total = config.timeout;
  request.timeouts.first_byte = config.timeout;
  const Result<net::Response> response = co_await client_.fetch(std::move(request));
  Result<std::string> text = response ? text_of(*response) : Result<std::string>(fail(response.error()));
  if (text) {
    control_.post([this, incident_id, why, model = config.model, text = std::move(*text)] {
      answered(incident_id, why, incidents_.set_summary(incident_id, {text, model, why, control_.now()}));
    });
  } else {
    control_.post([this, incident_id, why, error = text.error()] { answered(incident_id, why, fail(error)); });
  }
}

void SummaryWriter::answered(const std::string& incident_id, const std::string& why, const Status& stored) {
  asked_[incident_id].under_way = false;
  if (stored) {
    written_.add();
  } else {
    failed_.add();
    log_warn("summary", "an incident was not summed up",
             {{"incident", incident_id}, {"why", why}, {"error", stored.error().to_string()}});
  }
  diagnosed(incident_id);  // what was found meanwhile
}

}  // namespace sentinel::app
