#pragma once
// One LLM call: what was asked, what came back, how long it took, what it cost, and what analysis says of it.
// One row of llm_events. A plain value; made by the gateway, scored by analysis, then only read.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sentinel::model {

enum class InteractionStatus { kOk, kError };

// How long the contents of a stream had to be waited for after its first one, counted by length.
struct ChunkGaps {
  static constexpr std::array<double, 14> kBoundsS{0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                                                   1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
  std::array<uint32_t, kBoundsS.size() + 1> counts{};  // up to each bound; the last: above them all
  std::array<float, kBoundsS.size() + 1> sums_s{};
  void add(double seconds) {
    size_t at = 0;
    while (at < kBoundsS.size() && seconds > kBoundsS[at]) ++at;
    ++counts[at];
    sums_s[at] += static_cast<float>(seconds);
  }
};

// What can be odd about an answer without being unsafe.
inline constexpr std::array<std::string_view, 5> kQualityIssues{"refusal", "truncated", "repetition", "format",
                                                                "language"};

struct Interaction {
  // Who and where.
  std::string request_id;      // ours, unique; also sent to the client as x-request-id
  std::string trace_id;        // W3C, 32 hex digits, or empty
  std::string span_id;         // of this call's span, 16 hex digits, or empty; not stored
  std::string parent_span_id;  // of the caller's, likewise
  int64_t timestamp_us = 0;    // when the request had been read, UTC
  std::string service;
  std::string env;
  std::string endpoint;      // the application's endpoint when it says so, else the gateway's path
  std::string request_type;  // chat, completion, embedding, ...
  std::string provider;
  std::string model;          // as asked for
  std::string model_version;  // as the provider names the one that answered
  std::string prompt_id;
  std::string prompt_template;
  std::string session_id;
  std::string user_hash;  // never the user's own name
  std::string key_hash;   // of the credentials the caller showed, or empty; not stored
  std::string network;    // "192.0.2.0/24" the caller came from, or empty; not stored

  // What. Redacted before it leaves analysis.
  std::string prompt;       // the last user message
  std::string context;      // a document given for grounding; not stored, used by analysis and judges only
  std::string tool_output;  // what tools gave back since the user last spoke; not stored, used by analysis only
  std::string response;
  std::string finish_reason;
  bool stream = false;
  bool redacted = false;  // prompt and response were redacted before analysis saw them (Analyzer::redact)

  // How it went.
  InteractionStatus status = InteractionStatus::kOk;
  std::string error_type;  // the closed vocabulary caller_* policy_* provider_* gateway_*; empty when ok
  int http_status = 0;     // what the client got
  int retry_count = 0;
  bool fallback_used = false;
  bool cache_hit = false;
  double latency_ms = 0;
  std::optional<double> ttft_ms;  // streams only
  ChunkGaps chunk_gaps;           // likewise; not stored

  // Tokens and money. Absent means unknown, never zero. Input and output are totals; the others are parts of them.
  std::optional<int64_t> tokens_input;
  std::optional<int64_t> tokens_output;
  std::optional<int64_t> tokens_cached_input;
  std::optional<int64_t> tokens_reasoning;
  std::optional<int64_t> tokens_cache_write;     // of the input, written to the provider's cache
  std::optional<int64_t> tokens_cache_write_1h;  // of those, to be kept an hour
  std::optional<int64_t> tokens_audio_input;
  std::optional<int64_t> tokens_audio_output;
  std::optional<int64_t> tokens_image_input;
  std::optional<int64_t> tokens_image_output;
  std::string service_tier;  // as the provider says it: flex, priority, batch; empty: its standard one
  std::optional<int64_t> cost_microusd;

  // What analysis says. Scores are 0..1.
  int64_t response_length = 0;         // characters
  std::string safety_label;            // SAFE, or the worst category
  std::optional<double> safety_score;  // 1 is safe
  std::vector<std::string> safety_categories;
  std::vector<std::string> pii_types;
  std::optional<double> prompt_injection_risk;    // the highest of prompt, document and tool output
  std::optional<double> document_injection_risk;  // of `context` alone; absent: there was none
  std::optional<double> tool_injection_risk;      // of `tool_output` alone
  std::vector<std::string> explanation;           // why, a line for each finding; redacted as the texts are
  bool token_abuse = false;
  std::optional<double> similarity_score;  // to the drift baseline
  std::optional<double> drift_score;       // 1 - similarity_score
  bool baseline_ready = false;
  std::optional<double> semantic_similarity_score;  // answer to question
  std::optional<double> support_score;              // answer grounded in context
  std::optional<bool> ungrounded;
  bool empty_response = false;
  std::vector<std::string> quality_issues;  // of the answer, of kQualityIssues
  std::string guard_action;  // none, flag, redact, block

  std::vector<std::string> simulate_flags;
  bool test_mode = false;
  std::vector<std::pair<std::string, std::string>> tags;
};

}  // namespace sentinel::model
