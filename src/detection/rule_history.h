#pragma once
// What the last evaluations of a rule gave, and which alerts changed in them. In memory, since the rule was loaded.

#include <deque>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "model/alert.h"
#include "model/labels.h"

namespace sentinel::detection {

enum class Occasion { kSlot, kArrival };  // why a rule is evaluated: its interval; a sample came or a time had passed
std::string_view occasion_name(Occasion occasion);

struct AlertChange {
  model::Labels labels;
  model::AlertState from = model::AlertState::kInactive;
  model::AlertState to = model::AlertState::kInactive;
  double value = 0;
};

struct Evaluation {
  TimePoint at;
  Micros took{0};
  Occasion occasion = Occasion::kSlot;
  size_t samples = 0;  // series yielded or alerts' series
  std::string error;   // empty: it went well
  std::vector<AlertChange> changes;
  size_t changes_left_out = 0;  // past kChangesPerEvaluationMax
};

// Bounded: kEvaluationsKept of all, and as many older ones in which something changed or failed. Written by one thread,
// read by any.
class RuleHistory {
 public:
  void add(Evaluation evaluation);
  std::vector<Evaluation> newest(size_t limit) const;  // newest first

 private:
  mutable Mutex mutex_;
  std::deque<Evaluation> recent_ GUARDED_BY(mutex_);
  std::deque<Evaluation> telling_ GUARDED_BY(mutex_);  // older than those
};

}  // namespace sentinel::detection
