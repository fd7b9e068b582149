#pragma once
// remote_write in Prometheus's own syntax. What is not supported is refused with its place, never ignored.

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/relabel.h"
#include "ingest/remote_write.h"
#include "ingest/scrape_config.h"
#include "text/yaml.h"

namespace sentinel::ingest {

// One receiver. Defaults are Prometheus's, but for what is noted.
struct WriteTarget {
  std::string url;
  std::string name;  // unique; made of the target when not given
  Millis timeout = std::chrono::seconds(30);
  WriteProtocol protocol = WriteProtocol::kV1;
  bool send_exemplars = false;
  bool send_histograms = false;
  RelabelRules relabel_rules;
  HttpClientConfig client;
  // Queue. Shards are fixed: max_shards, but not more than kWriteShardsMax.
  size_t capacity = 10'000;  // samples a shard
  size_t shards = 8;
  size_t samples_per_send = 2'000;
  Millis send_deadline = std::chrono::seconds(5);
  Millis backoff_min{30};
  Millis backoff_max{5'000};
  bool retry_on_429 = true;  // Prometheus: false
  Millis age_limit{0};       // 0: none
  // Metadata of their own requests in 1.0; 2.0 has them beside the series.
  bool send_metadata = true;
  Millis metadata_interval = std::chrono::minutes(1);
  size_t metadata_per_send = 2'000;
};

// `root` may hold `remote_write`; files are relative to `folder`.
Result<std::vector<WriteTarget>> parse_write_targets(const text::YamlNode& root, const std::string& folder);

}  // namespace sentinel::ingest
