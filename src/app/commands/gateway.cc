// sentinel key: virtual keys of the gateway. sentinel route: its routes and their kill switch. sentinel breaker: its
// circuit breakers.

#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr std::string_view kKeys = "/sentinel/v1/gateway/keys";
constexpr std::string_view kRoutes = "/sentinel/v1/gateway/routes";
constexpr std::string_view kBreakers = "/sentinel/v1/gateway/breakers";

struct GatewayFlags {
  ClientOptions client;
  std::string id, name, user, team, expires_in, expires_at, reason, actor, model;
  std::vector<std::string> tags, models, routes, limits, budgets;
};

int print_json(const json::value& value) {
  fmt::print("{}\n", text::serialize(value));
  return 0;
}

std::string joined(const json::value& list) {
  std::string out;
  for (const json::value& item : list.as_array()) out += (out.empty() ? "" : ",") + cell_text(item);
  return out;
}

std::string amounts(const json::value& key) {
  std::string out;
  for (const char* name : {"limits", "budgets"}) {
    for (const json::value& item : key.at(name).as_array()) {
      for (const char* unit : {"requests", "tokens", "usd"}) {
        if (item.as_object().contains(unit))
          out += fmt::format("{}{} {}/{}", out.empty() ? "" : ", ", field(item, unit), unit, field(item, "per"));
      }
      if (item.as_object().contains("spent_usd")) out += fmt::format(" ({} spent)", field(item, "spent_usd"));
    }
  }
  return out;
}

int list_keys(const GatewayFlags& f) {
  const auto answer = request_json(f.client, "GET", std::string(kKeys));
  if (!answer) return report(answer.error());
  if (f.client.output == "json") return print_json(*answer);
  std::vector<std::vector<std::string>> rows;
  for (const json::value& key : answer->at("items").as_array()) {
    rows.push_back({field(key, "id"), field(key, "name"), field(key, "state"), field(key, "hint"), field(key, "user"),
                    field(key, "team"), field(key, "expires_at"), joined(key.at("models")), amounts(key)});
  }
  fmt::print("{}", format_table({"ID", "NAME", "STATE", "KEY", "USER", "TEAM", "EXPIRES", "MODELS", "LIMITS"}, rows));
  return 0;
}

// "100 requests/1m", "5 usd/1h".
Result<json::object> amount_of(const std::string& text, bool budget) {
  const size_t space = text.find(' ');
  const size_t slash = text.rfind('/');
  const std::string unit = space < slash && slash != std::string::npos ? text.substr(space + 1, slash - space - 1) : "";
  const auto number = parse_double(text.substr(0, space));
  if (!number || unit.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("\"{}\": expected as {}", text, budget ? "\"25 usd/month\"" : "\"100 requests/1m\""));
  }
  json::object out{{"per", text.substr(slash + 1)}};
  if (unit == "usd") {
    out[unit] = *number;
  } else {
    out[unit] = static_cast<int64_t>(*number);
  }
  return out;
}

Result<std::string> key_body(const GatewayFlags& f) {
  json::object body{{"name", f.name}};
  for (const auto& [name, value] :
       {std::pair("user", &f.user), std::pair("team", &f.team), std::pair("expires_in", &f.expires_in),
        std::pair("expires_at", &f.expires_at), std::pair("actor", &f.actor)}) {
    if (!value->empty()) body[name] = *value;
  }
  if (!f.models.empty()) body["models"] = json::value_from(f.models);
  if (!f.routes.empty()) body["routes"] = json::value_from(f.routes);
  json::object tags;
  for (const std::string& tag : f.tags) {
    const size_t equals = tag.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("tag \"{}\": expected NAME=VALUE", tag));
    tags[tag.substr(0, equals)] = tag.substr(equals + 1);
  }
  if (!tags.empty()) body["tags"] = std::move(tags);
  for (const bool budget : {false, true}) {
    json::array list;
    for (const std::string& text : budget ? f.budgets : f.limits) {
      SENTINEL_ASSIGN(json::object amount, amount_of(text, budget));
      list.push_back(std::move(amount));
    }
    if (!list.empty()) body[budget ? "budgets" : "limits"] = std::move(list);
  }
  return text::serialize(body);
}

int create_key(const GatewayFlags& f) {
  const auto body = key_body(f);
  if (!body) return report(body.error());
  const auto answer = request_json(f.client, "POST", std::string(kKeys), *body);
  if (!answer) return report(answer.error());
  if (f.client.output == "json") return print_json(*answer);
  fmt::print("{}\n", field(*answer, "secret"));
  fmt::print(stderr, "key {} ({}) made; it is shown this once\n", field(answer->at("key"), "id"), f.name);
  return 0;
}

int revoke_key(const GatewayFlags& f) {
  const auto answer = request_json(f.client, "DELETE", fmt::format("{}/{}", kKeys, url_encode(f.id)));
  if (!answer) return report(answer.error());
  if (f.client.output == "json") return print_json(*answer);
  fmt::print("key {} ({}) is revoked\n", field(*answer, "id"), field(*answer, "name"));
  return 0;
}

int list_routes(const GatewayFlags& f) {
  const auto answer = request_json(f.client, "GET", std::string(kRoutes));
  if (!answer) return report(answer.error());
  if (f.client.output == "json") return print_json(*answer);
  std::vector<std::vector<std::string>> rows;
  for (const json::value& route : answer->at("items").as_array()) {
    const json::value& off = route.at("switched_off");
    const bool disabled = field(route, "disabled") == "true";
    rows.push_back(
        {field(route, "name"), joined(route.at("models")),
         disabled        ? "disabled"
         : off.is_null() ? "on"
                         : "switched off",
         off.is_null() ? "" : fmt::format("{} by {}: {}", field(off, "at"), field(off, "by"), field(off, "reason"))});
  }
  fmt::print("{}", format_table({"ROUTE", "MODELS", "STATE", "SINCE"}, rows));
  return 0;
}

int switch_route(const GatewayFlags& f, bool off) {
  json::object body{{"route", f.name}, {"off", off}};
  if (!f.reason.empty()) body["reason"] = f.reason;
  if (!f.actor.empty()) body["actor"] = f.actor;
  const auto answer = request_json(f.client, "POST", std::string(kRoutes), text::serialize(body));
  if (!answer) return report(answer.error());
  if (f.client.output == "json") return print_json(*answer);
  fmt::print("route {} is {}\n", f.name, off ? "switched off" : "on");
  return 0;
}
int disable_route(const GatewayFlags& f) { return switch_route(f, true); }
int enable_route(const GatewayFlags& f) { return switch_route(f, false); }

int print_breakers(const GatewayFlags& f, const json::value& answer) {
  if (f.client.output == "json") return print_json(answer);
  std::vector<std::vector<std::string>> rows;
  for (const json::value& breaker : answer.at("items").as_array()) {
    if (!f.name.empty() && field(breaker, "provider") != f.name) continue;
    if (!f.model.empty() && field(breaker, "model") != f.model) continue;
    rows.push_back({field(breaker, "provider"), field(breaker, "model"), field(breaker, "state"),
                    field(breaker, "held") == "true" ? "by hand" : field(breaker, "open_until"),
                    field(breaker, "failures_in_a_row"),
                    fmt::format("{}/{}", field(breaker, "window_failures"), field(breaker, "window_attempts")),
                    field(breaker, "under_way")});
  }
  fmt::print("{}", format_table({"PROVIDER", "MODEL", "STATE", "OPEN UNTIL", "IN A ROW", "FAILED", "UNDER WAY"}, rows));
  return 0;
}

int list_breakers(const GatewayFlags& f) {
  const auto answer = request_json(f.client, "GET", std::string(kBreakers));
  if (!answer) return report(answer.error());
  return print_breakers(f, *answer);
}

int set_breaker(const GatewayFlags& f, const char* state) {
  json::object body{{"provider", f.name}, {"state", state}};
  if (!f.model.empty()) body["model"] = f.model;
  if (!f.actor.empty()) body["actor"] = f.actor;
  const auto answer = request_json(f.client, "POST", std::string(kBreakers), text::serialize(body));
  if (!answer) return report(answer.error());
  return print_breakers(f, *answer);
}
int open_breaker(const GatewayFlags& f) { return set_breaker(f, "open"); }
int probe_breaker(const GatewayFlags& f) { return set_breaker(f, "half_open"); }
int close_breaker(const GatewayFlags& f) { return set_breaker(f, "closed"); }
int reset_breaker(const GatewayFlags& f) { return set_breaker(f, "auto"); }

using Action = int (*)(const GatewayFlags&);
CLI::App* add_sub(CLI::App& command, const std::shared_ptr<GatewayFlags>& f, int& exit_code, const char* name,
                  const char* help, Action action) {
  CLI::App* sub = command.add_subcommand(name, help);
  add_client_options(*sub, f->client);
  sub->callback([f, action, &exit_code] { exit_code = action(*f); });
  return sub;
}

}  // namespace

void add_key_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<GatewayFlags>();
  CLI::App* command = cli.add_subcommand("key", "Make, list and revoke virtual keys of the gateway");
  command->require_subcommand(1);
  command->footer(
      "Example:\n  sentinel key create shop --team checkout --expires-in 90d --limit \"100 requests/1m\" "
      "--budget \"25 usd/month\"");
  CLI::App* create = add_sub(*command, f, exit_code, "create", "Make one; prints the key, this once", create_key);
  create->add_option("name", f->name, "what it is called")->required();
  create->add_option("--user", f->user, "whose calls these are");
  create->add_option("--team", f->team, "whose budget they come under");
  create->add_option("--tag", f->tags, "NAME=VALUE, on the row of every call");
  create->add_option("--expires-in", f->expires_in, "as 90d");
  create->add_option("--expires-at", f->expires_at, "as 2027-01-01T00:00:00Z");
  create->add_option("--model", f->models, "a model it may ask for, as gpt-4o or gpt-4*");
  create->add_option("--route", f->routes, "a route it may use");
  create->add_option("--limit", f->limits, "as \"100 requests/1m\", \"20000 tokens/1h\", \"5 usd/1d\"");
  create->add_option("--budget", f->budgets, "as \"25 usd/month\" or \"2 usd/day\"");
  create->add_option("--actor", f->actor, "who makes it")->envname("USER");
  add_sub(*command, f, exit_code, "list", "All keys, revoked ones too", list_keys);
  add_sub(*command, f, exit_code, "revoke", "End one now", revoke_key)
      ->add_option("id", f->id, "its id or name")
      ->required();
}

void add_route_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<GatewayFlags>();
  CLI::App* command = cli.add_subcommand("route", "The gateway's routes and their kill switch");
  command->require_subcommand(1);
  command->footer("Example:\n  sentinel route disable chat --reason \"leaks system prompts\"");
  add_sub(*command, f, exit_code, "list", "All routes, and which are switched off", list_routes);
  CLI::App* disable = add_sub(*command, f, exit_code, "disable", "Refuse its calls from now on", disable_route);
  CLI::App* enable = add_sub(*command, f, exit_code, "enable", "Let calls through again", enable_route);
  disable->add_option("--reason", f->reason, "why; callers are told");
  for (CLI::App* sub : {disable, enable}) {
    sub->add_option("name", f->name, "its name, else its first model")->required();
    sub->add_option("--actor", f->actor, "who does it")->envname("USER");
  }
}

void add_breaker_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<GatewayFlags>();
  CLI::App* command = cli.add_subcommand("breaker", "The gateway's circuit breakers, of each provider and model");
  command->require_subcommand(1);
  command->footer("Example:\n  sentinel breaker open openai gpt-4o");
  CLI::App* list = add_sub(*command, f, exit_code, "list", "Their states", list_breakers);
  CLI::App* open = add_sub(*command, f, exit_code, "open", "Send nobody there until told otherwise", open_breaker);
  CLI::App* probe = add_sub(*command, f, exit_code, "probe", "Let the next call try it", probe_breaker);
  CLI::App* close = add_sub(*command, f, exit_code, "close", "Close it and forget its failures", close_breaker);
  CLI::App* reset = add_sub(*command, f, exit_code, "reset", "Leave one that is held open to itself", reset_breaker);
  list->add_option("provider", f->name, "only of this provider");
  list->add_option("model", f->model, "only of this model");
  for (CLI::App* sub : {open, probe, close, reset}) {
    sub->add_option("provider", f->name, "as the configuration names it")->required();
    sub->add_option("model", f->model, "left out: all of its models, also those to come");
    sub->add_option("--actor", f->actor, "who does it")->envname("USER");
  }
}

}  // namespace sentinel::app
