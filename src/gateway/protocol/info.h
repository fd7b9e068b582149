#pragma once
// What the gateway needs to know of a call's JSON, read without building a document. Plain values.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gateway/protocol/api.h"

namespace sentinel::gateway {

struct Slice {
  size_t at = 0;
  size_t size = 0;
};

struct RequestInfo {
  std::string model;
  std::string prompt;       // the last user message, or the prompt or input
  std::string context;      // documents given for grounding
  std::string tool_output;  // what tools gave back since the user last spoke
  std::string user;
  std::vector<std::string> simulate_flags;  // of metadata
  int64_t prompt_chars = 0;                 // of all messages and instructions
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

// Of one answer, whole or streamed. Finish reasons are told in OpenAI's words: stop, length, tool_calls,
// content_filter; one without an equivalent stays as the provider wrote it, in lower case.
struct AnswerInfo {
  std::string text;
  std::string model;
  std::string finish_reason;
  std::vector<std::string> tool_names;
  // Input with what was cached; output with what was thought.
  std::optional<int64_t> tokens_input, tokens_output, tokens_cached, tokens_cache_write, tokens_reasoning;
  std::optional<int64_t> tokens_cache_write_1h, tokens_audio_input, tokens_audio_output;
  std::optional<int64_t> tokens_image_input, tokens_image_output;
  std::string service_tier;
  bool refusal = false;
  bool complete = false;  // it has what answers of its API consist of: a list of choices, the data of an embedding, ...
  std::optional<std::string> error;  // the message, when the answer is an error in spite of its status
};

// One event of a stream, added to an AnswerInfo.
struct DeltaInfo {
  bool valid = false;
  bool content = false;     // text, refusal, reasoning, a tool call or a finish reason
  bool usage_only = false;  // usage and no choice
  bool done = false;        // the end, as its API writes it
  bool error = false;
  std::string error_message;
};

struct ProviderError {
  enum class Kind { kOther, kContextTooLong, kContentFilter };
  std::string message, type, code;
  Kind kind() const;
};

// kInvalidArgument: not a JSON object, or no model. `body` keeps its content; it may get more capacity.
Result<RequestInfo> read_request(Api api, std::string& body);

// The body with another model, and with usage asked of its stream; all else byte for byte.
std::string edit_request(std::string_view body, const RequestInfo& info, std::string_view model, bool add_usage);

// False: not a JSON object. `body` may get more capacity.
bool read_answer(Api api, std::string& body, AnswerInfo& answer);

// The data of one event.
DeltaInfo read_delta(Api api, std::string_view data, AnswerInfo& answer);

// Of any family. Empty fields when the body is no error of the usual form.
ProviderError read_provider_error(std::string_view body);

}  // namespace sentinel::gateway
