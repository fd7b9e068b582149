// Gemini generateContent.
#include <algorithm>
#include <map>

#include "base/strings.h"
#include "gateway/limits.h"
#include "gateway/protocol/codec.h"
#include "gateway/protocol/json_write.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

using namespace json_write;  // NOLINT(google-build-using-namespace): a vocabulary of this folder

// Google's JSON may spell a name in lowerCamelCase or in snake_case.
std::string snake(std::string_view camel) {
  std::string out;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') out += '_';
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}
// The name that is there; the camel one when none is.
std::string spelled(const object& from, std::string_view camel) {
  if (from.contains(camel)) return std::string(camel);
  std::string other = snake(camel);
  return from.contains(other) ? other : std::string(camel);
}

// An OpenAPI schema as Gemini writes it has its types in capitals; JSON Schema has them small.
value small_types(const value& schema, int depth = 0) {
  if (depth > kSchemaDepthMax) return nullptr;
  if (const array* const list = schema.if_array()) {
    array out;
    for (const value& item : *list) out.push_back(small_types(item, depth + 1));
    return out;
  }
  const object* const from = schema.if_object();
  if (from == nullptr) return schema;
  object out;
  for (const auto& field : *from) {
    const bool type = field.key() == "type" && field.value().is_string();
    out[field.key()] =
        type ? value(to_lower(std::string_view(field.value().get_string()))) : small_types(field.value(), depth + 1);
  }
  return out;
}

// Its calls often have no ids: they are numbered, and a result belongs to the first open call of its name.
struct CallIds {
  std::multimap<std::string, std::string> open;
  int64_t next = 0;
  std::string begin(const std::string& name, std::string id) {
    if (id.empty()) id = "call_" + std::to_string(next);
    ++next;
    open.emplace(name, id);
    return id;
  }
  std::string end(const std::string& name, std::string id) {
    const auto found = open.find(name);
    if (found == open.end()) return id.empty() ? "call_" + name : id;
    if (id.empty()) id = found->second;
    open.erase(found);
    return id;
  }
};

Part read_blob(const object& blob, bool inlined) {
  Part part;
  part.media_type = string_at(blob, spelled(blob, "mimeType"));
  (inlined ? part.data : part.url) = string_at(blob, inlined ? std::string("data") : spelled(blob, "fileUri"));
  part.kind = part.media_type.starts_with("audio/")   ? PartKind::kAudio
              : part.media_type.starts_with("image/") ? PartKind::kImage
                                                      : PartKind::kDocument;
  return part;
}

Part read_call(const object& call, const object& around, CallIds& ids) {
  Part part;
  part.kind = PartKind::kToolCall;
  part.name = string_at(call, "name");
  part.id = ids.begin(part.name, string_at(call, "id"));
  part.signature = string_at(around, spelled(around, "thoughtSignature"));
  const object* const args = object_at(call, "args");
  part.arguments = args != nullptr ? text::serialize(*args) : "{}";
  return part;
}

Part read_response(const object& response, CallIds& ids) {
  Part part;
  part.kind = PartKind::kToolResult;
  part.name = string_at(response, "name");
  part.id = ids.end(part.name, string_at(response, "id"));
  const object* const said = object_at(response, "response");
  if (said == nullptr) return part;
  // {"result": "..."} and {"output": "..."} are how SDKs wrap a text.
  std::string plain;
  if (said->size() == 1) {
    for (const std::string_view key : {"result", "output", "error"}) {
      if (plain.empty()) plain = string_at(*said, key);
    }
  }
  part.failed = said->size() == 1 && said->contains("error");
  part.content.push_back({.text = plain.empty() ? text::serialize(*said) : plain});
  return part;
}

Result<Part> read_part(const object& from, CallIds& ids) {
  Part part;
  if (const object* const call = object_at(from, spelled(from, "functionCall"))) return read_call(*call, from, ids);
  if (const object* const said = object_at(from, spelled(from, "functionResponse"))) return read_response(*said, ids);
  if (const object* const blob = object_at(from, spelled(from, "inlineData"))) return read_blob(*blob, true);
  if (const object* const file = object_at(from, spelled(from, "fileData"))) return read_blob(*file, false);
  if (!from.contains("text")) return unsupported("a part that is no text, data or function call");
  part.kind = true_at(from, "thought") ? PartKind::kReasoning : PartKind::kText;
  part.text = string_at(from, "text");
  return part;
}

Result<Message> read_content(const value& from, CallIds& ids) {
  Message message;
  if (from.is_string()) {
    message.parts.push_back({.text = std::string(from.get_string())});
    return message;
  }
  const object* const content = from.if_object();
  if (content == nullptr) return malformed("a content must be an object");
  if (string_at(*content, "role") == "model") message.role = Role::kAssistant;
  const value* const parts = find(*content, "parts");
  if (parts == nullptr) return message;
  const array one{*parts};
  for (const value& item : parts->is_array() ? parts->get_array() : one) {
    if (!item.is_object()) return malformed("a part must be an object");
    SENTINEL_ASSIGN(Part part, read_part(item.get_object(), ids));
    message.parts.push_back(std::move(part));
  }
  return message;
}

void read_declaration(const object& from, Ask& ask) {
  Tool tool{string_at(from, "name"), string_at(from, "description"), nullptr, std::nullopt};
  if (const value* const schema = find(from, spelled(from, "parametersJsonSchema"))) {
    tool.parameters = *schema;
  } else if (const value* const open_api = find(from, "parameters")) {
    tool.parameters = small_types(*open_api);
  }
  ask.tools.push_back(std::move(tool));
}

Status read_tools(const object& body, Ask& ask) {
  if (const array* const tools = array_at(body, "tools")) {
    for (const value& item : *tools) {
      const object* const tool = item.if_object();
      const array* const list = tool != nullptr ? array_at(*tool, spelled(*tool, "functionDeclarations")) : nullptr;
      if (list == nullptr) return unsupported("a tool of the provider's own (one without `functionDeclarations`)");
      for (const value& each : *list) {
        if (each.is_object()) read_declaration(each.get_object(), ask);
      }
    }
  }
  const object* const outer = object_at(body, spelled(body, "toolConfig"));
  const object* const config = outer != nullptr ? object_at(*outer, spelled(*outer, "functionCallingConfig")) : nullptr;
  if (config == nullptr) return {};
  const std::string mode = string_at(*config, "mode");
  const auto names = strings_at(*config, spelled(*config, "allowedFunctionNames"));
  if (mode == "AUTO") ask.tool_mode = ToolMode::kAuto;
  if (mode == "NONE") ask.tool_mode = ToolMode::kNone;
  if (mode == "ANY") ask.tool_mode = names.size() == 1 ? ToolMode::kNamed : ToolMode::kRequired;
  if (names.size() == 1) ask.tool_name = names[0];
  if (names.size() > 1) {  // only these may be called: the others need not be known
    std::erase_if(ask.tools,
                  [&](const Tool& tool) { return std::find(names.begin(), names.end(), tool.name) == names.end(); });
  }
  return {};
}

Status read_generation(const object& config, Ask& ask) {
  const auto number = [&](std::string_view name) { return number_at(config, spelled(config, name)); };
  const auto integer = [&](std::string_view name) { return integer_at(config, spelled(config, name)); };
  ask.temperature = number("temperature");
  ask.top_p = number("topP");
  ask.top_k = integer("topK");
  ask.max_tokens = integer("maxOutputTokens");
  ask.presence_penalty = number("presencePenalty");
  ask.frequency_penalty = number("frequencyPenalty");
  ask.seed = integer("seed");
  ask.stop = strings_at(config, spelled(config, "stopSequences"));
  if (integer("candidateCount").value_or(1) > 1) return unsupported("more than one candidate");
  for (const std::string& modality : strings_at(config, spelled(config, "responseModalities"))) {
    if (!iequals(modality, "TEXT")) return unsupported("an answer in " + modality);
  }
  if (true_at(config, spelled(config, "responseLogprobs"))) return unsupported("`responseLogprobs`");
  if (string_at(config, spelled(config, "responseMimeType")) != "application/json") return {};
  ask.format = AnswerFormat::kJson;
  if (const value* const schema = find(config, spelled(config, "responseJsonSchema"))) {
    ask.format = AnswerFormat::kJsonSchema;
    ask.format_schema = *schema;
  } else if (const value* const open_api = find(config, spelled(config, "responseSchema"))) {
    ask.format = AnswerFormat::kJsonSchema;
    ask.format_schema = small_types(*open_api);
  }
  return {};
}

Result<Ask> read_generate(const object& body) {
  Ask ask;
  CallIds ids;
  if (find(body, spelled(body, "cachedContent")) != nullptr) return unsupported("`cachedContent`");
  if (const value* const system = find(body, spelled(body, "systemInstruction"))) {
    SENTINEL_ASSIGN(Message message, read_content(*system, ids));
    message.role = Role::kSystem;
    ask.messages.push_back(std::move(message));
  }
  const value* const contents = find(body, "contents");
  if (contents == nullptr) return malformed("`contents` is missing");
  const array one{*contents};
  for (const value& item : contents->is_array() ? contents->get_array() : one) {
    SENTINEL_ASSIGN(Message message, read_content(item, ids));
    ask.messages.push_back(std::move(message));
  }
  SENTINEL_TRY(read_tools(body, ask));
  if (const object* const config = object_at(body, spelled(body, "generationConfig")))
    SENTINEL_TRY(read_generation(*config, ask));
  return ask;
}

// --- writing
// ----------------------------------------------------------------------------------------------------------

std::string guess_type(const Part& part) {
  if (!part.media_type.empty()) return part.media_type;
  const std::string path = to_lower(std::string_view(part.url).substr(0, part.url.find_first_of("?#")));
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {{".png", "image/png"},
                                                                      {".webp", "image/webp"},
                                                                      {".gif", "image/gif"},
                                                                      {".heic", "image/heic"},
                                                                      {".pdf", "application/pdf"}};
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return std::string(type);
  }
  return "image/jpeg";
}

object write_response(const Part& part, const std::string& name) {
  const std::string said = all_text(part.content);
  object response = object_of(said);
  if (response.empty()) response[part.failed ? "error" : "result"] = said;
  object out{{"name", name}, {"response", std::move(response)}};
  put_text(out, "id", part.id);
  return object{{"functionResponse", std::move(out)}};
}

object write_call(const Part& part) {
  object call{{"name", part.name}, {"args", object_of(part.arguments)}};
  put_text(call, "id", part.id);
  object out{{"functionCall", std::move(call)}};
  put_text(out, "thoughtSignature", part.signature);
  return out;
}

object write_part(const Part& part, const std::map<std::string, std::string>& names) {
  switch (part.kind) {
    case PartKind::kToolCall: return write_call(part);
    case PartKind::kToolResult: {
      const auto found = names.find(part.id);
      return write_response(part, found != names.end() ? found->second : part.name);
    }
    case PartKind::kImage:
    case PartKind::kAudio:
    case PartKind::kDocument: break;
    default: return object{{"text", part.text}};
  }
  if (!part.text.empty()) return object{{"text", part.text}};
  if (!part.data.empty()) return object{{"inlineData", object{{"mimeType", part.media_type}, {"data", part.data}}}};
  return object{{"fileData", object{{"mimeType", guess_type(part)}, {"fileUri", part.url}}}};
}

// What a tool's result holds besides text follows it as parts of its own.
void append_parts(const Message& message, std::map<std::string, std::string>& names, array& out) {
  for (const Part& part : message.parts) {
    if (part.kind == PartKind::kReasoning || (part.kind == PartKind::kText && part.text.empty())) continue;
    if (part.kind == PartKind::kToolCall) names[part.id] = part.name;
    out.push_back(write_part(part, names));
    for (const Part& inner : part.content) {
      if (inner.kind != PartKind::kText) out.push_back(write_part(inner, names));
    }
  }
}

array write_contents(const Ask& ask, std::string& system) {
  array contents;
  std::map<std::string, std::string> names;  // of calls, by id
  for (const Message& message : ask.messages) {
    if (message.role == Role::kSystem) {
      if (!system.empty()) system += "\n\n";
      system += all_text(message.parts, "\n");
      continue;
    }
    const std::string_view role = message.role == Role::kUser ? "user" : "model";
    if (contents.empty() || string_at(contents.back().get_object(), "role") != role)
      contents.push_back(object{{"role", role}, {"parts", array()}});
    append_parts(message, names, contents.back().get_object()["parts"].get_array());
  }
  return contents;
}

void write_tools(const Ask& ask, object& body) {
  array declarations;
  for (const Tool& tool : ask.tools) {
    object written{{"name", tool.name}};
    put_text(written, "description", tool.description);
    if (!tool.parameters.is_null()) written["parametersJsonSchema"] = tool.parameters;
    declarations.push_back(std::move(written));
  }
  if (declarations.empty()) return;
  body["tools"] = array{object{{"functionDeclarations", std::move(declarations)}}};
  object config;
  switch (ask.tool_mode) {
    case ToolMode::kUnset: return;
    case ToolMode::kAuto: config["mode"] = "AUTO"; break;
    case ToolMode::kNone: config["mode"] = "NONE"; break;
    case ToolMode::kRequired: config["mode"] = "ANY"; break;
    case ToolMode::kNamed:
      config["mode"] = "ANY";
      config["allowedFunctionNames"] = array{value(ask.tool_name)};
      break;
  }
  body["toolConfig"] = object{{"functionCallingConfig", std::move(config)}};
}

object write_generate(const Ask& ask) {
  object body;
  std::string system;
  body["contents"] = write_contents(ask, system);
  if (!system.empty()) body["systemInstruction"] = object{{"parts", array{object{{"text", system}}}}};
  write_tools(ask, body);
  object config;
  put(config, "temperature", ask.temperature);
  put(config, "topP", ask.top_p);
  put(config, "topK", ask.top_k);
  put(config, "maxOutputTokens", ask.max_tokens);
  put(config, "presencePenalty", ask.presence_penalty);
  put(config, "frequencyPenalty", ask.frequency_penalty);
  put(config, "seed", ask.seed);
  if (!ask.stop.empty()) config["stopSequences"] = array(ask.stop.begin(), ask.stop.end());
  if (ask.format != AnswerFormat::kText) config["responseMimeType"] = "application/json";
  if (ask.format == AnswerFormat::kJsonSchema) config["responseJsonSchema"] = ask.format_schema;
  if (!config.empty()) body["generationConfig"] = std::move(config);
  return body;
}

// --- answers
// ----------------------------------------------------------------------------------------------------------

Finish read_finish(std::string_view word) {
  if (word == "STOP" || word.empty()) return Finish::kStop;
  if (word == "MAX_TOKENS") return Finish::kLength;
  return Finish::kContentFilter;
}

std::string_view finish_word(Finish finish) {
  if (finish == Finish::kLength) return "MAX_TOKENS";
  return finish == Finish::kContentFilter ? "SAFETY" : "STOP";
}

Usage read_usage(const object& from) {
  Usage usage;
  const auto candidates = integer_at(from, "candidatesTokenCount");
  usage.input = integer_at(from, "promptTokenCount");
  if (usage.input) *usage.input += integer_at(from, "toolUsePromptTokenCount").value_or(0);
  usage.cached = integer_at(from, "cachedContentTokenCount");
  usage.reasoning = integer_at(from, "thoughtsTokenCount");
  if (candidates || usage.reasoning) usage.output = candidates.value_or(0) + usage.reasoning.value_or(0);
  return usage;
}

object write_usage(const Usage& usage) {
  const int64_t input = usage.input.value_or(0);
  const int64_t output = usage.output.value_or(0);
  const int64_t thoughts = usage.reasoning.value_or(0);
  object out{{"promptTokenCount", input},
             {"candidatesTokenCount", std::max<int64_t>(output - thoughts, 0)},
             {"totalTokenCount", input + output}};
  if (usage.cached) out["cachedContentTokenCount"] = *usage.cached;
  if (usage.reasoning) out["thoughtsTokenCount"] = thoughts;
  return out;
}

const object* first_candidate(const object& body) {
  const array* const candidates = array_at(body, "candidates");
  return candidates != nullptr && !candidates->empty() ? candidates->front().if_object() : nullptr;
}

// The parts of one answer or one event, and how it ended ("" while it has not).
std::string read_candidate(const object& body, CallIds& ids, std::vector<Part>& parts) {
  const object* const feedback = object_at(body, "promptFeedback");
  if (feedback != nullptr && !string_at(*feedback, "blockReason").empty()) return "SAFETY";
  const object* const candidate = first_candidate(body);
  if (candidate == nullptr) return {};
  const object* const content = object_at(*candidate, "content");
  if (const array* const list = content != nullptr ? array_at(*content, "parts") : nullptr) {
    for (const value& item : *list) {
      if (!item.is_object()) continue;
      if (auto part = read_part(item.get_object(), ids)) parts.push_back(std::move(*part));
    }
  }
  return string_at(*candidate, "finishReason");
}

bool has_call(const std::vector<Part>& parts) {
  return std::any_of(parts.begin(), parts.end(), [](const Part& part) { return part.kind == PartKind::kToolCall; });
}

// Ids of calls must differ between answers of one conversation: the answer's own id makes them so.
void name_calls(std::string_view answer_id, std::vector<Part>& parts) {
  for (Part& part : parts) {
    if (part.kind == PartKind::kToolCall && part.id.starts_with("call_") && part.id.size() < 12)
      part.id += "_" + std::string(answer_id.substr(0, 24));
  }
}

// A text may come in pieces even where it is not streamed; elsewhere each would be a block of its own.
void join_texts(std::vector<Part>& parts) {
  std::vector<Part> joined;
  for (Part& part : parts) {
    const bool text = part.kind == PartKind::kText || part.kind == PartKind::kReasoning;
    if (text && !joined.empty() && joined.back().kind == part.kind) {
      joined.back().text += part.text;
    } else {
      joined.push_back(std::move(part));
    }
  }
  parts = std::move(joined);
}

Result<Answer> read_generated(const object& body) {
  Answer answer;
  CallIds ids;
  answer.id = string_at(body, "responseId");
  answer.model = string_at(body, "modelVersion");
  answer.finish = read_finish(read_candidate(body, ids, answer.parts));
  if (answer.finish == Finish::kStop && has_call(answer.parts)) answer.finish = Finish::kToolCalls;
  join_texts(answer.parts);
  name_calls(answer.id, answer.parts);
  if (const object* const usage = object_at(body, "usageMetadata")) answer.usage = read_usage(*usage);
  return answer;
}

object write_thought(const Part& part) {
  object out{{"text", part.text}};
  if (part.kind == PartKind::kReasoning) out["thought"] = true;
  return out;
}

object write_event(array parts, std::string_view id, std::string_view model) {
  object candidate{{"content", object{{"role", "model"}, {"parts", std::move(parts)}}}, {"index", 0}};
  return object{{"candidates", array{std::move(candidate)}}, {"modelVersion", model}, {"responseId", id}};
}

object write_generated(const Answer& answer, const StreamFacts& facts) {
  array parts;
  for (const Part& part : answer.parts)
    parts.push_back(part.kind == PartKind::kToolCall ? write_call(part) : write_thought(part));
  object body = write_event(std::move(parts), answer.id.empty() ? facts.id : answer.id,
                            answer.model.empty() ? facts.model : answer.model);
  body["candidates"].get_array()[0].get_object()["finishReason"] = finish_word(answer.finish);
  body["usageMetadata"] = write_usage(answer.usage);
  return body;
}

class Reader final : public PieceReader {
 public:
  void read(std::string_view data, std::vector<Piece>& pieces) override {
    const auto event = text::parse_json_object(data);
    if (!event) return;
    if (!started_) {
      started_ = true;
      id_ = string_at(*event, "responseId");
      pieces.push_back({.kind = Piece::Kind::kStart, .id = id_, .name = string_at(*event, "modelVersion")});
    }
    std::vector<Part> parts;
    const std::string finish = read_candidate(*event, ids_, parts);
    name_calls(id_, parts);
    called_ = called_ || has_call(parts);
    for (Part& part : parts) add(std::move(part), pieces);
    if (const object* const usage = object_at(*event, "usageMetadata"))
      pieces.push_back({.kind = Piece::Kind::kUsage, .usage = read_usage(*usage)});
    if (finish.empty()) return;
    const Finish read = read_finish(finish);
    pieces.push_back(
        {.kind = Piece::Kind::kFinish, .finish = read == Finish::kStop && called_ ? Finish::kToolCalls : read});
  }

 private:
  static void add(Part part, std::vector<Piece>& pieces) {
    if (part.kind == PartKind::kToolCall) {
      pieces.push_back(
          {.kind = Piece::Kind::kToolBegin, .id = part.id, .name = part.name, .signature = part.signature});
      pieces.push_back({.kind = Piece::Kind::kToolArguments, .text = std::move(part.arguments)});
    } else if (!part.text.empty()) {
      const bool thought = part.kind == PartKind::kReasoning;
      pieces.push_back({.kind = thought ? Piece::Kind::kReasoning : Piece::Kind::kText, .text = std::move(part.text)});
    }
  }

  bool started_ = false;
  bool called_ = false;
  std::string id_;
  CallIds ids_;
};

// Calls are written whole there, so one is kept until its arguments are complete.
class Writer final : public PieceWriter {
 public:
  explicit Writer(StreamFacts facts) : facts_(std::move(facts)) {}

  void write(const Piece& piece, std::string& out) override {
    if (piece.kind != Piece::Kind::kToolArguments) end_call(out);
    switch (piece.kind) {
      case Piece::Kind::kStart:
        if (!piece.id.empty()) facts_.id = piece.id;
        if (!piece.name.empty()) facts_.model = piece.name;
        return;
      case Piece::Kind::kText:
      case Piece::Kind::kRefusal: return event(out, array{object{{"text", piece.text}}});
      case Piece::Kind::kReasoning: return event(out, array{object{{"text", piece.text}, {"thought", true}}});
      case Piece::Kind::kToolBegin:
        call_.emplace();
        call_->kind = PartKind::kToolCall;
        call_->id = piece.id;
        call_->name = piece.name;
        call_->signature = piece.signature;
        return;
      case Piece::Kind::kToolArguments:
        if (call_) call_->arguments += piece.text;
        return;
      case Piece::Kind::kFinish: finish_ = piece.finish; return;
      case Piece::Kind::kUsage: usage_ = piece.usage; return;
    }
  }

  void finish(std::string& out) override {
    end_call(out);
    object last = write_event(array{object{{"text", ""}}}, facts_.id, facts_.model);
    last["candidates"].get_array()[0].get_object()["finishReason"] = finish_word(finish_);
    last["usageMetadata"] = write_usage(usage_);
    append(out, last);
    if (facts_.json_array) out += "]";
  }

 private:
  void end_call(std::string& out) {
    if (!call_) return;
    const Part call = std::move(*call_);
    call_.reset();
    event(out, array{write_call(call)});
  }
  void event(std::string& out, array parts) { append(out, write_event(std::move(parts), facts_.id, facts_.model)); }
  void append(std::string& out, const object& data) {
    if (!facts_.json_array) return append_event(out, {}, data);
    out += first_ ? "[" : ",\r\n";
    first_ = false;
    out += text::serialize(data);
  }

  StreamFacts facts_;
  bool first_ = true;
  std::optional<Part> call_;
  Finish finish_ = Finish::kStop;
  Usage usage_;
};

}  // namespace

const Codec& gemini_codec() {
  static constexpr Codec kCodec{read_generate,
                                [](const Ask& ask) { return Result<object>(write_generate(ask)); },
                                read_generated,
                                write_generated,
                                make_piece_reader<Reader>,
                                make_piece_writer<Writer>};
  return kCodec;
}

}  // namespace sentinel::gateway
