#pragma once
// What alerting is told beside alertmanager.yml: what Alertmanager has flags for, and what it does not have.

#include <string>

#include "alerting/delivery.h"
#include "alerting/flapping.h"
#include "alerting/limits.h"
#include "alerting/reminders.h"
#include "alerting/silences.h"
#include "base/clock.h"

namespace sentinel::alerting {

struct Options {
  std::string external_url{};              // in notifications; without a slash at the end
  Micros data_retention = kDataRetention;  // of ended silences and of the notification log
  SilenceLimits silences{};
  ReminderOptions reminders{};
  DigestOptions digests{};
  FlapOptions flapping{};  // off but for rules that ask for it
};

}  // namespace sentinel::alerting
