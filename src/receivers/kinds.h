#pragma once
// All kinds of integrations. To add one: its file, a reader here, and a line in kinds.cc.

#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "receivers/receiver.h"
#include "text/yaml.h"

namespace sentinel::receivers {

using ReceiverResult = Result<std::shared_ptr<const Receiver>>;

// Reads one entry of NAME_configs. kInvalidArgument with the place and what was expected.
struct Kind {
  std::string_view name;
  ReceiverResult (*read)(const text::YamlNode& entry, const Globals& globals);
};
std::span<const Kind> kinds();

ReceiverResult read_discord(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_email(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_incidentio(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_jira(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_mattermost(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_msteams(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_msteamsv2(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_ntfy(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_opsgenie(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_pagerduty(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_pushover(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_rocketchat(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_slack(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_sns(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_telegram(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_twilio_call(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_twilio_sms(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_victorops(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_webex(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_webhook(const text::YamlNode& entry, const Globals& globals);
ReceiverResult read_wechat(const text::YamlNode& entry, const Globals& globals);

// For the readers: makes a T, and lets its configure(entry, globals) read.
template <class T>
ReceiverResult read_as(const text::YamlNode& entry, const Globals& globals) {
  auto receiver = std::make_shared<T>();
  SENTINEL_TRY(receiver->configure(entry, globals));
  return std::shared_ptr<const Receiver>(std::move(receiver));
}

}  // namespace sentinel::receivers
