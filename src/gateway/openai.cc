#include "gateway/openai.h"

#include <simdjson.h>

#include <algorithm>

#include "base/strings.h"
#include "gateway/limits.h"

namespace sentinel::gateway {
namespace {

namespace od = simdjson::ondemand;

od::parser& parser() {
  thread_local od::parser instance;
  return instance;
}

// simdjson reads a few bytes past the end; a string is given the room for it.
simdjson::padded_string_view padded(std::string& text) {
  if (text.capacity() < text.size() + simdjson::SIMDJSON_PADDING)
    text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  return simdjson::padded_string_view(text.data(), text.size(), text.capacity());
}

void append_bounded(std::string& out, std::string_view text) {
  if (out.size() >= kPromptBytesMax) return;
  out += utf8_prefix(text, kPromptBytesMax - out.size());
}

int64_t count_chars(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::string_view text_of(od::value value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return {};
  return text;
}

std::optional<int64_t> integer_of(od::value value) {
  int64_t number = 0;
  if (value.get_int64().get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

// type() looks at the first letter only: "nonsense" would be null.
bool is_null(od::value value) {
  bool null = false;
  return value.is_null().get(null) == simdjson::SUCCESS && null;
}

// Calls fn(key, value) for each field; false when the object is malformed. Depth is bounded by the caller's code, not
// by the input: fields nobody asks for are skipped by simdjson without recursion.
template <class F>
bool each_field(od::object object, F fn) {
  for (auto field : object) {
    std::string_view key;
    od::value value;
    if (field.error() != simdjson::SUCCESS) return false;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
    if (field.value().get(value) != simdjson::SUCCESS) return false;
    fn(key, value);
  }
  return true;
}

template <class F>
bool each_item(od::value list, F fn) {
  od::array array;
  if (list.get_array().get(array) != simdjson::SUCCESS) return false;
  for (auto item : array) {
    od::value value;
    if (item.get(value) != simdjson::SUCCESS) return false;
    fn(value);
  }
  return true;
}

template <class F>
bool each_field_of(od::value value, F fn) {
  od::object object;
  return value.get_object().get(object) == simdjson::SUCCESS && each_field(object, fn);
}

od::json_type type_of(od::value value) {
  od::json_type type{};
  return value.type().get(type) == simdjson::SUCCESS ? type : od::json_type::null;
}

struct Message {
  std::string role;
  std::string text;
  std::string documents;
};

void read_part(od::value part, Message& message) {
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

void read_content(od::value content, Message& message) {
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
  constexpr std::string_view kDocument = "Document:";
  each_item(list, [&](od::value item) {
    Message message;
    each_field_of(item, [&](std::string_view key, od::value value) {
      if (key == "role") message.role = text_of(value);
      if (key == "content") read_content(value, message);
    });
    info.prompt_chars += count_chars(message.text) + count_chars(message.documents);
    if (!message.documents.empty()) append_bounded(info.context, message.documents);
    if (message.role == "user") {
      info.prompt = std::move(message.text);
    } else if (message.role == "document") {
      append_bounded(info.context, message.text);
    } else if ((message.role == "system" || message.role == "developer") && message.text.starts_with(kDocument)) {
      append_bounded(info.context, trim(std::string_view(message.text).substr(kDocument.size())));
    }
  });
}

void read_plain_prompt(od::value value, RequestInfo& info) {
  if (type_of(value) == od::json_type::string) {
    append_bounded(info.prompt, text_of(value));
  } else if (type_of(value) == od::json_type::array) {
    each_item(value, [&](od::value item) {
      if (type_of(item) != od::json_type::string) return;  // token ids
      if (!info.prompt.empty()) append_bounded(info.prompt, "\n");
      append_bounded(info.prompt, text_of(item));
    });
  }
  info.prompt_chars += count_chars(info.prompt);
}

void read_metadata(od::value metadata, RequestInfo& info) {
  if (type_of(metadata) != od::json_type::object) return;
  each_field_of(metadata, [&](std::string_view key, od::value value) {
    if (key == "sentinel_context") {
      append_bounded(info.context, text_of(value));
    } else if (key.starts_with("simulate_") && info.simulate_flags.size() < kTagsMax) {
      bool on = false;
      if (type_of(value) == od::json_type::string) {
        const std::string_view word = text_of(value);
        on = word == "true" || word == "1";
      } else {
        (void)value.get_bool().get(on);
      }
      if (on) info.simulate_flags.emplace_back(utf8_prefix(key, kAttributeBytesMax));
    }
  });
}

Slice slice_of(std::string_view token, const std::string& body) {
  const std::string_view text = trim(token);
  return {static_cast<size_t>(text.data() - body.data()), text.size()};
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

void read_request_field(RequestType type, std::string_view key, od::value value, const std::string& body,
                        RequestInfo& info) {
  if (key == "model") {
    info.model_at = slice_of(value.raw_json_token(), body);
    info.model = text_of(value);
  } else if (key == "messages" && type == RequestType::kChat) {
    info.prompt_chars = 0;
    read_messages(value, info);
  } else if ((key == "prompt" && type == RequestType::kCompletion) ||
             (key == "input" && type == RequestType::kEmbedding)) {
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
      });
    }
    if (key == "completion_tokens_details" && type_of(value) == od::json_type::object) {
      each_field_of(value, [&](std::string_view name, od::value v) {
        if (name == "reasoning_tokens") answer.tokens_reasoning = integer_of(v);
      });
    }
  });
}

void read_tool_calls(od::value calls, AnswerInfo& answer) {
  if (type_of(calls) != od::json_type::array) return;
  each_item(calls, [&](od::value call) {
    each_field_of(call, [&](std::string_view key, od::value value) {
      if (key != "function" || type_of(value) != od::json_type::object) return;
      each_field_of(value, [&](std::string_view name, od::value v) {
        if (name != "name" || answer.tool_names.size() >= kTagsMax) return;
        const std::string_view text = text_of(v);
        if (!text.empty()) answer.tool_names.emplace_back(utf8_prefix(text, kAttributeBytesMax));
      });
    });
  });
}

// A `message` or `delta`. True when it holds content.
bool read_message(od::value value, AnswerInfo& answer) {
  bool content = false;
  each_field_of(value, [&](std::string_view key, od::value v) {
    if (key == "content") {
      Message message;
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

bool open_object(std::string& body, od::document& document, od::object& object) {
  if (parser().iterate(padded(body)).get(document) != simdjson::SUCCESS) return false;
  return document.get_object().get(object) == simdjson::SUCCESS;
}

// Nothing but white space follows what was read.
bool at_end(od::document& document) {
  const char* location = nullptr;
  return document.current_location().get(location) == simdjson::OUT_OF_BOUNDS;
}

struct Edit {
  size_t at;
  size_t remove;
  std::string insert;
};

}  // namespace

std::string_view request_type_name(RequestType type) {
  switch (type) {
    case RequestType::kChat: return "chat";
    case RequestType::kCompletion: return "completion";
    case RequestType::kEmbedding: return "embedding";
  }
  return "chat";
}

Result<RequestInfo> read_request(RequestType type, std::string& body) {
  RequestInfo info;
  od::document document;
  od::object object;
  if (!open_object(body, document, object))
    return fail(ErrorCode::kInvalidArgument, "the request body is not a JSON object");
  info.object_begin = body.find('{') + 1;
  const bool good = each_field(
      object, [&](std::string_view key, od::value value) { read_request_field(type, key, value, body, info); });
  if (!good || !at_end(document)) return fail(ErrorCode::kInvalidArgument, "the request body is not valid JSON");
  if (info.model.empty()) return fail(ErrorCode::kInvalidArgument, "the request names no `model`");
  return info;
}

std::string edit_request(std::string_view body, const RequestInfo& info, std::string_view model, bool add_usage) {
  std::vector<Edit> edits;
  if (model != info.model && info.model_at)
    edits.push_back({info.model_at->at, info.model_at->size, json_quote(model)});
  if (add_usage && !info.include_usage) {
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

namespace {

// The message of an error object or text.
std::string error_message_of(od::value error) {
  if (type_of(error) == od::json_type::string) return std::string(text_of(error));
  std::string message;
  if (type_of(error) != od::json_type::object) return message;
  each_field_of(error, [&](std::string_view name, od::value v) {
    if (name == "message" && type_of(v) == od::json_type::string) message = text_of(v);
  });
  return message;
}

}  // namespace

bool read_answer(RequestType type, std::string& body, AnswerInfo& answer) {
  od::document document;
  od::object object;
  if (!open_object(body, document, object)) return false;
  const bool good = each_field(object, [&](std::string_view key, od::value value) {
    if (key == "model" && type_of(value) == od::json_type::string) answer.model = text_of(value);
    if (key == "usage") read_usage(value, answer);
    if (key == "choices" && type != RequestType::kEmbedding && type_of(value) == od::json_type::array) {
      answer.complete = each_item(value, [&](od::value choice) { read_choice(choice, answer); });
    }
    if (key == "data" && type == RequestType::kEmbedding) answer.complete = type_of(value) == od::json_type::array;
    if (key == "error" && !is_null(value)) answer.error = error_message_of(value);
  });
  return good && at_end(document);
}

DeltaInfo read_delta(RequestType, std::string_view json, AnswerInfo& answer) {
  thread_local std::string copy;
  copy.assign(json);
  DeltaInfo delta;
  od::document document;
  od::object object;
  if (!open_object(copy, document, object)) return delta;
  bool choices = false;
  bool usage = false;
  bool readable = true;
  const bool good = each_field(object, [&](std::string_view key, od::value value) {
    if (key == "model" && type_of(value) == od::json_type::string) {
      answer.model = text_of(value);
    } else if (key == "usage") {
      usage = type_of(value) == od::json_type::object;
      read_usage(value, answer);
    } else if (key == "choices" && !is_null(value)) {
      readable = type_of(value) == od::json_type::array && each_item(value, [&](od::value choice) {
                   choices = true;
                   delta.content = read_choice(choice, answer) || delta.content;
                 });
    } else if (key == "error" && !is_null(value)) {
      delta.error = true;
      delta.error_message = error_message_of(value);
    }
  });
  delta.valid = good && readable && at_end(document);
  delta.usage_only = usage && !choices;
  return delta;
}

ProviderError read_provider_error(std::string_view body) {
  std::string copy(body);
  ProviderError error;
  od::document document;
  od::object object;
  if (!open_object(copy, document, object)) return error;
  each_field(object, [&](std::string_view key, od::value value) {
    if (key != "error") return;
    if (type_of(value) == od::json_type::string) error.message = text_of(value);
    if (type_of(value) != od::json_type::object) return;
    each_field_of(value, [&](std::string_view name, od::value v) {
      if (type_of(v) != od::json_type::string) return;
      if (name == "message") error.message = text_of(v);
      if (name == "type") error.type = text_of(v);
      if (name == "code") error.code = text_of(v);
    });
  });
  return error;
}

}  // namespace sentinel::gateway
