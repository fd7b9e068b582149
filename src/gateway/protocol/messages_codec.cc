// Anthropic messages.
#include <algorithm>

#include "gateway/limits.h"
#include "gateway/protocol/codec.h"
#include "gateway/protocol/json_write.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

using namespace json_write;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

// Of an image or a document.
Status read_source(const object& block, Part& part) {
  const object* const source = object_at(block, "source");
  const std::string type = source != nullptr ? string_at(*source, "type") : std::string();
  if (type == "base64") {
    part.media_type = string_at(*source, "media_type");
    part.data = string_at(*source, "data");
  } else if (type == "url") {
    part.url = string_at(*source, "url");
    if (part.kind == PartKind::kDocument) part.media_type = "application/pdf";
  } else if (type == "text") {
    part.media_type = "text/plain";
    part.text = string_at(*source, "data");
  } else if (type == "content") {
    part.media_type = "text/plain";
    part.text = string_at(*source, "content");
    if (const array* const list = array_at(*source, "content")) {
      for (const value& item : *list) {
        if (item.is_object()) part.text += string_at(item.get_object(), "text");
      }
    }
  } else {
    return unsupported("a source of type \"" + type + "\"");
  }
  return {};
}

Result<std::vector<Part>> read_content(const object& from, int depth = 0);

Result<Part> read_result(const object& block, int depth) {
  Part part;
  part.kind = PartKind::kToolResult;
  part.id = string_at(block, "tool_use_id");
  part.failed = true_at(block, "is_error");
  if (depth > 0) return malformed("a tool's result within a tool's result");
  SENTINEL_ASSIGN(part.content, read_content(block, depth + 1));
  return part;
}

Result<Part> read_block(const object& block, int depth) {
  const std::string type = string_at(block, "type");
  Part part;
  if (type == "text") {
    part.text = string_at(block, "text");
  } else if (type == "image" || type == "document") {
    part.kind = type == "image" ? PartKind::kImage : PartKind::kDocument;
    part.name = string_at(block, "title");
    SENTINEL_TRY(read_source(block, part));
  } else if (type == "search_result") {
    part.kind = PartKind::kDocument;
    part.media_type = "text/plain";
    SENTINEL_ASSIGN(const std::vector<Part> inner, read_content(block, depth + 1));
    part.text = all_text(inner, "\n");
  } else if (type == "tool_use") {
    part.kind = PartKind::kToolCall;
    part.id = string_at(block, "id");
    part.name = string_at(block, "name");
    const object* const input = object_at(block, "input");
    part.arguments = input != nullptr ? text::serialize(*input) : "{}";
  } else if (type == "tool_result") {
    return read_result(block, depth);
  } else if (type == "thinking" || type == "redacted_thinking") {
    part.kind = PartKind::kReasoning;
    part.text = string_at(block, "thinking");
    part.signature = string_at(block, "signature");
  } else {
    return unsupported("a content block of type \"" + type + "\"");
  }
  return part;
}

Result<std::vector<Part>> read_content(const object& from, int depth) {
  std::vector<Part> parts;
  const value* const content = find(from, "content");
  if (content == nullptr) return parts;
  if (content->is_string()) {
    parts.push_back({.text = std::string(content->get_string())});
    return parts;
  }
  if (!content->is_array()) return malformed("`content` must be a string or a list of blocks");
  for (const value& item : content->get_array()) {
    if (!item.is_object()) return malformed("a block of `content` must be an object");
    SENTINEL_ASSIGN(Part part, read_block(item.get_object(), depth));
    parts.push_back(std::move(part));
  }
  return parts;
}

Status read_system(const object& body, Ask& ask) {
  const value* const system = find(body, "system");
  if (system == nullptr) return {};
  SENTINEL_ASSIGN(std::vector<Part> parts, read_content(object{{"content", *system}}));
  ask.messages.push_back({Role::kSystem, std::move(parts)});
  return {};
}

Status read_tools(const object& body, Ask& ask) {
  if (const array* const tools = array_at(body, "tools")) {
    for (const value& item : *tools) {
      const object* const tool = item.if_object();
      const value* const schema = tool != nullptr ? find(*tool, "input_schema") : nullptr;
      if (schema == nullptr) return unsupported("a tool of the provider's own (one without `input_schema`)");
      ask.tools.push_back(
          {string_at(*tool, "name"), string_at(*tool, "description"), *schema, boolean_at(*tool, "strict")});
    }
  }
  const object* const choice = object_at(body, "tool_choice");
  if (choice == nullptr) return {};
  const std::string type = string_at(*choice, "type");
  if (type == "auto") ask.tool_mode = ToolMode::kAuto;
  if (type == "any") ask.tool_mode = ToolMode::kRequired;
  if (type == "none") ask.tool_mode = ToolMode::kNone;
  if (type == "tool") {
    ask.tool_mode = ToolMode::kNamed;
    ask.tool_name = string_at(*choice, "name");
  }
  if (const auto one = boolean_at(*choice, "disable_parallel_tool_use")) ask.parallel_tools = !*one;
  return {};
}

Result<Ask> read_messages(const object& body) {
  Ask ask;
  ask.model = string_at(body, "model");
  if (const array* const servers = array_at(body, "mcp_servers"); servers != nullptr && !servers->empty())
    return unsupported("`mcp_servers`");
  if (find(body, "container") != nullptr) return unsupported("`container`");
  SENTINEL_TRY(read_system(body, ask));
  const array* const messages = array_at(body, "messages");
  if (messages == nullptr) return malformed("`messages` must be a list");
  for (const value& item : *messages) {
    if (!item.is_object()) return malformed("a message must be an object");
    const std::string role = string_at(item.get_object(), "role");
    if (role != "user" && role != "assistant" && role != "system") return malformed("`role` must be user or assistant");
    SENTINEL_ASSIGN(std::vector<Part> parts, read_content(item.get_object()));
    const Role who = role == "user" ? Role::kUser : role == "system" ? Role::kSystem : Role::kAssistant;
    ask.messages.push_back({who, std::move(parts)});
  }
  SENTINEL_TRY(read_tools(body, ask));
  const object* const output = object_at(body, "output_config");
  const object* format = output != nullptr ? object_at(*output, "format") : nullptr;
  if (format == nullptr) format = object_at(body, "output_format");
  if (format != nullptr && string_at(*format, "type") == "json_schema") {
    ask.format = AnswerFormat::kJsonSchema;
    if (const value* const schema = find(*format, "schema")) ask.format_schema = *schema;
  }
  ask.temperature = number_at(body, "temperature");
  ask.top_p = number_at(body, "top_p");
  ask.top_k = integer_at(body, "top_k");
  ask.max_tokens = integer_at(body, "max_tokens");
  ask.stop = strings_at(body, "stop_sequences");
  ask.stream = true_at(body, "stream");
  return ask;
}

// --- writing
// ----------------------------------------------------------------------------------------------------------

object write_source(const Part& part) {
  if (!part.text.empty()) return object{{"type", "text"}, {"media_type", "text/plain"}, {"data", part.text}};
  if (part.data.empty()) return object{{"type", "url"}, {"url", part.url}};
  return object{{"type", "base64"}, {"media_type", part.media_type}, {"data", part.data}};
}

Result<object> write_block(const Part& part) {
  switch (part.kind) {
    case PartKind::kText:
    case PartKind::kRefusal:
    case PartKind::kReasoning: return object{{"type", "text"}, {"text", part.text}};
    case PartKind::kImage: return object{{"type", "image"}, {"source", write_source(part)}};
    case PartKind::kAudio: return unsupported("audio");
    case PartKind::kDocument: {
      object block{{"type", "document"}, {"source", write_source(part)}};
      put_text(block, "title", part.name);
      return block;
    }
    case PartKind::kToolCall:
      return object{{"type", "tool_use"}, {"id", part.id}, {"name", part.name}, {"input", object_of(part.arguments)}};
    case PartKind::kToolResult: {
      array content;
      for (const Part& inner : part.content) {
        SENTINEL_ASSIGN(object written, write_block(inner));
        content.push_back(std::move(written));
      }
      object block{{"type", "tool_result"}, {"tool_use_id", part.id}, {"content", std::move(content)}};
      if (part.failed) block["is_error"] = true;
      return block;
    }
  }
  return unsupported("this part");
}

// Reasoning of earlier turns stays behind: its signature is another provider's. Empty texts are refused there.
Status append_blocks(const Message& message, array& out) {
  for (const Part& part : message.parts) {
    if (part.kind == PartKind::kReasoning || (part.kind == PartKind::kText && part.text.empty())) continue;
    SENTINEL_ASSIGN(object block, write_block(part));
    out.push_back(std::move(block));
  }
  return {};
}

// Turns alternate there: messages of one role that follow each other become one.
Result<array> write_turns(const Ask& ask, std::string& system) {
  array turns;
  for (const Message& message : ask.messages) {
    if (message.role == Role::kSystem) {
      if (!system.empty()) system += "\n\n";
      system += all_text(message.parts, "\n");
      continue;
    }
    const std::string_view role = message.role == Role::kUser ? "user" : "assistant";
    if (turns.empty() || turns.back().get_object()["role"].get_string() != boost::json::string_view(role))
      turns.push_back(object{{"role", role}, {"content", array()}});
    SENTINEL_TRY(append_blocks(message, turns.back().get_object()["content"].get_array()));
  }
  for (value& turn : turns) {  // one text is written as most write it
    value& content = turn.get_object()["content"];
    if (content.get_array().size() != 1) continue;
    const object& only = content.get_array().front().get_object();
    if (string_at(only, "type") == "text") content = value(string_at(only, "text"));
  }
  return turns;
}

void write_tools(const Ask& ask, object& body) {
  array tools;
  for (const Tool& tool : ask.tools) {
    object written{{"name", tool.name}};
    put_text(written, "description", tool.description);
    written["input_schema"] = tool.parameters.is_null() ? value(object{{"type", "object"}}) : tool.parameters;
    put(written, "strict", tool.strict);
    tools.push_back(std::move(written));
  }
  if (tools.empty()) return;
  body["tools"] = std::move(tools);
  object choice;
  switch (ask.tool_mode) {
    case ToolMode::kUnset:
      if (ask.parallel_tools && !*ask.parallel_tools) choice["type"] = "auto";
      break;
    case ToolMode::kAuto: choice["type"] = "auto"; break;
    case ToolMode::kNone: choice["type"] = "none"; break;
    case ToolMode::kRequired: choice["type"] = "any"; break;
    case ToolMode::kNamed:
      choice["type"] = "tool";
      choice["name"] = ask.tool_name;
      break;
  }
  if (choice.empty()) return;
  if (ask.parallel_tools && ask.tool_mode != ToolMode::kNone)
    choice["disable_parallel_tool_use"] = !*ask.parallel_tools;
  body["tool_choice"] = std::move(choice);
}

Result<object> write_messages(const Ask& ask) {
  if (ask.format == AnswerFormat::kJson) return unsupported("`response_format` json_object (give a json_schema)");
  object body{{"model", ask.model}};
  body["max_tokens"] = ask.max_tokens.value_or(kAnthropicMaxTokensDefault);
  std::string system;
  SENTINEL_ASSIGN(array turns, write_turns(ask, system));
  put_text(body, "system", system);
  body["messages"] = std::move(turns);
  write_tools(ask, body);
  if (ask.format == AnswerFormat::kJsonSchema) {
    body["output_config"] = object{{"format", object{{"type", "json_schema"}, {"schema", ask.format_schema}}}};
  }
  if (ask.temperature) body["temperature"] = std::min(*ask.temperature, 1.0);  // OpenAI's and Gemini's go to 2
  put(body, "top_p", ask.top_p);
  put(body, "top_k", ask.top_k);
  array stop;
  for (const std::string& text : ask.stop) {
    if (text.find_first_not_of(" \t\r\n") != std::string::npos) stop.emplace_back(text);  // it refuses blank ones
  }
  if (!stop.empty()) body["stop_sequences"] = std::move(stop);
  if (ask.stream) body["stream"] = true;
  return body;
}

// --- answers
// ----------------------------------------------------------------------------------------------------------

Finish read_finish(std::string_view word) {
  if (word == "max_tokens" || word == "model_context_window_exceeded") return Finish::kLength;
  if (word == "tool_use") return Finish::kToolCalls;
  if (word == "refusal") return Finish::kContentFilter;
  if (word == "stop_sequence") return Finish::kStopSequence;
  return Finish::kStop;
}

std::string_view finish_word(Finish finish) {
  switch (finish) {
    case Finish::kLength: return "max_tokens";
    case Finish::kToolCalls: return "tool_use";
    case Finish::kContentFilter: return "refusal";
    case Finish::kStopSequence: return "stop_sequence";
    case Finish::kStop: break;
  }
  return "end_turn";
}

void read_usage(const object& from, Usage& usage) {
  const auto take = [&](std::optional<int64_t>& into, std::string_view key) {
    if (const auto number = integer_at(from, key)) into = number;
  };
  take(usage.cached, "cache_read_input_tokens");
  take(usage.cache_write, "cache_creation_input_tokens");
  if (const auto fresh = integer_at(from, "input_tokens"))
    usage.input = *fresh + usage.cached.value_or(0) + usage.cache_write.value_or(0);
  take(usage.output, "output_tokens");
  if (const object* const details = object_at(from, "output_tokens_details"))
    usage.reasoning = integer_at(*details, "thinking_tokens");
}

object write_usage(const Usage& usage) {
  const int64_t cached = usage.cached.value_or(0);
  const int64_t written = usage.cache_write.value_or(0);
  object out{{"input_tokens", std::max<int64_t>(usage.input.value_or(0) - cached - written, 0)},
             {"output_tokens", usage.output.value_or(0)},
             {"cache_creation_input_tokens", written},
             {"cache_read_input_tokens", cached}};
  if (usage.reasoning) out["output_tokens_details"] = object{{"thinking_tokens", *usage.reasoning}};
  return out;
}

Result<Answer> read_message(const object& body) {
  Answer answer;
  answer.id = string_at(body, "id");
  answer.model = string_at(body, "model");
  answer.finish = read_finish(string_at(body, "stop_reason"));
  answer.stop_sequence = string_at(body, "stop_sequence");
  if (const object* const usage = object_at(body, "usage")) read_usage(*usage, answer.usage);
  const array* const content = array_at(body, "content");
  if (content == nullptr) return malformed("the answer has no content");
  for (const value& item : *content) {
    if (!item.is_object()) continue;
    if (auto part = read_block(item.get_object(), 0)) answer.parts.push_back(std::move(*part));
  }
  return answer;
}

object answer_head(std::string_view id, std::string_view model, const Usage& usage) {
  return object{
      {"id", id},           {"type", "message"},      {"role", "assistant"},      {"model", model},
      {"content", array()}, {"stop_reason", nullptr}, {"stop_sequence", nullptr}, {"usage", write_usage(usage)}};
}

object write_message(const Answer& answer, const StreamFacts& facts) {
  object body = answer_head(answer.id.empty() ? facts.id : answer.id, answer.model.empty() ? facts.model : answer.model,
                            answer.usage);
  array& content = body["content"].get_array();
  for (const Part& part : answer.parts) {
    if (part.kind == PartKind::kReasoning) {
      content.push_back(object{{"type", "thinking"}, {"thinking", part.text}, {"signature", part.signature}});
    } else if (auto block = write_block(part)) {
      content.push_back(std::move(*block));
    }
  }
  body["stop_reason"] = finish_word(answer.finish);
  if (!answer.stop_sequence.empty()) body["stop_sequence"] = answer.stop_sequence;
  return body;
}

class Reader final : public PieceReader {
 public:
  void read(std::string_view data, std::vector<Piece>& pieces) override {
    const auto event = text::parse_json_object(data);
    if (!event) return;
    const std::string type = string_at(*event, "type");
    if (type == "message_start") {
      const object* const message = object_at(*event, "message");
      if (message == nullptr) return;
      if (const object* const usage = object_at(*message, "usage")) read_usage(*usage, usage_);
      pieces.push_back(
          {.kind = Piece::Kind::kStart, .id = string_at(*message, "id"), .name = string_at(*message, "model")});
    } else if (type == "content_block_start") {
      if (const object* const block = object_at(*event, "content_block")) begin(*block, pieces);
    } else if (type == "content_block_delta") {
      if (const object* const delta = object_at(*event, "delta")) read_delta(*delta, pieces);
    } else if (type == "message_delta") {
      if (const object* const usage = object_at(*event, "usage")) read_usage(*usage, usage_);
      pieces.push_back({.kind = Piece::Kind::kUsage, .usage = usage_});
      const object* const delta = object_at(*event, "delta");
      if (delta != nullptr) {
        pieces.push_back({.kind = Piece::Kind::kFinish,
                          .text = string_at(*delta, "stop_sequence"),
                          .finish = read_finish(string_at(*delta, "stop_reason"))});
      }
    }
  }

 private:
  static void begin(const object& block, std::vector<Piece>& pieces) {
    const std::string type = string_at(block, "type");
    if (type == "tool_use") {
      pieces.push_back(
          {.kind = Piece::Kind::kToolBegin, .id = string_at(block, "id"), .name = string_at(block, "name")});
    }
    if (type == "text" && !string_at(block, "text").empty())
      pieces.push_back({.kind = Piece::Kind::kText, .text = string_at(block, "text")});
  }
  static void read_delta(const object& delta, std::vector<Piece>& pieces) {
    const std::string type = string_at(delta, "type");
    const auto add = [&](Piece::Kind kind, std::string_view key) {
      std::string text = string_at(delta, key);
      if (!text.empty()) pieces.push_back({.kind = kind, .text = std::move(text)});
    };
    if (type == "text_delta") add(Piece::Kind::kText, "text");
    if (type == "thinking_delta") add(Piece::Kind::kReasoning, "thinking");
    if (type == "input_json_delta") add(Piece::Kind::kToolArguments, "partial_json");
  }

  Usage usage_;
};

class Writer final : public PieceWriter {
 public:
  explicit Writer(StreamFacts facts) : facts_(std::move(facts)) {}

  void write(const Piece& piece, std::string& out) override {
    switch (piece.kind) {
      case Piece::Kind::kStart:
        if (!piece.id.empty()) facts_.id = piece.id;
        if (!piece.name.empty()) facts_.model = piece.name;
        return event(out, "message_start", {{"message", answer_head(facts_.id, facts_.model, {})}});
      case Piece::Kind::kText:
      case Piece::Kind::kRefusal:
        open(out, "text", object{{"type", "text"}, {"text", ""}});
        return delta(out, object{{"type", "text_delta"}, {"text", piece.text}});
      case Piece::Kind::kReasoning:
        open(out, "thinking", object{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
        return delta(out, object{{"type", "thinking_delta"}, {"thinking", piece.text}});
      case Piece::Kind::kToolBegin:
        close(out);
        open(out, "tool_use",
             object{{"type", "tool_use"}, {"id", piece.id}, {"name", piece.name}, {"input", object()}});
        return;
      case Piece::Kind::kToolArguments:
        return delta(out, object{{"type", "input_json_delta"}, {"partial_json", piece.text}});
      case Piece::Kind::kFinish:
        finish_ = piece.finish;
        stop_sequence_ = piece.text;
        return;
      case Piece::Kind::kUsage: usage_ = piece.usage; return;
    }
  }

  void finish(std::string& out) override {
    close(out);
    object reason{{"stop_reason", finish_word(finish_)}, {"stop_sequence", nullptr}};
    if (!stop_sequence_.empty()) reason["stop_sequence"] = stop_sequence_;
    event(out, "message_delta", {{"delta", std::move(reason)}, {"usage", write_usage(usage_)}});
    event(out, "message_stop", {});
  }

 private:
  static void event(std::string& out, std::string_view type, object data) {
    object whole{{"type", type}};
    for (auto& field : data) whole[field.key()] = std::move(field.value());
    append_event(out, type, whole);
  }
  void open(std::string& out, std::string_view type, object block) {
    if (open_ == type) return;
    close(out);
    open_ = type;
    event(out, "content_block_start", {{"index", index_}, {"content_block", std::move(block)}});
  }
  void delta(std::string& out, object what) const {
    event(out, "content_block_delta", {{"index", index_}, {"delta", std::move(what)}});
  }
  void close(std::string& out) {
    if (open_.empty()) return;
    event(out, "content_block_stop", {{"index", index_++}});
    open_.clear();
  }

  StreamFacts facts_;
  std::string open_;  // the type of the block under way
  int64_t index_ = 0;
  Finish finish_ = Finish::kStop;
  std::string stop_sequence_;
  Usage usage_;
};

}  // namespace

const Codec& messages_codec() {
  static constexpr Codec kCodec{
      read_messages, write_messages, read_message, write_message, make_piece_reader<Reader>, make_piece_writer<Writer>};
  return kCodec;
}

}  // namespace sentinel::gateway
