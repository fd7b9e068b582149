#pragma once
// What becomes of one target's answers: parsed, relabelled, limited, stored; and which of its series have ended.
// No network and no clock: times are parameters.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/hash.h"
#include "base/metrics.h"
#include "base/result.h"
#include "ingest/metadata.h"
#include "ingest/scrape_config.h"
#include "tsdb/store.h"

namespace sentinel::ingest {

struct ScrapeResult {
  Status status;  // why the target counts as down
  uint64_t scraped = 0;
  uint64_t after_relabel = 0;
  uint64_t added = 0;  // series that the last scrape had not
};

// Belongs to one target; one thread at a time. References outlive it.
class TargetIngest {
 public:
  // `labels` are the target's own, `metadata` may be shared by targets.
  TargetIngest(tsdb::Store& store, MetadataStore& metadata, std::shared_ptr<const ScrapeJob> job, model::Labels labels);
  // From the next scrape on. Series that the new rules drop do not end by a marker but by age.
  void set_job(std::shared_ptr<const ScrapeJob> job);

  // An answer that came. `elapsed_s` is what the scrape took. Stores its samples and `up`; on a failure nothing of it,
  // and every series of the target ends.
  ScrapeResult take(std::string_view body, std::string_view content_type, int64_t t_ms, double elapsed_s);
  // No answer, or a wrong one.
  ScrapeResult fail_scrape(const Error& why, int64_t t_ms, double elapsed_s);
  // The target is gone: all its series end, `up` as well.
  void end(int64_t t_ms);

  using Metadata = std::map<std::string, FamilyMetadata>;
  std::shared_ptr<const Metadata> metadata() const { return metadata_; }

 private:
  struct Known {
    tsdb::SeriesRef ref = tsdb::SeriesRef::kNone;  // kNone: dropped by relabelling
    uint64_t last_seen = 0;                        // which scrape
    bool tracked = false;                          // ends when it is not there any more
    bool stored = false;                           // the last good scrape had it
    model::Labels labels;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return hash64(text); }
  };
  using KnownMap = absl::flat_hash_map<std::string, Known, TextHash, std::equal_to<>>;
  class Scrape;
  struct Report {
    std::string_view name;
    double value;
  };

  Result<ExpositionFormat> format_of(std::string_view content_type) const;
  Result<model::Labels> sample_labels(const model::Labels& exposed) const;
  Status check_label_limits(const model::Labels& labels) const;
  void finish(const ScrapeResult& result, int64_t t_ms, double elapsed_s);
  void end_all(tsdb::Appender& appender, int64_t t_ms);
  // A float, or a histogram where there is one.
  Status append(tsdb::Appender& appender, Known& known, model::Sample sample, const model::HistogramPtr& h = nullptr);

  tsdb::Store& store_;
  MetadataStore& shared_metadata_;
  std::shared_ptr<const ScrapeJob> job_;
  const model::Labels labels_;
  KnownMap known_;  // by the text of the series
  KnownMap reports_;
  uint64_t scrape_ = 0;
  std::shared_ptr<const Metadata> metadata_;
};

}  // namespace sentinel::ingest
