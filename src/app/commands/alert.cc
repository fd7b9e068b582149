// sentinel alert: what fires, and acknowledging it.

#include <chrono>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "alerting/matcher_parser.h"
#include "app/commands/client.h"
#include "app/commands/commands.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace {

namespace json = boost::json;

struct AlertFlags {
  ClientOptions client;
  std::vector<std::string> which;  // fingerprints or matchers
  std::string duration;
  std::string note;
  std::string author;
  std::string zone;
};

bool is_fingerprint(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Alerts that all the matchers match, as API v2 shows them.
Result<json::value> matching(const AlertFlags& f, const std::vector<std::string>& matchers) {
  std::string path = "/api/v2/alerts";
  for (const std::string& text : matchers) {
    SENTINEL_ASSIGN(const model::Matcher matcher, alerting::parse_matcher(text));
    path += (path.find('?') == std::string::npos ? "?filter=" : "&filter=") + url_encode(matcher.to_string());
  }
  return request_json(f.client, "GET", path);
}

Result<json::array> fingerprints(const AlertFlags& f) {
  json::array out;
  std::vector<std::string> matchers;
  for (const std::string& text : f.which) {
    if (is_fingerprint(text))
      out.emplace_back(text);
    else
      matchers.push_back(text);
  }
  if (matchers.empty()) return out;
  SENTINEL_ASSIGN(const json::value alerts, matching(f, matchers));
  for (const json::value& alert : alerts.as_array()) out.emplace_back(field(alert, "fingerprint"));
  if (out.empty()) return fail(ErrorCode::kNotFound, "no alert fires that the matchers match");
  return out;
}

int list_alerts(const AlertFlags& f) {
  const auto alerts = matching(f, f.which);
  if (!alerts) return report(alerts.error());
  const auto known = request_json(f.client, "GET", "/sentinel/v1/alerts/acknowledgements");
  if (!known) return report(known.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*alerts));
    return 0;
  }
  std::map<std::string, std::string> by;
  for (const json::value& a : known->at("items").as_array()) by[field(a, "fingerprint")] = field(a, "by");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& alert : alerts->as_array()) {
    std::string labels;
    for (const auto& [name, value] : alert.at("labels").as_object())
      labels += fmt::format("{}{}={}", labels.empty() ? "" : " ", std::string_view(name), cell_text(value));
    const std::string fingerprint = field(alert, "fingerprint");
    rows.push_back(
        {fingerprint, field(alert.at("status"), "state"), by[fingerprint], field(alert, "startsAt"), labels});
  }
  fmt::print("{}", format_table({"FINGERPRINT", "STATE", "ACKNOWLEDGED BY", "SINCE", "LABELS"}, rows, 100));
  return 0;
}

int change(const AlertFlags& f, const std::string& path) {
  auto alerts = fingerprints(f);
  if (!alerts) return report(alerts.error());
  json::object body{{"fingerprints", std::move(*alerts)}, {"note", f.note}, {"actor", f.author}};
  if (!f.duration.empty()) {
    const auto duration = parse_duration(f.duration);
    if (!duration) return report(duration.error());
    body["until"] = format_rfc3339(SystemClock().now() + *duration);
  }
  const auto answer = request_json(f.client, "POST", path, text::serialize(body));
  if (!answer) return report(answer.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  fmt::print("{} alerts\n", answer->at("items").as_array().size());
  return 0;
}

int acknowledge(const AlertFlags& f) { return change(f, "/sentinel/v1/alerts/acknowledge"); }
int unacknowledge(const AlertFlags& f) { return change(f, "/sentinel/v1/alerts/unacknowledge"); }

int list_flapping(const AlertFlags& f) {
  const auto answer = request_json(f.client, "GET", "/sentinel/v1/alerts/flapping");
  if (!answer) return report(answer.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& a : answer->at("items").as_array()) {
    std::string labels;
    for (const auto& [name, value] : a.at("labels").as_object())
      labels += fmt::format("{}{}={}", labels.empty() ? "" : " ", std::string(name), cell_text(value));
    rows.push_back({field(a, "fingerprint"), labels, field(a, "firing") == "true" ? "firing" : "ended",
                    field(a, "since"), field(a, "calm_at")});
  }
  fmt::print("{}", format_table({"FINGERPRINT", "LABELS", "NOW", "FLAPS SINCE", "CALM AT"}, rows, 100));
  return 0;
}

std::string share_text(const json::value& value) { return fmt::format("{:.0f} %", value.to_number<double>() * 100); }

// What to mend first, and who is woken how often.
int show_quality(const AlertFlags& f) {
  const auto answer = request_json(f.client, "GET", "/sentinel/v1/analytics/alerts?time_zone=" + url_encode(f.zone));
  if (!answer) return report(answer.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  const auto row = [](const std::string& name, const json::value& q) {
    const std::string score = q.at("fatigue").is_null()
                                  ? "too few"
                                  : fmt::format("{:.0f} {}", q.at("fatigue").to_number<double>(), field(q, "band"));
    return std::vector<std::string>{name,
                                    cell_text(q.at("pages")),
                                    cell_text(q.at("sleep")),
                                    share_text(q.at("actionable")),
                                    cell_text(q.at("resolved_by_itself")),
                                    cell_text(q.at("flapping")),
                                    cell_text(q.at("unattended")),
                                    fmt::format("{:.1f}", q.at("cost").to_number<double>()),
                                    score};
  };
  for (const auto& [list, name] : {std::pair("rules", "rule"), std::pair("people", "name")}) {
    std::vector<std::vector<std::string>> rows;
    for (const json::value& q : answer->at(list).as_array()) rows.push_back(row(field(q, name), q));
    if (rows.empty()) continue;
    const std::string head = std::string_view(list) == "rules" ? "RULE" : "WHO";
    fmt::print("{}\n", format_table({head, "PAGES", "AT NIGHT", "OF USE", "ENDED BY ITSELF", "FLAPPING", "UNATTENDED",
                                     "COST", "FATIGUE"},
                                    rows));
  }
  if (answer->at("all").at("pages") == 0) fmt::print("Nobody was paged in the last four weeks.\n");
  return 0;
}

}  // namespace

void add_alert_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<AlertFlags>();
  CLI::App* command = cli.add_subcommand("alert", "List alerts, and acknowledge them");
  command->require_subcommand(1);
  command->footer(
      "Alerts are named by fingerprint, or by Alertmanager's matchers: alertname=Disk, host=~\"web-.*\".\n"
      "Examples:\n  sentinel alert list service=shop\n"
      "  sentinel alert ack service=shop --for 2h --note \"rolling back\"");
  const auto sub = [&](const char* name, const char* help, int (*action)(const AlertFlags&)) {
    CLI::App* s = command->add_subcommand(name, help);
    add_client_options(*s, f->client);
    s->callback([f, action, &exit_code] { exit_code = action(*f); });
    return s;
  };
  sub("list", "What fires, and who is on it", list_alerts)->add_option("matchers", f->which, "matchers");
  sub("flapping", "Alerts whose news is held back, since they come and go too often", list_flapping);
  sub("quality", "Whether pages of the last four weeks were worth it: rules to mend, and who is woken", show_quality)
      ->add_option("--time-zone", f->zone, "whose clock says what is night, such as Europe/Berlin; else UTC");
  CLI::App* ack = sub("ack", "Hold reminders of alerts back while somebody is on them", acknowledge);
  CLI::App* unack = sub("unack", "Take it back", unacknowledge);
  ack->add_option("--for", f->duration, "for how long; else until the alert ends");
  for (CLI::App* s : {ack, unack}) {
    s->add_option("alerts", f->which, "fingerprints or matchers")->required();
    s->add_option("--note", f->note, "why");
    s->add_option("--author", f->author, "who")->envname("USER");
  }
}

}  // namespace sentinel::app
