#pragma once
// By what people are reached: each channel of the configuration is an integration of src/receivers, sent to a person's
// own address. And one page as that integration tells it.

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "model/labels.h"
#include "receivers/config.h"
#include "receivers/globals.h"
#include "receivers/notification.h"
#include "text/yaml.h"

namespace sentinel::oncall {

// One entry of `channels`: `kind` names the receiver, the other fields are those of its KIND_configs, with defaults
// that say what a page says. The address of whoever is told is put in by us. Errors say file:line:column.
Result<receivers::Integration> read_channel(const text::YamlNode& node, const std::string& name,
                                            const receivers::Globals& globals);

// Whether a service of this kind goes on paging people by itself until it is told that it is over.
bool pages_on(std::string_view kind);

// The payload of a page in the outbox (EscalationSteps::send).
struct Page {
  std::string key;  // of the outbox row: every attempt carries it
  std::string escalation;
  int64_t generation = 0;
  int64_t step = 0;
  std::string policy;
  std::string level;
  std::string title;
  bool urgent = false;
  std::string user;  // id
  std::string name;
  std::string channel;
  std::string address;
  TimePoint at;
  bool over = false;  // it takes a page back, where a service pages on by itself
};
Result<Page> decode_page(std::string_view payload);

// What a page says. Channels find it as .CommonAnnotations (summary, description, sms, link, acknowledge_url,
// keypress_url) and .CommonLabels; the address is .GroupLabels.address.
struct PageText {
  std::string summary;          // one line
  std::string description;      // several
  std::string sms;              // one line, with what to answer
  std::string link;             // of the incident
  std::string acknowledge_url;  // a page with a button; "": cannot be acknowledged
  std::string keypress_url;     // where a telephone service posts the key that was pressed
  std::string reply_to = {};    // where an answer by mail goes; "": nowhere
  model::Labels labels;         // incident, severity, ...
};
receivers::Notification page_notification(const Page& page, const PageText& text, TimePoint expires_at);

}  // namespace sentinel::oncall
