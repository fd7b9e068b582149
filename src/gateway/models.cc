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

net::Response named_response(Family client, const Plan& plan, std::string_view id) {
  const auto named = named_models(plan);
  if (id.empty()) return net::json_response(200, write_models(client, named));
  const auto found = std::find_if(named.begin(), named.end(), [&](const auto& e) { return e.id == id; });
  if (found != named.end()) return net::json_response(200, write_model(client, *found));
  return net::json_response(
      404, error_body(client, ErrorType::kGatewayNoRoute, "no route names the model `" + std::string(id) + "`", 404));
}

net::Response translated_response(Family client, Family family, const net::Response& answer, std::string_view id) {
  if (answer.status != 200) {
    const ErrorType type = answer.status >= 500 ? ErrorType::kProviderError : ErrorType::kCallerInvalidRequest;
    return net::json_response(answer.status,
                              error_body(client, type, read_provider_error(answer.body).message, answer.status));
  }
  const auto models = read_models(family, answer.body);
  if (id.empty()) return net::json_response(200, write_models(client, models));
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

Task<void> serve_models(Gateway::Impl* gateway, net::Exchange* exchange) {
  const auto plan = gateway->plan.load();
  CoreState& core = gateway->core(exchange->core());
  const net::Request& asked = exchange->request();
  const Family client = client_family(asked);
  std::shared_ptr<const VirtualKey> key;
  if (const Outcome unknown = gateway->policy_stage->identify(*plan, core, exchange->request(), &key)) {
    const int status = error_info(unknown->type).http_status;
    (void)co_await exchange->respond(
        net::json_response(status, error_body(client, unknown->type, unknown->message, status)));
    co_return;
  }
  const std::string id(without_prefix(asked.path_params.get("id")));
  const Provider* const provider = provider_of_the_rest(*plan);
  const auto family = provider == nullptr ? std::nullopt : list_family(provider->config.kind, client);
  if (provider == nullptr || !family) {
    (void)co_await exchange->respond(named_response(client, *plan, id));
    co_return;
  }
  model::Interaction about;
  about.request_id = make_request_id(gateway->clock.now(), core.random);
  about.trace_id = make_trace_id(core.random);
  about.provider = provider->config.name;
  Hop hop;
  hop.provider = provider;
  hop.client = client == Family::kOpenAi ? Api::kChat : client == Family::kAnthropic ? Api::kMessages : Api::kGenerate;
  hop.upstream = *family == Family::kOpenAi      ? Api::kChat
                 : *family == Family::kAnthropic ? Api::kMessages
                                                 : Api::kGenerate;
  net::ClientRequest request;
  request.url = list_url(*provider, *family, client, asked, id);
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
  } else if (*family == client) {
    response.status = answer->status;
    response.headers = downstream_headers(answer->headers, about);
    response.body = std::move(answer->body);
  } else {
    response = translated_response(client, *family, *answer, id);
  }
  add_own_headers(response.headers, about, {});
  (void)co_await exchange->respond(std::move(response));
}

}  // namespace sentinel::gateway
