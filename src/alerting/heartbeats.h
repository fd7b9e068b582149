#pragma once
// Jobs that say now and then that they live (a cron job that asks an address when it is done): one that is late, has
// failed or takes too long is an alert, which its next success ends.
//
// Some are heard of every so often, others after each run of a crontab. A run is heard of when a beat comes after its
// time (or a little before: clocks differ) and before that of the next one; a beat in between, of a run by hand, counts
// for none.
//
// Silence that is ours is nobody's failure: what a job may have said while this process was down, stood still or had
// its clock set is taken as said. So a restart never pages for a job, and puts off what it would have told by one
// interval at the most.
//
// Lives on the control scheduler; every call is made on its thread and blocks for a disk write. What returned ok is on
// disk.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/cron.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "model/alert.h"
#include "state/database.h"

namespace sentinel::alerting {

inline constexpr std::string_view kHeartbeatAlertName = "HeartbeatMissed";
inline constexpr size_t kHeartbeatsMax = 2'000;
inline constexpr size_t kBeatDetailMax = 500;  // bytes kept of what a job says of its failure

struct HeartbeatDefinition {
  std::string name;  // letters, digits, _ . -
  Micros every{0};
  std::optional<CronSchedule> schedule{};  // instead of `every`
  Micros grace{0};                         // so much later than expected is not late yet
  std::optional<Micros> max_run{};         // from start to end; absent: `grace`
  model::Labels labels{};                  // of the alert, beside alertname and heartbeat
  model::Labels annotations{};             // instead of ours
  bool operator==(const HeartbeatDefinition&) const = default;
};

struct Beat {
  enum class Kind { kSuccess, kStart, kFail };
  Kind kind = Kind::kSuccess;
  std::string detail{};  // of kFail: "exit code 3", the job's own words
};
// The last part of the address: "" and "0" are a success, "start", "fail", an exit code. kInvalidArgument: another
// word.
Result<Beat> parse_beat(std::string_view word, std::string_view body);

enum class HeartbeatState { kWaiting, kOk, kRunning, kLate, kFailed };  // kWaiting: nothing was heard yet
std::string_view heartbeat_state_name(HeartbeatState state);

struct HeartbeatView {
  HeartbeatDefinition definition;
  HeartbeatState state = HeartbeatState::kWaiting;
  std::optional<TimePoint> last_beat;   // success or failure
  std::optional<TimePoint> started_at;  // of a run that has not ended
  TimePoint expected_at;                // the next sign of life, or the one that is missing
  TimePoint due_at;                     // late from here on
  std::string detail;                   // of the failure
};

class Heartbeats {
 public:
  using Put = std::function<Status(std::vector<model::Alert>)>;  // Alerting::put
  using Monotonic = std::function<int64_t()>;                    // microseconds that no setting of the clock moves

  // REQUIRES: state::KeyValue::migrate() ran. All references outlive it.
  static Result<std::unique_ptr<Heartbeats>> open(Scheduler& scheduler, state::Database& database,
                                                  MetricRegistry& metrics, Put put,
                                                  std::vector<HeartbeatDefinition> definitions, Monotonic monotonic);
  ~Heartbeats();
  Heartbeats(const Heartbeats&) = delete;
  Heartbeats& operator=(const Heartbeats&) = delete;

  // kNotFound: there is no such heartbeat.
  Status beat(std::string_view name, const Beat& beat);
  // One that is gone ends its alert; one that is new counts from now. On an error nothing has changed.
  Status reload(std::vector<HeartbeatDefinition> definitions);
  std::vector<HeartbeatView> list() const;  // by name

 private:
  struct Row {
    TimePoint anchor;  // times are counted from here: the last sign of life, moved by what we could not hear
    std::optional<TimePoint> last_beat;
    std::optional<TimePoint> started_at;
    std::string failure;                // "": the last run did not fail
    std::optional<model::Labels> told;  // of the alert that fires
  };
  struct Problem {
    HeartbeatState state;
    TimePoint since;
    std::string words;
  };

  Heartbeats(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, Put put, Monotonic monotonic)
      : scheduler_(scheduler),
        database_(database),
        metrics_(metrics),
        put_(std::move(put)),
        monotonic_(std::move(monotonic)) {}
  Status load(std::vector<HeartbeatDefinition> definitions);
  static std::string document(const Row& row);
  static Result<Row> parse(const std::string& document);
  Status save(const std::string& name, const Row& row);
  void tick();
  void look_at_clocks(TimePoint now);
  void note_alive(TimePoint now);
  void missed(TimePoint from, TimePoint to);
  void shift(Micros by);
  static void shift_scheduled(const HeartbeatDefinition& definition, Row& row, Micros by, TimePoint now);
  static void put_off(const HeartbeatDefinition& definition, Row& row, TimePoint from, TimePoint to);
  void judge(const std::string& name, Row& row);
  model::Alert alert_of(const HeartbeatDefinition& definition, const Row& row, const Problem& problem) const;
  static std::optional<Problem> problem_of(const HeartbeatDefinition& definition, const Row& row, TimePoint now);
  static TimePoint expected_of(const HeartbeatDefinition& definition, const Row& row);
  static TimePoint due_of(const HeartbeatDefinition& definition, const Row& row);
  void publish(const std::string& name, const Row& row, bool up);

  Scheduler& scheduler_;
  state::Database& database_;
  MetricRegistry& metrics_;
  const Put put_;
  const Monotonic monotonic_;
  std::map<std::string, HeartbeatDefinition, std::less<>> definitions_;
  std::map<std::string, Row, std::less<>> rows_;  // also of those that are gone and have an alert to end
  TimePoint last_look_;
  int64_t last_monotonic_us_ = 0;
  std::optional<TimePoint> alive_written_;
  TimerId timer_ = TimerId::kNone;
};

}  // namespace sentinel::alerting
