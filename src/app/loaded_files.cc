#include "app/loaded_files.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "app/builtin_files.h"
#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::app {
namespace {

using FileHashes = std::map<std::string, std::string>;

void note(const ConfigText& file, FileHashes& hashes) { hashes[file.path] = hex_encode(sha256(file.text)); }

Result<ConfigText> read_noted(Env& env, const std::string& path, FileHashes& hashes) {
  SENTINEL_ASSIGN(ConfigText file, read_config(env, path));
  note(file, hashes);
  return file;
}

Result<std::shared_ptr<const automation::Catalogue>> load_automations(Env& env, const std::string& path,
                                                                      FileHashes& hashes) {
  if (path.empty()) return std::make_shared<const automation::Catalogue>();
  SENTINEL_ASSIGN(const ConfigText file, read_noted(env, path, hashes));
  return automation::Catalogue::parse(file.text, file.path);
}

Result<std::shared_ptr<const oncall::Config>> load_oncall(Env& env, const Config& whole, FileHashes& hashes) {
  const std::string& path = whole.oncall;
  if (path.empty()) return std::make_shared<const oncall::Config>();
  SENTINEL_ASSIGN(const ConfigText file, read_noted(env, path, hashes));
  SENTINEL_ASSIGN(oncall::Config config, oncall::parse_config(file.text, file.path));
  const Status reachable = oncall::check_reachable(config);
  if (!reachable) return fail(reachable.error().in_file(file.path));
  for (const oncall::MaintenanceWindow& w : config.maintenance) {
    for (const std::string& id : w.components) {
      const auto& known = whole.status_page.components;
      if (std::none_of(known.begin(), known.end(), [&](const auto& c) { return c.id == id; }))
        return fail(
            Error(ErrorCode::kInvalidArgument,
                  fmt::format("maintenance \"{}\": `status_page` of sentinel.yml has no component \"{}\"", w.id, id))
                .in_file(file.path));
    }
  }
  return std::make_shared<const oncall::Config>(std::move(config));
}

}  // namespace

Result<WebConfig> read_listener(const Config& config) {
  if (config.web_config_file.empty()) return WebConfig();
  SENTINEL_ASSIGN(WebConfig web, read_web_config(config.web_config_file));
  // Whoever comes has a token, which every path and role knows.
  if (!web.users.empty())
    return fail(Error(ErrorCode::kInvalidArgument, "basic_auth_users: use bearer tokens, auth.tokens",
                      Position{config.web_config_file, 0, 0}));
  return web;
}

// Synthetic pages are alerts for incidents alone: no route of the user's own may tell them.
void keep_from_receivers(alerting::Config& config) {
  constexpr const char* kNobody = "sentinel-synthetic-page";
  config.receivers.push_back({kNobody, {{"name", kNobody}}, {}});
  alerting::Route route = config.route;
  route.matchers = {
      model::Matcher::make(model::MatchType::kNotEqual, std::string(oncall::kSyntheticLabel), "").value()};
  route.receiver = kNobody;
  route.continues = false;
  route.mute_time_intervals.clear();
  route.active_time_intervals.clear();
  route.routes.clear();
  route.key = config.route.key + "/{synthetic_page!=\"\"}";
  route.id = route.key;
  config.route.routes.insert(config.route.routes.begin(), std::move(route));
}

Result<LoadedFiles> load_files(const Config& config) {
  Env& env = posix_env();
  LoadedFiles loaded;
  if (!config.file.empty()) SENTINEL_TRY(read_noted(env, config.file, loaded.hashes));
  for (const std::string& pattern : config.rule_files) {
    SENTINEL_ASSIGN(const std::vector<ConfigText> files, read_config_glob(env, pattern));
    for (const ConfigText& file : files) {
      note(file, loaded.hashes);
      SENTINEL_ASSIGN(loaded.rules.emplace_back(), detection::parse_rule_file(file.text, file.path));
    }
  }
  SENTINEL_ASSIGN(const ConfigText alertmanager, read_noted(env, config.alertmanager, loaded.hashes));
  SENTINEL_ASSIGN(loaded.alerting, alerting::parse_config(alertmanager.text, alertmanager.path));
  SENTINEL_ASSIGN(loaded.oncall, load_oncall(env, config, loaded.hashes));
  if (loaded.oncall->synthetic_page) keep_from_receivers(loaded.alerting);
  SENTINEL_ASSIGN(loaded.automations, load_automations(env, config.automation_file, loaded.hashes));
  SENTINEL_ASSIGN(const std::vector<ConfigText> books, read_config_dir(env, config.runbooks));
  std::vector<runbook::SourceFile> sources;
  for (const ConfigText& book : books) {
    note(book, loaded.hashes);
    sources.push_back({book.path, book.text});
  }
  SENTINEL_ASSIGN(loaded.runbooks, runbook::Library::parse(sources));
  SENTINEL_ASSIGN(const ConfigText prices, read_noted(env, config.prices, loaded.hashes));
  SENTINEL_ASSIGN(analysis::PriceTable table, analysis::PriceTable::parse(prices.text, prices.path));
  loaded.prices = std::make_shared<const analysis::PriceTable>(std::move(table));
  return loaded;
}

Result<Config> load_config(const std::string& path) {
  if (path.empty()) return Config{};
  SENTINEL_ASSIGN(const ConfigText file, read_config(posix_env(), path));
  return parse_config(file.text, file.path);
}

Status check_all(const Config& config) {
  SENTINEL_TRY(validate_config(config));
  SENTINEL_TRY(load_files(config));
  SENTINEL_TRY(read_listener(config));
  return {};
}

}  // namespace sentinel::app
