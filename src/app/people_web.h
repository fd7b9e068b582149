#pragma once
// What reaches people over HTTP beside the desk: on-call, the links in pages, the public status page.

#include "api/oncall.h"
#include "api/oncall_answers.h"
#include "api/status_page.h"

namespace sentinel::app {

// All that the parts refer to outlives it.
class PeopleWeb {
 public:
  explicit PeopleWeb(const api::StatusPageApi::Parts& parts)
      : answers_(parts.control, parts.pager), oncall_({parts.runtime, parts.control, parts.pager}), status_(parts) {}
  void add_routes(net::Router& router) {
    answers_.add_routes(router);
    oncall_.add_routes(router);
    status_.add_routes(router);
  }

 private:
  api::OncallAnswers answers_;
  api::OncallApi oncall_;
  api::StatusPageApi status_;
};

}  // namespace sentinel::app
