#pragma once
// Silences that end soon, and whom to tell: once, some time before the end, so that what was put off is not a surprise
// when it comes back.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/silences.h"
#include "base/clock.h"
#include "base/result.h"
#include "receivers/config.h"

namespace sentinel::alerting {

// How long before the end: a duration, or "off". Without it, ReminderOptions::before.
inline constexpr std::string_view kRemindBeforeAnnotation = "remind_before";
// The receiver to tell. Without it: the one named as, or with the label `owner` of, the silence's creator; without such
// a one, ReminderOptions::receiver.
inline constexpr std::string_view kRemindReceiverAnnotation = "remind_receiver";

inline constexpr std::string_view kReminderAlertName = "SilenceEndsSoon";

struct ReminderOptions {
  Micros before = std::chrono::minutes(15);
  std::string receiver;  // of silences whose creator has none; "": these have no reminder
};

// Nobody is reminded of a silence that ends as its schedule says (an instance of a recurring one), is not at least
// twice as long as the time ahead, or was changed by somebody after the time of its reminder: they know. What the
// silence's own annotation asks for is done also for the first two.
// kInvalidArgument: the annotation is no duration.
Result<std::optional<TimePoint>> remind_at(const Silence& silence, const ReminderOptions& options);

// Null: nobody.
const receivers::ReceiverConfig* reminder_receiver(const Silence& silence, const ReminderOptions& options,
                                                   const std::vector<receivers::ReceiverConfig>& receivers);

// One reminder for each end: a silence that is prolonged has another.
std::string reminder_group_key(const Silence& silence);

}  // namespace sentinel::alerting
