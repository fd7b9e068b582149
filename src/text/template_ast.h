#pragma once
// The parsed form of a template. Internal to the template engine.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/value.h"

namespace sentinel::text {

enum class NodeKind : uint8_t {
  kText,
  kAction,
  kIf,
  kRange,
  kWith,
  kTemplate,
  kBreak,
  kContinue,
  kList,  // statements
  kPipe,
  kCommand,
  kField,
  kVariable,
  kChain,
  kIdentifier,
  kDot,
  kNil,
  kBool,
  kNumber,
  kString,  // operands
  kEnd,
  kElse,  // while parsing only
};

struct Number {
  bool is_int = false;
  bool is_float = false;
  bool is_uint = false;  // does not fit an int64
  int64_t int_value = 0;
  double float_value = 0;
};

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Node {
  NodeKind kind;
  size_t pos = 0;     // byte offset in the source
  std::string text;   // kText, kTemplate: name, kIdentifier: name, constants: as written
  std::string value;  // kString: unquoted
  bool flag = false;  // kBool: the value; kPipe: is an assignment; kWith/kIf reached by else: nothing
  Number number;
  std::vector<std::string> idents;  // kField, kChain: names; kVariable: "$x" and names
  std::vector<NodePtr> declared;    // kPipe: variables
  std::vector<NodePtr> items;       // kList: statements; kPipe: commands; kCommand: words; kChain: the operand
  NodePtr pipe;
  NodePtr body;
  NodePtr otherwise;
};

// As the source would write it, normalised; error messages quote it.
std::string to_source(const Node& node);

struct Tree {
  std::string name;
  std::string parse_name;  // of the text it came from
  std::shared_ptr<const std::string> source;
  NodePtr root;
};
// Nothing but comments and white space.
bool is_empty(const Node* node);

using TreeSet = std::map<std::string, std::shared_ptr<const Tree>, std::less<>>;

// Adds the template `name` and all it defines to `trees`. Nothing is added on an error.
Status parse_template(const std::string& name, std::string text, const FuncMap& functions, TreeSet& trees);

}  // namespace sentinel::text
