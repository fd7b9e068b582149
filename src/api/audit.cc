// GET /sentinel/v1/audit: who did what.

#include <boost/json.hpp>

#include "api/alert_tools.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

Result<alerting::AuditQuery> audit_query(const net::Params& params, TimePoint now) {
  alerting::AuditQuery query;
  SENTINEL_ASSIGN(query.from, time_param(params, "from", time_from_us(0)));
  SENTINEL_ASSIGN(query.to, time_param(params, "to", now + std::chrono::seconds(1)));
  SENTINEL_ASSIGN(query.limit, limit_param(params, 50, 500));
  query.action = params.get("action");
  query.actor = params.get("actor");
  query.target = params.get("target");
  if (params.get("cursor").empty()) return query;
  const auto before = parse_int(params.get("cursor"));
  if (!before || *before < 0) return fail(ErrorCode::kInvalidArgument, "parameter \"cursor\" is not one of ours");
  query.before_id = *before;
  return query;
}

json::value stored(const std::string& text) { return text.empty() ? json::value(nullptr) : json::parse(text); }

}  // namespace

AlertToolsApi::Answer AlertToolsApi::audit(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const alerting::AuditQuery query, audit_query(exchange->request().query, parts_.clock.now()));
  SENTINEL_CO_ASSIGN(const auto entries,
                     co_await net::on_loop(&parts_.control, [this, query] { return parts_.alerting.audit(query); }));
  json::array items;
  for (const alerting::AuditEntry& e : entries) {
    items.push_back(json::object{{"id", e.id},
                                 {"at", format_rfc3339(e.at)},
                                 {"actor", e.by.name},
                                 {"source", e.by.source},
                                 {"address", e.by.address},
                                 {"action", e.action},
                                 {"target", e.target},
                                 {"before", stored(e.before)},
                                 {"after", stored(e.after)}});
  }
  const bool more = entries.size() == query.limit;
  co_return net::json_response(
      200, text::serialize(json::object{
               {"items", std::move(items)},
               {"next_cursor", more ? json::value(std::to_string(entries.back().id)) : json::value(nullptr)}}));
}

}  // namespace sentinel::api
