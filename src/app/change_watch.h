#pragma once
// Changes that the server itself sees and nobody tells it of: files of its configuration that are others than before,
// circuit breakers of the gateway that open and close. They go into the log of changes.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gateway/gateway.h"
#include "incident/changes.h"
#include "state/database.h"

namespace sentinel::app {

// Hash of what is in force, by the name of its file.
using FileHashes = std::map<std::string, std::string>;

class ChangeWatch {
 public:
  // REQUIRES: migrations of incident and of the key-value store ran. Both outlive the watch.
  ChangeWatch(state::Database& database, incident::ChangeLog& log) : database_(database), log_(log) {}

  // Which of them are others, new or gone, compared with those of the last call, also across a restart: one change.
  // None at the first call ever. On any thread, one at a time.
  Status files_in_force(const FileHashes& files, TimePoint now, const incident::Actor& by);
  // What has opened or closed since the last call. A half-open one is what it was before. On one thread.
  Status breakers_seen(const std::vector<gateway::BreakerView>& breakers, TimePoint now);

 private:
  state::Database& database_;
  incident::ChangeLog& log_;
  std::map<std::pair<std::string, std::string>, bool> open_;  // by provider and model
};

}  // namespace sentinel::app
