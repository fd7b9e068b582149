#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "text/go_time.h"
#include "text/gofmt.h"
#include "text/html_context.h"
#include "text/limits.h"
#include "text/template.h"

namespace sentinel::text {
namespace {

enum class Flow { kNext, kBreak, kContinue };

struct Variable {
  std::string_view name;
  Value value;
};

// One execution. Variables of the running template are those from frame_ on.
class Executor {
 public:
  Executor(const TreeSet& trees, const FuncMap& functions, TemplateOptions options, bool short_circuit)
      : trees_(trees), functions_(functions), options_(options), short_circuit_(short_circuit) {}

  Result<std::string> run(const Tree& tree, const Value& data);

 private:
  using Eval = Result<Value>;
  using Walk = Result<Flow>;
  using Words = std::span<const NodePtr>;  // of a command, the function first
  using Final = std::optional<Value>;      // what the pipe hands on

  tl::unexpected<Error> error(std::string message, ErrorCode code = ErrorCode::kUnprocessable) const;
  void at(const Node& node) { node_ = &node; }
  Status enter();
  Status write(std::string_view text);
  Status print(const Node& action, const Value& value);

  Walk walk(const Value& dot, const Node& node);
  Walk walk_node(const Value& dot, const Node& node);
  Walk walk_list(const Value& dot, const Node& list);
  Walk walk_if_or_with(const Value& dot, const Node& node);
  Walk walk_range(const Value& dot, const Node& node);
  Walk range_items(const Value& dot, const Node& node, const Value& over, bool& ran);
  Walk range_once(const Node& node, const Value& index, const Value& item);
  Walk walk_template(const Value& dot, const Node& node);

  Eval pipeline(const Value& dot, const Node& pipe);
  Eval command(const Value& dot, const Node& command, const Final& final);
  Status not_a_function(Words words, const Final& final) const;
  Eval constant(const Node& node);
  Eval variable(const Value& dot, const Node& node, Words words, const Final& final);
  Eval chain(const Value& dot, const Node& node, Words words, const Final& final);
  Eval fields(const Value& dot, Value receiver, const Node& node, std::span<const std::string> names, Words words,
              const Final& final);
  Eval field(const Value& dot, const std::string& name, const Node& node, Words words, const Final& final,
             const Value& receiver, const std::string& declared);
  Eval map_entry(const Value& map, const std::string& name, bool has_args);
  Eval function(const Value& dot, const Node& node, const Node& shown, Words words, const Final& final);
  Eval logic(const Value& dot, bool is_or, Words words, const Final& final);
  Result<std::vector<Value>> arguments(const Value& dot, const std::string& name, std::span<const Param> params,
                                       bool variadic, Words words, const Final& final);
  Eval argument(const Value& dot, const Param& param, const Node& node);
  Eval constant_argument(const Param& param, const Node& node);
  Eval validate(Value value, const Param& param);
  Eval finish_call(Eval result, const std::string& name, const Node& node);

  void push(std::string_view name, Value value) { vars_.push_back({name, std::move(value)}); }
  Value* find_variable(std::string_view name);

  const TreeSet& trees_;
  const FuncMap& functions_;
  const TemplateOptions options_;
  const bool short_circuit_;
  std::vector<Variable> vars_;
  size_t frame_ = 0;
  const Tree* tree_ = nullptr;
  const Node* node_ = nullptr;
  int depth_ = 0;
  int stack_ = 0;
  uint64_t steps_ = 0;
  std::string out_;
  HtmlContext html_;
};

tl::unexpected<Error> Executor::error(std::string message, ErrorCode code) const {
  const std::string_view source = *tree_->source;
  const std::string_view before = source.substr(0, std::min(node_->pos, source.size()));
  const size_t newline = before.rfind('\n');
  const size_t column = newline == std::string_view::npos ? before.size() : before.size() - newline - 1;
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  return fail(code, fmt::format("template: {}:{}:{}: executing {} at <{}>: {}", tree_->parse_name, line, column,
                                go_quote(tree_->name), to_source(*node_), message));
}

// One more statement or pipeline inside the running ones; a caller that succeeds takes the level back.
Status Executor::enter() {
  if (++steps_ > kTemplateStepsMax) {
    return error(fmt::format("more than {} steps", kTemplateStepsMax), ErrorCode::kTooLarge);
  }
  if (++stack_ > kTemplateStackMax) {
    return error(fmt::format("exceeded maximum template depth ({})", kTemplateStackMax), ErrorCode::kTooLarge);
  }
  return {};
}

Status Executor::write(std::string_view text) {
  if (out_.size() + text.size() > kTemplateOutputBytesMax) {
    return error(fmt::format("output exceeds {} bytes", kTemplateOutputBytesMax), ErrorCode::kTooLarge);
  }
  out_ += text;
  return {};
}

// Whether the pipeline already ends in {{… | html}}, which html/template does not apply twice.
bool ends_in_escaper(const Node& pipe) {
  const Node& last = *pipe.items.back()->items[0];
  return last.kind == NodeKind::kIdentifier && last.text == "html";
}

Status Executor::print(const Node& action, const Value& value) {
  at(action);
  if (options_.mode == TemplateMode::kText) return write(value.is_nil() ? std::string("<no value>") : go_string(value));
  if (ends_in_escaper(*action.pipe) && html_.in_text() && value.kind() == Kind::kString)
    return write(value.as_string());
  auto escaped = html_.escape(value);
  if (!escaped) return error(escaped.error().message());
  return write(*escaped);
}

Result<std::string> Executor::run(const Tree& tree, const Value& data) {
  tree_ = &tree;
  node_ = tree.root.get();
  push("$", data);
  SENTINEL_ASSIGN(Flow flow, walk(data, *tree.root));
  (void)flow;
  return std::move(out_);
}

Value* Executor::find_variable(std::string_view name) {
  for (size_t i = vars_.size(); i > frame_; --i) {
    if (vars_[i - 1].name == name) return &vars_[i - 1].value;
  }
  return nullptr;
}

Result<Flow> Executor::walk(const Value& dot, const Node& node) {
  SENTINEL_TRY(enter());
  Walk flow = walk_node(dot, node);
  --stack_;
  return flow;
}

Result<Flow> Executor::walk_node(const Value& dot, const Node& node) {
  at(node);
  switch (node.kind) {
    case NodeKind::kAction: {
      SENTINEL_ASSIGN(Value value, pipeline(dot, *node.pipe));
      if (node.pipe->declared.empty()) SENTINEL_TRY(print(node, value));
      return Flow::kNext;
    }
    case NodeKind::kText:
      if (options_.mode == TemplateMode::kText)
        SENTINEL_TRY(write(node.text));
      else
        SENTINEL_TRY(write(html_.literal(node.text)));
      return Flow::kNext;
    case NodeKind::kBreak: return Flow::kBreak;
    case NodeKind::kContinue: return Flow::kContinue;
    case NodeKind::kList: return walk_list(dot, node);
    case NodeKind::kIf:
    case NodeKind::kWith: return walk_if_or_with(dot, node);
    case NodeKind::kRange: return walk_range(dot, node);
    case NodeKind::kTemplate: return walk_template(dot, node);
    default: return error("unknown node: " + to_source(node));
  }
}

Result<Flow> Executor::walk_list(const Value& dot, const Node& list) {
  for (const NodePtr& node : list.items) {
    SENTINEL_ASSIGN(Flow flow, walk(dot, *node));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Flow> Executor::walk_if_or_with(const Value& dot, const Node& node) {
  const size_t mark = vars_.size();
  SENTINEL_ASSIGN(Value value, pipeline(dot, *node.pipe));
  Walk result = Flow::kNext;
  if (value.truth())
    result = walk(node.kind == NodeKind::kWith ? value : dot, *node.body);
  else if (node.otherwise)
    result = walk(dot, *node.otherwise);
  vars_.resize(mark);
  return result;
}

Result<Flow> Executor::range_once(const Node& node, const Value& index, const Value& item) {
  const auto& declared = node.pipe->declared;
  const size_t mark = vars_.size();
  if (node.pipe->flag) {  // range $i, $e = …
    if (!declared.empty()) *find_variable(declared[0]->idents[0]) = declared.size() > 1 ? index : item;
    if (declared.size() > 1) *find_variable(declared[1]->idents[0]) = item;
  } else {
    if (!declared.empty()) vars_[mark - 1].value = item;
    if (declared.size() > 1) vars_[mark - 2].value = index;
  }
  Walk flow = walk(item, *node.body);
  vars_.resize(mark);
  return flow;
}

// Runs the body for each element; `ran` tells whether there was one. kBreak when the loop was left.
Result<Flow> Executor::range_items(const Value& dot, const Node& node, const Value& over, bool& ran) {
  (void)dot;
  const auto once = [&](const Value& index, const Value& item) {
    ran = true;
    return range_once(node, index, item);
  };
  switch (over.kind()) {
    case Kind::kList:
      for (size_t i = 0; i < over.as_list().size(); ++i) {
        SENTINEL_ASSIGN(Flow flow, once(Value(static_cast<int64_t>(i)), over.as_list()[i]));
        if (flow == Flow::kBreak) return flow;
      }
      return Flow::kNext;
    case Kind::kMap:
      for (const auto& [key, item] : over.as_map()) {
        SENTINEL_ASSIGN(Flow flow, once(Value(key), item));
        if (flow == Flow::kBreak) return flow;
      }
      return Flow::kNext;
    case Kind::kInt:
      if (node.pipe->declared.size() > 1) {
        return error(fmt::format("can't use {} to iterate over more than one variable", over.as_int()));
      }
      for (int64_t i = 0; i < over.as_int(); ++i) {
        SENTINEL_ASSIGN(Flow flow, once(Value(), Value(i)));
        if (flow == Flow::kBreak) return flow;
      }
      return Flow::kNext;
    case Kind::kNil: return Flow::kNext;
    default: return error("range can't iterate over " + go_string(over));
  }
}

Result<Flow> Executor::walk_range(const Value& dot, const Node& node) {
  const size_t mark = vars_.size();
  SENTINEL_ASSIGN(Value over, pipeline(dot, *node.pipe));
  bool ran = false;
  Walk result = range_items(dot, node, over, ran);
  if (!result) return result;
  result = Flow::kNext;
  if (!ran && node.otherwise) result = walk(dot, *node.otherwise);
  vars_.resize(mark);
  return result;
}

Result<Flow> Executor::walk_template(const Value& dot, const Node& node) {
  auto found = trees_.find(node.text);
  if (found == trees_.end()) return error(fmt::format("template {} not defined", go_quote(node.text)));
  if (depth_ >= kTemplateCallDepthMax) {
    return error(fmt::format("exceeded maximum template depth ({})", kTemplateCallDepthMax), ErrorCode::kTooLarge);
  }
  Value data = Value::missing();
  if (node.pipe) {
    SENTINEL_ASSIGN(data, pipeline(dot, *node.pipe));
  }
  const Tree* tree = std::exchange(tree_, found->second.get());
  const size_t frame = std::exchange(frame_, vars_.size());
  ++depth_;
  push("$", data);
  SENTINEL_ASSIGN(Flow flow, walk(data, *tree_->root));
  (void)flow;
  vars_.resize(frame_);
  --depth_;
  frame_ = frame;
  tree_ = tree;
  return Flow::kNext;
}

Result<Value> Executor::pipeline(const Value& dot, const Node& pipe) {
  SENTINEL_TRY(enter());
  at(pipe);
  Final value;
  for (const NodePtr& part : pipe.items) {
    SENTINEL_ASSIGN(value, command(dot, *part, value));
  }
  --stack_;
  for (const NodePtr& declared : pipe.declared) {
    const std::string& name = declared->idents[0];
    if (!pipe.flag) {
      push(name, *value);
    } else if (Value* variable = find_variable(name)) {
      *variable = *value;
    } else {
      return error("undefined variable: " + name);
    }
  }
  return *value;
}

Status Executor::not_a_function(Words words, const Final& final) const {
  if (words.size() > 1 || final) return error("can't give argument to non-function " + to_source(*words[0]));
  return {};
}

Result<Value> Executor::command(const Value& dot, const Node& command, const Final& final) {
  const Node& first = *command.items[0];
  const Words words = command.items;
  switch (first.kind) {
    case NodeKind::kField: at(first); return fields(dot, dot, first, first.idents, words, final);
    case NodeKind::kChain: return chain(dot, first, words, final);
    case NodeKind::kIdentifier: return function(dot, first, command, words, final);
    case NodeKind::kPipe: SENTINEL_TRY(not_a_function(words, final)); return pipeline(dot, first);
    case NodeKind::kVariable: return variable(dot, first, words, final);
    default: break;
  }
  at(first);
  SENTINEL_TRY(not_a_function(words, final));
  if (first.kind == NodeKind::kDot) return dot;
  if (first.kind == NodeKind::kNil) return error("nil is not a command");
  return constant(first);
}

// A literal where any type will do.
Result<Value> Executor::constant(const Node& node) {
  at(node);
  switch (node.kind) {
    case NodeKind::kBool: return Value(node.flag);
    case NodeKind::kString: return Value(node.value);
    case NodeKind::kNumber: break;
    default: return error(fmt::format("can't evaluate command {}", go_quote(to_source(node))));
  }
  const bool hexadecimal = node.text.size() > 2 && node.text[0] == '0' && (node.text[1] | 0x20) == 'x' &&
                           node.text.find_first_of("pP") == std::string::npos;
  const bool rune = node.text[0] == '\'';
  if (node.number.is_float && !hexadecimal && !rune && node.text.find_first_of(".eEpP") != std::string::npos) {
    return Value(node.number.float_value);
  }
  if (node.number.is_int) return Value(node.number.int_value);
  return error(node.text + " overflows int");
}

Result<Value> Executor::variable(const Value& dot, const Node& node, Words words, const Final& final) {
  at(node);
  Value* found = find_variable(node.idents[0]);
  if (!found) return error("undefined variable: " + node.idents[0]);
  Value value = *found;
  if (node.idents.size() > 1)
    return fields(dot, std::move(value), node, std::span(node.idents).subspan(1), words, final);
  if (!words.empty()) SENTINEL_TRY(not_a_function(words, final));
  return value;
}

Result<Value> Executor::chain(const Value& dot, const Node& node, Words words, const Final& final) {
  at(node);
  if (node.items[0]->kind == NodeKind::kNil) return error("indirection through explicit nil in " + to_source(node));
  SENTINEL_ASSIGN(Value receiver, argument(dot, ParamKind::kReflect, *node.items[0]));
  return fields(dot, std::move(receiver), node, node.idents, words, final);
}

Result<Value> Executor::fields(const Value& dot, Value receiver, const Node& node, std::span<const std::string> names,
                               Words words, const Final& final) {
  std::string declared = receiver.type_name();  // what holds the receiver: messages name that type
  for (size_t i = 0; i + 1 < names.size(); ++i) {
    SENTINEL_ASSIGN(Value next, field(dot, names[i], node, {}, std::nullopt, receiver, declared));
    declared = receiver.kind() == Kind::kMap ? receiver.type()->element : next.type_name();
    receiver = std::move(next);
  }
  return field(dot, names.back(), node, words, final, receiver, declared);
}

const Method* find_method(const Value& receiver, const std::string& name) {
  if (receiver.kind() == Kind::kTime) return time_method(name);
  if (receiver.kind() == Kind::kDuration) return duration_method(name);
  if (!receiver.type()) return nullptr;
  auto found = receiver.type()->methods.find(name);
  return found == receiver.type()->methods.end() ? nullptr : &found->second;
}

Result<Value> Executor::map_entry(const Value& map, const std::string& name, bool has_args) {
  if (has_args) return error(name + " is not a method but has arguments");
  auto found = map.as_map().find(name);
  if (found != map.as_map().end()) return found->second;
  switch (options_.missing_key) {
    case MissingKey::kDefault: return Value::missing();
    case MissingKey::kZero: return map.type()->zero ? map.type()->zero() : Value();
    case MissingKey::kError: return error("map has no entry for key " + go_quote(name));
  }
  return Value();
}

Result<Value> Executor::field(const Value& dot, const std::string& name, const Node& node, Words words,
                              const Final& final, const Value& receiver, const std::string& declared) {
  if (receiver.is_missing()) {
    if (options_.missing_key == MissingKey::kError) return error("nil data; no entry for key " + go_quote(name));
    return Value::missing();
  }
  if (receiver.is_nil()) return error("nil pointer evaluating interface {}." + name);
  if (const Method* method = find_method(receiver, name)) {
    SENTINEL_ASSIGN(std::vector<Value> args, arguments(dot, name, method->params, false, words, final));
    return finish_call(method->call(receiver, args), name, node);
  }
  const bool has_args = words.size() > 1 || final.has_value();
  if (receiver.kind() == Kind::kMap) return map_entry(receiver, name, has_args);
  if (receiver.kind() == Kind::kStruct) {
    for (const auto& [field_name, value] : receiver.as_struct()) {
      if (field_name != name) continue;
      if (has_args) return error(name + " has arguments but cannot be invoked as function");
      return value;
    }
  }
  return error(fmt::format("can't evaluate field {} in type {}", name, declared));
}

Result<Value> Executor::function(const Value& dot, const Node& node, const Node& shown, Words words,
                                 const Final& final) {
  at(node);
  auto found = functions_.find(node.text);
  if (found == functions_.end()) return error(go_quote(node.text) + " is not a defined function");
  const Func& func = found->second;
  const bool is_logic = short_circuit_ && (node.text == "and" || node.text == "or");
  if (is_logic && (words.size() > 1 || final)) return logic(dot, node.text == "or", words, final);
  SENTINEL_ASSIGN(std::vector<Value> args, arguments(dot, node.text, func.params, func.variadic, words, final));
  return finish_call(func.call(args), node.text, shown);
}

Result<Value> Executor::finish_call(Eval result, const std::string& name, const Node& node) {
  if (!result) {
    at(node);
    return error(fmt::format("error calling {}: {}", name, result.error().message()), result.error().code());
  }
  const bool too_large = (result->kind() == Kind::kString && result->as_string().size() > kTemplateOutputBytesMax) ||
                         (result->kind() == Kind::kList && result->as_list().size() > kTemplateOutputBytesMax / 16);
  if (too_large) {
    at(node);
    return error(fmt::format("result of {} exceeds {} bytes", name, kTemplateOutputBytesMax), ErrorCode::kTooLarge);
  }
  return result;
}

// "and" and "or" stop at the first argument that decides.
Result<Value> Executor::logic(const Value& dot, bool is_or, Words words, const Final& final) {
  Value value;
  for (size_t i = 1; i < words.size(); ++i) {
    SENTINEL_ASSIGN(value, argument(dot, ParamKind::kReflect, *words[i]));
    if (value.truth() == is_or) return value;
  }
  return final ? *final : value;
}

Result<std::vector<Value>> Executor::arguments(const Value& dot, const std::string& name, std::span<const Param> params,
                                               bool variadic, Words words, const Final& final) {
  const Words given = words.empty() ? words : words.subspan(1);
  const size_t count = given.size() + (final ? 1 : 0);
  if (variadic && count < params.size() - 1) {
    return error(
        fmt::format("wrong number of args for {}: want at least {} got {}", name, params.size() - 1, given.size()));
  }
  if (!variadic && count != params.size()) {
    return error(fmt::format("wrong number of args for {}: want {} got {}", name, params.size(), count));
  }
  const auto param = [&](size_t i) -> const Param& { return params[std::min(i, params.size() - 1)]; };
  std::vector<Value> values;
  values.reserve(count);
  for (size_t i = 0; i < given.size(); ++i) {
    SENTINEL_ASSIGN(Value value, argument(dot, param(i), *given[i]));
    values.push_back(std::move(value));
  }
  if (final) {
    SENTINEL_ASSIGN(Value value, validate(*final, param(given.size())));
    values.push_back(std::move(value));
  }
  return values;
}

bool may_be_nil(const Param& param) {
  switch (param.kind) {
    case ParamKind::kAny:
    case ParamKind::kReflect:
    case ParamKind::kStrings:
    case ParamKind::kList: return true;
    case ParamKind::kType:
      return param.type->name.starts_with('*') || param.type->name.starts_with('[') ||
             param.type->name.starts_with("map");
    default: return false;
  }
}

bool fits(const Value& value, const Param& param) {
  switch (param.kind) {
    case ParamKind::kAny:
    case ParamKind::kReflect: return true;
    case ParamKind::kBool: return value.kind() == Kind::kBool;
    case ParamKind::kInt: return value.kind() == Kind::kInt;
    case ParamKind::kFloat: return value.kind() == Kind::kFloat;
    case ParamKind::kString: return value.kind() == Kind::kString && value.content() == Content::kPlain;
    case ParamKind::kTime: return value.kind() == Kind::kTime;
    case ParamKind::kDuration: return value.kind() == Kind::kDuration;
    case ParamKind::kStrings: return value.kind() == Kind::kList && value.type()->element == "string";
    case ParamKind::kList: return value.kind() == Kind::kList && value.type() == any_list_type();
    case ParamKind::kType: return value.type() == param.type;
  }
  return false;
}

// The value of nil for a parameter that may be nil: an empty list where one is wanted.
Value nil_for(const Param& param) {
  if (param.kind == ParamKind::kStrings) return Value::list({}, strings_type());
  if (param.kind == ParamKind::kList) return Value::list({});
  return Value();
}

Result<Value> Executor::validate(Value value, const Param& param) {
  if (fits(value, param)) return value;
  if (value.is_nil()) {
    if (may_be_nil(param)) return nil_for(param);
    return error("invalid value; expected " + param.name());
  }
  return error(fmt::format("wrong type for value; expected {}; got {}", param.name(), value.type_name()));
}

Result<Value> Executor::argument(const Value& dot, const Param& param, const Node& node) {
  at(node);
  Eval value = Value();
  switch (node.kind) {
    case NodeKind::kDot: return validate(dot, param);
    case NodeKind::kNil:
      if (may_be_nil(param)) return nil_for(param);
      return error("cannot assign nil to " + param.name());
    case NodeKind::kField: value = fields(dot, dot, node, node.idents, {}, std::nullopt); break;
    case NodeKind::kVariable: value = variable(dot, node, {}, std::nullopt); break;
    case NodeKind::kPipe: value = pipeline(dot, node); break;
    case NodeKind::kIdentifier: value = function(dot, node, node, {}, std::nullopt); break;
    case NodeKind::kChain: value = chain(dot, node, {}, std::nullopt); break;
    default: return constant_argument(param, node);
  }
  if (!value) return value;
  return validate(std::move(*value), param);
}

// Untyped constants take the parameter's type, as in Go.
Result<Value> Executor::constant_argument(const Param& param, const Node& node) {
  at(node);
  const auto expected = [&](const char* what) {
    return error(fmt::format("expected {}; found {}", what, to_source(node)));
  };
  switch (param.kind) {
    case ParamKind::kAny:
    case ParamKind::kReflect: return constant(node);
    case ParamKind::kBool: return node.kind == NodeKind::kBool ? constant(node) : Eval(expected("bool"));
    case ParamKind::kString: return node.kind == NodeKind::kString ? constant(node) : Eval(expected("string"));
    case ParamKind::kFloat:
      if (node.kind != NodeKind::kNumber || !node.number.is_float) return expected("float");
      return Value(node.number.float_value);
    case ParamKind::kInt:
      if (node.kind != NodeKind::kNumber || !node.number.is_int) return expected("integer");
      return Value(node.number.int_value);
    case ParamKind::kDuration:
      if (node.kind != NodeKind::kNumber || !node.number.is_int) return expected("integer");
      return Value(GoDuration{node.number.int_value});
    default: return error(fmt::format("can't handle {} for arg of type {}", to_source(node), param.name()));
  }
}

}  // namespace

Template::Template(FuncMap functions, TemplateOptions options) : functions_(template_builtins()), options_(options) {
  own_logic_ = functions.contains("and") || functions.contains("or");
  for (auto& [name, function] : functions) functions_[name] = std::move(function);
}

Status Template::parse(const std::string& name, std::string text) {
  return parse_template(name, std::move(text), functions_, trees_);
}

std::vector<std::string> Template::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tree] : trees_) names.push_back(name);
  return names;
}

Result<std::string> Template::execute(std::string_view name, const Value& data) const {
  auto found = trees_.find(name);
  if (found == trees_.end()) return fail(ErrorCode::kNotFound, fmt::format("template: no template {}", go_quote(name)));
  return Executor(trees_, functions_, options_, !own_logic_)
      .run(*found->second, data.is_nil() ? Value::missing() : data);
}

Result<std::string> expand_template(const std::string& name, std::string text, const Value& data,
                                    const FuncMap& functions, TemplateOptions options) {
  Template set(functions, options);
  SENTINEL_TRY(set.parse(name, std::move(text)));
  return set.execute(name, data);
}

}  // namespace sentinel::text
