#include "receivers/kinds.h"

#include <array>

namespace sentinel::receivers {

std::span<const Kind> kinds() {
  static constexpr std::array<Kind, 21> kAll = {{{"discord", read_discord},
                                                 {"email", read_email},
                                                 {"incidentio", read_incidentio},
                                                 {"pagerduty", read_pagerduty},
                                                 {"slack", read_slack},
                                                 {"webhook", read_webhook},
                                                 {"opsgenie", read_opsgenie},
                                                 {"wechat", read_wechat},
                                                 {"pushover", read_pushover},
                                                 {"victorops", read_victorops},
                                                 {"sns", read_sns},
                                                 {"telegram", read_telegram},
                                                 {"webex", read_webex},
                                                 {"msteams", read_msteams},
                                                 {"msteamsv2", read_msteamsv2},
                                                 {"jira", read_jira},
                                                 {"rocketchat", read_rocketchat},
                                                 {"mattermost", read_mattermost},
                                                 {"ntfy", read_ntfy},
                                                 {"twilio_sms", read_twilio_sms},
                                                 {"twilio_call", read_twilio_call}}};
  return kAll;
}

}  // namespace sentinel::receivers
