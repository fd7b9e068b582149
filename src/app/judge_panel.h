#pragma once
// Asks outside judges about calls whose own score is uncertain: after the call was scored and offered to the store, off
// every path that a user or a page waits for. Sampled, bounded by a rate and by money a day; what they say is kept by
// request id and counted. Nothing depends on it: a judge that is slow or gone costs nothing but its answers.
//
//   llm_judge_calls_total{judge,result}     ok, error (no or a strange answer)
//   llm_judge_skipped_total{judge,reason}   uncertain calls not asked about: sample, rate, budget, busy
//   llm_judge_verdicts_total{judge,score,verdict}  confirms, contradicts: on which side of 0.5 both stand
//   llm_judge_cost_usd_total{judge}

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/price_table.h"
#include "app/judge_budget.h"
#include "app/judge_config.h"
#include "app/judge_protocol.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/thread_annotations.h"
#include "model/interaction.h"
#include "net/http_client.h"
#include "state/database.h"

namespace sentinel::app {

struct Judgement {
  std::string request_id;
  std::string judge;
  JudgedScore score = JudgedScore::kSafety;
  double own = 0;
  double value = 0;
  std::string label;
  int64_t cost_microusd = 0;
  TimePoint at;
  bool confirms() const { return (own > 0.5) == (value > 0.5); }
};

// Thread-safe. REQUIRES: the runtime is stopped before it is destroyed; references outlive it.
class JudgePanel {
 public:
  static Status migrate(state::Database& database);
  JudgePanel(net::Runtime& runtime, net::HttpClient& client, state::Database& database, const Clock& clock,
             MetricRegistry& metrics);

  // What was spent today before a restart counts. Blocks.
  Status restore();
  // Replaces all judges; what was spent today stays counted by name.
  void install(std::vector<JudgeConfig> judges, std::shared_ptr<const analysis::PriceTable> prices);
  // Never blocks. `call` was analysed, so its texts are redacted: that is what leaves.
  void offer(const model::Interaction& call);
  // Block on the database.
  Result<std::vector<Judgement>> of_call(const std::string& request_id);
  Status prune(TimePoint before);

 private:
  struct Plan {
    std::vector<JudgeConfig> judges;
    std::shared_ptr<const analysis::PriceTable> prices = std::make_shared<const analysis::PriceTable>();
  };
  struct Errand;
  void consider(const std::shared_ptr<const Plan>& plan, const JudgeConfig& judge, const model::Interaction& call);
  net::Task<void> ask(std::shared_ptr<Errand> errand);
  net::Task<Result<Judgement>> hear(Errand* errand);
  void skip(const std::string& judge, const char* reason);
  Status store(const Judgement& judgement);

  net::Runtime& runtime_;
  net::HttpClient& client_;
  state::Database& database_;
  const Clock& clock_;
  MetricRegistry& metrics_;
  Mutex mutex_;
  std::shared_ptr<const Plan> plan_ GUARDED_BY(mutex_) = std::make_shared<Plan>();
  std::map<std::string, JudgeBudget> budgets_ GUARDED_BY(mutex_);
  Random random_ GUARDED_BY(mutex_);
  size_t running_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sentinel::app
