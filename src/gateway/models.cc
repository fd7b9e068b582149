#include "gateway/models.h"

#include <algorithm>

#include "base/strings.h"
#include "gateway/attributes.h"
#include "gateway/hop.h"
#include "gateway/limits.h"
#include "gateway/policy/policy_stage.h"
#include "gateway/protocol/json_write.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

using net::Task;
using namespace json_write;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

std::string_view without_prefix(std::string_view name) { return name.starts_with("models/") ? name.substr(7) : name; }

ModelEntry read_entry(Family family, const object& from) {
  ModelEntry entry;
  if (family == Family::kGemini) {
    entry.id = without_prefix(string_at(from, "name"));
    entry.name = string_at(from, "displayName");
    return entry;
  }
  entry.id = string_at(from, "id");
  entry.name = string_at(from, "display_name");
  entry.created_s = integer_at(from, "created").value_or(0);
  if (const auto at = parse_time(string_at(from, "created_at"))) entry.created_s = to_us(*at) / 1'000'000;
  return entry;
}

object write_entry(Family family, const ModelEntry& entry) {
  switch (family) {
    case Family::kAnthropic:
      return object{{"type", "model"},
                    {"id", entry.id},
                    {"display_name", entry.name.empty() ? entry.id : entry.name},
                    {"created_at", format_rfc3339(time_from_us(entry.created_s * 1'000'000))}};
    case Family::kGemini:
      return object{{"name", "models/" + entry.id},
                    {"displayName", entry.name.empty() ? entry.id : entry.name},
                    {"supportedGenerationMethods", array{"generateContent", "countTokens"}}};
    case Family::kOpenAi: break;
  }
  return object{{"id", entry.id}, {"object", "model"}, {"created", entry.created_s}, {"owned_by", "provider"}};
}

Family client_family(const net::Request& request) {
  if (request.path.starts_with("/v1beta/")) return Family::kGemini;
  const bool anthropic = request.headers.has("anthropic-version") || request.headers.has("x-api-key");
  return anthropic ? Family::kAnthropic : Family::kOpenAi;
}

// nullopt: it has no list.
std::optional<Family> list_family(ProviderKind kind, Family client) {
  switch (kind) {
    case ProviderKind::kAzureOpenAi:
    case ProviderKind::kVertex: return std::nullopt;
    case ProviderKind::kSimulated: return client;
    case ProviderKind::kAnthropic: return Family::kAnthropic;
    case ProviderKind::kGemini: return Family::kGemini;
    default: return Family::kOpenAi;
  }
}

std::vector<ModelEntry> named_models(const Plan& plan) {
  std::vector<ModelEntry> out;
  for (const Route& route : plan.routes) {
    for (const std::string& pattern : route.config.models) {
      const bool known = std::any_of(out.begin(), out.end(), [&](const auto& e) { return e.id == pattern; });
      if (!pattern.ends_with('*') && !known) out.push_back({pattern, {}, 0});
    }
  }
  return out;
}

std::string list_url(const Provider& provider, Family family, Family client, const net::Request& request,
                     std::string_view id) {
  if (family == client) {
    if (family != Family::kGemini) return provider.url_prefix + request.target;
    std::string url = provider.url_prefix + request.target.substr(0, request.target.find('?'));
    char mark = '?';
    for (const auto& [name, text] : request.query.pairs()) {
      if (name == "key") continue;
      url += mark + url_encode(name) + "=" + url_encode(text);
      mark = '&';
    }
    return url;
  }
  std::string url = provider.url_prefix + (family == Family::kGemini ? "/v1beta/models" : "/v1/models");
  if (!id.empty()) url += "/" + replace_all(url_encode(without_prefix(id)), "%2F", "/");
  return url;
}

// What the caller's virtual key lets it see; without one, or with one that names neither models nor routes, all.
class Sight {
 public:
  Sight(const Plan& plan, const VirtualKey* key) : plan_(plan), key_(key) {}
  bool limited() const { return key_ != nullptr && !(key_->spec.models.empty() && key_->spec.routes.empty()); }
  bool sees(std::string_view id) const {
    if (!limited()) return true;
    const Route* const route = plan_.find(id);
    return route != nullptr && key_->allows_model(id) && key_->allows_route(route->config.name);
  }
  // What routes or the key itself name, and may be seen.
  std::vector<ModelEntry> named() const {
    std::vector<ModelEntry> out = named_models(plan_);
    if (!limited()) return out;
    for (const std::string& model : key_->spec.models) {
      const bool known = std::any_of(out.begin(), out.end(), [&](const auto& entry) { return entry.id == model; });
      if (!model.ends_with('*') && !known) out.push_back({model, {}, 0});
    }
    std::erase_if(out, [this](const ModelEntry& entry) { return !sees(entry.id); });
    return out;
  }

 private:
  const Plan& plan_;
  const VirtualKey* const key_;
};

// A provider's list without what may not be seen; on its first page also what only the gateway knows. Fields that
// entries have besides stay.
std::string limited_list(Family family, const std::string& body, const Sight& sight, bool first_page) {
  auto parsed = text::parse_json_object(body, {.bytes_max = kModelsBytesMax});
  const char* const key = family == Family::kGemini ? "models" : "data";
  value* const items = parsed ? parsed->if_contains(key) : nullptr;
  if (items == nullptr || !items->is_array()) return write_models(family, sight.named());
  array seen;
  std::vector<std::string> ids;
  for (value& item : items->get_array()) {
    if (!item.is_object()) continue;
    std::string id = read_entry(family, item.get_object()).id;
    if (!sight.sees(id)) continue;
    ids.push_back(std::move(id));
    seen.push_back(std::move(item));
  }
  for (const ModelEntry& entry : first_page ? sight.named() : std::vector<ModelEntry>()) {
    if (std::find(ids.begin(), ids.end(), entry.id) != ids.end()) continue;
    ids.push_back(entry.id);
    seen.push_back(write_entry(family, entry));
  }
  (*parsed)[key] = std::move(seen);
  if (parsed->contains("first_id")) (*parsed)["first_id"] = ids.empty() ? value(nullptr) : value(ids.front());
  if (parsed->contains("last_id") && first_page)
    (*parsed)["last_id"] = ids.empty() ? value(nullptr) : value(ids.back());
  return text::serialize(*parsed);
}

net::Response named_response(Family client, const std::vector<ModelEntry>& named, std::string_view id) {
  if (id.empty()) return net::json_response(200, write_models(client, named));
  const auto found = std::find_if(named.begin(), named.end(), [&](const auto& e) { return e.id == id; });
  if (found != named.end()) return net::json_response(200, write_model(client, *found));
  return net::json_response(
      404, error_body(client, ErrorType::kGatewayNoRoute, "no route names the model `" + std::string(id) + "`", 404));
}

net::Response translated_response(Family client, Family family, const net::Response& answer, std::string_view id,
                                  const Sight& sight) {
  if (answer.status != 200) {
    const ErrorType type = answer.status >= 500 ? ErrorType::kProviderError : ErrorType::kCallerInvalidRequest;
    return net::json_response(answer.status,
                              error_body(client, type, read_provider_error(answer.body).message, answer.status));
  }
  const auto models = read_models(family, answer.body);
  if (id.empty()) {
    const std::string list = write_models(client, models);
    return net::json_response(200, sight.limited() ? limited_list(client, list, sight, true) : list);
  }
  return net::json_response(200, write_model(client, models.empty() ? ModelEntry{std::string(id), {}, 0} : models[0]));
}

const Provider* provider_of_the_rest(const Plan& plan) {
  const Provider* provider = nullptr;
  for (const Route& route : plan.routes) {
    if (!route.targets.empty()) provider = route.targets.front().provider;
  }
  return provider;
}

}  // namespace

std::vector<ModelEntry> read_models(Family family, std::string_view body) {
  std::vector<ModelEntry> out;
  const auto parsed = text::parse_json_object(body, {.bytes_max = kModelsBytesMax});
  if (!parsed) return out;
  const array* const list = array_at(*parsed, family == Family::kGemini ? "models" : "data");
  if (list == nullptr) {
    out.push_back(read_entry(family, *parsed));
  } else {
    for (const value& item : *list) {
      if (item.is_object()) out.push_back(read_entry(family, item.get_object()));
    }
  }
  std::erase_if(out, [](const ModelEntry& entry) { return entry.id.empty(); });
  return out;
}

std::string write_model(Family family, const ModelEntry& model) { return text::serialize(write_entry(family, model)); }

std::string write_models(Family family, const std::vector<ModelEntry>& models) {
  array list;
  for (const ModelEntry& entry : models) list.push_back(write_entry(family, entry));
  if (family == Family::kGemini) return text::serialize(object{{"models", std::move(list)}});
  if (family == Family::kOpenAi) return text::serialize(object{{"object", "list"}, {"data", std::move(list)}});
  object page{{"data", std::move(list)}, {"has_more", false}, {"first_id", nullptr}, {"last_id", nullptr}};
  if (!models.empty()) {
    page["first_id"] = models.front().id;
    page["last_id"] = models.back().id;
  }
  return text::serialize(page);
}

namespace {

// Asks the provider, whose family is `family`, for a client of the other.
Task<net::Response> ask_for_models(Gateway::Impl* gateway, net::Exchange* exchange, const Provider* provider,
                                   Family client, Family family, const Sight* sight) {
  CoreState& core = gateway->core(exchange->core());
  const net::Request& asked = exchange->request();
  const std::string id(without_prefix(asked.path_params.get("id")));
  model::Interaction about;
  about.request_id = make_request_id(gateway->clock.now(), core.random);
  about.trace_id = make_trace_id(core.random);
  about.provider = provider->config.name;
  Hop hop;
  hop.provider = provider;
  hop.client = client == Family::kOpenAi ? Api::kChat : client == Family::kAnthropic ? Api::kMessages : Api::kGenerate;
  hop.upstream = family == Family::kOpenAi      ? Api::kChat
                 : family == Family::kAnthropic ? Api::kMessages
                                                : Api::kGenerate;
  net::ClientRequest request;
  request.url = list_url(*provider, family, client, asked, id);
  if (hop.provider->keys != nullptr) hop.key = &hop.provider->keys->key(hop.provider->keys->pick(gateway->clock.now()));
  request.headers = hop_headers(hop, asked, about, core.random);
  request.timeouts.connect = provider->config.connect;
  request.timeouts.total = std::chrono::seconds(30);
  request.body_bytes_max = kModelsBytesMax;
  auto answer = co_await gateway->client.fetch(std::move(request));
  net::Response response;
  if (!answer) {
    const bool late = answer.error().code() == ErrorCode::kTimeout;
    const ErrorType type = late ? ErrorType::kProviderTimeout : ErrorType::kProviderUnreachable;
    const int status = error_info(type).http_status;
    response = net::json_response(status, error_body(client, type, answer.error().message(), status));
  } else if (family == client) {
    response.status = answer->status;
    response.headers = downstream_headers(answer->headers, about);
    response.body = std::move(answer->body);
    const bool first_page = !asked.query.has("pageToken") && !asked.query.has("after_id");
    if (id.empty() && response.status == 200 && sight->limited())
      response.body = limited_list(family, response.body, *sight, first_page);
  } else {
    response = translated_response(client, family, *answer, id, *sight);
  }
  add_own_headers(response.headers, about, {});
  co_return response;
}

net::Response refusal(Family client, ErrorType type, const std::string& message) {
  const int status = error_info(type).http_status;
  return net::json_response(status, error_body(client, type, message, status));
}

}  // namespace

Task<void> serve_models(Gateway::Impl* gateway, net::Exchange* exchange) {
  const auto plan = gateway->plan.load();
  const Family client = client_family(exchange->request());  // before a key is taken off
  std::shared_ptr<const VirtualKey> key;
  CoreState& core = gateway->core(exchange->core());
  if (const Outcome unknown = gateway->policy_stage->identify(*plan, core, exchange->request(), &key)) {
    (void)co_await exchange->respond(refusal(client, unknown->type, unknown->message));
    co_return;
  }
  const Sight sight(*plan, key.get());
  const std::string id(without_prefix(exchange->request().path_params.get("id")));
  const Provider* const provider = provider_of_the_rest(*plan);
  const auto family = provider == nullptr ? std::nullopt : list_family(provider->config.kind, client);
  net::Response response;
  if (!id.empty() && !sight.sees(id)) {
    response = refusal(client, ErrorType::kPolicyNotAllowed, "this API key may not use the model `" + id + "`");
  } else if (provider == nullptr || !family) {
    response = named_response(client, sight.named(), id);
  } else {
    response = co_await ask_for_models(gateway, exchange, provider, client, *family, &sight);
  }
  (void)co_await exchange->respond(std::move(response));
}

}  // namespace sentinel::gateway
