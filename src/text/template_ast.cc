#include "text/template_ast.h"

#include "text/gofmt.h"
#include "text/unicode.h"

namespace sentinel::text {
namespace {

std::string pipe_source(const Node& pipe) {
  std::string out;
  for (size_t i = 0; i < pipe.declared.size(); ++i) out += (i > 0 ? ", " : "") + to_source(*pipe.declared[i]);
  if (!pipe.declared.empty()) out += pipe.flag ? " = " : " := ";
  for (size_t i = 0; i < pipe.items.size(); ++i) out += (i > 0 ? " | " : "") + to_source(*pipe.items[i]);
  return out;
}

// A word inside a command: pipelines keep their parentheses.
std::string word_source(const Node& node) {
  return node.kind == NodeKind::kPipe ? "(" + pipe_source(node) + ")" : to_source(node);
}

std::string dotted(const std::vector<std::string>& names, size_t from) {
  std::string out;
  for (size_t i = from; i < names.size(); ++i) out += "." + names[i];
  return out;
}

std::string branch_source(const char* keyword, const Node& node) {
  std::string out = std::string("{{") + keyword + " " + to_source(*node.pipe) + "}}" + to_source(*node.body);
  if (node.otherwise) out += "{{else}}" + to_source(*node.otherwise);
  return out + "{{end}}";
}

}  // namespace

std::string to_source(const Node& node) {
  switch (node.kind) {
    case NodeKind::kText: return node.text;
    case NodeKind::kAction: return "{{" + to_source(*node.pipe) + "}}";
    case NodeKind::kIf: return branch_source("if", node);
    case NodeKind::kRange: return branch_source("range", node);
    case NodeKind::kWith: return branch_source("with", node);
    case NodeKind::kTemplate:
      return "{{template " + go_quote(node.text) + (node.pipe ? " " + to_source(*node.pipe) : "") + "}}";
    case NodeKind::kBreak: return "{{break}}";
    case NodeKind::kContinue: return "{{continue}}";
    case NodeKind::kEnd: return "{{end}}";
    case NodeKind::kElse: return "{{else}}";
    case NodeKind::kPipe: return pipe_source(node);
    case NodeKind::kField: return dotted(node.idents, 0);
    case NodeKind::kVariable: return node.idents[0] + dotted(node.idents, 1);
    case NodeKind::kChain: return word_source(*node.items[0]) + dotted(node.idents, 0);
    case NodeKind::kDot: return ".";
    case NodeKind::kNil: return "nil";
    case NodeKind::kIdentifier:
    case NodeKind::kBool:
    case NodeKind::kNumber:
    case NodeKind::kString: return node.text;
    case NodeKind::kList: {
      std::string out;
      for (const auto& item : node.items) out += to_source(*item);
      return out;
    }
    case NodeKind::kCommand: {
      std::string out;
      for (const auto& word : node.items) out += (out.empty() ? "" : " ") + word_source(*word);
      return out;
    }
  }
  return "";
}

bool is_empty(const Node* node) {
  if (!node) return true;
  if (node->kind == NodeKind::kText) return trim_unicode_space(node->text).empty();
  if (node->kind != NodeKind::kList) return false;
  for (const auto& item : node->items) {
    if (!is_empty(item.get())) return false;
  }
  return true;
}

}  // namespace sentinel::text
