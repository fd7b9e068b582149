#pragma once
// What other on-call tools export, as an on-call configuration of ours. What cannot be carried over is said, item by
// item, with its reason: nobody may find out at three in the morning. Pure functions.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "oncall/config.h"

namespace sentinel::oncall {

// One answer of the tool's API, or one file of its export, as JSON.
struct ImportFile {
  std::string name;  // answers that do not say whose they are must have the id of the owner in it
  std::string text;
};

struct ImportNote {
  std::string what;  // "schedule \"Primary\", layer \"Nights\""
  std::string why;
};

struct Imported {
  Config config;  // without channels
  std::vector<Subscription> calendars;
  std::vector<ImportNote> notes;  // in the order of finding, each once
};

enum class ImportSource { kGrafanaOnCall, kOpsgenie, kPagerDuty };
std::string_view import_source_name(ImportSource source);  // "Grafana OnCall"

// From `now` on the schedules say what the tool's own would; what was over before is left out. kInvalidArgument: a file
// that is no JSON, or nothing in all of them that an on-call configuration could be made of.
Result<Imported> import_oncall(ImportSource source, const std::vector<ImportFile>& files, TimePoint now);

// The document that parse_config() reads: the notes as comments, channels to be filled in, then people, schedules and
// policies.
std::string imported_text(ImportSource source, const Imported& imported, TimePoint now);

}  // namespace sentinel::oncall
