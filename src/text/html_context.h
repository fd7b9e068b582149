#pragma once
// Where in an HTML document the output of a template stands, so that each action is escaped for that place: text,
// attribute, URL, script, style. It follows the text as it is written, through all branches. As html/template.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/value.h"

namespace sentinel::text {

// Belongs to one execution.
class HtmlContext {
 public:
  // Text of the template itself: moves the state on and returns what is written (comments are dropped).
  std::string literal(std::string_view text);
  // What an action prints, made harmless for this place. kUnprocessable where no value may stand.
  Result<std::string> escape(const Value& value);
  bool in_text() const { return state_ == State::kText; }

 private:
  enum class State : uint8_t {
    kText,
    kTag,
    kAttrName,
    kAfterName,
    kBeforeValue,
    kValue,
    kComment,
    kRcdata,
    kScript,
    kStyle,
  };
  enum class Attr : uint8_t { kPlain, kUrl, kSrcset, kCss, kJs };
  enum class Code : uint8_t {
    kCode,
    kDouble,
    kSingle,
    kBacktick,
    kRegexp,
    kLineComment,
    kBlockComment
  };  // script and style

  size_t text_step(std::string_view rest, std::string& out);
  size_t tag_step(std::string_view rest);
  size_t value_step(std::string_view rest);
  size_t raw_step(std::string_view rest);
  void code_step(char c, std::string_view rest);
  void begin_code_token(char c, std::string_view rest);
  void open_tag(std::string_view name);
  void end_tag();
  void begin_value();
  void end_value();
  Result<std::string> escape_value(const Value& value, bool unquoted);
  std::string escape_url(const Value& value);
  Result<std::string> escape_code(const Value& value, bool script);

  State state_ = State::kText;
  std::string tag_;  // lower case; decides what follows its ">"
  bool closing_ = false;
  std::string attr_;  // name of the attribute, lower case
  Attr attr_kind_ = Attr::kPlain;
  char quote_ = 0;     // of the value; 0: none
  std::string value_;  // of a URL: what was written of it
  Code code_ = Code::kCode;
  char last_code_ = '(';  // last character that was not a space: tells a division from a regular expression
  bool escaped_ = false;  // after a backslash
  bool regexp_class_ = false;
};

// JSON as encoding/json writes it: <, > and & escaped, maps sorted, times in RFC 3339.
std::string go_json(const Value& value);

}  // namespace sentinel::text
