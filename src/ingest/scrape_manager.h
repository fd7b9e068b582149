#pragma once
// Scrapes the targets of all jobs: discovery, a steady beat for each target that starts at an offset of its own, and
// what the API shows of it.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/thread_annotations.h"
#include "ingest/discovery.h"
#include "ingest/scrape_config.h"
#include "ingest/target.h"
#include "ingest/target_ingest.h"
#include "net/http_client.h"

namespace sentinel::ingest {

// Works on the runtime's cores (network) and its pool (parsing, storing, discovery). Thread-safe. All references
// outlive it, and the runtime is stopped before it is destroyed.
class ScrapeManager {
 public:
  ScrapeManager(net::Runtime& runtime, const Clock& clock, tsdb::Store& store, MetadataStore& metadata,
                MetricRegistry& metrics);
  ~ScrapeManager();
  ScrapeManager(const ScrapeManager&) = delete;
  ScrapeManager& operator=(const ScrapeManager&) = delete;

  // Replaces what is scraped. Targets that stay go on in their beat; series of those that go end. Blocks on the store.
  void apply(const ScrapeConfig& config);

  std::vector<TargetStatus> targets() const;  // by pool
  std::vector<std::string> pools() const;     // sorted

 private:
  struct Target;
  struct Job;
  using TargetPtr = std::shared_ptr<Target>;

  net::Task<void> run_target(TargetPtr target);
  net::Task<void> run_discovery(std::shared_ptr<Job> job);
  net::Task<Result<net::Response>> fetch(TargetPtr target);
  void finish_scrape(Target& target, const Result<net::Response>& answer, TimePoint due, TimePoint started);
  // The targets of a job as they are found now. Blocks.
  void discover(Job& job);
  void sync(Job& job, const DiscoveredTargets& found);
  TargetPtr start_target(const std::shared_ptr<Job>& job, ScrapeTarget spec);
  void end_target(Target& target);

  net::Runtime& runtime_;
  const Clock& clock_;
  tsdb::Store& store_;
  MetadataStore& metadata_;
  MetricRegistry& metrics_;
  Counter& scrapes_failed_;
  Counter& discovery_failures_;
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<Job>> jobs_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::ingest
