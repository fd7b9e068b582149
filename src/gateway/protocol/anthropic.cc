// Anthropic's Messages API: read in one pass.
#include "gateway/protocol/codec.h"
#include "gateway/protocol/json_read.h"
#include "gateway/protocol/protocol.h"

namespace sentinel::gateway {
namespace {

using namespace json_read;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

// The text a document holds: {"type":"text","data":..} or {"type":"content","content":..}. Not what is encoded.
void read_source(od::value source, std::string& text) {
  std::string type;
  std::string data;
  std::string content;
  each_field_if(source, [&](std::string_view key, od::value value) {
    if (key == "type") type = text_if(value);
    if (key == "data") data = text_if(value).substr(0, kPromptBytesMax);
    if (key != "content") return;
    content = text_if(value);
    each_item_if(value, [&](od::value part) {
      each_field_if(part, [&](std::string_view k, od::value v) {
        if (k == "text") append_bounded(content, text_if(v));
      });
    });
  });
  if (type == "text") append_bounded(text, data);
  if (type == "content") append_bounded(text, content);
}

void read_block(od::value block, Said& said) {
  std::string type;
  std::string text;
  std::string document;
  each_field_if(block, [&](std::string_view key, od::value value) {
    if (key == "type") type = text_if(value);
    if (key == "text") text = text_if(value);
    if (key == "source") read_source(value, document);
    if (key == "content") {  // of a search result, or of a tool's
      append_bounded(document, text_if(value));
      each_item_if(value, [&](od::value part) {
        each_field_if(part, [&](std::string_view k, od::value v) {
          if (k == "text") append_bounded(document, text_if(v));
        });
      });
    }
  });
  if (type == "text") append_bounded(said.text, text);
  if (type == "document" || type == "search_result") append_bounded(said.documents, document);
  if (type == "tool_result") append_bounded(said.tools, document);
}

void read_content(od::value content, Said& said) {
  if (is_string(content)) return append_bounded(said.text, text_of(content));
  each_item_if(content, [&](od::value block) { read_block(block, said); });
}

void read_messages(od::value list, RequestInfo& info) {
  each_item_if(list, [&](od::value item) {
    Said said;
    each_field_if(item, [&](std::string_view key, od::value value) {
      if (key == "role") said.role = text_if(value);
      if (key == "content") read_content(value, said);
    });
    add_said(std::move(said), info);
  });
}

// Anthropic counts what was read from and written to its cache apart from the input; here the input is all of it.
struct Usage {
  std::optional<int64_t> input, cache_read, cache_write, cache_write_1h, output, thinking;
  std::string tier;
};

void read_usage(od::value usage, Usage& found) {
  const auto take = [](std::optional<int64_t>& into, od::value value) {
    if (const auto number = integer_of(value)) into = number;
  };
  each_field_if(usage, [&](std::string_view key, od::value value) {
    if (key == "input_tokens") take(found.input, value);
    if (key == "cache_read_input_tokens") take(found.cache_read, value);
    if (key == "cache_creation_input_tokens") take(found.cache_write, value);
    if (key == "output_tokens") take(found.output, value);
    if (key == "service_tier") found.tier = text_if(value);
    if (key == "cache_creation") {
      each_field_if(value, [&](std::string_view name, od::value v) {
        if (name == "ephemeral_1h_input_tokens") take(found.cache_write_1h, v);
      });
    }
    if (key == "output_tokens_details") {
      each_field_if(value, [&](std::string_view name, od::value v) {
        if (name == "thinking_tokens") take(found.thinking, v);
      });
    }
  });
}

void take_usage(const Usage& usage, AnswerInfo& answer) {
  if (usage.cache_read) answer.tokens_cached = usage.cache_read;
  if (usage.cache_write) answer.tokens_cache_write = usage.cache_write;
  if (usage.input)
    answer.tokens_input = *usage.input + answer.tokens_cached.value_or(0) + answer.tokens_cache_write.value_or(0);
  if (usage.output) answer.tokens_output = usage.output;
  if (usage.thinking) answer.tokens_reasoning = usage.thinking;
  if (usage.cache_write_1h) answer.tokens_cache_write_1h = usage.cache_write_1h;
  if (!usage.tier.empty()) answer.service_tier = usage.tier == "standard" ? "" : utf8_prefix(usage.tier, 32);
}

std::string finish_of(std::string_view reason) {
  if (reason == "end_turn" || reason == "stop_sequence") return "stop";
  if (reason == "max_tokens" || reason == "model_context_window_exceeded") return "length";
  if (reason == "tool_use") return "tool_calls";
  if (reason == "refusal") return "content_filter";
  return std::string(reason);
}

struct Block {
  std::string type, name, text;
};

Block read_answer_block(od::value value) {
  Block block;
  each_field_if(value, [&](std::string_view key, od::value v) {
    if (key == "type") block.type = text_if(v);
    if (key == "name") block.name = text_if(v);
    if (key == "text") block.text = text_if(v);
  });
  return block;
}

// True when it is content.
bool take_block(const Block& block, AnswerInfo& answer) {
  append_bounded(answer.text, block.text);
  if (block.type == "tool_use") add_tool(answer, block.name);
  return block.type != "text" || !block.text.empty();
}

class Anthropic final : public Protocol {
 public:
  explicit Anthropic(Api api) : api_(api) {}

  Result<RequestInfo> read_request(std::string& body) const override {
    return read_request_object(body, [&](std::string_view key, od::value value, RequestInfo& info) {
      if (key == "model") {
        info.model_at = slice_of(value.raw_json_token(), body);
        info.model = text_of(value);
      } else if (key == "messages") {
        read_messages(value, info);
      } else if (key == "system") {
        Said said{"system", {}, {}};
        read_content(value, said);
        add_said(std::move(said), info);
      } else if (key == "stream") {
        (void)value.get_bool().get(info.stream);
      } else if (key == "metadata" && is_object(value)) {
        each_field_of(value, [&](std::string_view name, od::value v) {
          if (name == "user_id") info.user = text_if(v);
        });
      }
    });
  }

  bool read_answer(std::string& body, AnswerInfo& answer) const override {
    Usage usage;
    const bool good = read_object(body, [&](std::string_view key, od::value value) {
      if (key == "model" && is_string(value)) answer.model = text_of(value);
      if (key == "usage") read_usage(value, usage);
      if (key == "stop_reason") answer.finish_reason = finish_of(text_if(value));
      if (key == "input_tokens" && api_ == Api::kCountTokens) answer.complete = true;
      if (key == "error" && !is_null(value)) answer.error = error_message_of(value);
      if (key == "content" && api_ == Api::kMessages && is_array(value)) {
        answer.complete = each_item(value, [&](od::value block) { take_block(read_answer_block(block), answer); });
      }
    });
    take_usage(usage, answer);
    return good;
  }

  DeltaInfo read_delta(std::string_view data, AnswerInfo& answer) const override {
    DeltaInfo delta;
    std::string type;
    Usage usage;
    Block block;
    std::string text;
    std::string stop_reason;
    bool piece = false;
    const bool good = read_object_copy(data, [&](std::string_view key, od::value value) {
      if (key == "type") type = text_if(value);
      if (key == "usage") read_usage(value, usage);
      if (key == "content_block") block = read_answer_block(value);
      if (key == "error") delta.error_message = error_message_of(value);
      if (key == "message") {
        each_field_if(value, [&](std::string_view k, od::value v) {
          if (k == "model" && is_string(v)) answer.model = text_of(v);
          if (k == "usage") read_usage(v, usage);
        });
      }
      if (key == "delta") {
        each_field_if(value, [&](std::string_view k, od::value v) {
          if (k == "text") text = text_if(v);
          if (k == "stop_reason") stop_reason = text_if(v);
          piece = piece || k == "text" || k == "thinking" || k == "partial_json";
        });
      }
    });
    delta.valid = good && !type.empty();
    if (!delta.valid) return delta;
    take_usage(usage, answer);
    if (type == "content_block_delta") {
      append_bounded(answer.text, text);
      delta.content = piece;
    } else if (type == "content_block_start") {
      delta.content = take_block(block, answer) && block.type != "thinking";
    } else if (type == "message_delta" && !stop_reason.empty()) {
      answer.finish_reason = finish_of(stop_reason);
      delta.content = true;
    }
    delta.done = type == "message_stop";
    delta.error = type == "error";
    return delta;
  }

  const Codec* codec() const override { return api_ == Api::kMessages ? &messages_codec() : nullptr; }

 private:
  const Api api_;
};

}  // namespace

const Protocol& anthropic_protocol(Api api) {
  static const Anthropic messages(Api::kMessages);
  static const Anthropic count(Api::kCountTokens);
  return api == Api::kCountTokens ? count : messages;
}

}  // namespace sentinel::gateway
