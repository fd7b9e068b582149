#pragma once
// What may be executed: automations by name, each an argv with its parameters, its limits and who must agree. Nothing
// else is ever executed: no shell, no text from a chat.
//
// A parameter never becomes part of argv or of a shell's text: the program reads it as SENTINEL_PARAM_NAME. A secret
// never becomes an argument or a variable: the program reads it from the file descriptor whose number is in NAME_FD.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/labels.h"

namespace re2 {
class RE2;
}

namespace sentinel::automation {

struct Parameter {
  std::string name;  // [a-z][a-z0-9_]*
  std::string description;
  std::string pattern_text;
  std::shared_ptr<const re2::RE2> pattern;  // of the whole value
  std::optional<std::string> fallback;      // nullopt: it must be given
  std::string from_label;                   // taken from the alert when nobody gives it; "": not
};

struct Approval {
  std::string role;                          // who may agree (or admin); never the one who asked
  Micros within = std::chrono::minutes(15);  // then the request has expired
};

// An alert that starts it without anybody asking.
struct Trigger {
  std::vector<model::Label> match;     // labels of the alert, all of them
  int64_t at_most = 1;                 // executions …
  Micros per = std::chrono::hours(1);  // … in this time, over all alerts
};

struct SandboxLimits {
  bool network = false;
  std::vector<std::string> read;   // paths of the host that it may read, beside /usr and what programs need of /etc
  std::vector<std::string> write;  // that it may write
  Micros timeout = std::chrono::seconds(60);
  Micros grace = std::chrono::seconds(5);         // from TERM to KILL
  uint64_t output_bytes_max = 64 * 1024;          // kept
  uint64_t memory_bytes_max = 512 * 1024 * 1024;  // of one process
  uint64_t processes_max = 64;
  uint64_t file_bytes_max = 64 * 1024 * 1024;  // one file, and /tmp as a whole
};

struct Automation {
  std::string id;
  std::string description;
  std::vector<std::string> argv;  // argv[0] is an absolute path
  std::vector<Parameter> parameters;
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> secret_files;  // name to the file that holds it, read when it starts
  SandboxLimits limits;
  std::optional<Approval> approval;
  bool idempotent = false;
  int64_t retries = 0;                            // of what is idempotent, after a failure or a crash of ours
  Micros retry_after = std::chrono::seconds(10);  // doubled each time, with jitter
  std::string rollback;                           // id of the automation that takes it back; ""
  std::vector<Trigger> triggers;
};

// Immutable.
class Catalogue {
 public:
  // kInvalidArgument with its place in the file: unknown fields, a relative path, a pattern that is none, retries of
  // what is not idempotent, a rollback that does not exist, …
  static Result<std::shared_ptr<const Catalogue>> parse(std::string_view text, std::string_view file);

  const Automation* find(std::string_view id) const;                   // null: not there
  const std::vector<Automation>& all() const { return automations_; }  // by id

 private:
  std::vector<Automation> automations_;
};

// What the program will see: given values, then the alert's labels, then fallbacks. kInvalidArgument names the
// parameter and what is wrong with it: missing, unknown, or not of its pattern.
Result<std::map<std::string, std::string>> resolve_parameters(const Automation& automation,
                                                              const std::map<std::string, std::string>& given,
                                                              const model::Labels& alert_labels);

}  // namespace sentinel::automation
