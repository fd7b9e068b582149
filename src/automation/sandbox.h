#pragma once
// One program in a sandbox of bubblewrap: namespaces of its own (processes, users, IPC, host name, and the network
// unless granted), a root of which only /usr and a few files of /etc can be read, an empty /tmp, no capabilities, a
// session of its own, limits by setrlimit; as user nobody when we are root. It ends with us, however we end.

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "automation/config.h"
#include "base/clock.h"
#include "base/result.h"

namespace sentinel::automation {

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  // nothing of ours beside it but PATH and HOME
  std::map<std::string, std::string> secrets;      // name to value
  SandboxLimits limits;
};

struct Outcome {
  enum class Kind {
    kExited,  // by itself; exit_code is 128 and the signal where one ended it
    kTimedOut,
    kCancelled,
    kFlooded,  // wrote more than kFloodFactor times what is kept
  };
  Kind kind = Kind::kExited;
  int exit_code = 0;
  std::string output;         // stdout and stderr as they came; valid UTF-8; values of secrets are "[NAME]"
  uint64_t output_bytes = 0;  // written
  Micros ran_for{0};
};
std::string_view outcome_name(Outcome::Kind kind);

// What is executed, for people: no value of a secret in it.
std::string describe(const Command& command);

// Blocks until the program and everything it has started are gone. `cancel` ends it early (TERM, then KILL); from any
// thread. kUnavailable: bubblewrap is missing or may not make namespaces here; kNotFound: there is no such program.
// The calling thread must live until it returns: the sandbox dies with it.
Result<Outcome> run_in_sandbox(const Command& command, const std::atomic<bool>& cancel);

}  // namespace sentinel::automation
