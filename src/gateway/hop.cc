#include "gateway/hop.h"

#include <algorithm>

#include "base/strings.h"
#include "gateway/attributes.h"
#include "gateway/protocol/embeddings.h"
#include "gateway/protocol/protocol.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

Family provider_family(ProviderKind kind) {
  switch (kind) {
    case ProviderKind::kAnthropic: return Family::kAnthropic;
    case ProviderKind::kGemini:
    case ProviderKind::kVertex: return Family::kGemini;
    default: return Family::kOpenAi;
  }
}

bool is_conversation(Api api) {
  return api == Api::kChat || api == Api::kResponses || api == Api::kMessages || api == Api::kGenerate;
}
bool is_embedding(Api api) {
  return api == Api::kEmbedding || api == Api::kGeminiEmbed || api == Api::kGeminiBatchEmbed;
}

std::optional<Api> same_family(Api client, const ProviderConfig& provider) {
  if (client == Api::kResponses && !provider.responses) return Api::kChat;
  if (client == Api::kModeration && provider.kind == ProviderKind::kAzureOpenAi) return std::nullopt;
  if (is_embedding(client) && provider.kind == ProviderKind::kVertex) return std::nullopt;
  return client;
}

std::string_view gemini_action(Api api, bool stream) {
  switch (api) {
    case Api::kGeminiCount: return "countTokens";
    case Api::kGeminiEmbed: return "embedContent";
    case Api::kGeminiBatchEmbed: return "batchEmbedContents";
    default: return stream ? "streamGenerateContent" : "generateContent";
  }
}

// A model's name becomes a part of the path: it must not lead out of it.
bool is_path_part(std::string_view model) {
  for (const std::string_view part : split(model, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

bool model_in_path(const Hop& hop) {
  const ProviderConfig& provider = hop.provider->config;
  return api_family(hop.upstream) == Family::kGemini ||
         (provider.kind == ProviderKind::kAzureOpenAi && provider.api_version != "v1");
}

Result<boost::json::object> translate_request(const Hop& hop, const boost::json::object& body, bool stream) {
  const bool vertex = hop.provider->config.kind == ProviderKind::kVertex;
  if (is_embedding(hop.client)) return translate_embedding_request(hop.client, body, hop.model);
  if (!is_conversation(hop.client)) return translate_count_request(hop.client, body, hop.model, vertex);
  SENTINEL_ASSIGN(Ask ask, protocol_of(hop.client).codec()->read_ask(body));
  const ProviderKind kind = hop.provider->config.kind;
  ask.model = hop.model;
  ask.stream = stream;
  ask.include_usage = hop.provider->config.stream_usage;
  ask.completion_tokens = kind == ProviderKind::kOpenAi || kind == ProviderKind::kAzureOpenAi;
  return protocol_of(hop.upstream).codec()->write_ask(ask);
}

// The caller's query goes on but for what was for us.
std::string gemini_query(const Hop& hop, const net::Request& original, bool stream) {
  std::string query = stream ? "?alt=sse" : "";
  if (hop.translated()) return query;
  for (const auto& [name, value] : original.query.pairs()) {
    if (name == "alt" || name == "key") continue;
    query += query.empty() ? '?' : '&';
    query += url_encode(name) + "=" + url_encode(value);
  }
  return query;
}

std::string path_model(std::string_view model) { return replace_all(url_encode(model), "%2F", "/"); }

std::string gemini_url(const Hop& hop, bool stream, const net::Request& original) {
  const Provider& provider = *hop.provider;
  std::string url = provider.url_prefix;
  if (provider.config.kind == ProviderKind::kVertex) {
    url += "/v1/projects/" + url_encode(provider.config.project) + "/locations/" + url_encode(provider.config.location);
    url += hop.model.find('/') == std::string::npos ? "/publishers/google/models/" : "/";
  } else {
    url += hop.model.find('/') == std::string::npos ? "/v1beta/models/" : "/v1beta/";
  }
  url += path_model(hop.model) + ":" + std::string(gemini_action(hop.upstream, stream));
  return url + gemini_query(hop, original, stream);
}

std::string azure_url(const Hop& hop) {
  const ProviderConfig& config = hop.provider->config;
  std::string_view action = api_endpoint(hop.upstream);
  action.remove_prefix(std::string_view("/v1").size());
  std::string url = hop.provider->url_prefix + "/openai";
  if (config.api_version == "v1") return url + "/v1" + std::string(action);
  // The Responses API names the deployment in its body.
  if (hop.upstream != Api::kResponses) url += "/deployments/" + url_encode(hop.model);
  return url + std::string(action) + "?api-version=" + url_encode(config.api_version);
}

}  // namespace

std::optional<Api> upstream_api(Api client, const ProviderConfig& provider) {
  if (provider.kind == ProviderKind::kSimulated) return client;
  const Family family = provider_family(provider.kind);
  if (api_family(client) == family) return same_family(client, provider);
  if (is_conversation(client)) {
    return family == Family::kOpenAi ? Api::kChat : family == Family::kAnthropic ? Api::kMessages : Api::kGenerate;
  }
  if (is_embedding(client) && family == Family::kOpenAi) return Api::kEmbedding;
  if (is_embedding(client) && provider.kind == ProviderKind::kGemini) return Api::kGeminiBatchEmbed;
  if (client == Api::kCountTokens && family == Family::kGemini) return Api::kGeminiCount;
  if (client == Api::kGeminiCount && family == Family::kAnthropic) return Api::kCountTokens;
  return std::nullopt;
}

Result<Hop> plan_hop(const Asked& asked, const RequestInfo& info, const std::string& body, const Target& target) {
  const ProviderConfig& provider = target.provider->config;
  const auto api = upstream_api(asked.api, provider);
  if (!api) {
    return fail(ErrorCode::kUnprocessable,
                "provider " + provider.name + " has nothing like " + std::string(api_endpoint(asked.api)));
  }
  Hop hop;
  hop.provider = target.provider;
  hop.client = asked.api;
  hop.upstream = *api;
  hop.model = target.model.empty() ? info.model : target.model;
  if (model_in_path(hop) && !is_path_part(hop.model))
    return fail(ErrorCode::kInvalidArgument, "the model's name cannot be part of an address");
  if (hop.translated()) {
    SENTINEL_ASSIGN(const boost::json::object parsed, text::parse_json_object(body));
    SENTINEL_ASSIGN(const boost::json::object written, translate_request(hop, parsed, info.stream));
    hop.body = text::serialize(written);
    return hop;
  }
  const bool streams_usage = asked.api == Api::kChat || asked.api == Api::kCompletion;
  hop.add_usage = streams_usage && info.stream && !info.include_usage && provider.stream_usage;
  const bool named_in_body = api_family(asked.api) != Family::kGemini && hop.model != info.model;
  if (named_in_body || hop.add_usage) hop.body = edit_request(body, info, hop.model, hop.add_usage);
  return hop;
}

std::string hop_url(const Hop& hop, const Asked& asked, const net::Request& original) {
  const Provider& provider = *hop.provider;
  if (api_family(hop.upstream) == Family::kGemini) return gemini_url(hop, asked.stream, original);
  if (provider.config.kind == ProviderKind::kAzureOpenAi) return azure_url(hop);
  std::string url;
  url.reserve(provider.url_prefix.size() + original.target.size() + 32);
  url += provider.url_prefix;
  url += hop.translated() ? api_endpoint(hop.upstream) : std::string_view(original.target);
  return url;
}

net::Headers hop_headers(const Hop& hop, const net::Request& original, const model::Interaction& interaction,
                         Random& random) {
  const Provider& provider = *hop.provider;
  net::Headers headers;
  if (hop.translated()) {
    headers.add("content-type", "application/json");
    headers.add("accept", interaction.stream ? "text/event-stream" : "application/json");
    // The caller's credentials are another provider's business.
    if (!hop.key_shown().empty()) headers.add(provider.key_header, hop.key_shown());
    headers.add("traceparent", make_traceparent(interaction, random));
  } else {
    headers = upstream_headers(original.headers, provider, hop.key_shown(), interaction, random);
    // A key within an address would end up in logs.
    const std::string_view in_query = original.query.get("key");
    if (api_family(hop.client) == Family::kGemini && !provider.has_key() && !in_query.empty() &&
        !headers.has("x-goog-api-key")) {
      headers.add("x-goog-api-key", in_query);
    }
  }
  if (api_family(hop.upstream) == Family::kAnthropic && !headers.has("anthropic-version"))
    headers.add("anthropic-version", "2023-06-01");
  return headers;
}

net::Headers hop_answer_headers(const net::Headers& provider_headers, std::string_view content_type) {
  net::Headers headers;
  headers.add("content-type", content_type);
  for (const std::string_view name : {"x-request-id", "request-id"}) {
    const std::string_view id = provider_headers.get(name);
    if (!id.empty() && !headers.has("x-sentinel-upstream-request-id"))
      headers.add("x-sentinel-upstream-request-id", id);
  }
  return headers;
}

Result<std::string> translate_answer(const Hop& hop, std::string_view answer, const std::string& request_body,
                                     const AnswerInfo& info, const StreamFacts& facts) {
  SENTINEL_ASSIGN(const boost::json::object parsed, text::parse_json_object(answer));
  if (is_conversation(hop.client)) {
    SENTINEL_ASSIGN(const Answer read, protocol_of(hop.upstream).codec()->read_answer(parsed));
    return text::serialize(protocol_of(hop.client).codec()->write_answer(read, facts));
  }
  boost::json::object written;
  if (is_embedding(hop.client)) {
    SENTINEL_ASSIGN(const boost::json::object asked, text::parse_json_object(request_body));
    SENTINEL_ASSIGN(written, translate_embedding_answer(hop.client, parsed, asked, hop.model, info));
  } else {
    SENTINEL_ASSIGN(written, translate_count_answer(hop.client, parsed));
  }
  return text::serialize(written);
}

std::string answer_id(Api client, std::string_view request_id) {
  const std::string_view prefix = client == Api::kMessages    ? "msg_"
                                  : client == Api::kResponses ? "resp_"
                                  : client == Api::kGenerate  ? ""
                                                              : "chatcmpl-";
  return std::string(prefix) + std::string(request_id);
}

// --- streams
// ----------------------------------------------------------------------------------------------------------

StreamRelay::StreamRelay(const Hop& hop, const Asked& asked, StreamFacts facts)
    : client_(hop.client),
      upstream_codec_(hop.translated() ? protocol_of(hop.upstream).codec() : nullptr),
      json_array_(asked.json_array) {
  if (upstream_codec_ == nullptr || protocol_of(hop.client).codec() == nullptr) return;
  facts.json_array = asked.json_array;
  reader_ = upstream_codec_->piece_reader();
  writer_ = protocol_of(hop.client).codec()->piece_writer(std::move(facts));
}

void StreamRelay::event(std::string_view raw, std::string_view data, std::string& out) {
  if (!rewrites()) {
    out += raw;
  } else if (data.empty()) {
    if (!json_array_) out += raw;  // a comment keeps any connection alive
  } else if (writer_ != nullptr) {
    reader_->read(data, pieces_);
    write_pieces(out);
  } else {
    out += first_ ? "[" : ",\r\n";
    first_ = false;
    out += data;
  }
}

void StreamRelay::write_pieces(std::string& out) {
  for (const Piece& piece : pieces_) {
    if (!begun_ && piece.kind != Piece::Kind::kStart) writer_->write({.kind = Piece::Kind::kStart}, out);
    begun_ = true;
    writer_->write(piece, out);
  }
  pieces_.clear();
}

void StreamRelay::end(bool terminated, std::string& out) {
  if (writer_ != nullptr) return writer_->finish(out);
  if (json_array_) out += first_ ? "[]" : "]";
  if (terminated || json_array_) return;
  // Some servers leave out the end of their stream; clients wait for it.
  if (client_ == Api::kChat || client_ == Api::kCompletion) out += "data: [DONE]\n\n";
  if (client_ == Api::kMessages) out += "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
}

Status StreamRelay::whole(std::string_view answer, std::string& out) {
  SENTINEL_ASSIGN(const boost::json::object parsed, text::parse_json_object(answer));
  SENTINEL_ASSIGN(const Answer read, upstream_codec_->read_answer(parsed));
  pieces_.push_back({.kind = Piece::Kind::kStart, .id = read.id, .name = read.model});
  for (const Part& part : read.parts) {
    if (part.kind == PartKind::kToolCall) {
      pieces_.push_back(
          {.kind = Piece::Kind::kToolBegin, .id = part.id, .name = part.name, .signature = part.signature});
      pieces_.push_back({.kind = Piece::Kind::kToolArguments, .text = part.arguments});
    } else {
      const Piece::Kind kind = part.kind == PartKind::kReasoning ? Piece::Kind::kReasoning
                               : part.kind == PartKind::kRefusal ? Piece::Kind::kRefusal
                                                                 : Piece::Kind::kText;
      pieces_.push_back({.kind = kind, .text = part.text});
    }
  }
  pieces_.push_back({.kind = Piece::Kind::kUsage, .usage = read.usage});
  pieces_.push_back({.kind = Piece::Kind::kFinish, .text = read.stop_sequence, .finish = read.finish});
  write_pieces(out);
  writer_->finish(out);
  return {};
}

std::string StreamRelay::failure(ErrorType type, std::string_view message) {
  const Family family = api_family(client_);
  const int status = error_info(type).http_status;
  if (client_ == Api::kResponses) {
    std::string data = "{\"type\":\"error\",\"code\":" + json_quote(error_name(type));
    data += ",\"message\":" + json_quote(message) + ",\"param\":null,\"sequence_number\":0}";
    return "event: error\ndata: " + data + "\n\n";
  }
  const std::string body = error_body(family, type, message, status);
  if (json_array_) return (first_ ? "[" : ",\r\n") + body;
  return (family == Family::kAnthropic ? "event: error\ndata: " : "data: ") + body + "\n\n";
}

}  // namespace sentinel::gateway
