// sentinel change: what was done to the system, told by pipelines and people.

#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
#include "app/commands/commands.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr const char* kPath = "/sentinel/v1/changes";

struct ChangeFlags {
  ClientOptions client;
  std::string kind = "deploy";
  std::string subject;
  std::string text;
  std::string service;
  std::string env;
  std::string link;
  std::string at;
  std::string key;
  std::string from;
};

std::string list_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& c : answer.at("items").as_array()) {
    std::vector<std::string> concerns;
    for (const auto& [name, value] : c.at("labels").as_object()) concerns.push_back(cell_text(value));
    rows.push_back({replace_all(field(c, "at").substr(0, 19), "T", " "), field(c, "kind"), field(c, "subject"),
                    field(c, "text"), concerns.empty() ? "all" : join(concerns, "/"), field(c, "actor")});
  }
  if (rows.empty()) return "No changes in this time.\n";
  return format_table({"AT (UTC)", "KIND", "SUBJECT", "HOW", "CONCERNS", "BY"}, rows);
}

int list(const ChangeFlags& f, const std::string& kind) {
  std::string path = kPath;
  char mark = '?';
  const auto add = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    path += fmt::format("{}{}={}", mark, name, url_encode(value));
    mark = '&';
  };
  add("kind", kind);
  add("service", f.service);
  add("env", f.env);
  add("from", f.from);
  const auto answer = request_json(f.client, "GET", path);
  if (!answer) return report(answer.error());
  fmt::print("{}", f.client.output == "json" ? text::serialize(*answer) + "\n" : list_text(*answer));
  return 0;
}

int add(const ChangeFlags& f) {
  json::object body{{"kind", f.kind}, {"subject", f.subject}};
  const std::pair<const char*, const std::string*> optional[] = {
      {"text", &f.text}, {"service", &f.service}, {"env", &f.env}, {"link", &f.link}, {"at", &f.at}, {"key", &f.key}};
  for (const auto& [name, value] : optional) {
    if (!value->empty()) body[name] = *value;
  }
  const auto answer = request_json(f.client, "POST", kPath, text::serialize(body));
  if (!answer) return report(answer.error());
  fmt::print("{}\n", f.client.output == "json" ? text::serialize(*answer) : field(*answer, "sentence"));
  return 0;
}

}  // namespace

void add_change_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<ChangeFlags>();
  CLI::App* command = cli.add_subcommand("change", "Deploys and other changes, which a diagnosis names near the onset");
  command->require_subcommand(1);
  command->footer(
      "What a pipeline tells is named in an incident's sentence when failing calls begin soon after it. Files of the\n"
      "configuration and circuit breakers are seen without being told.");
  CLI::App* tell = command->add_subcommand("add", "Tell of one");
  add_client_options(*tell, f->client);
  tell->footer(
      "Examples:\n  sentinel change add shop --text v1.4.2 --service shop --env prod --key \"$CI_PIPELINE_ID\"\n"
      "  sentinel change add new-ranking --kind feature_flag --text 'on for 20 %'");
  tell->add_option("subject", f->subject, "what was changed")->required();
  tell->add_option("--kind", f->kind, "deploy, configuration, breaker, model, prompt, feature_flag or other")
      ->capture_default_str();
  tell->add_option("--text", f->text, "how: a version, a value");
  tell->add_option("--service", f->service, "whom it concerns (unless given: all)");
  tell->add_option("--env", f->env, "where (unless given: everywhere)");
  tell->add_option("--link", f->link, "web address of the pipeline or commit");
  tell->add_option("--at", f->at, "when, RFC 3339 (unless given: now)");
  tell->add_option("--key", f->key, "told of once only under this key");
  tell->callback([f, &exit_code] { exit_code = add(*f); });
  auto kind = std::make_shared<std::string>();
  CLI::App* all = command->add_subcommand("list", "Those of the last day, newest first");
  add_client_options(*all, f->client);
  all->add_option("--kind", *kind, "of this kind only");
  all->add_option("--service", f->service, "only what concerns it");
  all->add_option("--env", f->env, "only what concerns it");
  all->add_option("--from", f->from, "since when, RFC 3339 (unless given: 24 hours)");
  all->callback([f, kind, &exit_code] { exit_code = list(*f, *kind); });
}

}  // namespace sentinel::app
