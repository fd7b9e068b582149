#pragma once
#include <memory>

#include "detection/rule_state.h"
#include "state/database.h"

namespace sentinel::detection {

// Rows of the table rule_alerts. One manager at a time writes them.
class SqlRuleStateStore final : public RuleStateStore {
 public:
  // Runs the migrations. `database` outlives it.
  static Result<std::unique_ptr<SqlRuleStateStore>> open(state::Database& database);

  Result<std::vector<StoredAlert>> load() override;
  Status save(const RuleStateBatch& batch) override;

 private:
  explicit SqlRuleStateStore(state::Database& database) : database_(database) {}
  state::Database& database_;
};

}  // namespace sentinel::detection
