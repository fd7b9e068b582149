#include "api/feedback.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

constexpr int64_t kStarsMax = 5;

Result<double> rating_from(const json::value& value) {
  if (value == "up") return 1.0;
  if (value == "down") return 0.0;
  if (const auto* stars = value.if_int64(); stars != nullptr && *stars >= 1 && *stars <= kStarsMax)
    return static_cast<double>(*stars - 1) / static_cast<double>(kStarsMax - 1);
  return fail(ErrorCode::kInvalidArgument, "field \"rating\": expected \"up\", \"down\" or a whole number from 1 to 5");
}

json::object feedback_json(const ingest::Feedback& f) {
  json::object out{{"request_id", f.request_id}};
  out["rating"] = f.rating ? json::value(*f.rating) : json::value(nullptr);
  out["label"] = f.label ? json::value(ingest::answer_label_name(*f.label)) : json::value(nullptr);
  out["converted_at"] = f.converted_at ? json::value(format_rfc3339(*f.converted_at)) : json::value(nullptr);
  out["updated_at"] = format_rfc3339(f.updated_at);
  return out;
}

}  // namespace

Result<ingest::FeedbackRequest> feedback_from_json(const json::object& body) {
  ingest::FeedbackRequest request;
  SENTINEL_ASSIGN(request.request_id, required_string(body, "request_id"));
  if (const json::value* rating = body.if_contains("rating"); rating != nullptr && !rating->is_null()) {
    SENTINEL_ASSIGN(request.rating, rating_from(*rating));
  }
  SENTINEL_ASSIGN(const std::string label, string_field(body, "label"));
  if (!label.empty()) {
    request.label = ingest::parse_answer_label(label);
    if (!request.label) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("unknown label \"{}\"; expected correct, incorrect, unsafe, irrelevant or incomplete", label));
    }
  }
  if (const json::value* conversion = body.if_contains("conversion"); conversion != nullptr && !conversion->is_null()) {
    if (!conversion->is_bool() || !conversion->get_bool())
      return fail(ErrorCode::kInvalidArgument, "field \"conversion\": expected true; it cannot be taken back");
    request.converted = true;
  }
  return request;
}

void FeedbackApi::add_routes(net::Router& router) {
  route(router, "POST", "/sentinel/v1/feedback", this, &FeedbackApi::record);
}

net::Task<Result<net::Response>> FeedbackApi::record(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  SENTINEL_CO_ASSIGN(ingest::FeedbackRequest request, feedback_from_json(body));
  const incident::Actor actor = actor_of(exchange->request(), body);
  request.actor = actor.name;
  request.source = actor.source;
  SENTINEL_CO_ASSIGN(const ingest::Feedback recorded,
                     co_await net::blocking(&parts_.runtime, [this, request] { return parts_.desk.record(request); }));
  co_return net::json_response(200, text::serialize(feedback_json(recorded)));
}

}  // namespace sentinel::api
