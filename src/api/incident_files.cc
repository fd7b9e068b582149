// Attachments: the content goes to its folder on the blocking pool, its row to the desk.

#include <boost/json.hpp>

#include "api/incidents.h"
#include "text/json_text.h"

namespace sentinel::api {

// The body is the file, its type the Content-Type, its name `?name=`.
IncidentApi::Answer IncidentApi::attach(net::Exchange* exchange) {
  net::Request& request = exchange->request();
  const std::string id(request.path_params.get("id"));
  const incident::Actor actor = actor_of(request, {});
  incident::Attachment file;
  file.name = incident::safe_file_name(request.query.get("name"));
  file.size_bytes = request.body.size();
  const incident::AttachmentLimits limits =
      co_await net::on_loop(&parts_.control, [this] { return parts_.incidents.options().attachments; });
  SENTINEL_CO_ASSIGN(file.type, incident::check_attachment(limits, request.headers.get("content-type"), request.body));
  // Before anything is written: an incident that is not there has no files.
  SENTINEL_CO_TRY(co_await net::on_loop(&parts_.control, [this, id] { return parts_.incidents.get(id, 0); }));
  SENTINEL_CO_ASSIGN(file.sha256, co_await net::blocking(&parts_.runtime, [this, body = std::move(request.body)] {
                       return folder_.put(body);
                     }));
  SENTINEL_CO_ASSIGN(const incident::Attachment attached,
                     co_await net::on_loop(&parts_.control, [=, this] { return casework_.attach(id, file, actor); }));
  co_return net::json_response(201, text::serialize(attachment_json(attached)));
}

// As a download, whatever its type says: nothing that somebody attached runs in the page's origin.
IncidentApi::Answer IncidentApi::attachment(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  const std::string name(exchange->request().path_params.get("attachment"));
  SENTINEL_CO_ASSIGN(const incident::Attachment file,
                     co_await net::on_loop(&parts_.control, [=, this] { return casework_.attachment(id, name); }));
  net::Response response;
  SENTINEL_CO_ASSIGN(response.body,
                     co_await net::blocking(&parts_.runtime, [this, file] { return folder_.get(file.sha256); }));
  response.headers.set("Content-Type", file.type);
  response.headers.set("Content-Disposition", incident::disposition_of(file.name));
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Content-Security-Policy", "default-src 'none'; sandbox");
  response.headers.set("Cache-Control", "private, no-cache");
  response.headers.set("ETag", "\"" + file.sha256 + "\"");
  co_return response;
}

IncidentApi::Answer IncidentApi::remove_attachment(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string id(request.path_params.get("id"));
  const std::string name(request.path_params.get("attachment"));
  const incident::Actor actor = actor_of(request, {});
  co_return co_await net::on_loop(&parts_.control, [=, this]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const incident::IncidentRecord record, casework_.remove_attachment(id, name, actor));
    return detail(record.incident.id);
  });
}

}  // namespace sentinel::api
