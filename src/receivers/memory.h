#pragma once
// What a message to a group leaves for the next one (which Slack message to edit): small, durable, and no loss if it is
// gone. All calls block on the database; thread-safe.

#include <atomic>
#include <string>

#include "base/clock.h"
#include "state/database.h"

namespace sentinel::receivers {

class Memory {
 public:
  virtual ~Memory() = default;
  virtual std::string load(const std::string& integration, const std::string& group_key) = 0;  // "" when unknown
  virtual void store(const std::string& integration, const std::string& group_key, const std::string& value) = 0;
};

// In table kv of the state store. REQUIRES: state::KeyValue::migrate() ran; both references outlive this object.
class StateMemory final : public Memory {
 public:
  StateMemory(state::Database& database, const Clock& clock) : database_(database), clock_(clock) {}
  std::string load(const std::string& integration, const std::string& group_key) override;
  void store(const std::string& integration, const std::string& group_key, const std::string& value) override;

 private:
  state::Database& database_;
  const Clock& clock_;
  std::atomic<uint64_t> stores_{0};
};

}  // namespace sentinel::receivers
