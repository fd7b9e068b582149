#pragma once
// /oncall/answer/TOKEN: what the links in a page lead to. No bearer token is asked for: whoever holds the link, signed
// for that one page, may acknowledge what it is about.

#include "api/handler.h"
#include "base/scheduler.h"
#include "incident/pager.h"
#include "net/http_server.h"

namespace sentinel::api {

inline constexpr std::string_view kAnswerPrefix = "/oncall/answer/";

class OncallAnswers {
 public:
  OncallAnswers(Scheduler& control, incident::Pager& pager) : control_(control), pager_(pager) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer show(net::Exchange* exchange);         // GET: a page with a button; a preview of the link changes nothing
  Answer acknowledge(net::Exchange* exchange);  // POST
  Answer key(net::Exchange* exchange);          // POST of a telephone service: Digits=4 acknowledges, 6 escalates

  Scheduler& control_;
  incident::Pager& pager_;
};

}  // namespace sentinel::api
