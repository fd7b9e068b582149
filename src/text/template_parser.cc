#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "base/strings.h"
#include "text/gofmt.h"
#include "text/limits.h"
#include "text/template_ast.h"
#include "text/template_lexer.h"

namespace sentinel::text {
namespace {

NodePtr make(NodeKind kind, size_t pos, std::string_view text = {}) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->pos = pos;
  node->text = std::string(text);
  return node;
}

// strconv.ParseUint(text, 0, 64): prefixes 0x 0o 0b 0, underscores between digits.
std::optional<uint64_t> parse_uint_go(std::string_view text) {
  const bool prefixed = text.size() >= 2 && text[0] == '0';
  int base = 10;
  size_t skip = 0;
  if (prefixed) {
    const char c = static_cast<char>(text[1] | 0x20);
    base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
    skip = c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
  }
  std::string digits;
  bool after_digit = prefixed;
  for (char c : text.substr(skip)) {
    if (c == '_') {
      if (!after_digit) return std::nullopt;
      after_digit = false;
      continue;
    }
    digits += c;
    after_digit = true;
  }
  uint64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || !after_digit || error != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return value;
}

Result<Number> parse_number(std::string_view text) {
  Number number;
  if (text.ends_with('i'))
    return fail(ErrorCode::kInvalidArgument, "complex numbers are not supported: " + go_quote(text));
  const bool negative = text.starts_with('-');
  const std::string_view magnitude = negative || text.starts_with('+') ? text.substr(1) : text;
  if (auto u = parse_uint_go(magnitude)) {
    const uint64_t limit = (uint64_t{1} << 63) - (negative ? 0 : 1);
    if (*u <= limit) {
      number.is_int = true;
      number.int_value = negative ? static_cast<int64_t>(uint64_t{0} - *u) : static_cast<int64_t>(*u);
      number.float_value = static_cast<double>(number.int_value);
    } else if (!negative && text[0] != '+') {
      number.is_uint = true;
      number.float_value = static_cast<double>(*u);
    }
    number.is_float = number.is_int || number.is_uint;
  }
  if (number.is_float) return number;
  auto f = parse_double(replace_all(std::string(text), "_", ""));
  if (!f) return fail(ErrorCode::kInvalidArgument, "illegal number syntax: " + go_quote(text));
  if (text.find_first_of(".eEpP") == std::string_view::npos)
    return fail(ErrorCode::kInvalidArgument, "integer overflow: " + go_quote(text));
  number.is_float = true;
  number.float_value = *f;
  if (std::abs(*f) < 9.2e18 && std::trunc(*f) == *f) {
    number.is_int = true;
    number.int_value = static_cast<int64_t>(*f);
  }
  return number;
}

class Parser {
 public:
  Parser(const std::string& name, std::shared_ptr<const std::string> source, const FuncMap& functions,
         const TreeSet& known)
      : name_(name), source_(std::move(source)), functions_(functions), known_(known), lexed_(lex_template(*source_)) {
    lexed_.items.back().text =
        lexed_.items.back().token == Token::kError ? std::string_view(lexed_.error) : std::string_view();
  }

  Result<TreeSet> run();

 private:
  using Nodes = Result<NodePtr>;

  const Item& peek() const { return lexed_.items[at_]; }
  const Item& next() {
    const Item& item = lexed_.items[at_];
    last_line_ = item.line;
    if (at_ + 1 < lexed_.items.size()) ++at_;
    return item;
  }
  void skip_space() {
    while (peek().token == Token::kSpace) ++at_;
  }
  const Item& peek_word() {
    skip_space();
    return peek();
  }
  const Item& next_word() {
    skip_space();
    return next();
  }

  tl::unexpected<Error> error(const std::string& message) const {
    return fail(ErrorCode::kInvalidArgument, fmt::format("template: {}:{}: {}", name_, last_line_, message));
  }
  tl::unexpected<Error> unexpected(const Item& item, std::string_view context) const;
  Status expect(Token token, std::string_view context);
  Status enter();
  bool has_function(std::string_view name) const { return functions_.find(name) != functions_.end(); }

  Status add_tree(const std::string& name, NodePtr root);
  Nodes item_list(NodeKind& ended_by);
  Nodes text_or_action();
  Nodes action();
  Nodes else_control();
  Nodes end_control();
  Nodes loop_exit(NodeKind kind, size_t pos);
  Nodes control(NodeKind kind, size_t pos);
  Nodes template_control();
  Nodes block_control();
  Status definition();
  Result<std::string> template_name(const Item& item, std::string_view context);
  Status declarations(Node& pipe, std::string_view context);
  Nodes pipeline(std::string_view context, Token end);
  Status check_pipeline(const Node& pipe, std::string_view context);
  Nodes command();
  Nodes operand();
  Nodes term();
  Nodes variable(const Item& item);
  Nodes constant(const Item& item);

  const std::string name_;
  const std::shared_ptr<const std::string> source_;
  const FuncMap& functions_;
  const TreeSet& known_;
  LexedTemplate lexed_;
  TreeSet added_;
  std::vector<std::string> vars_{"$"};
  size_t at_ = 0;
  int last_line_ = 1;
  int action_line_ = 0;
  int loops_ = 0;
  int depth_ = 0;
};

tl::unexpected<Error> Parser::unexpected(const Item& item, std::string_view context) const {
  if (item.token != Token::kError) return error(fmt::format("unexpected {} in {}", describe(item), context));
  std::string extra;
  if (action_line_ != 0 && action_line_ != item.line) {
    extra = fmt::format(" in action started at {}:{}", name_, action_line_);
    if (item.text.ends_with(" action")) extra = extra.substr(std::string_view(" in action").size());
  }
  return error(std::string(item.text) + extra);
}

Status Parser::expect(Token token, std::string_view context) {
  const Item& item = next_word();
  if (item.token != token) return unexpected(item, context);
  return {};
}

// Counts one level of nesting; the caller takes it back when it leaves.
Status Parser::enter() {
  if (++depth_ > kTemplateNestingMax) return error(fmt::format("nested deeper than {} levels", kTemplateNestingMax));
  return {};
}

Status Parser::add_tree(const std::string& name, NodePtr root) {
  auto known = added_.find(name);
  const Tree* existing = nullptr;
  if (known != added_.end()) existing = known->second.get();
  if (existing && !is_empty(existing->root.get())) {
    if (is_empty(root.get())) return {};
    return error(fmt::format("template: multiple definition of template {}", go_quote(name)));
  }
  // An empty redefinition does not replace what an earlier text defined.
  if (auto before = known_.find(name);
      before != known_.end() && is_empty(root.get()) && !is_empty(before->second->root.get()))
    return {};
  auto tree = std::make_shared<Tree>();
  tree->name = name;
  tree->parse_name = name_;
  tree->source = source_;
  tree->root = std::move(root);
  added_[name] = std::move(tree);
  return {};
}

Result<TreeSet> Parser::run() {
  NodePtr root = make(NodeKind::kList, 0);
  while (peek().token != Token::kEof) {
    if (peek().token == Token::kLeftDelim) {
      size_t word = at_ + 1;
      while (lexed_.items[word].token == Token::kSpace) ++word;
      if (lexed_.items[word].token == Token::kDefine) {
        at_ = word + 1;
        last_line_ = lexed_.items[word].line;
        SENTINEL_TRY(definition());
        continue;
      }
    }
    SENTINEL_ASSIGN(NodePtr node, text_or_action());
    if (node->kind == NodeKind::kEnd || node->kind == NodeKind::kElse) return error("unexpected " + to_source(*node));
    root->items.push_back(std::move(node));
  }
  SENTINEL_TRY(add_tree(name_, std::move(root)));
  return std::move(added_);
}

Status Parser::definition() {
  constexpr std::string_view kContext = "define clause";
  SENTINEL_ASSIGN(std::string name, template_name(next_word(), kContext));
  SENTINEL_TRY(expect(Token::kRightDelim, kContext));
  auto outer_vars = std::exchange(vars_, {"$"});
  const int outer_loops = std::exchange(loops_, 0);
  NodeKind ended_by{};
  SENTINEL_ASSIGN(NodePtr body, item_list(ended_by));
  if (ended_by != NodeKind::kEnd) return error(fmt::format("unexpected {{{{else}}}} in {}", kContext));
  vars_ = std::move(outer_vars);
  loops_ = outer_loops;
  return add_tree(name, std::move(body));
}

// Statements up to {{end}} or {{else}}.
Result<NodePtr> Parser::item_list(NodeKind& ended_by) {
  SENTINEL_TRY(enter());
  NodePtr list = make(NodeKind::kList, peek_word().pos);
  while (peek_word().token != Token::kEof) {
    SENTINEL_ASSIGN(NodePtr node, text_or_action());
    if (node->kind == NodeKind::kEnd || node->kind == NodeKind::kElse) {
      ended_by = node->kind;
      --depth_;
      return list;
    }
    list->items.push_back(std::move(node));
  }
  next();
  return error("unexpected EOF");
}

Result<NodePtr> Parser::text_or_action() {
  const Item& item = next_word();
  if (item.token == Token::kText) return make(NodeKind::kText, item.pos, item.text);
  if (item.token != Token::kLeftDelim) return unexpected(item, "input");
  action_line_ = item.line;
  auto result = action();
  action_line_ = 0;
  return result;
}

Result<NodePtr> Parser::action() {
  const size_t before = (skip_space(), at_);
  const Item& item = next();
  switch (item.token) {
    case Token::kBlock: return block_control();
    case Token::kBreak:
      if (!has_function("break")) return loop_exit(NodeKind::kBreak, item.pos);
      break;
    case Token::kContinue:
      if (!has_function("continue")) return loop_exit(NodeKind::kContinue, item.pos);
      break;
    case Token::kElse: return else_control();
    case Token::kEnd: return end_control();
    case Token::kIf: return control(NodeKind::kIf, item.pos);
    case Token::kRange: return control(NodeKind::kRange, item.pos);
    case Token::kWith: return control(NodeKind::kWith, item.pos);
    case Token::kTemplate: return template_control();
    default: break;
  }
  at_ = before;
  NodePtr node = make(NodeKind::kAction, item.pos);
  SENTINEL_ASSIGN(node->pipe, pipeline("command", Token::kRightDelim));
  return node;
}

Result<NodePtr> Parser::loop_exit(NodeKind kind, size_t pos) {
  const std::string shown = kind == NodeKind::kBreak ? "{{break}}" : "{{continue}}";
  if (const Item& item = next_word(); item.token != Token::kRightDelim) return unexpected(item, shown);
  if (loops_ == 0) return error(shown + " outside {{range}}");
  return make(kind, pos);
}

Result<NodePtr> Parser::end_control() {
  const size_t pos = peek_word().pos;
  SENTINEL_TRY(expect(Token::kRightDelim, "end"));
  return make(NodeKind::kEnd, pos);
}

// Leaves the "if" or "with" of an {{else if}} for the caller.
Result<NodePtr> Parser::else_control() {
  const Item& item = peek_word();
  if (item.token == Token::kIf || item.token == Token::kWith) return make(NodeKind::kElse, item.pos);
  SENTINEL_TRY(expect(Token::kRightDelim, "else"));
  return make(NodeKind::kElse, item.pos);
}

Result<NodePtr> Parser::control(NodeKind kind, size_t) {
  const std::string_view context = kind == NodeKind::kIf ? "if" : kind == NodeKind::kRange ? "range" : "with";
  const size_t vars = vars_.size();
  SENTINEL_TRY(enter());
  NodePtr node = make(kind, 0);
  SENTINEL_ASSIGN(node->pipe, pipeline(context, Token::kRightDelim));
  node->pos = node->pipe->pos;
  loops_ += kind == NodeKind::kRange ? 1 : 0;
  NodeKind ended_by{};
  SENTINEL_ASSIGN(node->body, item_list(ended_by));
  loops_ -= kind == NodeKind::kRange ? 1 : 0;
  if (ended_by == NodeKind::kElse) {
    const bool chained = (kind == NodeKind::kIf && peek().token == Token::kIf) ||
                         (kind == NodeKind::kWith && peek().token == Token::kWith);
    if (chained) {
      const Item& word = next();
      node->otherwise = make(NodeKind::kList, word.pos);
      SENTINEL_ASSIGN(NodePtr inner, control(kind, word.pos));
      node->otherwise->items.push_back(std::move(inner));
    } else {
      SENTINEL_ASSIGN(node->otherwise, item_list(ended_by));
      if (ended_by != NodeKind::kEnd) return error("expected end; found {{else}}");
    }
  }
  vars_.resize(vars);
  --depth_;
  return node;
}

Result<std::string> Parser::template_name(const Item& item, std::string_view context) {
  if (item.token != Token::kString && item.token != Token::kRawString) return unexpected(item, context);
  auto name = go_unquote(item.text);
  if (!name) return error(name.error().message());
  return *name;
}

Result<NodePtr> Parser::template_control() {
  const Item& item = next_word();
  NodePtr node = make(NodeKind::kTemplate, item.pos);
  SENTINEL_ASSIGN(node->text, template_name(item, "template clause"));
  if (peek_word().token == Token::kRightDelim) {
    next();
  } else {
    SENTINEL_ASSIGN(node->pipe, pipeline("template clause", Token::kRightDelim));
  }
  return node;
}

Result<NodePtr> Parser::block_control() {
  constexpr std::string_view kContext = "block clause";
  const Item& item = next_word();
  NodePtr node = make(NodeKind::kTemplate, item.pos);
  SENTINEL_ASSIGN(node->text, template_name(item, kContext));
  SENTINEL_ASSIGN(node->pipe, pipeline(kContext, Token::kRightDelim));
  auto outer_vars = std::exchange(vars_, {"$"});
  const int outer_loops = std::exchange(loops_, 0);
  NodeKind ended_by{};
  SENTINEL_ASSIGN(NodePtr body, item_list(ended_by));
  if (ended_by != NodeKind::kEnd) return error(fmt::format("unexpected {{{{else}}}} in {}", kContext));
  vars_ = std::move(outer_vars);
  loops_ = outer_loops;
  SENTINEL_TRY(add_tree(node->text, std::move(body)));
  return node;
}

// "$x :=", "$x =" and, for range, "$i, $e :=" in front of a pipeline.
Status Parser::declarations(Node& pipe, std::string_view context) {
  while (peek_word().token == Token::kVariable) {
    const size_t before = at_;
    const Item& name = next();
    const Token after = peek_word().token;
    if (after != Token::kAssign && after != Token::kDeclare && after != Token::kComma) {
      at_ = before;
      return {};
    }
    pipe.declared.push_back(make(NodeKind::kVariable, name.pos, name.text));
    pipe.declared.back()->idents = {std::string(name.text)};
    vars_.emplace_back(name.text);
    next();
    if (after != Token::kComma) {
      pipe.flag = after == Token::kAssign;
      return {};
    }
    if (context != "range" || pipe.declared.size() >= 2)
      return error(fmt::format("too many declarations in {}", context));
    const Token following = peek_word().token;
    if (following != Token::kVariable && following != Token::kRightDelim && following != Token::kRightParen) {
      next();
      return error("range can only initialize variables");
    }
  }
  return {};
}

bool starts_operand(Token token) {
  switch (token) {
    case Token::kBool:
    case Token::kCharConstant:
    case Token::kDot:
    case Token::kField:
    case Token::kIdentifier:
    case Token::kNumber:
    case Token::kNil:
    case Token::kRawString:
    case Token::kString:
    case Token::kVariable:
    case Token::kLeftParen:
    case Token::kBreak:
    case Token::kContinue: return true;
    default: return false;
  }
}

Result<NodePtr> Parser::pipeline(std::string_view context, Token end) {
  SENTINEL_TRY(enter());
  NodePtr pipe = make(NodeKind::kPipe, peek_word().pos);
  SENTINEL_TRY(declarations(*pipe, context));
  while (true) {
    const Item& item = peek_word();
    if (item.token == end) {
      next();
      SENTINEL_TRY(check_pipeline(*pipe, context));
      --depth_;
      return pipe;
    }
    if (!starts_operand(item.token)) return unexpected(next(), context);
    SENTINEL_ASSIGN(NodePtr part, command());
    pipe->items.push_back(std::move(part));
  }
}

Status Parser::check_pipeline(const Node& pipe, std::string_view context) {
  if (pipe.items.empty()) return error(fmt::format("missing value for {}", context));
  for (size_t i = 1; i < pipe.items.size(); ++i) {
    switch (pipe.items[i]->items[0]->kind) {
      case NodeKind::kBool:
      case NodeKind::kDot:
      case NodeKind::kNil:
      case NodeKind::kNumber:
      case NodeKind::kString: return error(fmt::format("non executable command in pipeline stage {}", i + 1));
      default: break;
    }
  }
  return {};
}

Result<NodePtr> Parser::command() {
  NodePtr node = make(NodeKind::kCommand, peek_word().pos);
  while (true) {
    skip_space();
    SENTINEL_ASSIGN(NodePtr word, operand());
    if (word) node->items.push_back(std::move(word));
    const size_t before = at_;
    const Item& item = next();
    if (item.token == Token::kSpace) continue;
    if (item.token == Token::kRightDelim || item.token == Token::kRightParen)
      at_ = before;
    else if (item.token != Token::kPipe)
      return unexpected(item, "operand");
    break;
  }
  if (node->items.empty()) return error("empty command");
  return node;
}

Result<NodePtr> Parser::operand() {
  SENTINEL_ASSIGN(NodePtr node, term());
  if (!node || peek().token != Token::kField) return node;
  const size_t pos = peek().pos;
  std::vector<std::string> names;
  while (peek().token == Token::kField) names.emplace_back(next().text.substr(1));
  switch (node->kind) {
    case NodeKind::kField:
    case NodeKind::kVariable:
      node->pos = pos;
      node->idents.insert(node->idents.end(), names.begin(), names.end());
      return node;
    case NodeKind::kBool:
    case NodeKind::kString:
    case NodeKind::kNumber:
    case NodeKind::kNil:
    case NodeKind::kDot: return error(fmt::format("unexpected . after term {}", go_quote(to_source(*node))));
    default: break;
  }
  NodePtr chain = make(NodeKind::kChain, pos);
  chain->idents = std::move(names);
  chain->items.push_back(std::move(node));
  return chain;
}

Result<NodePtr> Parser::term() {
  const size_t before = (skip_space(), at_);
  const Item& item = next();
  switch (item.token) {
    case Token::kBreak:
    case Token::kContinue:
    case Token::kIdentifier:
      if (!has_function(item.text)) {
        if (item.token != Token::kIdentifier) break;
        return error(fmt::format("function {} not defined", go_quote(item.text)));
      }
      return make(NodeKind::kIdentifier, item.pos, item.text);
    case Token::kDot: return make(NodeKind::kDot, item.pos);
    case Token::kNil: return make(NodeKind::kNil, item.pos);
    case Token::kVariable: return variable(item);
    case Token::kField: {
      NodePtr node = make(NodeKind::kField, item.pos);
      node->idents.emplace_back(item.text.substr(1));
      return node;
    }
    case Token::kBool:
    case Token::kCharConstant:
    case Token::kNumber:
    case Token::kString:
    case Token::kRawString: return constant(item);
    case Token::kLeftParen: return pipeline("parenthesized pipeline", Token::kRightParen);
    default: break;
  }
  at_ = before;
  return NodePtr();
}

Result<NodePtr> Parser::variable(const Item& item) {
  if (std::find(vars_.begin(), vars_.end(), item.text) == vars_.end()) {
    return error(fmt::format("undefined variable {}", go_quote(item.text)));
  }
  NodePtr node = make(NodeKind::kVariable, item.pos);
  node->idents.emplace_back(item.text);
  return node;
}

Result<NodePtr> Parser::constant(const Item& item) {
  NodePtr node = make(NodeKind::kNumber, item.pos, item.text);
  if (item.token == Token::kBool) {
    node->kind = NodeKind::kBool;
    node->flag = item.text == "true";
  } else if (item.token == Token::kNumber) {
    auto number = parse_number(item.text);
    if (!number) return error(number.error().message());
    node->number = *number;
  } else if (item.token == Token::kCharConstant) {
    auto code = go_unquote_char(item.text);
    if (!code) return error(code.error().message());
    node->number = {true, true, false, *code, static_cast<double>(*code)};
  } else {
    node->kind = NodeKind::kString;
    auto value = go_unquote(item.text);
    if (!value) return error(value.error().message());
    node->value = std::move(*value);
  }
  return node;
}

}  // namespace

Status parse_template(const std::string& name, std::string text, const FuncMap& functions, TreeSet& trees) {
  if (text.size() > kTemplateSourceBytesMax) {
    return fail(ErrorCode::kTooLarge, fmt::format("template: {}: longer than {} bytes", name, kTemplateSourceBytesMax));
  }
  auto source = std::make_shared<const std::string>(std::move(text));
  SENTINEL_ASSIGN(TreeSet added, Parser(name, std::move(source), functions, trees).run());
  for (auto& [key, tree] : added) trees[key] = std::move(tree);
  return {};
}

}  // namespace sentinel::text
