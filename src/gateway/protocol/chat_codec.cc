// OpenAI chat completions.
#include "gateway/protocol/codec.h"
#include "gateway/protocol/json_write.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

using namespace json_write;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

Result<Part> read_part(const object& from) {
  const std::string type = string_at(from, "type");
  Part part;
  if (type == "text" || type == "refusal") {
    part.text = string_at(from, type);
    if (type == "refusal") part.kind = PartKind::kRefusal;
  } else if (type == "image_url") {
    part.kind = PartKind::kImage;
    const object* const image = object_at(from, "image_url");
    const std::string url = image != nullptr ? string_at(*image, "url") : string_at(from, "image_url");
    if (!read_data_url(url, part)) part.url = url;
  } else if (type == "input_audio") {
    part.kind = PartKind::kAudio;
    if (const object* const audio = object_at(from, "input_audio")) {
      part.media_type = "audio/" + string_at(*audio, "format");
      part.data = string_at(*audio, "data");
    }
  } else if (type == "file") {
    part.kind = PartKind::kDocument;
    const object* const file = object_at(from, "file");
    if (file == nullptr || !read_data_url(string_at(*file, "file_data"), part)) return unsupported("a file by its id");
    part.name = string_at(*file, "filename");
  } else if (type == "document" || type == "input_document") {  // ours: a document to ground the answer in
    part.kind = PartKind::kDocument;
    part.media_type = "text/plain";
    part.text = string_at(from, "text").empty() ? string_at(from, "document") : string_at(from, "text");
  } else {
    return unsupported("a content part of type \"" + type + "\"");
  }
  return part;
}

Result<std::vector<Part>> read_content(const object& from) {
  std::vector<Part> parts;
  const value* const content = find(from, "content");
  if (content == nullptr) return parts;
  if (content->is_string()) {
    if (!content->get_string().empty()) parts.push_back({.text = std::string(content->get_string())});
    return parts;
  }
  if (!content->is_array()) return malformed("`content` must be a string or a list of parts");
  for (const value& item : content->get_array()) {
    if (!item.is_object()) return malformed("a part of `content` must be an object");
    SENTINEL_ASSIGN(Part part, read_part(item.get_object()));
    parts.push_back(std::move(part));
  }
  return parts;
}

// Google's own OpenAI endpoint keeps the signature of a call there; clients hand it back unread.
std::string signature_of(const object& call) {
  const object* const extra = object_at(call, "extra_content");
  const object* const google = extra != nullptr ? object_at(*extra, "google") : nullptr;
  return google != nullptr ? string_at(*google, "thought_signature") : std::string();
}

Part read_tool_call(const object& call) {
  Part part;
  part.kind = PartKind::kToolCall;
  part.id = string_at(call, "id");
  part.signature = signature_of(call);
  if (const object* const function = object_at(call, "function")) {
    part.name = string_at(*function, "name");
    part.arguments = string_at(*function, "arguments");
  }
  return part;
}

void read_tool_calls(const object& from, std::vector<Part>& parts) {
  if (const array* const calls = array_at(from, "tool_calls")) {
    for (const value& call : *calls) {
      if (call.is_object()) parts.push_back(read_tool_call(call.get_object()));
    }
  }
}

Result<Message> read_message(const object& from) {
  Message message;
  const std::string role = string_at(from, "role");
  SENTINEL_ASSIGN(message.parts, read_content(from));
  if (role == "system" || role == "developer") {
    message.role = Role::kSystem;
  } else if (role == "document") {
    message.role = Role::kSystem;
    for (Part& part : message.parts) part.text = "Document: " + part.text;
  } else if (role == "assistant") {
    message.role = Role::kAssistant;
    read_tool_calls(from, message.parts);
  } else if (role == "tool") {
    Part result;
    result.kind = PartKind::kToolResult;
    result.id = string_at(from, "tool_call_id");
    result.content = std::move(message.parts);
    message.parts.assign(1, std::move(result));
  } else if (role != "user") {
    return malformed("`role` must be system, developer, user, assistant or tool");
  }
  return message;
}

Status read_tools(const object& body, Ask& ask) {
  if (const array* const tools = array_at(body, "tools")) {
    for (const value& item : *tools) {
      const object* const tool = item.if_object();
      const object* const function = tool != nullptr ? object_at(*tool, "function") : nullptr;
      if (function == nullptr) return unsupported("a tool that is no function");
      const value* const parameters = find(*function, "parameters");
      ask.tools.push_back({string_at(*function, "name"), string_at(*function, "description"),
                           parameters != nullptr ? *parameters : value(), boolean_at(*function, "strict")});
    }
  }
  ask.parallel_tools = boolean_at(body, "parallel_tool_calls");
  const value* const choice = find(body, "tool_choice");
  if (choice == nullptr) return {};
  const std::string word = choice->is_string() ? std::string(choice->get_string()) : std::string();
  if (word == "auto") ask.tool_mode = ToolMode::kAuto;
  if (word == "none") ask.tool_mode = ToolMode::kNone;
  if (word == "required") ask.tool_mode = ToolMode::kRequired;
  if (const object* const named = choice->if_object()) {
    const object* const function = object_at(*named, "function");
    if (function == nullptr) return unsupported("this `tool_choice`");
    ask.tool_mode = ToolMode::kNamed;
    ask.tool_name = string_at(*function, "name");
  }
  return {};
}

Status read_format(const object& body, Ask& ask) {
  const object* const format = object_at(body, "response_format");
  if (format == nullptr) return {};
  const std::string type = string_at(*format, "type");
  if (type == "json_object") ask.format = AnswerFormat::kJson;
  if (type != "json_schema") return {};
  const object* const schema = object_at(*format, "json_schema");
  if (schema == nullptr) return malformed("`response_format` has no `json_schema`");
  ask.format = AnswerFormat::kJsonSchema;
  ask.format_name = string_at(*schema, "name");
  if (const value* const inner = find(*schema, "schema")) ask.format_schema = *inner;
  return {};
}

// What would change the answer, and has no equal elsewhere.
Status refuse_unsaid(const object& body) {
  if (integer_at(body, "n").value_or(1) > 1) return unsupported("more than one choice (`n`)");
  if (true_at(body, "logprobs")) return unsupported("`logprobs`");
  if (find(body, "functions") != nullptr) return unsupported("`functions` (use `tools`)");
  if (find(body, "web_search_options") != nullptr) return unsupported("`web_search_options`");
  if (const object* const bias = object_at(body, "logit_bias"); bias != nullptr && !bias->empty())
    return unsupported("`logit_bias`");
  for (const std::string& modality : strings_at(body, "modalities")) {
    if (modality != "text") return unsupported("an answer in " + modality);
  }
  return {};
}

Result<Ask> read_chat(const object& body) {
  Ask ask;
  SENTINEL_TRY(refuse_unsaid(body));
  ask.model = string_at(body, "model");
  const array* const messages = array_at(body, "messages");
  if (messages == nullptr) return malformed("`messages` must be a list");
  for (const value& item : *messages) {
    if (!item.is_object()) return malformed("a message must be an object");
    SENTINEL_ASSIGN(Message message, read_message(item.get_object()));
    ask.messages.push_back(std::move(message));
  }
  SENTINEL_TRY(read_tools(body, ask));
  SENTINEL_TRY(read_format(body, ask));
  ask.temperature = number_at(body, "temperature");
  ask.top_p = number_at(body, "top_p");
  ask.presence_penalty = number_at(body, "presence_penalty");
  ask.frequency_penalty = number_at(body, "frequency_penalty");
  ask.max_tokens = integer_at(body, "max_completion_tokens");
  if (!ask.max_tokens) ask.max_tokens = integer_at(body, "max_tokens");
  ask.seed = integer_at(body, "seed");
  ask.stop = strings_at(body, "stop");
  ask.stream = true_at(body, "stream");
  if (const object* const options = object_at(body, "stream_options"))
    ask.include_usage = true_at(*options, "include_usage");
  return ask;
}

// --- writing
// ----------------------------------------------------------------------------------------------------------

Result<object> write_part(const Part& part) {
  switch (part.kind) {
    case PartKind::kImage: return object{{"type", "image_url"}, {"image_url", object{{"url", data_url(part)}}}};
    case PartKind::kAudio: {
      const size_t slash = part.media_type.find('/');
      const std::string format = part.media_type.substr(slash == std::string::npos ? 0 : slash + 1);
      if (part.data.empty()) return unsupported("audio by its address");
      if (format != "wav" && format != "mp3" && format != "mpeg")
        return unsupported("audio of type " + part.media_type);
      return object{{"type", "input_audio"},
                    {"input_audio", object{{"data", part.data}, {"format", format == "mpeg" ? "mp3" : format}}}};
    }
    case PartKind::kDocument:
      if (!part.text.empty()) return object{{"type", "text"}, {"text", part.text}};
      if (part.data.empty()) return unsupported("a document by its address");
      return object{{"type", "file"},
                    {"file", object{{"filename", part.name.empty() ? "document.pdf" : part.name},
                                    {"file_data", data_url(part)}}}};
    default: return object{{"type", "text"}, {"text", part.text}};
  }
}

Result<value> write_content(const std::vector<const Part*>& parts) {
  if (parts.size() == 1 && parts[0]->kind == PartKind::kText) return value(parts[0]->text);
  array list;
  for (const Part* part : parts) {
    SENTINEL_ASSIGN(object written, write_part(*part));
    list.push_back(std::move(written));
  }
  return value(std::move(list));
}

object write_tool_call(const Part& part) {
  object call{{"id", part.id},
              {"type", "function"},
              {"function", object{{"name", part.name}, {"arguments", part.arguments.empty() ? "{}" : part.arguments}}}};
  if (!part.signature.empty())
    call["extra_content"] = object{{"google", object{{"thought_signature", part.signature}}}};
  return call;
}

// A user's message may hold results of tools: they come first, each a message of its own. What such a message cannot
// hold (an image) follows as the user's.
Status write_user(const Message& message, array& out) {
  std::vector<const Part*> rest;
  for (const Part& part : message.parts) {
    if (part.kind != PartKind::kToolResult) {
      rest.push_back(&part);
      continue;
    }
    out.push_back(object{{"role", "tool"}, {"tool_call_id", part.id}, {"content", all_text(part.content)}});
    for (const Part& inner : part.content) {
      if (inner.kind != PartKind::kText) rest.push_back(&inner);
    }
  }
  if (rest.empty()) return {};
  SENTINEL_ASSIGN(value content, write_content(rest));
  out.push_back(object{{"role", "user"}, {"content", std::move(content)}});
  return {};
}

object write_assistant(const std::vector<Part>& parts) {
  object message{{"role", "assistant"}};
  const std::string text = all_text(parts);
  array calls;
  for (const Part& part : parts) {
    if (part.kind == PartKind::kToolCall) calls.push_back(write_tool_call(part));
  }
  message["content"] = text.empty() ? value(nullptr) : value(text);
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  return message;
}

void write_tools(const Ask& ask, object& body) {
  array tools;
  for (const Tool& tool : ask.tools) {
    object function{{"name", tool.name}};
    put_text(function, "description", tool.description);
    if (!tool.parameters.is_null()) function["parameters"] = tool.parameters;
    put(function, "strict", tool.strict);
    tools.push_back(object{{"type", "function"}, {"function", std::move(function)}});
  }
  if (tools.empty()) return;
  body["tools"] = std::move(tools);
  put(body, "parallel_tool_calls", ask.parallel_tools);
  switch (ask.tool_mode) {
    case ToolMode::kUnset: break;
    case ToolMode::kAuto: body["tool_choice"] = "auto"; break;
    case ToolMode::kNone: body["tool_choice"] = "none"; break;
    case ToolMode::kRequired: body["tool_choice"] = "required"; break;
    case ToolMode::kNamed:
      body["tool_choice"] = object{{"type", "function"}, {"function", object{{"name", ask.tool_name}}}};
      break;
  }
}

void write_format(const Ask& ask, object& body) {
  if (ask.format == AnswerFormat::kJson) body["response_format"] = object{{"type", "json_object"}};
  if (ask.format != AnswerFormat::kJsonSchema) return;
  object schema{{"name", ask.format_name.empty() ? "answer" : ask.format_name}, {"schema", ask.format_schema}};
  body["response_format"] = object{{"type", "json_schema"}, {"json_schema", std::move(schema)}};
}

Result<object> write_chat(const Ask& ask) {
  object body{{"model", ask.model}};
  array messages;
  for (const Message& message : ask.messages) {
    switch (message.role) {
      case Role::kSystem:
        messages.push_back(object{{"role", "system"}, {"content", all_text(message.parts, "\n")}});
        break;
      case Role::kUser: SENTINEL_TRY(write_user(message, messages)); break;
      case Role::kAssistant: messages.push_back(write_assistant(message.parts)); break;
    }
  }
  body["messages"] = std::move(messages);
  write_tools(ask, body);
  write_format(ask, body);
  put(body, "temperature", ask.temperature);
  put(body, "top_p", ask.top_p);
  put(body, "presence_penalty", ask.presence_penalty);
  put(body, "frequency_penalty", ask.frequency_penalty);
  put(body, ask.completion_tokens ? "max_completion_tokens" : "max_tokens", ask.max_tokens);
  put(body, "seed", ask.seed);
  if (!ask.stop.empty()) body["stop"] = array(ask.stop.begin(), ask.stop.end());
  if (ask.stream) {
    body["stream"] = true;
    if (ask.include_usage) body["stream_options"] = object{{"include_usage", true}};
  }
  return body;
}

// --- answers
// ----------------------------------------------------------------------------------------------------------

Finish read_finish(std::string_view word) {
  if (word == "length") return Finish::kLength;
  if (word == "tool_calls" || word == "function_call") return Finish::kToolCalls;
  if (word == "content_filter") return Finish::kContentFilter;
  return Finish::kStop;
}

std::string_view finish_word(Finish finish) {
  switch (finish) {
    case Finish::kLength: return "length";
    case Finish::kToolCalls: return "tool_calls";
    case Finish::kContentFilter: return "content_filter";
    default: return "stop";
  }
}

Usage read_usage(const object& from) {
  Usage usage;
  usage.input = integer_at(from, "prompt_tokens");
  usage.output = integer_at(from, "completion_tokens");
  if (const object* const details = object_at(from, "prompt_tokens_details"))
    usage.cached = integer_at(*details, "cached_tokens");
  if (const object* const details = object_at(from, "completion_tokens_details"))
    usage.reasoning = integer_at(*details, "reasoning_tokens");
  return usage;
}

object write_usage(const Usage& usage) {
  const int64_t input = usage.input.value_or(0);
  const int64_t output = usage.output.value_or(0);
  object out{{"prompt_tokens", input}, {"completion_tokens", output}, {"total_tokens", input + output}};
  if (usage.cached) out["prompt_tokens_details"] = object{{"cached_tokens", *usage.cached}};
  if (usage.reasoning) out["completion_tokens_details"] = object{{"reasoning_tokens", *usage.reasoning}};
  return out;
}

Result<Answer> read_chat_answer(const object& body) {
  Answer answer;
  answer.id = string_at(body, "id");
  answer.model = string_at(body, "model");
  if (const object* const usage = object_at(body, "usage")) answer.usage = read_usage(*usage);
  const array* const choices = array_at(body, "choices");
  const object* const choice = choices != nullptr && !choices->empty() ? choices->front().if_object() : nullptr;
  const object* const message = choice != nullptr ? object_at(*choice, "message") : nullptr;
  if (message == nullptr) return malformed("the answer has no message");
  answer.finish = read_finish(string_at(*choice, "finish_reason"));
  std::string reasoning = string_at(*message, "reasoning_content");
  if (reasoning.empty()) reasoning = string_at(*message, "reasoning");
  if (!reasoning.empty()) answer.parts.push_back({.kind = PartKind::kReasoning, .text = std::move(reasoning)});
  if (auto content = read_content(*message)) {
    for (Part& part : *content) answer.parts.push_back(std::move(part));
  }
  if (std::string refusal = string_at(*message, "refusal"); !refusal.empty())
    answer.parts.push_back({.kind = PartKind::kRefusal, .text = std::move(refusal)});
  read_tool_calls(*message, answer.parts);
  return answer;
}

object write_chat_answer(const Answer& answer, const StreamFacts& facts) {
  object message = write_assistant(answer.parts);
  for (const Part& part : answer.parts) {
    if (part.kind == PartKind::kReasoning) message["reasoning_content"] = part.text;
    if (part.kind == PartKind::kRefusal) message["refusal"] = part.text;
  }
  if (!message.contains("refusal")) message["refusal"] = nullptr;
  object choice{{"index", 0},
                {"message", std::move(message)},
                {"logprobs", nullptr},
                {"finish_reason", finish_word(answer.finish)}};
  return object{{"id", answer.id.empty() ? facts.id : answer.id},
                {"object", "chat.completion"},
                {"created", facts.created_s},
                {"model", answer.model.empty() ? facts.model : answer.model},
                {"choices", array{std::move(choice)}},
                {"usage", write_usage(answer.usage)}};
}

class Reader final : public PieceReader {
 public:
  void read(std::string_view data, std::vector<Piece>& pieces) override {
    const auto event = text::parse_json_object(data);
    if (!event) return;
    if (!started_) {
      started_ = true;
      pieces.push_back(
          {.kind = Piece::Kind::kStart, .id = string_at(*event, "id"), .name = string_at(*event, "model")});
    }
    if (const array* const choices = array_at(*event, "choices"); choices != nullptr && !choices->empty()) {
      const object* const choice = choices->front().if_object();
      if (choice != nullptr && integer_at(*choice, "index").value_or(0) == 0) read_choice(*choice, pieces);
    }
    if (const object* const usage = object_at(*event, "usage"))
      pieces.push_back({.kind = Piece::Kind::kUsage, .usage = read_usage(*usage)});
  }

 private:
  void read_choice(const object& choice, std::vector<Piece>& pieces) {
    if (const object* const delta = object_at(choice, "delta")) {
      const auto add = [&](Piece::Kind kind, std::string text) {
        if (!text.empty()) pieces.push_back({.kind = kind, .text = std::move(text)});
      };
      add(Piece::Kind::kReasoning,
          string_at(*delta, find(*delta, "reasoning_content") ? "reasoning_content" : "reasoning"));
      add(Piece::Kind::kText, string_at(*delta, "content"));
      add(Piece::Kind::kRefusal, string_at(*delta, "refusal"));
      if (const array* const calls = array_at(*delta, "tool_calls")) {
        for (const value& call : *calls) {
          if (call.is_object()) read_call(call.get_object(), pieces);
        }
      }
    }
    const std::string finish = string_at(choice, "finish_reason");
    if (!finish.empty()) pieces.push_back({.kind = Piece::Kind::kFinish, .finish = read_finish(finish)});
  }

  // A call begins with its id; what follows of it has the same index.
  void read_call(const object& call, std::vector<Piece>& pieces) {
    Part part = read_tool_call(call);
    const int64_t index = integer_at(call, "index").value_or(calls_ < 0 ? 0 : calls_);
    if (index != calls_ || (!part.id.empty() && !part.name.empty())) {
      calls_ = index;
      pieces.push_back(
          {.kind = Piece::Kind::kToolBegin, .id = part.id, .name = part.name, .signature = part.signature});
    }
    if (!part.arguments.empty()) pieces.push_back({.kind = Piece::Kind::kToolArguments, .text = part.arguments});
  }

  bool started_ = false;
  int64_t calls_ = -1;
};

class Writer final : public PieceWriter {
 public:
  explicit Writer(StreamFacts facts) : facts_(std::move(facts)) {}

  void write(const Piece& piece, std::string& out) override {
    switch (piece.kind) {
      case Piece::Kind::kStart:
        if (!piece.id.empty()) facts_.id = piece.id;
        if (!piece.name.empty()) facts_.model = piece.name;
        return event(out, object{{"role", "assistant"}, {"content", ""}}, nullptr);
      case Piece::Kind::kText: return event(out, object{{"content", piece.text}}, nullptr);
      case Piece::Kind::kReasoning: return event(out, object{{"reasoning_content", piece.text}}, nullptr);
      case Piece::Kind::kRefusal: return event(out, object{{"refusal", piece.text}}, nullptr);
      case Piece::Kind::kToolBegin: {
        Part part;
        part.id = piece.id;
        part.name = piece.name;
        part.signature = piece.signature;
        object call = write_tool_call(part);
        call["function"].as_object()["arguments"] = "";
        call["index"] = ++calls_;
        return event(out, object{{"tool_calls", array{std::move(call)}}}, nullptr);
      }
      case Piece::Kind::kToolArguments: {
        object call{{"index", calls_}, {"function", object{{"arguments", piece.text}}}};
        return event(out, object{{"tool_calls", array{std::move(call)}}}, nullptr);
      }
      case Piece::Kind::kFinish: finish_ = piece.finish; return;
      case Piece::Kind::kUsage: usage_ = piece.usage; return;
    }
  }

  void finish(std::string& out) override {
    event(out, object{}, value(std::string(finish_word(finish_))));
    if (facts_.include_usage) {
      object data = head();
      data["choices"] = array();
      data["usage"] = write_usage(usage_);
      append_event(out, {}, data);
    }
    out += "data: [DONE]\n\n";
  }

 private:
  object head() const {
    return object{
        {"id", facts_.id}, {"object", "chat.completion.chunk"}, {"created", facts_.created_s}, {"model", facts_.model}};
  }
  void event(std::string& out, object delta, value finish) const {
    object data = head();
    data["choices"] = array{
        object{{"index", 0}, {"delta", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", std::move(finish)}}};
    append_event(out, {}, data);
  }

  StreamFacts facts_;
  Finish finish_ = Finish::kStop;
  Usage usage_;
  int64_t calls_ = -1;
};

}  // namespace

const Codec& chat_codec() {
  static constexpr Codec kCodec{
      read_chat, write_chat, read_chat_answer, write_chat_answer, make_piece_reader<Reader>, make_piece_writer<Writer>};
  return kCodec;
}

}  // namespace sentinel::gateway
