#pragma once
// A conversation in nobody's dialect: what codecs read requests and answers into, and write them from. Used only where
// client and provider speak different APIs.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

namespace sentinel::gateway {

enum class PartKind { kText, kImage, kAudio, kDocument, kToolCall, kToolResult, kReasoning, kRefusal };

struct Part {
  PartKind kind = PartKind::kText;
  std::string text = {};           // of text, reasoning, refusal, and of a document given as text
  std::string media_type = {};     // of image, audio, document
  std::string data = {};           // theirs: base64
  std::string url = {};            // or where it is
  std::string name = {};           // of a tool; of a document's file
  std::string id = {};             // of a tool call, and of the call a result belongs to
  std::string arguments = {};      // of a tool call: a JSON object
  std::string signature = {};      // the provider's seal on its reasoning, opaque
  std::vector<Part> content = {};  // of a tool result
  bool failed = false;             // of a tool result
};

enum class Role { kSystem, kUser, kAssistant };

struct Message {
  Role role = Role::kUser;
  std::vector<Part> parts = {};
};

struct Tool {
  std::string name;
  std::string description;
  boost::json::value parameters;  // JSON Schema, or null
  std::optional<bool> strict;
};

enum class ToolMode { kUnset, kAuto, kNone, kRequired, kNamed };
enum class AnswerFormat { kText, kJson, kJsonSchema };

struct Ask {
  std::string model;
  std::vector<Message> messages;  // system messages where they stood
  std::vector<Tool> tools;
  ToolMode tool_mode = ToolMode::kUnset;
  std::string tool_name;  // of kNamed
  std::optional<bool> parallel_tools;
  std::optional<double> temperature, top_p, presence_penalty, frequency_penalty;
  std::optional<int64_t> top_k, max_tokens, seed;
  std::vector<std::string> stop;
  AnswerFormat format = AnswerFormat::kText;
  std::string format_name;
  boost::json::value format_schema;
  bool stream = false;
  bool include_usage = false;
  bool completion_tokens = false;  // OpenAI's own models want max_completion_tokens, other servers max_tokens
};

enum class Finish { kStop, kStopSequence, kLength, kToolCalls, kContentFilter };

// Absent is unknown. Input includes what was cached; output includes reasoning.
struct Usage {
  std::optional<int64_t> input, output, cached, cache_write, reasoning;
};

struct Answer {
  std::string id;
  std::string model;
  std::vector<Part> parts;
  Finish finish = Finish::kStop;
  std::string stop_sequence;
  Usage usage;
};

// One step of a streamed answer.
struct Piece {
  enum class Kind { kStart, kText, kReasoning, kRefusal, kToolBegin, kToolArguments, kFinish, kUsage };
  Kind kind = Kind::kText;
  std::string text = {};       // of text, reasoning, refusal, arguments
  std::string id = {};         // of the answer (kStart) or the tool call (kToolBegin)
  std::string name = {};       // of the model or the tool
  std::string signature = {};  // of a tool call
  Finish finish = Finish::kStop;
  Usage usage = {};
};

}  // namespace sentinel::gateway
