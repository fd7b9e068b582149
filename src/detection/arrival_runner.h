#pragma once
// Evaluates alerting rules between their slots: when a series they read gets a sample, and at the very moment a `for`
// or a `keep_firing_for` ends or a selector finds nothing any more. Recording rules keep their interval, and so does
// everything written to the store: the series of a rule look as if there were no evaluations in between.

#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/scheduler.h"
#include "detection/arrival_index.h"
#include "detection/rule_group.h"

namespace sentinel::detection {

struct ArrivalOptions {
  bool enabled = false;
  Millis spacing{50};  // between two evaluations of one rule
  // A rule rests this many times as long as its last evaluation took, if that is longer: 5 % of the thread at most.
  int64_t rest_factor = 20;
  // After this long without a pause the thread rests for a quarter of it: four fifths of a core at most.
  Micros slice = std::chrono::milliseconds(25);
};

// Lives on the manager's scheduler. The destructor ends it; it hears of commits until then.
class ArrivalRunner {
 public:
  // `changed` is called for a group in which an alert changed.
  ArrivalRunner(RuleContext& context, ArrivalOptions options, std::function<void(RuleGroup&)> changed);
  ~ArrivalRunner();
  ArrivalRunner(const ArrivalRunner&) = delete;
  ArrivalRunner& operator=(const ArrivalRunner&) = delete;

  // Takes the rules as they are now; the groups outlive the next call.
  void watch(const std::vector<std::unique_ptr<RuleGroup>>& groups);
  // A group had its slot.
  void evaluated(const RuleGroup& group);

 private:
  struct Watched {
    RuleGroup* group = nullptr;
    size_t index = 0;              // of the rule in its group
    std::vector<Millis> horizons;  // after its newest sample: when a selector finds nothing any more
    TimePoint rests_until;
    TimePoint due = TimePoint::max();
  };

  void drain();
  void run();
  void arm();
  void schedule(RuleNumber rule, TimePoint when);
  void schedule_deadline(RuleNumber rule, TimePoint now);

  RuleContext& context_;
  const ArrivalOptions options_;
  const std::function<void(RuleGroup&)> changed_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what was posted and comes too late
  ArrivalIndex index_;
  std::vector<Watched> rules_;
  std::map<const RuleGroup*, std::vector<RuleNumber>> rules_of_;
  std::set<std::pair<TimePoint, RuleNumber>> due_;
  TimePoint pause_until_;
  TimePoint armed_for_ = TimePoint::max();
  TimerId timer_ = TimerId::kNone;
};

}  // namespace sentinel::detection
