#include "ingest/scrape_manager.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "ingest/dns_discovery.h"
#include "ingest/limits.h"
#include "net/gzip.h"

namespace sentinel::ingest {
namespace {

constexpr Millis kFileWatchInterval{2'000};
constexpr int64_t kAlignUs = 2'000;  // a scrape so close to its due time gets that as its time

// The next instant of the target's beat after `now`.
TimePoint next_due(TimePoint now, Millis interval, uint64_t offset_seed) {
  const int64_t period = std::chrono::duration_cast<Micros>(interval).count();
  const auto offset = static_cast<int64_t>(offset_seed % static_cast<uint64_t>(period));
  const int64_t beats = (to_us(now) - offset) / period + 1;
  return time_from_us(beats * period + offset);
}

}  // namespace

struct ScrapeManager::Job {
  std::shared_ptr<const ScrapeJob> config;
  std::shared_ptr<net::HttpClient> client;
  std::atomic<bool> stopped{false};  // its discovery ends
  Mutex mutex;
  std::map<std::string, TargetPtr> targets GUARDED_BY(mutex);  // by what identifies them
  std::vector<model::Labels> dropped GUARDED_BY(mutex);
};

struct ScrapeManager::Target {
  Target(ScrapeTarget s, std::shared_ptr<const ScrapeJob> j, std::shared_ptr<net::HttpClient> c, tsdb::Store& store,
         MetadataStore& metadata)
      : spec(std::move(s)), job(j), client(std::move(c)), ingest(store, metadata, std::move(j), spec.labels) {}

  const ScrapeTarget spec;
  std::atomic<bool> stopped{false};
  Mutex mutex;
  std::shared_ptr<const ScrapeJob> job GUARDED_BY(mutex);
  std::shared_ptr<net::HttpClient> client GUARDED_BY(mutex);
  TargetIngest ingest GUARDED_BY(mutex);
  Status forced GUARDED_BY(mutex);  // an error: it is not asked, the job has too many targets
  Status last_status GUARDED_BY(mutex);
  TimePoint last_scrape GUARDED_BY(mutex);
  double last_seconds GUARDED_BY(mutex) = 0;
};

ScrapeManager::ScrapeManager(net::Runtime& runtime, const Clock& clock, tsdb::Store& store, MetadataStore& metadata,
                             MetricRegistry& metrics)
    : runtime_(runtime),
      clock_(clock),
      store_(store),
      metadata_(metadata),
      metrics_(metrics),
      scrapes_failed_(metrics.counter("sentinel_scrapes_failed_total", "Scrapes that left their target down.")),
      discovery_failures_(metrics.counter("sentinel_scrape_discovery_failures_total",
                                          "Discoveries that failed; the targets known before were kept.")) {}

ScrapeManager::~ScrapeManager() = default;

void ScrapeManager::apply(const ScrapeConfig& config) {
  std::map<std::string, std::shared_ptr<Job>> fresh;
  std::map<std::string, std::shared_ptr<Job>> old;
  {
    MutexLock lock(mutex_);
    old.swap(jobs_);
  }
  for (auto& [name, job] : old) job->stopped = true;
  for (const ScrapeJob& one : config.jobs) {
    auto job = std::make_shared<Job>();
    job->config = std::make_shared<const ScrapeJob>(one);
    net::ClientOptions options;
    options.idle_connections_per_origin = 1;
    options.verify_tls = one.client.verify_tls;
    options.ca_file = one.client.ca_file;
    job->client = std::make_shared<net::HttpClient>(runtime_, metrics_, options);
    if (const auto it = old.find(one.name); it != old.end()) {
      MutexLock theirs(it->second->mutex);
      MutexLock ours(job->mutex);
      job->targets.swap(it->second->targets);
      for (auto& [key, target] : job->targets) {
        MutexLock lock(target->mutex);
        target->job = job->config;
        target->client = job->client;
        target->ingest.set_job(job->config);
      }
    }
    fresh[one.name] = std::move(job);
  }
  for (auto& [name, job] : old) {
    MutexLock lock(job->mutex);
    for (auto& [key, target] : job->targets) end_target(*target);
    job->targets.clear();
  }
  {
    MutexLock lock(mutex_);
    jobs_ = fresh;
  }
  for (auto& [name, job] : fresh) {
    discover(*job);
    const bool changes = !job->config->file_discovery.empty() || !job->config->dns_discovery.empty();
    if (changes) runtime_.spawn(runtime_.any_core(), "scrape discovery", run_discovery(job));
  }
}

void ScrapeManager::discover(Job& job) {
  DiscoveredTargets found = static_targets(*job.config);
  const auto add = [&](Result<DiscoveredTargets> more) {
    if (more) {
      found.insert(found.end(), more->begin(), more->end());
      return true;
    }
    discovery_failures_.add();
    log_warn("scrape", "discovery failed; the targets stay as they were",
             {{"job", job.config->name}, {"error", more.error().to_string()}});
    return false;
  };
  for (const FileDiscovery& files : job.config->file_discovery) {
    if (!add(file_targets(posix_env(), files))) return;
  }
  for (const DnsDiscovery& dns : job.config->dns_discovery) {
    if (!add(dns_targets(dns))) return;
  }
  sync(job, found);
}

void ScrapeManager::sync(Job& job, const DiscoveredTargets& found) {
  std::map<std::string, TargetPtr> kept;
  std::vector<model::Labels> dropped;
  std::vector<TargetPtr> started;
  MutexLock lock(job.mutex);
  if (job.stopped) return;
  for (const model::Labels& discovered : found) {
    auto spec = make_target(*job.config, discovered);
    if (!spec) {
      log_warn("scrape", "a target was left out",
               {{"job", job.config->name}, {"target", discovered.to_string()}, {"error", spec.error().message()}});
      continue;
    }
    if (spec->labels.empty()) {
      dropped.push_back(spec->discovered);
      continue;
    }
    const std::string key = fmt::format("{}\n{}\n{}", spec->url, spec->labels.to_string(), spec->interval.count());
    if (kept.contains(key) || kept.size() >= kTargetsMax) continue;
    if (const auto it = job.targets.find(key); it != job.targets.end()) {
      kept[key] = it->second;
      continue;
    }
    auto target = std::make_shared<Target>(std::move(*spec), job.config, job.client, store_, metadata_);
    started.push_back(target);
    kept[key] = std::move(target);
  }
  for (auto& [key, target] : job.targets) {
    if (!kept.contains(key)) end_target(*target);
  }
  Status forced;
  const uint64_t limit = job.config->target_limit;
  if (limit > 0 && kept.size() > limit) {
    forced = fail(ErrorCode::kTooLarge,
                  fmt::format("target_limit exceeded (number of targets: {}, limit: {})", kept.size(), limit));
  }
  for (auto& [key, target] : kept) {
    MutexLock target_lock(target->mutex);
    target->forced = forced;
  }
  job.targets = std::move(kept);
  job.dropped = std::move(dropped);
  for (const TargetPtr& target : started) runtime_.spawn(runtime_.any_core(), "scrape", run_target(target));
}

void ScrapeManager::end_target(Target& target) {
  target.stopped = true;
  MutexLock lock(target.mutex);
  target.ingest.end(to_ms(clock_.now()));
}

net::Task<void> ScrapeManager::run_discovery(std::shared_ptr<Job> job) {
  Millis interval = Millis::max();
  for (const FileDiscovery& files : job->config->file_discovery) {
    interval = std::min({interval, files.refresh_interval, kFileWatchInterval});
  }
  for (const DnsDiscovery& dns : job->config->dns_discovery) interval = std::min(interval, dns.refresh_interval);
  while (!job->stopped && !runtime_.stopping()) {
    co_await net::sleep_for(std::chrono::duration_cast<Micros>(interval));
    (void)co_await net::blocking(&runtime_, [this, job] {
      discover(*job);
      return true;
    });
  }
}

net::Task<void> ScrapeManager::run_target(TargetPtr target) {
  const uint64_t seed = hash64(target->spec.url + target->spec.labels.to_string());
  while (!target->stopped && !runtime_.stopping()) {
    const TimePoint now = clock_.now();
    const TimePoint due = next_due(now, target->spec.interval, seed);
    co_await net::sleep_for(due - now);
    if (target->stopped) break;
    const TimePoint started = clock_.now();
    auto answer = co_await fetch(target);
    (void)co_await net::blocking(&runtime_, [this, target, &answer, due, started] {
      finish_scrape(*target, answer, due, started);
      return true;
    });
  }
}

net::Task<Result<net::Response>> ScrapeManager::fetch(TargetPtr target) {
  std::shared_ptr<const ScrapeJob> job;
  std::shared_ptr<net::HttpClient> client;
  {
    MutexLock lock(target->mutex);
    job = target->job;
    client = target->client;
    if (!target->forced) co_return fail(target->forced.error());
  }
  net::ClientRequest request;
  request.url = target->spec.url;
  request.headers.set("Accept", job->accept());
  request.headers.set("User-Agent", "Sentinel/0.1.0");
  request.headers.set("X-Prometheus-Scrape-Timeout-Seconds",
                      format_double(static_cast<double>(target->spec.timeout.count()) / 1000));
  if (job->enable_compression) request.headers.set("Accept-Encoding", "gzip");
  SENTINEL_CO_TRY(job->client.apply(request.headers));
  const Millis timeout = target->spec.timeout;
  request.timeouts = {timeout, timeout, timeout, timeout};
  request.body_bytes_max = job->body_bytes_max > 0 ? job->body_bytes_max : kScrapeBytesMax;
  co_return co_await client->fetch(std::move(request));
}

void ScrapeManager::finish_scrape(Target& target, const Result<net::Response>& answer, TimePoint due,
                                  TimePoint started) {
  const TimePoint t = std::abs(to_us(started) - to_us(due)) <= kAlignUs ? due : started;
  const double elapsed_s = static_cast<double>(to_us(clock_.now()) - to_us(started)) / 1e6;
  MutexLock lock(target.mutex);
  if (target.stopped) return;
  ScrapeResult result;
  if (!answer) {
    result = target.ingest.fail_scrape(answer.error(), to_ms(t), elapsed_s);
  } else if (answer->status != 200) {
    result = target.ingest.fail_scrape(
        Error(ErrorCode::kUnavailable,
              fmt::format("server returned HTTP status {} {}", answer->status, net::reason_phrase(answer->status))),
        to_ms(t), elapsed_s);
  } else {
    Result<std::string> unpacked(std::string{});
    std::string_view body = answer->body;
    const bool gzip = iequals(answer->headers.get("Content-Encoding"), "gzip");
    if (gzip) {
      unpacked = net::gunzip(body, target.job->body_bytes_max > 0 ? target.job->body_bytes_max : kScrapeBytesMax);
      if (unpacked) body = *unpacked;
    }
    result = unpacked ? target.ingest.take(body, answer->headers.get("Content-Type"), to_ms(t), elapsed_s)
                      : target.ingest.fail_scrape(unpacked.error(), to_ms(t), elapsed_s);
  }
  if (!result.status) scrapes_failed_.add();
  target.last_status = result.status;
  target.last_scrape = t;
  target.last_seconds = elapsed_s;
}

std::vector<TargetStatus> ScrapeManager::targets() const {
  std::vector<TargetStatus> out;
  MutexLock lock(mutex_);
  for (const auto& [name, job] : jobs_) {
    MutexLock job_lock(job->mutex);
    for (const auto& [key, target] : job->targets) {
      TargetStatus status;
      status.discovered = target->spec.discovered;
      status.labels = target->spec.labels;
      status.scrape_pool = name;
      status.scrape_url = target->spec.url;
      status.interval = target->spec.interval;
      status.timeout = target->spec.timeout;
      MutexLock target_lock(target->mutex);
      status.last_scrape = target->last_scrape;
      status.last_scrape_seconds = target->last_seconds;
      if (to_us(target->last_scrape) != 0) {
        status.health = target->last_status ? TargetHealth::kUp : TargetHealth::kDown;
        if (!target->last_status) status.last_error = target->last_status.error().message();
      }
      status.metadata = target->ingest.metadata();
      out.push_back(std::move(status));
    }
    for (const model::Labels& discovered : job->dropped) {
      TargetStatus status;
      status.discovered = discovered;
      status.scrape_pool = name;
      status.dropped = true;
      out.push_back(std::move(status));
    }
  }
  return out;
}

std::vector<std::string> ScrapeManager::pools() const {
  std::vector<std::string> out;
  MutexLock lock(mutex_);
  for (const auto& [name, job] : jobs_) out.push_back(name);
  return out;
}

}  // namespace sentinel::ingest
