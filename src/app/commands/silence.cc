// sentinel silence: list, add, expire and preview silences over Alertmanager's API.

#include <chrono>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "alerting/matcher_parser.h"
#include "alerting/quiet_watch.h"
#include "alerting/reminders.h"
#include "api/alertmanager_json.h"
#include "app/commands/client.h"
#include "app/commands/commands.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/strings.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace {

namespace json = boost::json;

struct SilenceFlags {
  ClientOptions client;
  std::vector<std::string> matchers;
  std::string id;
  std::string duration = "1h";
  std::string comment;
  std::string author;
  std::string until_resolved;
  std::string remind_before;
  std::string within = "24h";
  bool expired = false;
};

Result<model::Matchers> read_matchers(const std::vector<std::string>& texts) {
  model::Matchers out;
  for (const std::string& text : texts) {
    SENTINEL_ASSIGN(model::Matcher matcher, alerting::parse_matcher(text));
    out.push_back(std::move(matcher));
  }
  return out;
}

// What amtool would send.
Result<std::string> silence_body(const SilenceFlags& f) {
  alerting::Silence s;
  SENTINEL_ASSIGN(model::Matchers matchers, read_matchers(f.matchers));
  SENTINEL_ASSIGN(const Millis duration, parse_duration(f.duration));
  s.matcher_sets.push_back(std::move(matchers));
  s.starts_at = SystemClock().now();
  s.ends_at = s.starts_at + duration;
  s.comment = f.comment;
  s.created_by = f.author;
  if (!f.until_resolved.empty()) s.annotations.set(alerting::kUntilResolvedAnnotation, f.until_resolved);
  if (!f.remind_before.empty()) s.annotations.set(alerting::kRemindBeforeAnnotation, f.remind_before);
  json::object body = json::parse(api::silence_json(s, s.starts_at)).as_object();
  for (const char* name : {"id", "status", "updatedAt"}) body.erase(name);
  return text::serialize(body);
}

int list_silences(const SilenceFlags& f) {
  const auto answer = request_json(f.client, "GET", f.expired ? "/api/v2/silences" : "/api/v2/silences?expired=false");
  if (!answer) return report(answer.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& s : answer->as_array()) {
    const json::value* status = s.as_object().if_contains("status");
    rows.push_back({field(s, "id"), status == nullptr ? "" : field(*status, "state"), field(s, "endsAt"),
                    silence_matchers_text(s), field(s, "createdBy"), field(s, "comment")});
  }
  fmt::print("{}", format_table({"ID", "STATE", "ENDS", "MATCHERS", "BY", "COMMENT"}, rows));
  return 0;
}

int list_ending(const SilenceFlags& f) {
  const auto answer = request_json(f.client, "GET", "/sentinel/v1/silences/ending?within=" + url_encode(f.within));
  if (!answer) return report(answer.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& e : answer->at("items").as_array()) {
    const json::value& s = e.at("silence");
    const std::string who = field(e, "receiver");
    const std::string when = field(e, "reminded") == "true" ? "told " + who : field(e, "remind_at") + " " + who;
    rows.push_back({field(s, "id"), field(e, "ends_at"), field(e, "firing_alerts"), silence_matchers_text(s),
                    field(s, "createdBy"), who.empty() ? "" : when});
  }
  fmt::print("{}", format_table({"ID", "ENDS", "FIRING", "MATCHERS", "BY", "REMINDER"}, rows));
  return 0;
}

int add_silence(const SilenceFlags& f) {
  const auto body = silence_body(f);
  if (!body) return report(body.error());
  const auto answer = request_json(f.client, "POST", "/api/v2/silences", *body);
  if (!answer) return report(answer.error());
  fmt::print("{}\n", field(*answer, "silenceID"));
  return 0;
}

int expire_silence(const SilenceFlags& f) {
  const auto answer = request_text(f.client, "DELETE", "/api/v2/silence/" + url_encode(f.id));
  return answer ? 0 : report(answer.error());
}

int preview_silence(const SilenceFlags& f) {
  const auto body = silence_body(f);
  if (!body) return report(body.error());
  const auto answer = request_json(f.client, "POST", "/sentinel/v1/silences/preview", *body);
  if (!answer) return report(answer.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  const json::object& preview = answer->as_object();
  std::vector<std::vector<std::string>> rows;
  for (const json::value& a : preview.at("alerts").as_array()) {
    std::string labels;
    for (const auto& [name, value] : a.at("labels").as_object())
      labels += fmt::format("{}{}={}", labels.empty() ? "" : " ", std::string(name), cell_text(value));
    std::string receivers;
    for (const json::value& r : a.at("receivers").as_array())
      receivers += (receivers.empty() ? "" : ", ") + cell_text(r);
    rows.push_back({field(a, "state"), labels, receivers});
  }
  fmt::print("would mute {} alerts now, {} groups would be silent; {} alerts of the last week match\n",
             field(*answer, "alert_count"), preview.at("groups_silent").as_array().size(),
             field(preview.at("past"), "fired"));
  if (!rows.empty()) fmt::print("{}", format_table({"STATE", "LABELS", "RECEIVERS"}, rows, 100));
  return 0;
}

}  // namespace

std::string silence_matchers_text(const json::value& silence) {
  std::string out;
  const json::value* list = silence.as_object().if_contains("matchers");
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& m : list->get_array()) {
    const bool regex = field(m, "isRegex") == "true";
    const bool equal = field(m, "isEqual") != "false";
    const char* op = regex ? (equal ? "=~" : "!~") : (equal ? "=" : "!=");
    out += (out.empty() ? "" : " ") + field(m, "name") + op + go_quote(field(m, "value"));
  }
  return out;
}

void add_silence_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<SilenceFlags>();
  CLI::App* command = cli.add_subcommand("silence", "List, add, expire and preview silences, also recurring ones");
  command->require_subcommand(1);
  command->footer(
      "Matchers are Alertmanager's: alertname=Disk, host=~\"web-.*\", team!=x.\n"
      "Examples:\n  sentinel silence preview service=shop\n"
      "  sentinel silence add service=shop --duration 2h --comment \"deploy\"");
  const auto sub = [&](const char* name, const char* help, int (*action)(const SilenceFlags&)) {
    CLI::App* s = command->add_subcommand(name, help);
    add_client_options(*s, f->client);
    s->callback([f, action, &exit_code] { exit_code = action(*f); });
    return s;
  };
  CLI::App* list = sub("list", "Those that are active or will be", list_silences);
  list->add_flag("--expired", f->expired, "those that have ended too");
  sub("ending", "Those that end soon, what they mute and who is reminded", list_ending)
      ->add_option("--within", f->within, "how soon")
      ->capture_default_str();
  CLI::App* add = sub("add", "Mute what all the matchers match; prints the id", add_silence);
  CLI::App* preview = sub("preview", "What a silence would mute now, and would have last week", preview_silence);
  for (CLI::App* s : {add, preview}) s->add_option("matchers", f->matchers, "matchers")->required();
  add->add_option("--duration", f->duration, "for how long")->capture_default_str();
  add->add_option("--until-resolved", f->until_resolved,
                  "end earlier, once no alert it matches has fired for this long, as 5m");
  add->add_option("--remind-before", f->remind_before, "remind of its end this long ahead, as 30m; off: do not");
  add->add_option("--comment", f->comment, "why")->required();
  add->add_option("--author", f->author, "who")->envname("USER");
  add_recurring_silence_command(*command, exit_code);
  sub("expire", "End one now", expire_silence)->add_option("id", f->id, "its id")->required();
}

}  // namespace sentinel::app
