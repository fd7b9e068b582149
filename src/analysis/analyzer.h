#pragma once
// Scores one interaction. Pure functions over a value plus a drift reference that the caller keeps.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/drift.h"
#include "analysis/policy.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/interaction.h"

namespace sentinel::analysis {

// One finding in a text. Byte offsets into the text as it was given.
struct Span {
  size_t begin = 0;
  size_t end = 0;
  std::string type;  // EMAIL, PHONE, CREDIT_CARD, SSN, IBAN, IP_ADDRESS, SECRET:<rule>, ...
};

struct TextRisk {
  double risk = 0;                      // 0..1, calibrated; 0.5 is the threshold
  std::string label = "SAFE";           // the worst category
  std::vector<std::string> categories;  // all above their threshold, worst first
  std::vector<std::string> evidence;    // why: the features or phrases that weighed most, at most 5
};

// What a guard rule may ask of a prompt; each risk by itself, because a rule acts on one of them.
struct PromptCheck {
  TextRisk injection;
  TextRisk safety;  // toxic, or a request for harm
  std::vector<std::string> pii_types;
};

// Each detector is stateless after construction and thread-safe.
class SafetyDetector {
 public:
  virtual ~SafetyDetector() = default;
  virtual TextRisk score(std::string_view text) const = 0;
};
class InjectionDetector {
 public:
  virtual ~InjectionDetector() = default;
  virtual TextRisk score(std::string_view text) const = 0;
};
class PiiDetector {
 public:
  virtual ~PiiDetector() = default;
  virtual std::vector<Span> find(std::string_view text) const = 0;  // ascending, not overlapping
};
std::string redact(std::string_view text, const std::vector<Span>& spans);  // "[EMAIL]", "[SECRET]", ...

struct SupportResult {
  double score = 0;  // 1: every sentence of the answer is supported by the document
  std::vector<Span> unsupported;
};
class SupportDetector {
 public:
  virtual ~SupportDetector() = default;
  // No document, no score.
  virtual std::optional<SupportResult> score(std::string_view document, std::string_view question,
                                             std::string_view answer) const = 0;
};
class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual std::vector<float> embed(std::string_view text) const = 0;  // unit length
};

struct PriceTable;  // price_table.h

struct AnalyzerOptions {
  std::shared_ptr<const PriceTable> prices;  // null: no call has a cost
  int64_t token_abuse_input_tokens = 8000;   // more in one prompt is abuse
  DriftSettings drift;
  // Told of each full window of calls of a route; on the owner's thread, from within analyze().
  std::function<void(const DriftWindow&)> drift_window_closed;
  Policies policies;
};

// Owned by the telemetry worker, on whose thread everything is called because of the drift references; only
// check_prompt() and redact() touch none of them and may be called from any thread at any time.
class Analyzer {
 public:
  static Result<std::unique_ptr<Analyzer>> open(AnalyzerOptions options);
  virtual ~Analyzer() = default;

  // Fills every analysis field and cost, then redacts prompt and response and clears `context` (keep_documents()).
  virtual void analyze(model::Interaction& interaction) = 0;
  // For a call that has to be written down before analyze() gets to it: redacts its texts, notes what was found and
  // clears `context`, so that support cannot be scored any more. analyze() goes on from there. Thread-safe.
  virtual void redact(model::Interaction& interaction) const = 0;
  // Other prices for calls analyzed from now on. Thread-safe.
  virtual void set_prices(std::shared_ptr<const PriceTable>) {}
  // Of a prompt before it is sent, for guard rules. Thread-safe.
  virtual PromptCheck check_prompt(std::string_view prompt) const = 0;

  virtual std::vector<DriftTracker::Summary> drift_summaries() const = 0;
  // From the next call on.
  virtual void set_policies(Policies policies) = 0;
  // From the next call on analyze() leaves `context` in place, redacted, for who looks at the call after it.
  virtual void keep_documents(bool) {}
  // The drift references, to be kept in the state store across restarts: as changes(), saved() and load() of
  // DriftTracker. And the reset by an operator.
  virtual std::vector<DriftTracker::Document> drift_changes() const = 0;
  virtual void drift_saved() = 0;
  virtual Status load_drift(const std::vector<std::string>& documents) = 0;
  virtual size_t frozen_references() const = 0;  // complete ones; a change is worth a save
  // Forgets the references of these calls; they are learnt anew from the next ones. How many there were.
  virtual size_t reset_drift(const DriftRoute& route) = 0;
  // Their latest calls become the beginning of a new reference. How many references were given up for it.
  virtual size_t adopt_drift(const DriftRoute& route) = 0;
};

}  // namespace sentinel::analysis
