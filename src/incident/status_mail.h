#pragma once
// Who gets public updates by mail. Nobody who has not said so twice: the address that somebody types is sent one mail,
// and is a subscriber when its link was followed and the button there pressed.
//
// Lives on the control scheduler: every call is made on its thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/scheduler.h"
#include "incident/pager.h"
#include "incident/service.h"
#include "incident/status_page.h"
#include "state/database.h"

namespace sentinel::incident {

// Whether it can be written into a mail's head as it is: one address, plain ASCII, no quotes.
bool is_mail_address(std::string_view text);

class StatusMail {
 public:
  // All references outlive it. `desk` tells it of public updates from now on.
  StatusMail(Scheduler& scheduler, state::Database& database, Pager& pager, Service& desk, StatusPageOptions options);

  void set_options(StatusPageOptions options) { options_ = std::move(options); }
  bool enabled() const;
  // kInvalidArgument: no address. kRateLimited: too many ask. Whether the address is known already is not told.
  Status ask(std::string_view address);
  // By the token of a link. kNotFound: it is not one of ours, or its address is gone.
  Result<std::string> address_of(std::string_view token, bool leaving);
  Status confirm(std::string_view token);
  Status leave(std::string_view token);
  Result<int64_t> subscribers();

 private:
  struct Row {
    int64_t id = 0;
    std::string address;
    bool confirmed = false;
    TimePoint mailed_at;
  };
  Result<std::optional<Row>> find(state::Tx& tx, std::string_view column, const state::SqlValue& value);
  Result<Row> of_token(state::Tx& tx, std::string_view token, bool leaving);
  Status publish(state::Tx& tx, const IncidentRecord& record, const Update& update, const std::string& title);
  std::string base() const;
  bool may_ask();  // strangers must not keep this thread and the disk busy

  Scheduler& scheduler_;
  state::Database& database_;
  Pager& pager_;
  StatusPageOptions options_;
  TimePoint minute_;  // the one that is counted
  int asked_ = 0;     // in it
};

}  // namespace sentinel::incident
