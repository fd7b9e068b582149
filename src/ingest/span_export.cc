#include "ingest/span_export.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "text/yaml.h"

namespace sentinel::ingest {
namespace {

using net::Task;

constexpr int kTriesMax = 5;
constexpr Millis kFirstPause{500};
constexpr Millis kSlice{50};  // how soon a stop is seen

bool may_be_tried_again(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

}  // namespace

struct SpanExporter::State {
  State(net::HttpClient& http, MetricRegistry& metrics, SpanExportConfig c, SpanNames n)
      : client(http),
        config(std::move(c)),
        names(std::move(n)),
        sent(metrics.counter("sentinel_spans_exported_total", "Spans that the OTLP receiver took.")),
        lost_full(lost(metrics, "queue_full")),
        lost_refused(lost(metrics, "refused")),
        lost_unreachable(lost(metrics, "unreachable")),
        queued(metrics.gauge("sentinel_spans_queued", "Spans that wait to be sent.")) {}
  static Counter& lost(MetricRegistry& metrics, const char* reason) {
    return metrics.counter("sentinel_spans_lost_total", "Spans that were not delivered, by why.", {{"reason", reason}});
  }

  // Spans of one service and environment, the oldest first.
  std::vector<Waiting> take() {
    const MutexLock lock(mutex);
    std::vector<Waiting> batch;
    while (!queue.empty() && batch.size() < config.batch_max) {
      const Waiting& next = queue.front();
      if (!batch.empty() && (next.service != batch.front().service || next.env != batch.front().env)) break;
      batch.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    queued.add(-static_cast<double>(batch.size()));
    return batch;
  }
  size_t size() {
    const MutexLock lock(mutex);
    return queue.size();
  }
  // What comes later is lost, and counted.
  bool end_when_empty() {
    const MutexLock lock(mutex);
    if (!queue.empty()) return false;
    const std::lock_guard end(end_mutex);
    done = true;
    ended.notify_all();
    return true;
  }
  bool ended_by(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(end_mutex);
    return ended.wait_until(lock, until, [this] { return done.load(); });
  }

  net::HttpClient& client;
  const SpanExportConfig config;
  const SpanNames names;
  Counter& sent;
  Counter& lost_full;
  Counter& lost_refused;
  Counter& lost_unreachable;
  Gauge& queued;
  Mutex mutex;
  std::deque<Waiting> queue GUARDED_BY(mutex);
  std::atomic<bool> stopping{false};
  std::mutex end_mutex;
  std::condition_variable ended;
  std::atomic<bool> done{false};  // nothing is sent any more; set under both mutexes
};

Result<SpanExportConfig> parse_span_export(const text::YamlNode& node) {
  SpanExportConfig config;
  SENTINEL_TRY(
      node.expect_keys("otlp_traces", {"endpoint", "headers", "queue_max", "batch_max", "interval", "timeout"}));
  SENTINEL_ASSIGN(config.endpoint, node.string_or("endpoint", ""));
  if (!node.is_null() && !config.endpoint.starts_with("http://") && !config.endpoint.starts_with("https://"))
    return fail(
        node.get("endpoint").error("endpoint must begin with http:// or https://, as http://collector:4318/v1/traces"));
  const text::YamlNode headers = node.get("headers");
  if (!headers.is_null() && !headers.is_map()) return fail(headers.error("headers must be a map"));
  for (const text::YamlNode::Entry& entry : headers.entries()) {
    SENTINEL_ASSIGN(const std::string value, entry.value.string());
    config.headers.emplace_back(entry.name(), value);
  }
  const auto count = [&](std::string_view key, size_t& into, int64_t most) -> Status {
    SENTINEL_ASSIGN(const int64_t value, node.integer_or(key, static_cast<int64_t>(into)));
    if (value < 1 || value > most) return fail(node.get(key).error("expected 1 to " + std::to_string(most)));
    into = static_cast<size_t>(value);
    return {};
  };
  SENTINEL_TRY(count("queue_max", config.queue_max, 1'000'000));
  SENTINEL_TRY(count("batch_max", config.batch_max, 10'000));
  SENTINEL_ASSIGN(config.interval, node.duration_or("interval", config.interval));
  SENTINEL_ASSIGN(config.timeout, node.duration_or("timeout", config.timeout));
  if (config.interval < Millis(10)) return fail(node.get("interval").error("expected at least 10ms"));
  if (config.timeout < Millis(10)) return fail(node.get("timeout").error("expected at least 10ms"));
  return config;
}

SpanExporter::SpanExporter(net::Runtime& runtime, net::HttpClient& client, MetricRegistry& metrics,
                           SpanExportConfig config, SpanNames names)
    : runtime_(runtime), client_(client), metrics_(metrics) {
  apply(std::move(config), std::move(names));
}

SpanExporter::~SpanExporter() {
  const MutexLock lock(mutex_);
  state_->stopping = true;
}

void SpanExporter::apply(SpanExportConfig config, SpanNames names) {
  const MutexLock lock(mutex_);
  if (stopped_ || (state_ != nullptr && state_->config == config && state_->names == names)) return;
  std::erase_if(ending_, [](const auto& state) { return state->ended_by({}); });
  if (state_ != nullptr) {
    state_->stopping = true;
    ending_.push_back(std::move(state_));
  }
  state_ = std::make_shared<State>(client_, metrics_, std::move(config), std::move(names));
  if (state_->config.endpoint.empty()) {
    state_->done = true;
  } else {
    runtime_.spawn(runtime_.any_core(), "spans", run(state_));
  }
}

std::shared_ptr<SpanExporter::State> SpanExporter::current() const {
  const MutexLock lock(mutex_);
  return state_;
}

void SpanExporter::submit(const model::Interaction& call) {
  const std::shared_ptr<State> held = current();
  State& state = *held;
  if (state.config.endpoint.empty() || call.span_id.empty() || call.trace_id.empty()) return;
  Waiting waiting{call.service, call.env, span_json(call, state.names)};
  const MutexLock lock(state.mutex);
  if (state.queue.size() >= state.config.queue_max || state.done) {
    state.lost_full.add();
    return;
  }
  state.queue.push_back(std::move(waiting));
  state.queued.add(1);
}

// False: there is nothing to send.
Task<bool> SpanExporter::send_some(std::shared_ptr<State> state) {
  const std::vector<Waiting> batch = state->take();
  if (batch.empty()) co_return false;
  std::vector<std::string> spans;
  for (const Waiting& each : batch) spans.push_back(each.span);
  const auto count = static_cast<double>(batch.size());
  const std::string body = export_json(batch.front().service, batch.front().env, spans);
  Millis pause = kFirstPause;
  std::string why;
  for (int tries = 1; tries <= kTriesMax; ++tries) {
    net::ClientRequest request;
    request.method = "POST";
    request.url = state->config.endpoint;
    request.headers.set("content-type", "application/json");
    for (const auto& [name, value] : state->config.headers) request.headers.set(name, value);
    request.body = body;
    request.timeouts.total = state->config.timeout;
    const auto answer = co_await state->client.fetch(std::move(request));
    if (answer && answer->status >= 200 && answer->status < 300) {
      state->sent.add(count);
      co_return true;
    }
    why = answer ? "it answered " + std::to_string(answer->status) : answer.error().message();
    if (answer && !may_be_tried_again(answer->status)) {
      state->lost_refused.add(count);
      log_warn("telemetry", "spans were refused", {{"spans", batch.size()}, {"why", why}});
      co_return true;
    }
    for (Millis waited{0}; waited < pause && !state->stopping && tries < kTriesMax; waited += kSlice)
      co_await net::sleep_for(kSlice);
    if (state->stopping) break;
    pause *= 2;
  }
  state->lost_unreachable.add(count);
  log_warn("telemetry", "spans were lost", {{"spans", batch.size()}, {"why", why}});
  co_return true;
}

Task<void> SpanExporter::run(std::shared_ptr<State> state) {
  while (!state->stopping) {
    for (Millis waited{0}; waited < state->config.interval && !state->stopping; waited += kSlice) {
      if (state->size() >= state->config.batch_max) break;
      co_await net::sleep_for(std::min(kSlice, state->config.interval));
    }
    while (co_await send_some(state) && !state->stopping) {
    }
  }
  while (co_await send_some(state) || !state->end_when_empty()) {
  }
}

void SpanExporter::stop(Millis patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  std::vector<std::shared_ptr<State>> all;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    state_->stopping = true;
    all = ending_;
    all.push_back(state_);
  }
  for (const auto& state : all) {
    if (!state->ended_by(until))
      log_warn("telemetry", "spans were not all sent at the stop", {{"spans", state->size()}});
  }
}

}  // namespace sentinel::ingest
