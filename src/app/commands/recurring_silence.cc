// sentinel silence recurring: silences that come again.

#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "alerting/matcher_parser.h"
#include "app/commands/client.h"
#include "app/commands/commands.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace {

namespace json = boost::json;

constexpr const char* kPath = "/sentinel/v1/silences/recurring";

struct RecurringFlags {
  ClientOptions client;
  std::vector<std::string> matchers;
  std::vector<std::string> times;
  std::vector<std::string> weekdays;
  std::vector<std::string> days_of_month;
  std::vector<std::string> months;
  std::vector<std::string> years;
  std::string location;
  std::string starts_at;
  std::string ends_at;
  std::string comment;
  std::string author;
  std::string id;
};

json::array list_of(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) out.push_back(json::value(text));
  return out;
}

// "22:00-06:00" goes over midnight: two times, since one of alertmanager.yml cannot.
Result<json::array> times_of(const std::vector<std::string>& texts) {
  json::array out;
  const auto add = [&](std::string_view from, std::string_view to) {
    if (from != to) out.push_back(json::object{{"start_time", std::string(from)}, {"end_time", std::string(to)}});
  };
  for (const std::string& text : texts) {
    const auto parts = split(text, '-');
    if (parts.size() != 2) return fail(ErrorCode::kInvalidArgument, "a time is as 22:00-06:00, not " + go_quote(text));
    const std::string_view from = trim(parts[0]);
    const std::string_view to = trim(parts[1]);
    if (from < to) {
      add(from, to);
    } else {
      add(from, "24:00");
      add("00:00", to);
    }
  }
  return out;
}

Result<json::object> body_of(const RecurringFlags& f) {
  json::array matchers;
  for (const std::string& text : f.matchers) {
    SENTINEL_ASSIGN(const model::Matcher m, alerting::parse_matcher(text));
    const bool regex = m.type() == model::MatchType::kRegexp || m.type() == model::MatchType::kNotRegexp;
    const bool equal = m.type() == model::MatchType::kEqual || m.type() == model::MatchType::kRegexp;
    matchers.push_back(json::object{{"name", m.name()}, {"value", m.value()}, {"isRegex", regex}, {"isEqual", equal}});
  }
  json::object interval;
  SENTINEL_ASSIGN(json::array times, times_of(f.times));
  if (!times.empty()) interval["times"] = std::move(times);
  const std::pair<const char*, const std::vector<std::string>*> lists[] = {
      {"weekdays", &f.weekdays}, {"days_of_month", &f.days_of_month}, {"months", &f.months}, {"years", &f.years}};
  for (const auto& [name, list] : lists) {
    if (!list->empty()) interval[name] = list_of(*list);
  }
  if (!f.location.empty()) interval["location"] = f.location;
  json::object body{{"matchers", std::move(matchers)},
                    {"time_intervals", json::array{std::move(interval)}},
                    {"comment", f.comment},
                    {"actor", f.author}};
  if (!f.starts_at.empty()) body["starts_at"] = f.starts_at;
  if (!f.ends_at.empty()) body["ends_at"] = f.ends_at;
  return body;
}

int add_recurring(const RecurringFlags& f) {
  const auto body = body_of(f);
  if (!body) return report(body.error());
  const auto answer = request_json(f.client, "POST", kPath, text::serialize(*body));
  if (!answer) return report(answer.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
  } else {
    fmt::print("{}\n", field(*answer, "id"));
  }
  return 0;
}

int list_recurring(const RecurringFlags& f) {
  const auto answer = request_json(f.client, "GET", kPath);
  if (!answer) return report(answer.error());
  if (f.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& r : answer->at("items").as_array()) {
    const json::array& next = r.at("instances").as_array();
    rows.push_back({field(r, "id"), next.empty() ? "" : field(next[0], "starts_at"),
                    next.empty() ? "" : field(next[0], "ends_at"), silence_matchers_text(r),
                    text::serialize(r.at("time_intervals")), field(r, "created_by"), field(r, "comment")});
  }
  fmt::print("{}", format_table({"ID", "NEXT", "UNTIL", "MATCHERS", "WHEN", "BY", "COMMENT"}, rows, 100));
  return 0;
}

int remove_recurring(const RecurringFlags& f) {
  const auto answer = request_text(f.client, "DELETE", std::string(kPath) + "/" + url_encode(f.id));
  return answer ? 0 : report(answer.error());
}

}  // namespace

void add_recurring_silence_command(CLI::App& silence, int& exit_code) {
  auto f = std::make_shared<RecurringFlags>();
  CLI::App* command = silence.add_subcommand("recurring", "Silences that come again");
  command->require_subcommand(1);
  command->footer(
      "Time intervals are those of alertmanager.yml; all that are given must hold.\n"
      "Example:\n  sentinel silence recurring add service=shop --weekdays monday:friday --times 22:00-06:00 "
      "--location Europe/Berlin --comment backups");
  const auto sub = [&](const char* name, const char* help, int (*action)(const RecurringFlags&)) {
    CLI::App* s = command->add_subcommand(name, help);
    add_client_options(*s, f->client);
    s->callback([f, action, &exit_code] { exit_code = action(*f); });
    return s;
  };
  sub("list", "All, with their next time", list_recurring);
  CLI::App* add = sub("add", "Mute what all the matchers match at times that come again; prints the id", add_recurring);
  add->add_option("matchers", f->matchers, "matchers")->required();
  add->add_option("--times", f->times, "of the day, as 22:00-06:00; several with commas")->delimiter(',');
  add->add_option("--weekdays", f->weekdays, "as monday:friday,sunday")->delimiter(',');
  add->add_option("--days-of-month", f->days_of_month, "as 1:7,-1")->delimiter(',');
  add->add_option("--months", f->months, "as january:march,12")->delimiter(',');
  add->add_option("--years", f->years, "as 2026:2028")->delimiter(',');
  add->add_option("--location", f->location, "whose time it is, as Europe/Berlin (UTC)");
  add->add_option("--starts", f->starts_at, "nothing before it (now)");
  add->add_option("--ends", f->ends_at, "nothing after it");
  add->add_option("--comment", f->comment, "why")->required();
  add->add_option("--author", f->author, "who")->envname("USER");
  sub("remove", "End it, and its silence that is active or pending", remove_recurring)
      ->add_option("id", f->id, "its id")
      ->required();
}

}  // namespace sentinel::app
