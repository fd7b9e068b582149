#include <array>

#include "gateway/protocol/codec.h"
#include "gateway/protocol/json_read.h"
#include "gateway/protocol/protocol.h"

namespace sentinel::gateway {

namespace od = simdjson::ondemand;

void json_read::read_metadata(od::value metadata, RequestInfo& info) {
  if (!is_object(metadata)) return;
  each_field_of(metadata, [&](std::string_view key, od::value value) {
    if (key == "sentinel_context") {
      append_bounded(info.context, text_of(value));
    } else if (key.starts_with("simulate_") && info.simulate_flags.size() < kTagsMax) {
      bool on = false;
      if (is_string(value)) {
        const std::string_view word = text_of(value);
        on = word == "true" || word == "1";
      } else {
        (void)value.get_bool().get(on);
      }
      if (on) info.simulate_flags.emplace_back(utf8_prefix(key, kAttributeBytesMax));
    }
  });
}

namespace {

using namespace json_read;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

void read_part(od::value part, Said& message) {
  std::string type;
  std::string text;
  each_field_of(part, [&](std::string_view key, od::value value) {
    if (key == "type") type = text_of(value);
    if (key == "text") text = text_of(value);
    if (key == "document" && text.empty()) text = text_of(value);
  });
  const bool document = type == "document" || type == "input_document";
  append_bounded(document ? message.documents : message.text, text);
}

void read_content(od::value content, Said& message) {
  switch (type_of(content)) {
    case od::json_type::string: append_bounded(message.text, text_of(content)); break;
    case od::json_type::array:
      each_item(content, [&](od::value part) {
        if (type_of(part) == od::json_type::string) {
          append_bounded(message.text, text_of(part));
        } else if (type_of(part) == od::json_type::object) {
          read_part(part, message);
        }
      });
      break;
    default: break;
  }
}

void read_messages(od::value list, RequestInfo& info) {
  each_item(list, [&](od::value item) {
    Said message;
    each_field_of(item, [&](std::string_view key, od::value value) {
      if (key == "role") message.role = text_of(value);
      if (key == "content") read_content(value, message);
    });
    add_said(std::move(message), info);
  });
}

void read_plain_prompt(od::value value, RequestInfo& info) {
  if (type_of(value) == od::json_type::string) {
    append_bounded(info.prompt, text_of(value));
  } else if (type_of(value) == od::json_type::array) {
    each_item(value, [&](od::value item) {
      std::string text(text_if(item));                              // or token ids
      each_field_if(item, [&](std::string_view key, od::value v) {  // a part of a moderation's input
        if (key == "text") text = text_if(v);
      });
      if (text.empty()) return;
      if (!info.prompt.empty()) append_bounded(info.prompt, "\n");
      append_bounded(info.prompt, text);
    });
  }
  info.prompt_chars += count_chars(info.prompt);
}

void read_stream_options(od::value options, const std::string& body, RequestInfo& info) {
  const Slice token = slice_of(options.raw_json_token(), body);
  if (is_null(options)) {
    info.stream_options_null = true;
    info.include_usage_at = token;  // replaced whole
    return;
  }
  if (type_of(options) != od::json_type::object) return;
  info.stream_options_begin = token.at + 1;
  each_field_of(options, [&](std::string_view key, od::value value) {
    info.stream_options_empty = false;
    if (key != "include_usage") return;
    info.include_usage_at = slice_of(value.raw_json_token(), body);
    (void)value.get_bool().get(info.include_usage);
  });
}

void read_request_field(Api type, std::string_view key, od::value value, const std::string& body, RequestInfo& info) {
  if (key == "model") {
    info.model_at = slice_of(value.raw_json_token(), body);
    info.model = text_of(value);
  } else if (key == "messages" && type == Api::kChat) {
    info.prompt_chars = 0;
    read_messages(value, info);
  } else if ((key == "prompt" && type == Api::kCompletion) ||
             (key == "input" && (type == Api::kEmbedding || type == Api::kModeration))) {
    read_plain_prompt(value, info);
  } else if (key == "stream") {
    (void)value.get_bool().get(info.stream);
  } else if (key == "stream_options") {
    read_stream_options(value, body, info);
  } else if (key == "user" || key == "safety_identifier") {
    if (info.user.empty()) info.user = text_of(value);
  } else if (key == "metadata") {
    read_metadata(value, info);
  }
}

void read_usage(od::value usage, AnswerInfo& answer) {
  if (type_of(usage) != od::json_type::object) return;
  each_field_of(usage, [&](std::string_view key, od::value value) {
    if (key == "prompt_tokens") answer.tokens_input = integer_of(value);
    if (key == "completion_tokens") answer.tokens_output = integer_of(value);
    if (key == "prompt_tokens_details" && type_of(value) == od::json_type::object) {
      each_field_of(value, [&](std::string_view name, od::value v) {
        if (name == "cached_tokens") answer.tokens_cached = integer_of(v);
        if (name == "audio_tokens") answer.tokens_audio_input = integer_of(v);
        if (name == "image_tokens") answer.tokens_image_input = integer_of(v);
      });
    }
    if (key == "completion_tokens_details" && type_of(value) == od::json_type::object) {
      each_field_of(value, [&](std::string_view name, od::value v) {
        if (name == "reasoning_tokens") answer.tokens_reasoning = integer_of(v);
        if (name == "audio_tokens") answer.tokens_audio_output = integer_of(v);
        if (name == "image_tokens") answer.tokens_image_output = integer_of(v);
      });
    }
  });
}

void read_tool_calls(od::value calls, AnswerInfo& answer) {
  each_item_if(calls, [&](od::value call) {
    each_field_of(call, [&](std::string_view key, od::value value) {
      if (key != "function") return;
      each_field_if(value, [&](std::string_view name, od::value v) {
        if (name == "name") add_tool(answer, text_of(v));
      });
    });
  });
}

// A `message` or `delta`. True when it holds content.
bool read_message(od::value value, AnswerInfo& answer) {
  bool content = false;
  each_field_of(value, [&](std::string_view key, od::value v) {
    if (key == "content") {
      Said message;
      read_content(v, message);
      content = content || !message.text.empty();
      append_bounded(answer.text, message.text);
    } else if (key == "refusal") {
      const std::string_view text = type_of(v) == od::json_type::string ? text_of(v) : std::string_view();
      if (text.empty()) return;
      content = answer.refusal = true;
      append_bounded(answer.text, text);
    } else if (key == "tool_calls" || key == "reasoning_content" || key == "reasoning") {
      if (is_null(v)) return;
      content = true;
      if (key == "tool_calls") read_tool_calls(v, answer);
    }
  });
  return content;
}

// One element of `choices`; only the first choice counts as the answer. True when it holds content.
bool read_choice(od::value choice, AnswerInfo& answer) {
  bool content = false;
  AnswerInfo found;
  int64_t index = 0;
  each_field_of(choice, [&](std::string_view key, od::value value) {
    if (key == "index") index = integer_of(value).value_or(0);
    if ((key == "message" || key == "delta") && type_of(value) == od::json_type::object) {
      content = read_message(value, found) || content;
    }
    if (key == "text" && type_of(value) == od::json_type::string) {
      const std::string_view text = text_of(value);
      append_bounded(found.text, text);
      content = content || !text.empty();
    }
    if (key == "finish_reason" && type_of(value) == od::json_type::string) {
      found.finish_reason = text_of(value);
      content = true;
    }
  });
  if (index == 0) {
    append_bounded(answer.text, found.text);
    if (!found.finish_reason.empty()) answer.finish_reason = found.finish_reason;
    for (auto& name : found.tool_names) answer.tool_names.push_back(std::move(name));
    answer.refusal = answer.refusal || found.refusal;
  }
  return content;
}

class OpenAi final : public Protocol {
 public:
  explicit OpenAi(Api api) : api_(api) {}

  Result<RequestInfo> read_request(std::string& body) const override {
    auto info = read_request_object(body, [&](std::string_view key, od::value value, RequestInfo& found) {
      read_request_field(api_, key, value, body, found);
    });
    // The only one of them whose model may be left out.
    if (info && api_ == Api::kModeration && info->model.empty() && !info->model_at) info->model = kModerationModel;
    return info;
  }

  bool read_answer(std::string& body, AnswerInfo& answer) const override {
    return read_object(body, [&](std::string_view key, od::value value) {
      if (key == "model" && is_string(value)) answer.model = text_of(value);
      if (key == "usage") read_usage(value, answer);
      if (key == "service_tier") read_service_tier(value, answer);
      if (key == "choices" && api_info(api_).answers_text && is_array(value)) {
        answer.complete = each_item(value, [&](od::value choice) { read_choice(choice, answer); });
      }
      if (key == "data" && api_ == Api::kEmbedding) answer.complete = is_array(value);
      if (key == "results" && api_ == Api::kModeration) answer.complete = is_array(value);
      if (key == "error" && !is_null(value)) answer.error = error_message_of(value);
    });
  }

  DeltaInfo read_delta(std::string_view data, AnswerInfo& answer) const override {
    DeltaInfo delta;
    if (data == "[DONE]") {
      delta.valid = delta.done = true;
      return delta;
    }
    bool choices = false;
    bool usage = false;
    bool readable = true;
    const bool good = read_object_copy(data, [&](std::string_view key, od::value value) {
      if (key == "model" && is_string(value)) {
        answer.model = text_of(value);
      } else if (key == "service_tier") {
        read_service_tier(value, answer);
      } else if (key == "usage") {
        usage = is_object(value);
        read_usage(value, answer);
      } else if (key == "choices" && !is_null(value)) {
        readable = is_array(value) && each_item(value, [&](od::value choice) {
                     choices = true;
                     delta.content = read_choice(choice, answer) || delta.content;
                   });
      } else if (key == "error" && !is_null(value)) {
        delta.error = true;
        delta.error_message = error_message_of(value);
      }
    });
    delta.valid = good && readable;
    delta.usage_only = usage && !choices;
    return delta;
  }

  const Codec* codec() const override { return api_ == Api::kChat ? &chat_codec() : nullptr; }

 private:
  static constexpr std::string_view kModerationModel = "omni-moderation-latest";
  const Api api_;
};

}  // namespace

const Protocol& openai_protocol(Api api) {
  static const OpenAi chat(Api::kChat);
  static const OpenAi completion(Api::kCompletion);
  static const OpenAi embedding(Api::kEmbedding);
  static const OpenAi moderation(Api::kModeration);
  switch (api) {
    case Api::kCompletion: return completion;
    case Api::kEmbedding: return embedding;
    case Api::kModeration: return moderation;
    default: return chat;
  }
}

}  // namespace sentinel::gateway
