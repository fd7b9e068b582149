#include "gateway/protocol/protocol.h"

#include <algorithm>

#include "base/strings.h"
#include "gateway/protocol/json_read.h"

namespace sentinel::gateway {

const Protocol& protocol_of(Api api) {
  switch (api_family(api)) {
    case Family::kOpenAi: return api == Api::kResponses ? responses_protocol() : openai_protocol(api);
    case Family::kAnthropic: return anthropic_protocol(api);
    case Family::kGemini: return gemini_protocol(api);
  }
  return openai_protocol(api);
}

Result<RequestInfo> read_request(Api api, std::string& body) {
  auto info = protocol_of(api).read_request(body);
  if (info && info->model.empty() && api_family(api) != Family::kGemini)
    return fail(ErrorCode::kInvalidArgument, "the request names no `model`");
  return info;
}

bool read_answer(Api api, std::string& body, AnswerInfo& answer) { return protocol_of(api).read_answer(body, answer); }

DeltaInfo read_delta(Api api, std::string_view data, AnswerInfo& answer) {
  return protocol_of(api).read_delta(data, answer);
}

namespace {

struct Edit {
  size_t at;
  size_t remove;
  std::string insert;
};

void edit_model(std::string_view body, const RequestInfo& info, std::string_view model, std::vector<Edit>& edits) {
  if (model == info.model) return;
  if (info.model_at) {
    edits.push_back({info.model_at->at, info.model_at->size, json_quote(model)});
    return;
  }
  const bool empty = trim(body.substr(info.object_begin)).starts_with('}');
  edits.push_back({info.object_begin, 0, "\"model\":" + json_quote(model) + (empty ? "" : ",")});
}

void edit_usage(const RequestInfo& info, std::vector<Edit>& edits) {
  if (info.stream_options_null) {
    edits.push_back({info.include_usage_at->at, info.include_usage_at->size, "{\"include_usage\":true}"});
  } else if (info.include_usage_at) {
    edits.push_back({info.include_usage_at->at, info.include_usage_at->size, "true"});
  } else if (info.stream_options_begin) {
    edits.push_back({*info.stream_options_begin, 0,
                     info.stream_options_empty ? "\"include_usage\":true" : "\"include_usage\":true,"});
  } else {
    edits.push_back({info.object_begin, 0, "\"stream_options\":{\"include_usage\":true},"});
  }
}

}  // namespace

std::string edit_request(std::string_view body, const RequestInfo& info, std::string_view model, bool add_usage) {
  std::vector<Edit> edits;
  edit_model(body, info, model, edits);
  if (add_usage && !info.include_usage) edit_usage(info, edits);
  std::sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) { return a.at < b.at; });
  std::string out;
  out.reserve(body.size() + 128);
  size_t done = 0;
  for (const Edit& edit : edits) {
    out += body.substr(done, edit.at - done);
    out += edit.insert;
    done = edit.at + edit.remove;
  }
  out += body.substr(done);
  return out;
}

ProviderError read_provider_error(std::string_view body) {
  namespace jr = json_read;
  ProviderError error;
  (void)jr::read_object_copy(body, [&](std::string_view key, jr::od::value value) {
    // vLLM's older form has no `error` around it.
    if (key == "message" && error.message.empty()) error.message = jr::text_if(value);
    if (key != "error") return;
    if (jr::is_string(value)) error.message = jr::text_of(value);
    jr::each_field_if(value, [&](std::string_view name, jr::od::value v) {
      const std::string_view text = jr::text_if(v);
      if (text.empty()) return;
      if (name == "message") error.message = text;
      if (name == "type" || name == "status") error.type = text;  // Gemini's `code` is the HTTP status again
      if (name == "code") error.code = text;
    });
  });
  return error;
}

ProviderError::Kind ProviderError::kind() const {
  if (code == "content_filter" || code == "content_policy_violation" || type == "content_filter")
    return Kind::kContentFilter;
  if (code == "context_length_exceeded") return Kind::kContextTooLong;
  if (type == "exceed_context_size_error") return Kind::kContextTooLong;  // llama.cpp
  // Anthropic, Gemini, vLLM and Ollama say so in words only.
  const std::string words = to_lower(message.substr(0, 500));
  const auto says = [&](std::string_view part) { return words.find(part) != std::string::npos; };
  if (says("maximum context length") || says("exceeds the context length")) return Kind::kContextTooLong;
  if (type == "invalid_request_error" || type == "INVALID_ARGUMENT") {
    if (says("prompt is too long") || says("exceed context limit") ||
        (says("input token count") && says("exceeds the maximum"))) {
      return Kind::kContextTooLong;
    }
    if (says("content filtering policy")) return Kind::kContentFilter;
  }
  return Kind::kOther;
}

}  // namespace sentinel::gateway
