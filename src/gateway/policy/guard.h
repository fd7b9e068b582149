#pragma once
// Applies guard rules to the texts of one request or answer.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "gateway/policy/guard_rules.h"
#include "gateway/policy/inspector.h"

namespace sentinel::gateway {

// One text, which may be written in several pieces: the deltas of a stream. Pieces are changed in place.
struct GuardedText {
  std::vector<boost::json::string*> pieces;
  std::string whole() const;
  // Takes out spans of the whole text; what stands in their place goes into the piece where they begin.
  void replace(const std::vector<TextSpan>& spans);
};

struct GuardVerdict {
  bool flagged = false;
  bool redacted = false;
  bool blocked = false;
  std::string rule;                 // the last that acted
  std::string message;              // of the one that blocked
  double injection = -1;            // when it was looked for
  std::vector<std::string> labels;  // of what was found, each once

  std::string_view action() const { return blocked ? "block" : redacted ? "redact" : flagged ? "flag" : "none"; }
};

// `subject` is what risks are computed of (the last user message, or the answer); the others look at every text.
// `acted` is told of each rule that found something. Stops at the first that blocks.
GuardVerdict apply_guards(const std::vector<GuardRule>& rules, const TextInspector& inspector, std::string_view subject,
                          std::vector<GuardedText>& texts, const std::function<void(const GuardRule&)>& acted);

// Where a rule that has_spans() finds something. Ascending, not overlapping.
std::vector<TextSpan> find_spans(const GuardRule& rule, const TextInspector& inspector, std::string_view text);

// Where in requests and answers of any of the families people's and models' words stand; names, roles, tools, images,
// ids and the like are left alone.
std::vector<GuardedText> texts_of(boost::json::value& body);
// The texts of a stream's events, in their order.
struct StreamPiece {
  std::string part;  // the same for all pieces of one text; empty: a text that comes whole
  boost::json::string* text;
};
std::vector<StreamPiece> pieces_of_stream(std::vector<boost::json::value>& events);
// Of an answer's stream: deltas of the same part are one text.
std::vector<GuardedText> texts_of_stream(std::vector<boost::json::value>& events);

// The events of a stream, for change and back: what is no JSON (comments, [DONE]) stays as it is.
struct StreamDocument {
  // `array`: Gemini's stream as one JSON array.
  static StreamDocument parse(std::string_view bytes, bool array);
  std::string write() const;

  struct Event {
    std::string head;  // its lines before `data:`
    std::string raw;   // when it has no JSON
    size_t json = kNone;
  };
  static constexpr size_t kNone = static_cast<size_t>(-1);
  std::vector<Event> events;
  std::vector<boost::json::value> documents;
  bool array = false;
};

}  // namespace sentinel::gateway
