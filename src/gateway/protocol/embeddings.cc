#include "gateway/protocol/embeddings.h"

#include "base/strings.h"
#include "gateway/protocol/codec.h"
#include "gateway/protocol/json_write.h"

namespace sentinel::gateway {
namespace {

using namespace json_write;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

Result<object> to_gemini(const object& body, const std::string& model) {
  const value* const input = find(body, "input");
  const std::vector<std::string> texts = strings_at(body, "input");
  const size_t wanted = input == nullptr ? 0 : input->is_array() ? input->get_array().size() : 1;
  if (texts.empty() || texts.size() != wanted) return unsupported("an `input` that is no text");
  array requests;
  for (const std::string& each : texts) {
    object request{{"model", "models/" + model}, {"content", object{{"parts", array{object{{"text", each}}}}}}};
    put(request, "outputDimensionality", integer_at(body, "dimensions"));
    requests.push_back(std::move(request));
  }
  return object{{"requests", std::move(requests)}};
}

Result<std::string> content_text(const object& request) {
  const object* const content = object_at(request, "content");
  const array* const parts = content != nullptr ? array_at(*content, "parts") : nullptr;
  if (parts == nullptr) return malformed("`content` has no parts");
  std::string text;
  for (const value& part : *parts) {
    const object* const each = part.if_object();
    if (each == nullptr || !each->contains("text")) return unsupported("a part that is no text");
    text += string_at(*each, "text");
  }
  return text;
}

std::optional<int64_t> dimensions_of(const object& request) {
  const auto camel = integer_at(request, "outputDimensionality");
  return camel ? camel : integer_at(request, "output_dimensionality");
}

Result<object> to_openai(Api from, const object& body, const std::string& model) {
  array texts;
  std::optional<int64_t> dimensions = dimensions_of(body);
  if (from == Api::kGeminiEmbed) {
    SENTINEL_ASSIGN(std::string text, content_text(body));
    texts.emplace_back(std::move(text));
  } else {
    const array* const requests = array_at(body, "requests");
    if (requests == nullptr || requests->empty()) return malformed("`requests` is missing");
    for (const value& each : *requests) {
      if (!each.is_object()) return malformed("a request must be an object");
      SENTINEL_ASSIGN(std::string text, content_text(each.get_object()));
      texts.emplace_back(std::move(text));
      dimensions = dimensions_of(each.get_object());
    }
  }
  object out{{"model", model}, {"input", std::move(texts)}};
  put(out, "dimensions", dimensions);
  return out;
}

// As OpenAI's SDKs ask for it by themselves: little-endian floats.
std::string base64_floats(const array& numbers) {
  std::string bytes;
  for (const value& number : numbers) {
    const float v = number.is_number() ? static_cast<float>(number.to_number<double>()) : 0;
    bytes.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  return base64_encode(bytes);
}

Result<object> answer_to_openai(const object& answer, const object& asked, const std::string& model,
                                const AnswerInfo& info) {
  const array* const vectors = array_at(answer, "embeddings");
  if (vectors == nullptr) return malformed("the answer has no embeddings");
  const bool base64 = string_at(asked, "encoding_format") == "base64";
  array data;
  for (const value& each : *vectors) {
    const object* const vector = each.if_object();
    const array* const values = vector != nullptr ? array_at(*vector, "values") : nullptr;
    if (values == nullptr) return malformed("an embedding has no values");
    object written{{"object", "embedding"}, {"index", data.size()}};
    written["embedding"] = base64 ? value(base64_floats(*values)) : value(*values);
    data.push_back(std::move(written));
  }
  const int64_t tokens = info.tokens_input.value_or(0);
  return object{{"object", "list"},
                {"data", std::move(data)},
                {"model", model},
                {"usage", object{{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
}

Result<object> answer_to_gemini(Api to, const object& answer) {
  const array* const data = array_at(answer, "data");
  if (data == nullptr || data->empty()) return malformed("the answer has no data");
  array vectors;
  for (const value& each : *data) {
    const object* const item = each.if_object();
    const array* const values = item != nullptr ? array_at(*item, "embedding") : nullptr;
    if (values == nullptr) return malformed("an embedding has no values");
    vectors.push_back(object{{"values", *values}});
  }
  if (to == Api::kGeminiEmbed) return object{{"embedding", vectors[0]}};
  return object{{"embeddings", std::move(vectors)}};
}

}  // namespace

Result<object> translate_embedding_request(Api from, const object& body, const std::string& model) {
  return from == Api::kEmbedding ? to_gemini(body, model) : to_openai(from, body, model);
}

Result<object> translate_embedding_answer(Api to, const object& answer, const object& asked, const std::string& model,
                                          const AnswerInfo& info) {
  return to == Api::kEmbedding ? answer_to_openai(answer, asked, model, info) : answer_to_gemini(to, answer);
}

Result<object> translate_count_request(Api from, const object& body, const std::string& model, bool vertex) {
  if (from == Api::kCountTokens) {
    SENTINEL_ASSIGN(Ask ask, messages_codec().read_ask(body));
    SENTINEL_ASSIGN(object generate, gemini_codec().write_ask(ask));
    generate.erase("generationConfig");
    if (vertex) return generate;
    generate["model"] = "models/" + model;
    return object{{"generateContentRequest", std::move(generate)}};
  }
  const object* inner = object_at(body, "generateContentRequest");
  if (inner == nullptr) inner = object_at(body, "generate_content_request");
  SENTINEL_ASSIGN(Ask ask, gemini_codec().read_ask(inner != nullptr ? *inner : body));
  ask.model = model;
  SENTINEL_ASSIGN(object messages, messages_codec().write_ask(ask));
  for (const std::string_view key : {"max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "stream"})
    messages.erase(key);
  return messages;
}

Result<object> translate_count_answer(Api to, const object& answer) {
  const auto count = integer_at(answer, to == Api::kCountTokens ? "totalTokens" : "input_tokens");
  if (!count) return malformed("the answer has no count");
  return object{{to == Api::kCountTokens ? "input_tokens" : "totalTokens", *count}};
}

}  // namespace sentinel::gateway
