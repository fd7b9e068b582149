// OpenAI's Responses API, for clients: a provider is asked in it only when it speaks it itself.
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
  if (type == "input_text" || type == "output_text" || type == "text") {
    part.text = string_at(from, "text");
  } else if (type == "refusal") {
    part.kind = PartKind::kRefusal;
    part.text = string_at(from, "refusal");
  } else if (type == "input_image") {
    part.kind = PartKind::kImage;
    const std::string url = string_at(from, "image_url");
    if (url.empty()) return unsupported("an image by its id");
    if (!read_data_url(url, part)) part.url = url;
  } else if (type == "input_file") {
    part.kind = PartKind::kDocument;
    part.name = string_at(from, "filename");
    part.url = string_at(from, "file_url");
    if (part.url.empty() && !read_data_url(string_at(from, "file_data"), part)) return unsupported("a file by its id");
    if (part.media_type.empty()) part.media_type = "application/pdf";
  } else {
    return unsupported("a content part of type \"" + type + "\"");
  }
  return part;
}

Result<std::vector<Part>> read_content(const value* content) {
  std::vector<Part> parts;
  if (content == nullptr) return parts;
  if (content->is_string()) parts.push_back({.text = std::string(content->get_string())});
  if (const array* const list = content->if_array()) {
    for (const value& item : *list) {
      if (!item.is_object()) return malformed("a part of `content` must be an object");
      SENTINEL_ASSIGN(Part part, read_part(item.get_object()));
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

Status read_item(const object& item, Ask& ask) {
  const std::string type = string_at(item, "type");
  Message message;
  if (type.empty() || type == "message") {
    const std::string role = string_at(item, "role");
    if (role == "assistant") message.role = Role::kAssistant;
    if (role == "system" || role == "developer") message.role = Role::kSystem;
    SENTINEL_ASSIGN(message.parts, read_content(find(item, "content")));
  } else if (type == "function_call") {
    message.role = Role::kAssistant;
    message.parts.push_back({.kind = PartKind::kToolCall,
                             .name = string_at(item, "name"),
                             .id = string_at(item, "call_id"),
                             .arguments = string_at(item, "arguments")});
  } else if (type == "function_call_output") {
    Part part{.kind = PartKind::kToolResult, .id = string_at(item, "call_id")};
    SENTINEL_ASSIGN(part.content, read_content(find(item, "output")));
    message.parts.push_back(std::move(part));
  } else if (type == "reasoning") {
    return {};  // of an earlier turn
  } else {
    return unsupported("an input item of type \"" + type + "\"");
  }
  // Calls made together are items of their own here, one message elsewhere.
  if (!ask.messages.empty() && ask.messages.back().role == message.role && message.role == Role::kAssistant) {
    for (Part& part : message.parts) ask.messages.back().parts.push_back(std::move(part));
  } else {
    ask.messages.push_back(std::move(message));
  }
  return {};
}

Status read_input(const object& body, Ask& ask) {
  if (const std::string instructions = string_at(body, "instructions"); !instructions.empty())
    ask.messages.push_back({Role::kSystem, {{.text = instructions}}});
  const value* const input = find(body, "input");
  if (input == nullptr) return malformed("`input` is missing");
  if (input->is_string()) {
    ask.messages.push_back({Role::kUser, {{.text = std::string(input->get_string())}}});
    return {};
  }
  if (!input->is_array()) return malformed("`input` must be a string or a list");
  for (const value& item : input->get_array()) {
    if (!item.is_object()) return malformed("an item of `input` must be an object");
    SENTINEL_TRY(read_item(item.get_object(), ask));
  }
  return {};
}

Status read_tools(const object& body, Ask& ask) {
  if (const array* const tools = array_at(body, "tools")) {
    for (const value& item : *tools) {
      const object* const tool = item.if_object();
      if (tool == nullptr || string_at(*tool, "type") != "function") return unsupported("a tool that is no function");
      const value* const parameters = find(*tool, "parameters");
      ask.tools.push_back({string_at(*tool, "name"), string_at(*tool, "description"),
                           parameters != nullptr ? *parameters : value(), boolean_at(*tool, "strict")});
    }
  }
  ask.parallel_tools = boolean_at(body, "parallel_tool_calls");
  const std::string word = string_at(body, "tool_choice");
  if (word == "auto") ask.tool_mode = ToolMode::kAuto;
  if (word == "none") ask.tool_mode = ToolMode::kNone;
  if (word == "required") ask.tool_mode = ToolMode::kRequired;
  if (const object* const named = object_at(body, "tool_choice")) {
    if (string_at(*named, "type") != "function") return unsupported("this `tool_choice`");
    ask.tool_mode = ToolMode::kNamed;
    ask.tool_name = string_at(*named, "name");
  }
  return {};
}

// What needs a provider that remembers, or a tool only it has.
Status refuse_unsaid(const object& body) {
  for (const std::string_view key : {"previous_response_id", "conversation", "prompt"}) {
    if (find(body, key) != nullptr) return unsupported("`" + std::string(key) + "`");
  }
  if (true_at(body, "background")) return unsupported("`background`");
  if (integer_at(body, "top_logprobs").value_or(0) > 0) return unsupported("`top_logprobs`");
  return {};
}

Result<Ask> read_responses(const object& body) {
  Ask ask;
  SENTINEL_TRY(refuse_unsaid(body));
  ask.model = string_at(body, "model");
  SENTINEL_TRY(read_input(body, ask));
  SENTINEL_TRY(read_tools(body, ask));
  const object* const text = object_at(body, "text");
  if (const object* const format = text != nullptr ? object_at(*text, "format") : nullptr) {
    const std::string type = string_at(*format, "type");
    if (type == "json_object") ask.format = AnswerFormat::kJson;
    if (type == "json_schema") {
      ask.format = AnswerFormat::kJsonSchema;
      ask.format_name = string_at(*format, "name");
      if (const value* const schema = find(*format, "schema")) ask.format_schema = *schema;
    }
  }
  ask.temperature = number_at(body, "temperature");
  ask.top_p = number_at(body, "top_p");
  ask.max_tokens = integer_at(body, "max_output_tokens");
  ask.stream = true_at(body, "stream");
  ask.include_usage = true;  // its last event always tells
  return ask;
}

// --- answers
// ----------------------------------------------------------------------------------------------------------

object write_usage(const Usage& usage) {
  const int64_t input = usage.input.value_or(0);
  const int64_t output = usage.output.value_or(0);
  return object{{"input_tokens", input},
                {"input_tokens_details", object{{"cached_tokens", usage.cached.value_or(0)}}},
                {"output_tokens", output},
                {"output_tokens_details", object{{"reasoning_tokens", usage.reasoning.value_or(0)}}},
                {"total_tokens", input + output}};
}

object head(std::string_view id, std::string_view model, int64_t created_s, std::string_view status) {
  return object{{"id", id},
                {"object", "response"},
                {"created_at", created_s},
                {"status", status},
                {"background", false},
                {"error", nullptr},
                {"incomplete_details", nullptr},
                {"instructions", nullptr},
                {"max_output_tokens", nullptr},
                {"model", model},
                {"output", array()},
                {"parallel_tool_calls", true},
                {"previous_response_id", nullptr},
                {"reasoning", object{{"effort", nullptr}, {"summary", nullptr}}},
                {"store", false},
                {"temperature", nullptr},
                {"text", object{{"format", object{{"type", "text"}}}}},
                {"tool_choice", "auto"},
                {"tools", array()},
                {"top_p", nullptr},
                {"truncation", "disabled"},
                {"usage", nullptr},
                {"metadata", object()}};
}

object content_part(const Part& part) {
  if (part.kind == PartKind::kRefusal) return object{{"type", "refusal"}, {"refusal", part.text}};
  return object{{"type", "output_text"}, {"text", part.text}, {"annotations", array()}, {"logprobs", array()}};
}

// One element of `output`. `id`: of the item, not of a call.
object output_item(const Part& part, std::string_view id, std::string_view status) {
  if (part.kind == PartKind::kToolCall) {
    return object{{"id", "fc_" + std::string(id)},
                  {"type", "function_call"},
                  {"status", status},
                  {"call_id", part.id},
                  {"name", part.name},
                  {"arguments", part.arguments}};
  }
  if (part.kind == PartKind::kReasoning) {
    array summary;
    if (!part.text.empty()) summary.push_back(object{{"type", "summary_text"}, {"text", part.text}});
    return object{{"id", "rs_" + std::string(id)}, {"type", "reasoning"}, {"summary", std::move(summary)}};
  }
  array content;
  if (status == "completed") content.push_back(content_part(part));
  return object{{"id", "msg_" + std::string(id)},
                {"type", "message"},
                {"status", status},
                {"role", "assistant"},
                {"content", std::move(content)}};
}

// How it ended, in an object made by head().
void conclude(object& response, Finish finish, const Usage& usage) {
  response["usage"] = write_usage(usage);
  const bool cut = finish == Finish::kLength || finish == Finish::kContentFilter;
  response["status"] = cut ? "incomplete" : "completed";
  if (!cut) return;
  response["incomplete_details"] =
      object{{"reason", finish == Finish::kLength ? "max_output_tokens" : "content_filter"}};
}

std::string item_id(std::string_view answer, size_t index) { return std::string(answer) + "_" + std::to_string(index); }

object write_response(const Answer& answer, const StreamFacts& facts) {
  const std::string id = answer.id.empty() ? facts.id : answer.id;
  object body = head(id, answer.model.empty() ? facts.model : answer.model, facts.created_s, "completed");
  array& output = body["output"].get_array();
  for (const Part& part : answer.parts) output.push_back(output_item(part, item_id(id, output.size()), "completed"));
  conclude(body, answer.finish, answer.usage);
  return body;
}

// Items open and close one after the other; each is told whole again at its end, as is the response at the very end.
class Writer final : public PieceWriter {
 public:
  explicit Writer(StreamFacts facts) : facts_(std::move(facts)) {}

  void write(const Piece& piece, std::string& out) override {
    switch (piece.kind) {
      case Piece::Kind::kStart:
        if (!piece.id.empty()) facts_.id = piece.id;
        if (!piece.name.empty()) facts_.model = piece.name;
        event(out, "response.created", {{"response", head(facts_.id, facts_.model, facts_.created_s, "in_progress")}});
        event(out, "response.in_progress",
              {{"response", head(facts_.id, facts_.model, facts_.created_s, "in_progress")}});
        return;
      case Piece::Kind::kText: return text(out, PartKind::kText, piece.text);
      case Piece::Kind::kRefusal: return text(out, PartKind::kRefusal, piece.text);
      case Piece::Kind::kReasoning: return reasoning(out, piece.text);
      case Piece::Kind::kToolBegin:
        open(out, {.kind = PartKind::kToolCall, .name = piece.name, .id = piece.id});
        return;
      case Piece::Kind::kToolArguments:
        if (!open_) return;
        open_->arguments += piece.text;
        event(out, "response.function_call_arguments.delta", at_item({{"delta", piece.text}}));
        return;
      case Piece::Kind::kFinish: finish_ = piece.finish; return;
      case Piece::Kind::kUsage: usage_ = piece.usage; return;
    }
  }

  void finish(std::string& out) override {
    close(out);
    object response = head(facts_.id, facts_.model, facts_.created_s, "completed");
    response["output"] = std::move(output_);
    conclude(response, finish_, usage_);
    const bool whole = response["status"].get_string() == "completed";
    event(out, whole ? "response.completed" : "response.incomplete", {{"response", std::move(response)}});
  }

 private:
  void event(std::string& out, std::string_view type, object fields) {
    object whole{{"type", type}, {"sequence_number", sequence_++}};
    for (auto& field : fields) whole[field.key()] = std::move(field.value());
    append_event(out, type, whole);
  }
  std::string id() const { return item_id(facts_.id, output_.size()); }
  object at_item(object fields) const {
    const std::string_view prefix = open_->kind == PartKind::kToolCall    ? "fc_"
                                    : open_->kind == PartKind::kReasoning ? "rs_"
                                                                          : "msg_";
    fields["item_id"] = std::string(prefix) + id();
    fields["output_index"] = output_.size();
    return fields;
  }
  object at_content(object fields) const {
    object all = at_item(std::move(fields));
    all["content_index"] = 0;
    return all;
  }
  void open(std::string& out, Part part) {
    close(out);
    open_ = std::move(part);
    event(out, "response.output_item.added",
          {{"output_index", output_.size()}, {"item", output_item(*open_, id(), "in_progress")}});
  }
  void text(std::string& out, PartKind kind, const std::string& piece) {
    const bool refused = kind == PartKind::kRefusal;
    if (!open_ || open_->kind != kind) {
      open(out, {.kind = kind});
      event(out, "response.content_part.added", at_content({{"part", content_part(*open_)}}));
    }
    open_->text += piece;
    object fields{{"delta", piece}};
    if (!refused) fields["logprobs"] = array();
    event(out, refused ? "response.refusal.delta" : "response.output_text.delta", at_content(std::move(fields)));
  }
  void reasoning(std::string& out, const std::string& piece) {
    if (!open_ || open_->kind != PartKind::kReasoning) {
      open(out, {.kind = PartKind::kReasoning});
      event(out, "response.reasoning_summary_part.added",
            at_item({{"summary_index", 0}, {"part", object{{"type", "summary_text"}, {"text", ""}}}}));
    }
    open_->text += piece;
    event(out, "response.reasoning_summary_text.delta", at_item({{"summary_index", 0}, {"delta", piece}}));
  }
  void close(std::string& out) {
    if (!open_) return;
    const Part& part = *open_;
    if (part.kind == PartKind::kToolCall) {
      event(out, "response.function_call_arguments.done",
            at_item({{"name", part.name}, {"arguments", part.arguments}}));
    } else if (part.kind == PartKind::kReasoning) {
      event(out, "response.reasoning_summary_text.done", at_item({{"summary_index", 0}, {"text", part.text}}));
      event(out, "response.reasoning_summary_part.done",
            at_item({{"summary_index", 0}, {"part", object{{"type", "summary_text"}, {"text", part.text}}}}));
    } else {
      const bool refused = part.kind == PartKind::kRefusal;
      object fields{{refused ? "refusal" : "text", part.text}};
      if (!refused) fields["logprobs"] = array();
      event(out, refused ? "response.refusal.done" : "response.output_text.done", at_content(std::move(fields)));
      event(out, "response.content_part.done", at_content({{"part", content_part(part)}}));
    }
    object item = output_item(part, id(), "completed");
    event(out, "response.output_item.done", {{"output_index", output_.size()}, {"item", item}});
    output_.push_back(std::move(item));
    open_.reset();
  }

  StreamFacts facts_;
  int64_t sequence_ = 0;
  array output_;
  std::optional<Part> open_;
  Finish finish_ = Finish::kStop;
  Usage usage_;
};

}  // namespace

const Codec& responses_codec() {
  static constexpr Codec kCodec{read_responses,
                                [](const Ask&) -> Result<object> { return unsupported("this request"); },
                                [](const object&) -> Result<Answer> { return unsupported("this answer"); },
                                write_response,
                                [] { return std::unique_ptr<PieceReader>(); },
                                make_piece_writer<Writer>};
  return kCodec;
}

}  // namespace sentinel::gateway
