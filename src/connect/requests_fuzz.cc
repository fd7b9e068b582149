// Bytes of services that answer to nobody but themselves: no crash, no endless work, whatever they send.

#include <string>

#include <boost/json.hpp>

#include "connect/jira_words.h"
#include "connect/mail_message.h"
#include "connect/pagerduty_webhook.h"
#include "connect/slack_requests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  net::Request request;
  request.body = text;
  switch (data[0] % 6) {
    case 0: request.headers.set("Content-Type", "application/json"); [[fallthrough]];
    case 1: (void)connect::read_slack_request(request, true); break;
    case 2: (void)connect::read_pagerduty_webhook(text); break;
    case 3: (void)connect::read_jira_webhook(request); break;
    case 4: {
      const auto mail = connect::parse_mail(text);
      if (mail) (void)connect::written_part(mail->text);
      (void)connect::token_in(text, "reply@example.org");
      break;
    }
    default: {
      const auto cut = text.find('\n');
      boost::json::error_code failed;
      const boost::json::value answer =
          boost::json::parse(cut == std::string::npos ? text : text.substr(cut + 1), failed);
      connect::Memory memory;
      const connect::Memory note = {{"name", "incident-1"}, {"since", 1},  {"incident", "01X"}, {"channel", "C1"},
                                    {"print", "p"},         {"ts", "1.2"}, {"topic", "t"},      {"person", "U1"}};
      if (!failed && answer.is_object())
        (void)connect::slack_accepted(text.substr(0, cut), note, answer.get_object(), memory);
    }
  }
  return 0;
}
