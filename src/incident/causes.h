#pragma once
// Which values set failing calls apart, best first: alone, two together, and of what the best ones leave out. A pure
// function of counts, on any thread. docs/diagnosis.md has the method and how often it is right.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "incident/contrast.h"

namespace sentinel::incident {

struct Finding {
  std::string dimension;  // a column of llm_events
  std::string value;
  uint64_t failing_count = 0;  // failing calls with this value
  double failing_share = 0;    // of all failing calls
  uint64_t baseline_count = 0;
  double baseline_share = 0;
  double lift = 0;     // failing_share / baseline_share, both with half a call added
  double p_value = 1;  // two-sided, Fisher's exact test, corrected for the dimensions and values compared
  std::string sentence;
  // A second value: only calls that have both are counted. Empty: none.
  std::string with_dimension{};
  std::string with_value{};
};

struct DiagnosisLimits {
  size_t findings_max = 8;
  size_t examples_max = 5;
  uint64_t failing_min = 3;  // fewer failing calls: no findings, the sentence says so
  double p_value_max = 0.01;
};

// One value of one dimension and how many calls have it.
struct Candidate {
  size_t dimension = 0;
  std::string value;
  CallTotals counts;
};
// Calls that have exactly these of the values that were looked at together, a bit each.
struct ValueSet {
  uint64_t bits = 0;
  CallTotals counts;
};

class CauseRanking {
 public:
  // `candidates`: every value of every dimension. REQUIRES: all.failing > 0.
  CauseRanking(CallTotals all, std::vector<Candidate> candidates, const DiagnosisLimits& limits);

  // The values that failing calls have more than others, those that separate best first: of these the caller counts
  // which calls have which, a bit for each in this order.
  const std::vector<Candidate>& looked_at_together() const { return values_; }

  // Best first, at most limits.findings_max. Without `sets`: each value alone.
  std::vector<Finding> rank(std::vector<ValueSet> sets);

 private:
  struct Scored {
    double score = 0;
    size_t dimension = 0;
    std::string words;  // "model large with endpoint /qa"
    Finding finding;
    uint64_t bits = 0;       // of its values in sets_; 0: unknown
    bool explained = false;  // by one before it
  };

  size_t comparisons(size_t dimension) const;
  Scored scored(const Candidate& c, CallTotals counts, size_t compared, const std::string& words) const;
  std::vector<Scored> score_alone() const;
  std::vector<Candidate> to_pair() const;
  CallTotals counts_of(uint64_t bits) const;
  CallTotals counts_without(const std::vector<uint64_t>& causes, uint64_t bits) const;
  void add_pairs(std::vector<Scored>& out) const;
  bool explains(const Scored& a, const Scored& b) const;
  void explain(std::vector<Scored>& all) const;
  void add_causes_of_the_rest(std::vector<Scored>& all) const;
  std::optional<Scored> best_of_the_rest(const std::vector<uint64_t>& causes, CallTotals left,
                                         const std::string& names) const;
  static void sort(std::vector<Scored>& scored);

  const CallTotals all_;
  const std::vector<Candidate> candidates_;
  const DiagnosisLimits limits_;
  const std::vector<Candidate> values_;  // looked at together
  std::vector<ValueSet> sets_;
};

}  // namespace sentinel::incident
