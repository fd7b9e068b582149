#pragma once
// POST /sentinel/v1/feedback: what users and applications say of an answer afterwards.

#include "api/handler.h"
#include "ingest/feedback.h"
#include "net/http_server.h"

namespace sentinel::api {

class FeedbackApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    ingest::FeedbackDesk& desk;
  };
  explicit FeedbackApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

 private:
  net::Task<Result<net::Response>> record(net::Exchange* exchange);

  Parts parts_;
};

// {"request_id", "rating"?: "up" | "down" | 1..5, "label"?, "conversion"?: true}. Stars become 0..1.
Result<ingest::FeedbackRequest> feedback_from_json(const boost::json::object& body);

}  // namespace sentinel::api
