#pragma once
// Named limits of alert routing.

#include <cstddef>

#include "base/clock.h"

namespace sentinel::alerting {

inline constexpr size_t kRouteDepthMax = 64;
inline constexpr size_t kRoutesMax = 20'000;
inline constexpr size_t kReceiversMax = 10'000;
inline constexpr size_t kMatcherTextBytesMax = 64 * 1024;
inline constexpr size_t kMatchersMax = 256;  // of one route, rule or silence
inline constexpr size_t kConfigBytesMax = 4 * 1024 * 1024;
inline constexpr size_t kTemplateFilesMax = 1000;

inline constexpr size_t kAlertsPerPutMax = 200'000;
inline constexpr size_t kProblemsShownMax = 10;           // of one put, in its error
inline constexpr size_t kAlertLabelBytesMax = 64 * 1024;  // labels, annotations and generator URL of one alert
inline constexpr size_t kAlertsMax = 2'000'000;           // stored at a time
inline constexpr size_t kGroupsPerFlushMax = 200;         // groups that share one transaction
inline constexpr size_t kSilencesMax = 100'000;
inline constexpr size_t kRecurringSilencesMax = 1000;
inline constexpr size_t kScheduleIntervalsMax = 50;  // time intervals of one
inline constexpr size_t kScheduleBytesMax = 64 * 1024;
inline constexpr Micros kRecurringHorizon = std::chrono::hours(24 * 400);  // how far ahead an instance is looked for
inline constexpr Micros kRecurringSpanMax = std::chrono::hours(24 * 7);    // of one instance; the next one goes on
inline constexpr size_t kAcknowledgementsMax = kAlertsMax;                 // ended ones too, until they are pruned
inline constexpr size_t kAcknowledgementBytesMax = 16 * 1024;              // name and note of one
inline constexpr size_t kFlapChangesMax = 100;                             // that are kept of one alert
inline constexpr Micros kFlapWindowMax = std::chrono::hours(24 * 7);
inline constexpr size_t kEventsPerQueryMax = 10'000;
// The newest, which a query by name looks at one by one. The index by alert is written all over its pages each time, so
// it is brought up to date seldom.
inline constexpr size_t kEventsUnindexedMax = 50'000;

// A group that has become empty still has its timer this long, as Alertmanager's has until its maintenance run.
inline constexpr Micros kEmptyGroupKept = std::chrono::seconds(30);
// After a start, an alert whose end passed meanwhile fires on this long, so that its sender can say that it still does.
inline constexpr Micros kStartGrace = std::chrono::minutes(2);
inline constexpr Micros kMaintenanceInterval = std::chrono::minutes(15);
inline constexpr Micros kDataRetention = std::chrono::hours(120);       // silences after their end, notification log
inline constexpr Micros kUntilResolvedQuiet = std::chrono::minutes(5);  // of until_resolved: "true"
inline constexpr Micros kEventRetention = std::chrono::hours(24 * 90);
inline constexpr Micros kAuditRetention = std::chrono::hours(24 * 365);
inline constexpr size_t kAuditPerQueryMax = 1000;
inline constexpr Micros kDeliveredRetention = std::chrono::hours(24 * 7);

inline constexpr size_t kClusterPeersMax = 64;
inline constexpr size_t kClusterMessageBytesMax = 64 * 1024 * 1024;
inline constexpr size_t kClusterWaitingMax = 10'000;  // changes not yet told to one peer; past it, it gets everything

inline constexpr size_t kDeliveriesInFlightMax = 32;
inline constexpr size_t kDeliveriesQueuedMax = 10'000;  // in memory; the rest waits in the outbox
inline constexpr size_t kDigestMessagesMin = 3;         // fewer are sent as they are
inline constexpr size_t kDigestMessagesMax = 200;
inline constexpr size_t kDigestBytesMax = 1024 * 1024;  // of the messages in one; a larger one goes alone
inline constexpr Micros kDeliveryDeadlineMin = std::chrono::seconds(10);
inline constexpr Micros kRetryDelayFirst = std::chrono::milliseconds(500);
inline constexpr Micros kRetryDelayMax = std::chrono::minutes(1);
inline constexpr double kRetryDelayGrowth = 1.5;
inline constexpr double kRetryJitter = 0.5;  // a delay is drawn from d * (1 ± this)

}  // namespace sentinel::alerting
