// Google's Gemini API, as the developer API and Vertex AI speak it: read in one pass. Its JSON may spell names in
// lowerCamelCase or in snake_case. The model and whether to stream are in the path (api.h).
#include "gateway/protocol/codec.h"
#include "gateway/protocol/json_read.h"
#include "gateway/protocol/protocol.h"

namespace sentinel::gateway {
namespace {

using namespace json_read;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

void read_parts(od::value parts, Said& said) {
  const auto read_part = [&](od::value part) {
    each_field_if(part, [&](std::string_view key, od::value value) {
      if (key == "text") append_bounded(said.text, text_if(value));
      if (key != "functionResponse" && key != "function_response") return;
      each_field_if(value, [&](std::string_view name, od::value v) {
        if (name != "response") return;
        std::string_view json;
        if (simdjson::to_json_string(v).get(json) == simdjson::SUCCESS) append_bounded(said.tools, json);
      });
    });
  };
  if (is_object(parts)) read_part(parts);
  each_item_if(parts, read_part);
}

void read_content(od::value content, std::string_view role, RequestInfo& info) {
  Said said{std::string(role), {}, {}};
  each_field_if(content, [&](std::string_view key, od::value value) {
    if (key == "role") said.role = text_if(value);
    if (key == "parts") read_parts(value, said);
  });
  if (is_string(content)) append_bounded(said.text, text_of(content));
  // Google's SDK gives its instructions the role of a user.
  if (said.role.empty() || role == "system") said.role = role;
  add_said(std::move(said), info);
}

void read_contents(od::value contents, RequestInfo& info) {
  if (!is_array(contents)) return read_content(contents, "user", info);
  each_item(contents, [&](od::value content) { read_content(content, "user", info); });
}

// Several texts to embed.
void read_requests(od::value requests, RequestInfo& info) {
  std::string all;
  each_item_if(requests, [&](od::value request) {
    each_field_if(request, [&](std::string_view key, od::value value) {
      if (key != "content") return;
      read_content(value, "user", info);
      if (!all.empty()) append_bounded(all, "\n");
      append_bounded(all, info.prompt);
      info.prompt.clear();
    });
  });
  info.prompt = std::move(all);
}

// [{"modality": "AUDIO", "tokenCount": 9}, ...]
void read_modalities(od::value details, std::optional<int64_t>& audio, std::optional<int64_t>& image) {
  each_item_if(details, [&](od::value detail) {
    std::string modality;
    std::optional<int64_t> count;
    each_field_if(detail, [&](std::string_view key, od::value value) {
      if (key == "modality") modality = text_if(value);
      if (key == "tokenCount") count = integer_of(value);
    });
    if (modality == "AUDIO" && count) audio = count;
    if (modality == "IMAGE" && count) image = count;
  });
}

void read_usage(od::value usage, AnswerInfo& answer) {
  std::optional<int64_t> prompt, tools, candidates, thoughts;
  each_field_if(usage, [&](std::string_view key, od::value value) {
    if (key == "promptTokenCount") prompt = integer_of(value);
    if (key == "toolUsePromptTokenCount") tools = integer_of(value);
    if (key == "candidatesTokenCount") candidates = integer_of(value);
    if (key == "thoughtsTokenCount") thoughts = integer_of(value);
    if (key == "cachedContentTokenCount") answer.tokens_cached = integer_of(value);
    if (key == "promptTokensDetails") read_modalities(value, answer.tokens_audio_input, answer.tokens_image_input);
    if (key == "candidatesTokensDetails")
      read_modalities(value, answer.tokens_audio_output, answer.tokens_image_output);
  });
  if (prompt) answer.tokens_input = *prompt + tools.value_or(0);
  if (thoughts) answer.tokens_reasoning = thoughts;
  if (candidates || thoughts) answer.tokens_output = candidates.value_or(0) + thoughts.value_or(0);
}

std::string finish_of(std::string_view reason) {
  if (reason == "STOP") return "stop";
  if (reason == "MAX_TOKENS") return "length";
  for (const std::string_view blocked : {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
                                         "IMAGE_SAFETY", "LANGUAGE", "MODEL_ARMOR", "JAILBREAK"}) {
    if (reason == blocked) return "content_filter";
  }
  return to_lower(reason);
}

// True when the part is content.
bool read_answer_part(od::value part, AnswerInfo& found) {
  std::string text;
  bool thought = false;
  bool content = false;
  each_field_if(part, [&](std::string_view key, od::value value) {
    if (key == "text") text = text_if(value);
    if (key == "thought") (void)value.get_bool().get(thought);
    if (key == "functionCall") {
      each_field_if(value, [&](std::string_view name, od::value v) {
        if (name == "name") add_tool(found, text_if(v));
      });
    }
    content = content || key == "functionCall" || key == "inlineData" || key == "executableCode";
  });
  if (!thought) append_bounded(found.text, text);
  return content || !text.empty();
}

// Only the first candidate counts as the answer. True when it holds content.
bool read_candidate(od::value candidate, AnswerInfo& answer) {
  AnswerInfo found;
  int64_t index = 0;
  bool content = false;
  each_field_if(candidate, [&](std::string_view key, od::value value) {
    if (key == "index") index = integer_of(value).value_or(0);
    if (key == "finishReason") {
      found.finish_reason = finish_of(text_if(value));
      content = true;
    }
    if (key != "content") return;
    each_field_if(value, [&](std::string_view name, od::value v) {
      if (name != "parts") return;
      each_item_if(v, [&](od::value part) { content = read_answer_part(part, found) || content; });
    });
  });
  if (index != 0) return content;
  append_bounded(answer.text, found.text);
  for (const auto& name : found.tool_names) add_tool(answer, name);
  if (!found.finish_reason.empty()) answer.finish_reason = found.finish_reason;
  if (answer.finish_reason == "stop" && !answer.tool_names.empty()) answer.finish_reason = "tool_calls";
  return content;
}

// One field of a whole answer or of one event: they have the same form.
void read_field(std::string_view key, od::value value, AnswerInfo& answer, DeltaInfo& delta) {
  if (key == "modelVersion" && is_string(value)) answer.model = text_of(value);
  if (key == "usageMetadata") read_usage(value, answer);
  if (key == "candidates" && is_array(value)) {
    answer.complete = each_item(
        value, [&](od::value candidate) { delta.content = read_candidate(candidate, answer) || delta.content; });
    delta.valid = answer.complete;
  }
  if (key == "promptFeedback") {
    each_field_if(value, [&](std::string_view name, od::value v) {
      if (name != "blockReason" || text_if(v).empty()) return;
      answer.finish_reason = "content_filter";
      answer.complete = delta.content = true;
    });
  }
  if (key == "error" && !is_null(value)) {
    delta.error = true;
    delta.error_message = error_message_of(value);
  }
}

class Gemini final : public Protocol {
 public:
  explicit Gemini(Api api) : api_(api) {}

  Result<RequestInfo> read_request(std::string& body) const override {
    return read_request_object(body, [&](std::string_view key, od::value value, RequestInfo& info) {
      if (key == "contents" || key == "content") {
        read_contents(value, info);
      } else if (key == "systemInstruction" || key == "system_instruction") {
        read_content(value, "system", info);
      } else if (key == "requests" && api_ == Api::kGeminiBatchEmbed) {
        read_requests(value, info);
      } else if ((key == "generateContentRequest" || key == "generate_content_request") && is_object(value)) {
        each_field_of(value, [&](std::string_view name, od::value v) {
          if (name == "contents") read_contents(v, info);
        });
      }
    });
  }

  bool read_answer(std::string& body, AnswerInfo& answer) const override {
    DeltaInfo delta;
    delta.valid = true;
    const bool good = read_object(body, [&](std::string_view key, od::value value) {
      switch (api_) {
        case Api::kGeminiCount: answer.complete = answer.complete || key == "totalTokens"; break;
        case Api::kGeminiEmbed: answer.complete = answer.complete || (key == "embedding" && is_object(value)); break;
        case Api::kGeminiBatchEmbed:
          answer.complete = answer.complete || (key == "embeddings" && is_array(value));
          break;
        default: return read_field(key, value, answer, delta);
      }
      if (key == "usageMetadata") read_usage(value, answer);
      if (key == "error" && !is_null(value)) {
        delta.error = true;
        delta.error_message = error_message_of(value);
      }
    });
    if (delta.error) answer.error = delta.error_message;
    return good;
  }

  DeltaInfo read_delta(std::string_view data, AnswerInfo& answer) const override {
    DeltaInfo delta;
    delta.valid = true;
    const bool good =
        read_object_copy(data, [&](std::string_view key, od::value value) { read_field(key, value, answer, delta); });
    delta.valid = delta.valid && good;
    return delta;
  }

  const Codec* codec() const override { return api_ == Api::kGenerate ? &gemini_codec() : nullptr; }

 private:
  const Api api_;
};

}  // namespace

const Protocol& gemini_protocol(Api api) {
  static const Gemini generate(Api::kGenerate);
  static const Gemini count(Api::kGeminiCount);
  static const Gemini embed(Api::kGeminiEmbed);
  static const Gemini batch(Api::kGeminiBatchEmbed);
  switch (api) {
    case Api::kGeminiCount: return count;
    case Api::kGeminiEmbed: return embed;
    case Api::kGeminiBatchEmbed: return batch;
    default: return generate;
  }
}

}  // namespace sentinel::gateway
