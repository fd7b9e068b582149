#pragma once
// Everything that configuration files say, read and parsed before anything of it is put in force.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alerting/config.h"
#include "analysis/price_table.h"
#include "app/config.h"
#include "app/web_config.h"
#include "automation/config.h"
#include "base/result.h"
#include "detection/rule_file.h"
#include "oncall/config.h"
#include "runbook/library.h"

namespace sentinel::app {

struct LoadedFiles {
  std::map<std::string, std::string> hashes;  // SHA-256 of each file, by its path
  std::vector<detection::RuleFile> rules;
  alerting::Config alerting;
  std::shared_ptr<const oncall::Config> oncall;
  std::shared_ptr<const automation::Catalogue> automations;
  std::shared_ptr<const runbook::Library> runbooks;
  std::shared_ptr<const analysis::PriceTable> prices;
};

// Reads sentinel.yml (or the defaults when `path` is empty) and every file it names, and checks all of it.
Result<Config> load_config(const std::string& path);
// Everything the configuration names parses: rules, routes, runbooks, prices. For `sentinel check config` and reload.
Status check_all(const Config& config);

// Reads every file that `config` names. Errors say file, line and what was expected.
Result<LoadedFiles> load_files(const Config& config);
// How the port is served: certificates and headers of `web_config_file`.
Result<WebConfig> read_listener(const Config& config);

}  // namespace sentinel::app
