#pragma once
// Have the calls of one route × model × prompt template changed? A reference is frozen from the first calls
// (drift_reference.h) and compared with what follows in two ways: the answers of the last calls give a score that moves
// with every call (the trend line behind `drift_score`), and each full window of calls is tested at a stated rate of
// false alarms, prompts and answers apart.
//
// The key leaves out the model version on purpose: a new version that writes differently must show as drift.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/drift_reference.h"
#include "base/result.h"

namespace sentinel::analysis {

// Whose drift; an empty field of a question means any.
struct DriftRoute {
  std::string endpoint;
  std::string model;
  std::string prompt_template;  // or the prompt's id, for calls without a template
};
std::string drift_key(const DriftRoute& route);
DriftRoute drift_route(std::string_view key);
bool matches(const DriftRoute& question, std::string_view key);

struct DriftScore {
  bool baseline_ready = false;
  double similarity = 1;  // 1 − drift; 1 while the reference is still being collected
  std::string what;       // "answer_form 3.1, answer_topic 1.4" when they lie above the level of calm windows
};

struct DriftExample {
  std::string request_id;
  double distance = 0;  // DriftReference::distance
};

// One full window of calls against the reference.
struct DriftWindow {
  std::string key;
  uint64_t number = 0;  // of this reference, from 1
  uint64_t calls = 0;
  DriftValues values{};                // DriftReference::measure
  double threshold = 0;                // a value above it is drift
  double slow_sum = 0;                 // of the sequential test, against
  double slow_limit = 0;               // this
  bool drifted = false;                // in this window
  bool drifting = false;               // slowly, over many windows
  std::vector<DriftExample> examples;  // the calls farthest from the reference, when there is drift; farthest first
  std::string version;                 // of the model: the most frequent in the window,
  std::string reference_version;       // and in the reference
  bool adopted = false;                // this calm window completed a run after which a new reference was learnt

  // "answer_form 3.1, answer_length 1.4", the measures above the threshold, largest first; "" when there are none.
  std::string what() const;
};

struct DriftCall {
  std::vector<float> sample;  // kDriftSize
  std::string_view request_id;
  std::string_view model_version;
};

// One owner, one thread. State is bounded by kDriftKeysMax.
class DriftTracker {
 public:
  explicit DriftTracker(const DriftSettings& settings);

  struct Observation {
    DriftScore score;
    std::optional<DriftWindow> window;  // when this call filled one
  };
  // No value when the table of keys is full. REQUIRES: call.sample.size() == kDriftSize.
  std::optional<Observation> observe(std::string_view key, DriftCall call);

  // What is known of a key; for people who ask.
  struct Summary {
    std::string key;
    bool frozen = false;
    uint64_t calls = 0;  // seen of this key
    uint64_t windows = 0;
    uint64_t drifted_windows = 0;
    std::string reference_version;
    std::optional<DriftWindow> last;
  };
  std::vector<Summary> summaries() const;  // by key

  using Which = std::function<bool(std::string_view key)>;
  // Forgets the references of these keys, so that they are learnt anew; how many there were.
  size_t reset(const Which& which);
  // The latest calls of these keys (settings.window of them) become the beginning of a new reference, which the next
  // ones complete; how many references were given up for it.
  size_t adopt(const Which& which);
  // What is to be kept over a restart: a document for each key.
  struct Document {
    std::string key;
    std::string json;  // empty: the key is forgotten, and its document with it
  };
  // Those that have changed since saved() was last called.
  std::vector<Document> changes() const;
  // Those that changes() gave are kept. REQUIRES: nothing was observed, reset or adopted since.
  void saved();
  // Replaces everything by what documents say (one may hold several keys, and its own name means nothing); on error the
  // old state stays. The last windows of `summaries` are not kept.
  Status load(const std::vector<std::string>& documents);
  size_t keys() const { return states_.size(); }
  size_t frozen() const { return frozen_; }  // keys whose reference is complete

 private:
  friend class DriftCodec;
  // Model versions and how many calls were of each; a few, the rest is not told apart.
  using Versions = std::map<std::string, uint64_t, std::less<>>;

  struct State {
    std::vector<std::vector<float>> samples;  // while collecting: the reference; afterwards: the last calls
    std::optional<DriftReference> reference;
    uint64_t seen = 0;
    uint64_t next = 0;  // slot of `samples` to overwrite
    std::vector<double> recent_sum;
    // The window that is being filled.
    uint64_t filled = 0;
    std::vector<double> window_sum;
    std::vector<DriftExample> farthest;
    Versions versions;
    // Over windows.
    std::string reference_version;
    uint64_t windows = 0;
    uint64_t drifted_windows = 0;
    uint64_t calm_windows = 0;  // in a row
    double slow_sum = 0;
    std::vector<std::vector<float>> candidate;  // calls of calm windows, when a reference may be adopted by itself
    std::optional<DriftWindow> last;
    bool changed = true;  // since it was saved
  };

  void freeze(State& state, std::string_view key, std::vector<std::vector<float>> samples) const;
  DriftScore score(const State& state) const;
  void fill_window(State& state, const DriftCall& call) const;
  DriftWindow close_window(State& state, std::string_view key) const;
  void consider_adoption(State& state, std::string_view key, DriftWindow& window) const;
  void count_frozen();

  DriftSettings settings_;
  size_t frozen_ = 0;
  std::map<std::string, State, std::less<>> states_;
  std::set<std::string> forgotten_;  // since they were saved
};

}  // namespace sentinel::analysis
