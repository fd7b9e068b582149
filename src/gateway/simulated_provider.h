#pragma once
// A model server without a model, that speaks the APIs of OpenAI, Anthropic and Gemini, for demos, tests and drills:
// real HTTP, real streaming, believable text, and faults on request. The same seed and the same sequence of requests
// give the same answers and delays.
//
//   POST /v1/chat/completions   stream or not; models sim-large and sim-small
//   POST /v1/embeddings, GET /v1/models
//   POST /v1/responses, /v1/moderations, /v1/messages, /v1/messages/count_tokens,
//   /v1beta/models/{model}:generateContent,
//        :streamGenerateContent, :countTokens, :embedContent, :batchEmbedContents; GET /v1beta/models: the same answers
//   GET, POST /sim/control      what SimulatedBehaviour holds, as JSON; a POST changes the fields it names
//
// One request asks for a fault with the header x-sentinel-simulate (comma list) or metadata {"simulate_latency":
// "true"}:
//   simulate_latency       2 to 4 seconds more        simulate_retry         the first attempt of a trace fails (500,
//   429) simulate_bad_prompt    off-topic or unsafe answer  simulate_long_context  usage of a huge prompt
//   simulate_drift         answered by the later model version
//   simulate_ungrounded, simulate_pii, simulate_empty, simulate_block, simulate_error

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"
#include "net/task.h"

namespace sentinel::gateway {

inline constexpr std::string_view kSimVersionFirst = "2026-08";
inline constexpr std::string_view kSimVersionLater = "2026-11";

// Shares are probabilities of one request, 0..1; the first that applies wins, in this order.
struct SimulatedBehaviour {
  std::string model_version{kSimVersionFirst};  // sim-large answers as sim-large-<model_version>
  double error_rate = 0;                        // 500
  double rate_limit_rate = 0;                   // 429 with Retry-After
  double block_rate = 0;                        // finish_reason content_filter
  double empty_rate = 0;
  double unsafe_rate = 0;
  double pii_rate = 0;
  double ungrounded_rate = 0;
  double off_topic_rate = 0;
  double drift_share = 0;  // answered by the later version: a rollout under way
  double latency_scale = 1;
  double ttft_median_ms = 180;
  double tokens_per_second = 120;
};

struct SimulatedOptions {
  uint64_t seed = 1;
  std::string address = "127.0.0.1";
  uint16_t port = 0;      // 0: any free one
  double time_scale = 1;  // of every delay; 0: none
  SimulatedBehaviour behaviour;
};

// Thread-safe. Owned by app or a test; the runtime outlives it.
class SimulatedProvider {
 public:
  static Result<std::unique_ptr<SimulatedProvider>> start(net::Runtime& runtime, MetricRegistry& metrics,
                                                          SimulatedOptions options);
  virtual ~SimulatedProvider() = default;
  virtual uint16_t port() const = 0;
  virtual std::string base_url() const = 0;  // http://127.0.0.1:port
  virtual SimulatedBehaviour behaviour() const = 0;
  virtual void set_behaviour(SimulatedBehaviour behaviour) = 0;
  // As POST /sim/control. kInvalidArgument: not an object, an unknown field, a value out of range; nothing changes
  // then.
  virtual Status control(std::string_view json) = 0;
  virtual void stop() = 0;
};

}  // namespace sentinel::gateway
