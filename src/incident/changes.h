#pragma once
// What was done to the system that calls go through: deploys, configuration, circuit breakers, flags. Whoever does it
// says so (a pipeline over the API) or Sentinel sees it; a diagnosis names what happened near the onset.
//
// The log lives in the state store; calls are transactions of their own, from any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "incident/service.h"
#include "model/labels.h"
#include "state/database.h"

namespace sentinel::incident {

enum class ChangeKind { kDeploy, kConfiguration, kBreaker, kModel, kPrompt, kFeatureFlag, kOther };
std::string_view change_kind_name(ChangeKind kind);  // deploy, configuration, breaker, model, prompt, feature_flag
Result<ChangeKind> parse_change_kind(std::string_view text);

struct ChangeEvent {
  int64_t id = 0;
  TimePoint at;
  ChangeKind kind = ChangeKind::kOther;
  std::string subject;   // what was changed: "shop", "openai/gpt-4o", "prices.yml"
  std::string text;      // how: "v1.4.2", "opened"; "": not said
  std::string link;      // http or https; "": none
  model::Labels labels;  // whom it concerns, by service and env; without one: all of them
  std::string actor;

  // "deploy of shop (v1.4.2)"
  std::string describe() const;
  // Nothing that it says of service and env contradicts the scope.
  bool concerns(const Scope& scope) const;
};

struct ChangeQuery {
  TimePoint from;
  TimePoint to;  // inclusive
  std::optional<ChangeKind> kind;
  Scope scope;         // only what concerns it; empty: all
  size_t limit = 100;  // the newest
};

class ChangeLog {
 public:
  // REQUIRES: Service::migrate() ran on it. The database outlives the log.
  explicit ChangeLog(state::Database& database) : database_(database) {}

  // `key` ("" for none) makes it once only: of the same key the first is given back. `id` and `actor` are set here.
  // kInvalidArgument: no subject, a link that is no web address; kTooLarge.
  Result<ChangeEvent> add(ChangeEvent event, std::string_view key, const Actor& actor);
  Result<std::vector<ChangeEvent>> list(const ChangeQuery& query) const;  // newest first

 private:
  state::Database& database_;
};

}  // namespace sentinel::incident
