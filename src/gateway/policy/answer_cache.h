#pragma once
// Answers kept to be given again to the same question, in memory, bounded in bytes and time. Streams are kept as the
// bytes the client got and given again as a stream.
//
// Shared by all cores without locks: slots that each hold a pointer to an immutable answer, a few of them for each
// hash. A slot is replaced whole; what was read from it lives as long as its reader.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "gateway/policy/limits.h"
#include "model/interaction.h"
#include "net/http.h"

namespace sentinel::gateway {

struct CachedAnswer {
  std::string key;  // everything that must be equal, hashed with SHA-256
  net::Response response;
  TimePoint made_at;
  TimePoint expires_at;
  // What the row of a call that gets it says of the answer.
  std::string provider, served_model, model_version, text, finish_reason;
  std::optional<int64_t> tokens_input, tokens_output;
  std::vector<float> embedding;  // of the question; empty: exact only
  std::string scope;             // in which it is found by nearness; empty: exact only

  size_t bytes() const;
};

// Route, tenant, API and the canonical request; `stream` tells a stream from a whole answer.
std::string cache_key(std::string_view route, std::string_view tenant, std::string_view api, std::string_view model,
                      std::string_view canonical, std::string_view stream);

// Thread-safe. Owned by Policies.
class AnswerCache {
 public:
  AnswerCache(MetricRegistry& metrics, uint64_t bytes_max);
  ~AnswerCache();
  AnswerCache(const AnswerCache&) = delete;
  AnswerCache& operator=(const AnswerCache&) = delete;

  void set_bytes_max(uint64_t bytes_max) { bytes_max_.store(bytes_max); }
  std::shared_ptr<const CachedAnswer> find(std::string_view key, TimePoint now);
  // Among the answers of a scope the one whose question is nearest, when it is at least `threshold` near.
  std::shared_ptr<const CachedAnswer> find_near(std::string_view scope, const std::vector<float>& embedding,
                                                double threshold, TimePoint now, double& similarity);
  // False: it is too large.
  bool put(std::shared_ptr<const CachedAnswer> answer, TimePoint now);
  uint64_t bytes() const { return static_cast<uint64_t>(std::max<int64_t>(bytes_.load(), 0)); }

 private:
  // A pointer that says when it was last wanted.
  struct Slot {
    std::atomic<std::shared_ptr<const CachedAnswer>> answer;
    std::atomic<int64_t> used_us{0};
  };
  // The last answers of scopes with this hash; others with the same hash are told apart by their `scope`.
  struct Scope {
    std::atomic<uint64_t> next{0};  // which of its places is written next
    std::array<std::atomic<std::weak_ptr<const CachedAnswer>>, kSemanticEntriesPerScope> near;
  };
  Slot* slots_of(std::string_view key) const;
  void replace(Slot& slot, std::shared_ptr<const CachedAnswer> answer, TimePoint now);
  void make_room(size_t bytes, TimePoint now);
  std::atomic<Scope*>& scope_cell(std::string_view scope) const;

  std::atomic<uint64_t> bytes_max_;
  std::atomic<int64_t> bytes_{0};
  std::atomic<size_t> hand_{0};  // where the search for something to drop goes on
  const std::unique_ptr<Slot[]> slots_;
  const std::unique_ptr<std::atomic<Scope*>[]> scopes_;
  Gauge& bytes_gauge_;
  Counter& evicted_;
};

}  // namespace sentinel::gateway
