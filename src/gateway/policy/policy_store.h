#pragma once
// Where virtual keys, switched-off routes and what budgets have spent are kept: the state store. All functions block on
// it and are thread-safe; calls on the cores only read what is published.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "gateway/policy/budget.h"
#include "gateway/policy/keys.h"
#include "gateway/policy/published.h"
#include "gateway/policy/switches.h"
#include "state/database.h"

namespace sentinel::gateway {

// More of the same transaction: the audit entry of who did it.
using Also = std::function<Status(state::Tx&)>;

class PolicyStore {
 public:
  static Status migrate(state::Database& database);
  // REQUIRES: migrate() ran. References outlive the store; `keys` and `switches` get what is there at once.
  static Result<std::unique_ptr<PolicyStore>> open(state::Database& database, const Clock& clock,
                                                   Published<VirtualKeys>& keys, Published<RouteSwitches>& switches);

  struct Made {
    std::shared_ptr<const VirtualKey> key;
    std::string secret;  // shown this once
  };
  // Durable when they return. kConflict: a key that is neither revoked nor expired has that name. kTooLarge: kKeysMax.
  Result<Made> create_key(KeySpec spec, std::string created_by,
                          const std::function<Status(state::Tx&, const VirtualKey&)>& also);
  // kNotFound; kConflict: it is revoked already. `id` may be the name of a key that is in force.
  Result<std::shared_ptr<const VirtualKey>> revoke_key(
      std::string_view id, const std::function<Status(state::Tx&, const VirtualKey&)>& also);
  std::shared_ptr<const VirtualKeys> keys() const { return keys_.get(); }

  // Off, or (off = false) on again. Whether a route has that name is the caller's to know.
  Status set_switch(const RouteSwitch& change, bool off, const Also& also);
  std::shared_ptr<const RouteSwitches> switches() const { return switches_.get(); }

  Status save_spending(const std::vector<Spending>& spendings);
  // Of periods that may still run.
  Result<std::vector<Spending>> load_spending();

 private:
  PolicyStore(state::Database& database, const Clock& clock, Published<VirtualKeys>& keys,
              Published<RouteSwitches>& switches)
      : database_(database), clock_(clock), keys_(keys), switches_(switches) {}
  Status load();

  state::Database& database_;
  const Clock& clock_;
  Published<VirtualKeys>& keys_;
  Published<RouteSwitches>& switches_;
  Mutex writing_;  // what is published follows the order of the commits
};

}  // namespace sentinel::gateway
