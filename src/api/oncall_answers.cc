#include "api/oncall_answers.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::api {
namespace {

constexpr std::string_view kKeyAcknowledge = "4";
constexpr std::string_view kKeyEscalate = "6";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

// Large enough for a thumb at three in the morning; no script, nothing from elsewhere.
net::Response page(std::string_view title, const std::string& body) {
  net::Response response;
  response.body = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{}</title><style>:root{{color-scheme:light dark}}"
      "body{{font:18px/1.4 system-ui,sans-serif;margin:0 auto;max-width:32rem;padding:1.5rem}}h1{{font-size:1.3rem}}"
      "button{{font:inherit;font-weight:600;width:100%;padding:1.1rem;border:0;border-radius:.6rem;background:#0b6bcb;"
      "color:#fff}}p{{white-space:pre-wrap}}</style></head><body>{}</body></html>",
      escaped(title), body);
  response.headers.set("Content-Type", "text/html; charset=utf-8");
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'");
  return response;
}

std::string link_to(const incident::IncidentRecord& record) {
  return fmt::format("<p><a href=\"/#/incidents/INC-{}\">Open INC-{}</a></p>", record.incident.number,
                     record.incident.number);
}

std::string heading(const incident::IncidentRecord& record) {
  return fmt::format("<h1>[{}] INC-{}: {}</h1>", model::severity_name(record.incident.severity), record.incident.number,
                     escaped(record.incident.title));
}

net::Response spoken(std::string_view text) {
  net::Response response;
  response.body =
      fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Say>{}</Say></Response>", escaped(text));
  response.headers.set("Content-Type", "text/xml; charset=utf-8");
  return response;
}

}  // namespace

void OncallAnswers::add_routes(net::Router& router) {
  route(router, "GET", "/oncall/answer/{token}", this, &OncallAnswers::show);
  route(router, "POST", "/oncall/answer/{token}", this, &OncallAnswers::acknowledge);
  route(router, "POST", "/oncall/answer/{token}/key", this, &OncallAnswers::key);
}

OncallAnswers::Answer OncallAnswers::show(net::Exchange* exchange) {
  const std::string token(exchange->request().path_params.get("token"));
  co_return co_await net::on_loop(&control_, [this, token]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const oncall::PageRecord told, pager_.page_of(token));
    SENTINEL_ASSIGN(const incident::IncidentRecord record, pager_.incident(told.key));
    std::string body = heading(record) + "<p>" + escaped(record.headline.what_failed) + "</p>";
    if (record.incident.status == model::IncidentStatus::kResolved) {
      body += "<p><strong>It is resolved.</strong></p>";
    } else {
      body += "<form method=\"post\"><button>Acknowledge</button></form>";
      if (record.incident.status != model::IncidentStatus::kOpen)
        body += fmt::format("<p>It is {} already.</p>", model::incident_status_name(record.incident.status));
    }
    return page(record.incident.title, body + link_to(record));
  });
}

OncallAnswers::Answer OncallAnswers::acknowledge(net::Exchange* exchange) {
  const std::string token(exchange->request().path_params.get("token"));
  co_return co_await net::on_loop(&control_, [this, token]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const oncall::PageRecord told, pager_.page_of(token));
    SENTINEL_ASSIGN(const incident::IncidentRecord record, pager_.acknowledge(told));
    const std::string status(model::incident_status_name(record.incident.status));
    return page(record.incident.title, heading(record) +
                                           fmt::format("<p><strong>It is {}.</strong> Nobody else is "
                                                       "told.</p>",
                                                       status) +
                                           link_to(record));
  });
}

OncallAnswers::Answer OncallAnswers::key(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string token(request.path_params.get("token"));
  const std::string digit(net::Params::parse(request.body).get("Digits"));
  co_return co_await net::on_loop(&control_, [this, token, digit]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const oncall::PageRecord told, pager_.page_of(token));
    if (digit == kKeyAcknowledge) {
      SENTINEL_ASSIGN(const incident::IncidentRecord record, pager_.acknowledge(told));
      return spoken(fmt::format("Incident {} is {}.", record.incident.number,
                                model::incident_status_name(record.incident.status)));
    }
    if (digit == kKeyEscalate) {
      const Status escalated = pager_.escalate(told);
      return spoken(escalated ? "The next level is told." : "It does not escalate any more.");
    }
    return spoken("That key means nothing. You are told again if nobody acknowledges.");
  });
}

}  // namespace sentinel::api
