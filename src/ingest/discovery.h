#pragma once
// Where targets come from, and what relabelling makes of them.

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "ingest/scrape_config.h"

namespace sentinel::ingest {

// A target before relabelling: __address__ and the labels its discovery gave it.
using DiscoveredTargets = std::vector<model::Labels>;

DiscoveredTargets static_targets(const ScrapeJob& job);
// Reads all files that the patterns name. A file that cannot be read or parsed is the error.
Result<DiscoveredTargets> file_targets(Env& env, const FileDiscovery& discovery);
struct ScrapeTarget {
  model::Labels discovered;  // with the job's defaults, as relabelling saw it
  model::Labels labels;      // of its series; empty: dropped
  std::string url;
  Millis interval{0};
  Millis timeout{0};
};
// kInvalidArgument: relabelling left no usable address, interval or scheme.
Result<ScrapeTarget> make_target(const ScrapeJob& job, const model::Labels& discovered);

}  // namespace sentinel::ingest
