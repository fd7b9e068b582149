#include "api/status_page.h"

#include <algorithm>
#include <cmath>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace js = boost::json;
namespace {

using incident::ComponentState;
using incident::PublicComponent;
using incident::PublicIncident;
using incident::StatusView;

constexpr Micros kStatusFresh = std::chrono::seconds(2);
constexpr Micros kMakingMax = std::chrono::seconds(10);
constexpr std::string_view kCacheable = "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400";
constexpr size_t kEtagBytes = 32;  // of the hex

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark;--line:#8884;--ok:#1a7f4b;--warn:#b7791f;--bad:#c2410c;--worst:#b91c1c}"
    "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:46rem;padding:1.5rem 1rem}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}h3{font-size:1rem;margin:0}"
    ".now{padding:1rem;border-radius:.6rem;color:#fff;font-weight:600}"
    ".operational{background:var(--ok)}.under_maintenance{background:#2563eb}.degraded{background:var(--warn)}"
    ".partial_outage{background:var(--bad)}.major_outage{background:var(--worst)}"
    "ul{list-style:none;padding:0}li.c{border-bottom:1px solid var(--line);padding:.8rem 0}"
    ".row{display:flex;justify-content:space-between;gap:1rem}.days{display:flex;gap:1px;height:1.6rem;margin-top:."
    "4rem}"
    ".days i{flex:1;border-radius:1px}.faint{opacity:.75;font-size:.85rem}"
    "article{border:1px solid var(--line);border-radius:.6rem;padding:1rem;margin:.8rem 0}"
    "article p{white-space:pre-line;margin:.2rem 0 .8rem}input,button{font:inherit;padding:.6rem;border-radius:.4rem;"
    "border:1px solid var(--line)}input{min-width:0;flex:1}form{display:flex;gap:.5rem}";

std::string minute(TimePoint t) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", std::chrono::floor<std::chrono::seconds>(t));
}
std::string stamp(TimePoint t) { return fmt::format("<time datetime=\"{}\">{}</time>", format_rfc3339(t), minute(t)); }

net::Response page_of(std::string_view title, const std::string& body) {
  net::Response response;
  response.body = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{}</title><style>{}</style></head><body>{}</body></html>",
      html_escape(title), kStyle, body);
  response.headers.set("Content-Type", "text/html; charset=utf-8");
  return response;
}

void secure(net::Response& response) {
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; "
                       "base-uri 'none'");
}

// What is particular to one person is kept by nobody.
net::Response private_page(std::string_view title, const std::string& body) {
  net::Response response = page_of(title, fmt::format("<h1>{}</h1>{}", html_escape(title), body));
  secure(response);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

std::string component_html(const PublicComponent& c, TimePoint today) {
  std::string days;
  for (size_t i = 0; i < c.days.size(); ++i) {
    const TimePoint day = today - std::chrono::days(c.days.size() - 1 - i);
    days += fmt::format("<i class=\"{}\" title=\"{:%Y-%m-%d}: {}\"></i>", incident::component_state_name(c.days[i]),
                        std::chrono::floor<std::chrono::days>(day), incident::component_state_words(c.days[i]));
  }
  const std::string uptime = fmt::format("{:.2f} %", std::round(c.uptime * 1e4) / 1e2);
  return fmt::format(
      "<li class=\"c\"><div class=\"row\"><h3>{}</h3><strong>{}</strong></div>{}<div class=\"days\" role=\"img\" "
      "aria-label=\"The last 90 days of {}: {} without an outage\">{}</div><div class=\"row faint\"><span>90 days "
      "ago</span><span>{} without an outage</span><span>today</span></div></li>",
      html_escape(c.name), incident::component_state_words(c.state),
      c.description.empty() ? "" : fmt::format("<div class=\"faint\">{}</div>", html_escape(c.description)),
      html_escape(c.name), uptime, days, uptime);
}

std::string incident_html(const PublicIncident& i) {
  std::string out = fmt::format(
      "<article id=\"{}\"><h3>{}</h3><div class=\"faint\">{}{} · began {}", i.id, html_escape(i.title),
      i.components.empty() ? "" : html_escape(join(i.components, ", ")) + " · ", i.status, stamp(i.started_at));
  if (i.resolved_at) out += " · ended " + stamp(*i.resolved_at);
  out += "</div>";
  for (const incident::PublicUpdate& u : i.updates)
    out += fmt::format("<div class=\"faint\">{} · {}</div><p>{}</p>", stamp(u.at), u.status, html_escape(u.text));
  return out + "</article>";
}

std::string maintenance_title(const incident::PublicMaintenance& m) {
  return fmt::format("{}: {}", m.in_force ? "Maintenance under way" : "Scheduled maintenance",
                     join(m.components, ", "));
}

std::string maintenance_html(const incident::PublicMaintenance& m) {
  return fmt::format("<article id=\"{}\"><h3>{}</h3><div class=\"faint\">{} to {}</div>{}</article>", m.id,
                     html_escape(maintenance_title(m)), stamp(m.from), stamp(m.to),
                     m.text.empty() ? "" : fmt::format("<p>{}</p>", html_escape(m.text)));
}

std::string html_of(const StatusView& view, const incident::StatusPageOptions& options, bool by_mail) {
  std::string body =
      fmt::format("<h1>{}</h1><div class=\"now {}\" role=\"status\">{}</div>", html_escape(options.title),
                  incident::component_state_name(view.worst),
                  view.worst == ComponentState::kOperational ? "All systems operational"
                                                             : incident::component_state_words(view.worst));
  for (const PublicIncident& i : view.open) body += incident_html(i);
  for (const incident::PublicMaintenance& m : view.maintenance) body += maintenance_html(m);
  body += "<h2>Components</h2><ul>";
  for (const PublicComponent& c : view.components) body += component_html(c, view.today);
  body += "</ul><h2>Past incidents</h2>";
  if (view.past.empty()) body += "<p class=\"faint\">None that we told of in the last 90 days.</p>";
  for (const PublicIncident& i : view.past) body += incident_html(i);
  body += fmt::format("<h2>Be told</h2><p><a href=\"{}/feed\">Atom feed</a> · <a href=\"{}/summary\">JSON</a></p>",
                      options.path, options.path);
  if (by_mail) {
    body += fmt::format(
        "<form method=\"post\" action=\"{}/subscribe\"><input type=\"email\" name=\"email\" required maxlength=\"254\" "
        "placeholder=\"you@example.org\" aria-label=\"Mail address\"><button>Send me updates</button></form>",
        options.path);
  }
  return page_of(options.title, body).body;
}

js::object incident_json_of(const PublicIncident& i) {
  js::array components, updates;
  for (const std::string& c : i.components) components.emplace_back(c);
  for (const incident::PublicUpdate& u : i.updates)
    updates.push_back(js::object{{"at", format_rfc3339(u.at)}, {"status", u.status}, {"text", u.text}});
  return {{"id", i.id},
          {"title", i.title},
          {"status", i.status},
          {"components", std::move(components)},
          {"started_at", format_rfc3339(i.started_at)},
          {"resolved_at", i.resolved_at ? js::value(format_rfc3339(*i.resolved_at)) : js::value(nullptr)},
          {"updates", std::move(updates)}};
}

std::string json_of(const StatusView& view, const incident::StatusPageOptions& options) {
  js::array components, open, past, maintenance;
  for (const PublicComponent& c : view.components) {
    js::array days;
    for (const ComponentState state : c.days) days.emplace_back(incident::component_state_name(state));
    components.push_back(js::object{{"id", c.id},
                                    {"name", c.name},
                                    {"description", c.description},
                                    {"state", incident::component_state_name(c.state)},
                                    // Rounded: it changes by the second otherwise, and nothing could be cached.
                                    {"uptime", js::value(std::round(c.uptime * 1e4) / 1e4)},
                                    {"days", std::move(days)}});
  }
  for (const PublicIncident& i : view.open) open.push_back(incident_json_of(i));
  for (const PublicIncident& i : view.past) past.push_back(incident_json_of(i));
  for (const incident::PublicMaintenance& m : view.maintenance) {
    maintenance.push_back(js::object{{"id", m.id},
                                     {"status", m.in_force ? "in_progress" : "scheduled"},
                                     {"components", js::value_from(m.components)},
                                     {"from", format_rfc3339(m.from)},
                                     {"to", format_rfc3339(m.to)},
                                     {"text", m.text}});
  }
  return text::serialize(js::object{{"title", options.title},
                                    {"state", incident::component_state_name(view.worst)},
                                    {"components", std::move(components)},
                                    {"open", std::move(open)},
                                    {"maintenance", std::move(maintenance)},
                                    {"past", std::move(past)}});
}

std::string atom_of(const StatusView& view, const incident::StatusPageOptions& options, std::string_view base) {
  std::string entries;
  TimePoint updated = view.today - std::chrono::days(incident::kStatusDays);
  for (const auto* list : {&view.open, &view.past}) {
    for (const PublicIncident& i : *list) {
      for (const incident::PublicUpdate& u : i.updates) {
        updated = std::max(updated, u.at);
        entries += fmt::format(
            "<entry><id>urn:sentinel:status:{}:{}</id><title>{} ({})</title><updated>{}</updated><link href=\"{}#{}\"/>"
            "<content type=\"text\">{}</content></entry>",
            i.id, to_us(u.at), html_escape(i.title), u.status, format_rfc3339(u.at), html_escape(base), i.id,
            html_escape(u.text));
      }
    }
  }
  for (const incident::PublicMaintenance& m : view.maintenance) {
    const TimePoint at = m.in_force ? m.from : m.announced_at;
    updated = std::max(updated, at);
    entries += fmt::format(
        "<entry><id>urn:sentinel:status:maintenance:{0}</id><title>{1}</title><updated>{2}</updated><link "
        "href=\"{3}#{0}\"/><content type=\"text\">{4} to {5}{6}{7}</content></entry>",
        m.id, html_escape(maintenance_title(m)), format_rfc3339(at), html_escape(base), minute(m.from), minute(m.to),
        m.text.empty() ? "" : ": ", html_escape(m.text));
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"utf-8\"?><feed xmlns=\"http://www.w3.org/2005/Atom\"><id>{0}</id><title>{1}"
      "</title><updated>{2}</updated><author><name>{1}</name></author><link href=\"{0}\"/><link rel=\"self\" "
      "href=\"{0}/feed\"/>{3}</feed>",
      html_escape(base), html_escape(options.title), format_rfc3339(updated), entries);
}

net::Task<Result<net::Response>> no_place(net::Exchange* exchange, std::vector<std::string> allowed) {
  co_return net::no_route_response(exchange->request(), allowed);
}

StatusDocument document(std::string body) {
  std::string etag = "\"" + hex_encode(sha256(body)).substr(0, kEtagBytes) + "\"";
  return {std::move(body), std::move(etag)};
}

net::Response cacheable(const net::Request& request, const StatusDocument& made, std::string_view type) {
  net::Response response;
  response.headers.set("ETag", made.etag);
  response.headers.set("Cache-Control", kCacheable);
  response.headers.set("Vary", "Accept-Encoding");
  secure(response);
  const std::string_view known = request.headers.get("if-none-match");
  if (known == "*" || known.find(made.etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  response.headers.set("Content-Type", type);
  response.body = made.body;
  return response;
}

}  // namespace

StatusDocuments render_status(const StatusView& view, const incident::StatusPageOptions& options, std::string_view base,
                              bool by_mail, TimePoint now) {
  return {now, document(html_of(view, options, by_mail)), document(json_of(view, options)),
          document(atom_of(view, options, base))};
}

StatusPageApi::StatusPageApi(Parts parts)
    : parts_(std::move(parts)),
      options_(std::make_shared<const incident::StatusPageOptions>(parts_.options)),
      mail_(parts_.control, parts_.database, parts_.pager, parts_.incidents, parts_.options) {}

// No routes: the path may be another after a reload.
void StatusPageApi::add_routes(net::Router& router, net::Handler others) {
  router.set_fallback([this, others = std::move(others)](net::Exchange* exchange) -> net::Task<void> {
    const Options options = options_.load();
    const std::string& path = options->path;
    const std::string& asked = exchange->request().path;
    const bool ours =
        !path.empty() && asked.starts_with(path) && (asked.size() == path.size() || asked[path.size()] == '/');
    return ours ? respond_with(exchange, serve(exchange, asked.substr(path.size()))) : others(exchange);
  });
}

StatusPageApi::Answer StatusPageApi::serve(net::Exchange* exchange, std::string where) {
  struct Place {
    std::string_view where, method;
    Answer (StatusPageApi::*handler)(net::Exchange*);
  };
  constexpr Place kPlaces[] = {
      {"", "GET", &StatusPageApi::html},
      {"/summary", "GET", &StatusPageApi::json},
      {"/feed", "GET", &StatusPageApi::atom},
      {"/subscribe", "POST", &StatusPageApi::subscribe},
      {"/confirm", "GET", &StatusPageApi::confirm},
      {"/confirm", "POST", &StatusPageApi::confirmed},
      {"/leave", "GET", &StatusPageApi::leave},
      {"/leave", "POST", &StatusPageApi::left},
  };
  const net::Request& request = exchange->request();
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::vector<std::string> allowed;
  for (const Place& place : kPlaces) {
    if (place.where != where) continue;
    if (place.method == method) return (this->*place.handler)(exchange);
    allowed.emplace_back(place.method);
  }
  return no_place(exchange, std::move(allowed));
}

void StatusPageApi::reload(incident::StatusPageOptions options) {
  mail_.set_options(options);
  options_ = std::make_shared<const incident::StatusPageOptions>(std::move(options));
  last_.store(nullptr);
}

Result<StatusPageApi::Snapshot> StatusPageApi::make() const {
  const TimePoint now = parts_.control.now();
  const Options options = options_.load();
  const std::shared_ptr<const oncall::Config> oncall = parts_.oncall();
  SENTINEL_ASSIGN(const StatusView view, incident::status_view(parts_.database, *options, oncall->maintenance, now));
  const std::string base = options->url.empty() ? parts_.pager.external_url() + options->path : options->url;
  return std::make_shared<const StatusDocuments>(
      render_status(view, *options, base, !options->mail_channel.empty(), now));
}

// One makes it anew, the others get the last; while the store cannot be read everybody does.
net::Task<Result<StatusPageApi::Snapshot>> StatusPageApi::documents() {
  const TimePoint now = parts_.control.now();
  const Snapshot known = last_.load();
  if (known && now - known->made_at < kStatusFresh) co_return known;
  // One that never came back does not hold up the page for ever.
  const bool being_made = now - time_from_us(making_since_us_.load()) < kMakingMax;
  if (known && being_made) co_return known;
  making_since_us_ = to_us(now);
  auto made = co_await net::blocking(&parts_.runtime, [this] { return make(); });
  making_since_us_ = 0;
  if (made) {
    last_.store(*made);
    co_return *made;
  }
  log_warn("status_page", "not made anew", {{"error", made.error().to_string()}});
  if (known) co_return known;
  co_return fail(ErrorCode::kUnavailable, "the status page cannot be made at present");
}

StatusPageApi::Answer StatusPageApi::html(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const Snapshot made, co_await documents());
  co_return cacheable(exchange->request(), made->html, "text/html; charset=utf-8");
}

StatusPageApi::Answer StatusPageApi::json(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const Snapshot made, co_await documents());
  co_return cacheable(exchange->request(), made->json, "application/json");
}

StatusPageApi::Answer StatusPageApi::atom(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const Snapshot made, co_await documents());
  co_return cacheable(exchange->request(), made->atom, "application/atom+xml; charset=utf-8");
}

// The same answer whoever asks: who is subscribed is told to nobody.
StatusPageApi::Answer StatusPageApi::subscribe(net::Exchange* exchange) {
  const std::string address(net::Params::parse(exchange->request().body).get("email"));
  SENTINEL_CO_TRY(co_await net::on_loop(&parts_.control, [this, address] { return mail_.ask(address); }));
  co_return private_page("Look into your mail",
                         "<p>If this address gets no updates yet, a mail with a link is on its way to it. Nothing is "
                         "sent before you have followed it.</p>");
}

StatusPageApi::Answer StatusPageApi::confirm(net::Exchange* exchange) {
  const std::string token(exchange->request().query.get("t"));
  SENTINEL_CO_ASSIGN(const std::string address,
                     co_await net::on_loop(&parts_.control, [this, token] { return mail_.address_of(token, false); }));
  co_return private_page("Updates by mail", fmt::format("<p>To {}</p><form method=\"post\"><button>Yes, send me "
                                                        "updates</button></form>",
                                                        html_escape(address)));
}

StatusPageApi::Answer StatusPageApi::confirmed(net::Exchange* exchange) {
  const std::string token(exchange->request().query.get("t"));
  SENTINEL_CO_TRY(co_await net::on_loop(&parts_.control, [this, token] { return mail_.confirm(token); }));
  co_return private_page("You get updates by mail", "<p>Each has a link to end this.</p>");
}

StatusPageApi::Answer StatusPageApi::leave(net::Exchange* exchange) {
  const std::string token(exchange->request().query.get("t"));
  SENTINEL_CO_ASSIGN(const std::string address,
                     co_await net::on_loop(&parts_.control, [this, token] { return mail_.address_of(token, true); }));
  co_return private_page("No more updates", fmt::format("<p>To {}</p><form method=\"post\"><button>Send me no more"
                                                        "</button></form>",
                                                        html_escape(address)));
}

StatusPageApi::Answer StatusPageApi::left(net::Exchange* exchange) {
  const std::string token(exchange->request().query.get("t"));
  SENTINEL_CO_TRY(co_await net::on_loop(&parts_.control, [this, token] { return mail_.leave(token); }));
  co_return private_page("No more updates", "<p>Nothing more is sent to you.</p>");
}

}  // namespace sentinel::api
