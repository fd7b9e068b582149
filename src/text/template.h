#pragma once
// Go's text/template and html/template: the language of Prometheus annotations and Alertmanager notifications.
//
// A Template is a set of named templates that share functions and options. Parsing adds to it; executing does not
// change it, so one parsed set serves many threads. Copies are cheap (trees are shared): copy a base set and parse one
// more text into the copy to run that text with the base's definitions. Errors are worded as Go words them: "template:
// x:1:5: executing \"x\" at <.Foo>: …". Execution is bounded by limits.h in steps, output and depth (kTooLarge),
// whatever the template says.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/template_ast.h"
#include "text/value.h"

namespace sentinel::text {

enum class TemplateMode : uint8_t { kText, kHtml };  // kHtml escapes what actions print for where it stands
enum class MissingKey : uint8_t { kDefault, kZero, kError };

struct TemplateOptions {
  TemplateMode mode = TemplateMode::kText;
  MissingKey missing_key = MissingKey::kDefault;
};

class Template {
 public:
  // `functions` are added to Go's own and win over them.
  explicit Template(FuncMap functions = {}, TemplateOptions options = {});

  // Adds or replaces the template `name` and every {{define}} and {{block}} inside `text`. kInvalidArgument with Go's
  // message; nothing is added then.
  Status parse(const std::string& name, std::string text);
  // Replaces functions after parsing (Alertmanager binds routeLabels so). Names must have been known while parsing.
  void set_function(const std::string& name, Func function) { functions_[name] = std::move(function); }

  bool has(std::string_view name) const { return trees_.find(name) != trees_.end(); }
  std::vector<std::string> names() const;

  // kUnprocessable: a failing expression. kTooLarge: a limit. kNotFound: no such template.
  Result<std::string> execute(std::string_view name, const Value& data) const;

 private:
  FuncMap functions_;
  TreeSet trees_;
  TemplateOptions options_;
  bool own_logic_ = false;  // "and" and "or" were replaced: no short circuit
};

// One text, parsed and run.
Result<std::string> expand_template(const std::string& name, std::string text, const Value& data,
                                    const FuncMap& functions = {}, TemplateOptions options = {});

// Go's own functions: and, call, html, index, slice, js, len, not, or, print, printf, println, urlquery, eq … ge.
const FuncMap& template_builtins();

std::string html_escape_go(std::string_view text);   // template.HTMLEscapeString
std::string js_escape_go(std::string_view text);     // template.JSEscapeString
std::string query_escape_go(std::string_view text);  // url.QueryEscape

}  // namespace sentinel::text
