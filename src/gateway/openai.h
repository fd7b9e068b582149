#pragma once
// What the gateway needs to know of OpenAI's JSON, read without building a document, and the few edits it makes to a
// request, byte for byte around them. Pure functions; simdjson stays inside. Not thread-safe across one parser: each
// thread has its own.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sentinel::gateway {

enum class RequestType { kChat, kCompletion, kEmbedding };
std::string_view request_type_name(RequestType type);

struct Slice {
  size_t at = 0;
  size_t size = 0;
};

struct RequestInfo {
  std::string model;
  std::string prompt;   // the last user message, or the prompt or input
  std::string context;  // documents given for grounding
  std::string user;
  std::vector<std::string> simulate_flags;  // of metadata
  int64_t prompt_chars = 0;                 // of all messages
  bool stream = false;
  bool include_usage = false;

  // Where to edit.
  std::optional<Slice> model_at;
  size_t object_begin = 0;                     // just after the first {
  std::optional<size_t> stream_options_begin;  // just after its {
  bool stream_options_empty = true;
  std::optional<Slice> include_usage_at;
  bool stream_options_null = false;
};

// kInvalidArgument: not a JSON object, or no model. `body` keeps its content; it may get more capacity.
Result<RequestInfo> read_request(RequestType type, std::string& body);

// The body with another model, and with usage asked of its stream.
std::string edit_request(std::string_view body, const RequestInfo& info, std::string_view model, bool add_usage);

struct AnswerInfo {
  std::string text;
  std::string model;
  std::string finish_reason;
  std::vector<std::string> tool_names;
  std::optional<int64_t> tokens_input, tokens_output, tokens_cached, tokens_reasoning;
  bool refusal = false;
  bool complete = false;  // it has what answers of its type consist of: a list of choices, or the data of an embedding
  std::optional<std::string> error;  // the message, when the answer is an error in spite of its status
};

// False: not a JSON object of this type. `body` may get more capacity.
bool read_answer(RequestType type, std::string& body, AnswerInfo& answer);

// One event of a stream, added to `answer`.
struct DeltaInfo {
  bool valid = false;
  bool content = false;     // text, refusal, reasoning, a tool call or a finish reason
  bool usage_only = false;  // usage and no choice
  bool error = false;
  std::string error_message;
};
DeltaInfo read_delta(RequestType type, std::string_view json, AnswerInfo& answer);

struct ProviderError {
  std::string message, type, code;
};
// Empty fields when the body is no error of the usual form.
ProviderError read_provider_error(std::string_view body);

}  // namespace sentinel::gateway
