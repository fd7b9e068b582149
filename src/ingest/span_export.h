#pragma once
// Sends spans of calls to an OTLP/HTTP receiver (JSON), a batch at a time. Nothing waits for it: what does not fit into
// the queue, and what the receiver does not take in some tries, is lost and counted.

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "ingest/genai_spans.h"
#include "model/interaction.h"
#include "net/http_client.h"
#include "net/task.h"

namespace sentinel::text {
class YamlNode;
}

namespace sentinel::ingest {

struct SpanExportConfig {
  std::string endpoint;  // http://collector:4318/v1/traces; empty: nothing is sent
  std::vector<std::pair<std::string, std::string>> headers;
  size_t queue_max = 20'000;  // spans that wait
  size_t batch_max = 512;     // spans of one request
  Millis interval = std::chrono::seconds(1);
  Millis timeout = std::chrono::seconds(10);
  bool operator==(const SpanExportConfig&) const = default;
};
// `otlp_traces` of the `telemetry` section. Errors say where and what was expected.
Result<SpanExportConfig> parse_span_export(const text::YamlNode& node);

// REQUIRES: the runtime and the client outlive it; stop() before the runtime's.
class SpanExporter {
 public:
  SpanExporter(net::Runtime& runtime, net::HttpClient& client, MetricRegistry& metrics, SpanExportConfig config,
               SpanNames names);
  ~SpanExporter();
  // From now on. What waits goes where it was meant for. Thread-safe.
  void apply(SpanExportConfig config, SpanNames names);
  // Never blocks; from any thread. Calls without ids have no span.
  void submit(const model::Interaction& call);
  // Sends what waits, at most for `patience`. Blocks; not from a core. Idempotent.
  void stop(Millis patience);

 private:
  struct Waiting {
    std::string service, env, span;
  };
  struct State;
  static net::Task<void> run(std::shared_ptr<State> state);
  static net::Task<bool> send_some(std::shared_ptr<State> state);
  std::shared_ptr<State> current() const;

  net::Runtime& runtime_;
  net::HttpClient& client_;
  MetricRegistry& metrics_;
  mutable Mutex mutex_;
  std::shared_ptr<State> state_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<State>> ending_ GUARDED_BY(mutex_);  // of earlier configurations, not empty yet
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace sentinel::ingest
