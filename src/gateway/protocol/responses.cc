// OpenAI's Responses API: read in one pass.
#include "gateway/protocol/codec.h"
#include "gateway/protocol/json_read.h"
#include "gateway/protocol/protocol.h"

namespace sentinel::gateway {
namespace {

using namespace json_read;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

void read_content(od::value content, Said& said) {
  if (is_string(content)) return append_bounded(said.text, text_of(content));
  each_item_if(content, [&](od::value part) {
    each_field_if(part, [&](std::string_view key, od::value value) {
      if (key == "text") append_bounded(said.text, text_if(value));
    });
  });
}

void read_input(od::value input, RequestInfo& info) {
  if (is_string(input)) {
    Said said{"user", {}, {}};
    append_bounded(said.text, text_of(input));
    return add_said(std::move(said), info);
  }
  each_item_if(input, [&](od::value item) {
    Said said;
    each_field_if(item, [&](std::string_view key, od::value value) {
      if (key == "role") said.role = text_if(value);
      if (key == "content") read_content(value, said);
      if (key == "output") append_bounded(said.tools, text_if(value));  // of a function call
    });
    add_said(std::move(said), info);
  });
}

void read_usage(od::value usage, AnswerInfo& answer) {
  each_field_if(usage, [&](std::string_view key, od::value value) {
    if (key == "input_tokens") answer.tokens_input = integer_of(value);
    if (key == "output_tokens") answer.tokens_output = integer_of(value);
    const bool input = key == "input_tokens_details";
    each_field_if(value, [&](std::string_view name, od::value v) {
      if (name == "cached_tokens") answer.tokens_cached = integer_of(v);
      if (name == "reasoning_tokens") answer.tokens_reasoning = integer_of(v);
      if (name == "audio_tokens") (input ? answer.tokens_audio_input : answer.tokens_audio_output) = integer_of(v);
      if (name == "image_tokens") (input ? answer.tokens_image_input : answer.tokens_image_output) = integer_of(v);
    });
  });
}

// One element of `output`.
void read_item(od::value item, AnswerInfo& answer) {
  std::string type;
  std::string name;
  Said said;
  std::string refusal;
  each_field_if(item, [&](std::string_view key, od::value value) {
    if (key == "type") type = text_if(value);
    if (key == "name") name = text_if(value);
    if (key != "content") return;
    each_item_if(value, [&](od::value part) {
      each_field_if(part, [&](std::string_view k, od::value v) {
        if (k == "text") append_bounded(said.text, text_if(v));
        if (k == "refusal") append_bounded(refusal, text_if(v));
      });
    });
  });
  if (type == "function_call") add_tool(answer, name);
  if (type != "message") return;
  append_bounded(answer.text, said.text);
  append_bounded(answer.text, refusal);
  answer.refusal = answer.refusal || !refusal.empty();
}

struct Ending {
  std::string status;
  std::string reason;
  std::optional<std::string> error;
};

// The fields of a response object but its output.
void read_field(std::string_view key, od::value value, AnswerInfo& answer, Ending& ending) {
  if (key == "model" && is_string(value)) answer.model = text_of(value);
  if (key == "usage") read_usage(value, answer);
  if (key == "service_tier") read_service_tier(value, answer);
  if (key == "status") ending.status = text_if(value);
  if (key == "error" && !is_null(value)) ending.error = error_message_of(value);
  if (key == "incomplete_details") {
    each_field_if(value, [&](std::string_view name, od::value v) {
      if (name == "reason") ending.reason = text_if(v);
    });
  }
}

void conclude(const Ending& ending, AnswerInfo& answer) {
  if (ending.status == "completed") {
    answer.finish_reason = answer.tool_names.empty() ? "stop" : "tool_calls";
  } else if (ending.status == "incomplete") {
    answer.finish_reason = ending.reason == "max_output_tokens" ? "length" : ending.reason;
  } else {
    answer.finish_reason = ending.status;  // queued, in_progress, canceled: of a call in the background
  }
}

class Responses final : public Protocol {
 public:
  Result<RequestInfo> read_request(std::string& body) const override {
    return read_request_object(body, [&](std::string_view key, od::value value, RequestInfo& info) {
      if (key == "model") {
        info.model_at = slice_of(value.raw_json_token(), body);
        info.model = text_of(value);
      } else if (key == "input") {
        read_input(value, info);
      } else if (key == "instructions") {
        add_said({"system", std::string(text_if(value)), {}}, info);
      } else if (key == "stream") {
        (void)value.get_bool().get(info.stream);
      } else if (key == "user" || key == "safety_identifier") {
        if (info.user.empty()) info.user = text_if(value);
      } else if (key == "metadata") {
        read_metadata(value, info);
      }
    });
  }

  bool read_answer(std::string& body, AnswerInfo& answer) const override {
    Ending ending;
    const bool good = read_object(body, [&](std::string_view key, od::value value) {
      read_field(key, value, answer, ending);
      if (key != "output") return;
      answer.complete = is_array(value) && each_item(value, [&](od::value item) { read_item(item, answer); });
    });
    conclude(ending, answer);
    if (ending.error || ending.status == "failed") {
      answer.error = ending.error.value_or("the response failed");
      answer.complete = false;
    }
    return good;
  }

  DeltaInfo read_delta(std::string_view data, AnswerInfo& answer) const override {
    DeltaInfo delta;
    std::string type;
    std::string piece;
    Ending ending;
    AnswerInfo item;
    const bool good = read_object_copy(data, [&](std::string_view key, od::value value) {
      if (key == "type") type = text_if(value);
      if (key == "delta") piece = text_if(value);
      if (key == "message") delta.error_message = text_if(value);
      if (key == "item") read_item(value, item);
      if (key == "response") {
        each_field_if(value, [&](std::string_view k, od::value v) { read_field(k, v, answer, ending); });
      }
    });
    delta.valid = good && !type.empty();
    if (!delta.valid) return delta;
    delta.content = type.ends_with(".delta");
    if (type == "response.output_text.delta" || type == "response.refusal.delta") {
      append_bounded(answer.text, piece);
      answer.refusal = answer.refusal || type == "response.refusal.delta";
    } else if (type == "response.output_item.done") {
      for (const auto& name : item.tool_names) add_tool(answer, name);
      delta.content = !item.tool_names.empty();
    } else if (type == "response.completed" || type == "response.incomplete") {
      conclude(ending, answer);
      delta.done = delta.content = true;
    } else if (type == "response.failed" || type == "error") {
      delta.error = true;
      if (ending.error) delta.error_message = *ending.error;
    }
    return delta;
  }

  const Codec* codec() const override { return &responses_codec(); }
};

}  // namespace

const Protocol& responses_protocol() {
  static const Responses responses;
  return responses;
}

}  // namespace sentinel::gateway
