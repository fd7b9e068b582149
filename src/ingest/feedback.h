#pragma once
// What users and applications say of an answer afterwards: a rating, a label, a conversion, by the call's request_id.
// Kept in the state database, one row a call; a later word on the same thing replaces the earlier one.
//
// Series, with the call's service, env, endpoint, model, model_version and provider:
//   llm_feedback_total{kind,value}   each rating, label or conversion that was new or another one
//   conversions_total                calls that converted, each once
// and, without model_version, so that a new version moves the same series:
//   user_satisfaction_score          mean rating (0..1) of the last day
//   model_accuracy_current           share of correct ones among the answers labelled in the last day
//   model_accuracy_baseline          the same of the week before that
// The three means are set from at least kFeedbackSamplesMin answers and are NaN when they fall below. Feedback on calls
// marked as a test is kept and touches no series.
//
// Thread-safe; all functions block on the stores, so call them on the pool.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/thread_annotations.h"
#include "events/event_store.h"
#include "state/database.h"

namespace sentinel::ingest {

enum class AnswerLabel { kCorrect, kIncorrect, kUnsafe, kIrrelevant, kIncomplete };
std::string_view answer_label_name(AnswerLabel label);
std::optional<AnswerLabel> parse_answer_label(std::string_view text);

struct FeedbackRequest {
  std::string request_id;
  std::optional<double> rating;  // 0..1
  std::optional<AnswerLabel> label;
  bool converted = false;  // cannot be taken back
  std::string actor;
  std::string source;
};

// All that is known of one call's feedback.
struct Feedback {
  std::string request_id;
  std::optional<double> rating;
  std::optional<AnswerLabel> label;
  std::optional<TimePoint> converted_at;
  TimePoint updated_at;
};

class FeedbackDesk {
 public:
  static Status migrate(state::Database& database);
  // REQUIRES: migrate() ran. References outlive the desk.
  FeedbackDesk(state::Database& database, events::EventStore& events, MetricRegistry& metrics, const Clock& clock);

  // Durable when it returns. kInvalidArgument: nothing said, or a rating out of 0..1; kNotFound: no such call (a call
  // is there up to a second after its answer).
  Result<Feedback> record(const FeedbackRequest& request);

  // Sets the means; does nothing when nothing has changed and kFeedbackRefreshInterval has not passed.
  Status refresh();
  // Forgets what was last touched before `before`; with the retention of the calls.
  Status prune(TimePoint before);

 private:
  struct Call;
  Result<Call> find_call(const std::string& request_id);
  void count(const Call& call, std::string_view kind, std::string_view value);
  void set_mean(std::string_view name, std::string_view help, const MetricLabels& labels, int64_t samples, double mean)
      REQUIRES_LOCK(mutex_);

  state::Database& database_;
  events::EventStore& events_;
  MetricRegistry& metrics_;
  const Clock& clock_;
  Mutex mutex_;
  bool changed_ GUARDED_BY(mutex_) = true;  // the means of before a restart
  TimePoint refreshed_at_ GUARDED_BY(mutex_){};
  std::map<std::string, Gauge*> means_ GUARDED_BY(mutex_);  // in force, by name and labels
};

}  // namespace sentinel::ingest
