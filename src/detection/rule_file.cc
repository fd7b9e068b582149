#include "detection/rule_file.h"

#include <algorithm>
#include <map>
#include <set>

#include <fnmatch.h>

#include <fmt/format.h>

#include "base/strings.h"
#include "detection/alert_template.h"
#include "detection/limits.h"
#include "model/labels.h"
#include "text/yaml.h"

namespace sentinel::detection {
namespace {

using text::YamlNode;

bool valid_name(std::string_view name, NameScheme scheme) {
  return scheme == NameScheme::kLegacy ? model::is_legacy_label_name(name) : !name.empty() && is_valid_utf8(name);
}
bool valid_metric_name(std::string_view name, NameScheme scheme) {
  return scheme == NameScheme::kLegacy ? model::is_legacy_metric_name(name) : !name.empty() && is_valid_utf8(name);
}

// Reads one file, gathering every error on the way.
class Reader {
 public:
  Reader(std::string_view source, const RuleFileOptions& options, RuleFileCheck& out)
      : source_(split(source, '\n')), options_(options), out_(out) {}

  void read(const YamlNode& root);

 private:
  void error(const YamlNode& at, std::string message) { out_.errors.push_back(at.error(std::move(message))); }
  bool keys(const YamlNode& node, std::string_view what, std::initializer_list<std::string_view> known);
  std::string string(const YamlNode& node);
  Millis duration(const YamlNode& node);
  std::map<std::string, YamlNode> texts(const YamlNode& node);
  void group(const YamlNode& node);
  void rule(const YamlNode& node, const std::map<std::string, std::string>& group_labels, RuleGroupSpec& group);
  void expression(const YamlNode& node, const YamlNode& rule, RuleSpec& spec);
  void resolve_expression(const YamlNode& node, RuleSpec& spec);
  std::shared_ptr<const promql::Query> parsed(const YamlNode& node, const std::string& text);
  void check_kind(const YamlNode& node, const RuleSpec& spec);
  void check_labels(const std::map<std::string, YamlNode>& labels);
  void check_templates(const RuleSpec& spec, const std::map<std::string, YamlNode>& texts, std::string_view what);
  Position place_in_expression(const YamlNode& node, const std::string& expr, const Position& inside) const;

  std::vector<std::string_view> source_;
  const RuleFileOptions& options_;
  RuleFileCheck& out_;
  std::set<std::string> group_names_;
  std::string in_;  // 'group "x", rule 2, "y": '
};

bool Reader::keys(const YamlNode& node, std::string_view what, std::initializer_list<std::string_view> known) {
  if (options_.ignore_unknown_fields && (node.is_map() || node.is_null())) return true;
  auto status = node.expect_keys(what, known);
  if (!status) out_.errors.push_back(status.error());
  return node.is_map() || node.is_null();
}

// Any scalar is a string here, null is empty: what Go's decoder does.
std::string Reader::string(const YamlNode& node) {
  if (node.is_null()) return "";
  auto value = node.string();
  if (!value) out_.errors.push_back(value.error());
  return value.value_or("");
}

Millis Reader::duration(const YamlNode& node) {
  if (node.is_null()) return Millis(0);
  auto value = node.duration();
  if (!value) out_.errors.push_back(value.error());
  return value.value_or(Millis(0));
}

std::map<std::string, YamlNode> Reader::texts(const YamlNode& node) {
  std::map<std::string, YamlNode> out;
  if (!node.is_map() && !node.is_null()) error(node, "expected a map of names to texts");
  for (const auto& entry : node.entries()) {
    (void)string(entry.value);
    out.emplace(entry.name(), entry.value);
  }
  return out;
}

void Reader::read(const YamlNode& root) {
  if (!keys(root, "rule file", {"groups"})) return;
  const YamlNode groups = root.get("groups");
  if (!groups.is_list() && !groups.is_null()) return error(groups, "groups must be a list");
  for (const YamlNode& node : groups.items()) group(node);
}

void Reader::group(const YamlNode& node) {
  in_.clear();
  if (!keys(node, "group", {"name", "interval", "query_offset", "limit", "labels", "rules"})) return;
  RuleGroupSpec spec;
  spec.file = out_.file.path;
  spec.position = node.position();
  spec.name = string(node.get("name"));
  if (spec.name.empty()) error(node, "a group must have a name");
  if (!group_names_.insert(spec.name).second) {
    error(node, fmt::format("groupname: \"{}\" is repeated in the same file", spec.name));
  }
  if (Millis interval = duration(node.get("interval")); interval.count() > 0) {
    spec.interval = interval;
    if (interval < kIntervalMin)
      error(node.get("interval"), fmt::format("an interval must be at least {} ms", kIntervalMin.count()));
  }
  if (!node.get("query_offset").is_null()) spec.query_offset = duration(node.get("query_offset"));
  if (auto limit = node.integer_or("limit", 0))
    spec.limit = *limit;
  else
    out_.errors.push_back(limit.error());

  const auto labels = texts(node.get("labels"));
  check_labels(labels);
  std::map<std::string, std::string> group_labels;
  for (const auto& [name, value] : labels) group_labels[name] = value.string().value_or("");

  const YamlNode rules = node.get("rules");
  if (!rules.is_list() && !rules.is_null()) error(rules, "rules must be a list");
  for (const YamlNode& item : rules.items()) rule(item, group_labels, spec);
  out_.file.groups.push_back(std::move(spec));
}

NamedTexts named(const std::map<std::string, YamlNode>& nodes, const std::map<std::string, std::string>& base) {
  std::map<std::string, std::string> all = base;
  for (const auto& [name, node] : nodes) all[name] = node.string().value_or("");
  return {all.begin(), all.end()};
}

void Reader::rule(const YamlNode& node, const std::map<std::string, std::string>& group_labels, RuleGroupSpec& group) {
  in_ = fmt::format("group \"{}\", rule {}: ", group.name, group.rules.size() + 1);
  if (!keys(node, "rule",
            {"record", "alert", "expr", "for", "keep_firing_for", "resolve_expr", "labels", "annotations"}))
    return;
  RuleSpec spec;
  spec.position = node.position();
  spec.alert = string(node.get("alert"));
  spec.record = string(node.get("record"));
  const std::string& name = spec.name();
  if (!name.empty()) in_ = fmt::format("group \"{}\", rule {}, \"{}\": ", group.name, group.rules.size() + 1, name);
  spec.for_duration = duration(node.get("for"));
  spec.keep_firing_for = duration(node.get("keep_firing_for"));
  expression(node.get("expr"), node, spec);
  if (node.has("resolve_expr")) resolve_expression(node.get("resolve_expr"), spec);
  const auto labels = texts(node.get("labels"));
  const auto annotations = texts(node.get("annotations"));
  spec.labels = named(labels, group_labels);
  spec.annotations = named(annotations, {});
  check_kind(node, spec);
  check_labels(labels);
  for (const auto& [key, value] : annotations) {
    if (!valid_name(key, options_.names)) error(value, fmt::format("{}invalid annotation name: {}", in_, key));
  }
  if (spec.is_alert()) {
    check_templates(spec, labels, "label");
    check_templates(spec, annotations, "annotation");
  }
  group.rules.push_back(std::move(spec));
}

void Reader::check_kind(const YamlNode& node, const RuleSpec& spec) {
  if (!spec.record.empty() && !spec.alert.empty()) error(node, in_ + "only one of 'record' and 'alert' must be set");
  if (spec.record.empty() && spec.alert.empty()) error(node, in_ + "one of 'record' or 'alert' must be set");
  if (spec.record.empty()) return;
  const YamlNode record = node.get("record");
  if (!spec.annotations.empty()) error(node.get("annotations"), in_ + "invalid field 'annotations' in recording rule");
  if (spec.for_duration.count() != 0) error(node.get("for"), in_ + "invalid field 'for' in recording rule");
  if (spec.keep_firing_for.count() != 0) {
    error(node.get("keep_firing_for"), in_ + "invalid field 'keep_firing_for' in recording rule");
  }
  if (!valid_metric_name(spec.record, options_.names)) {
    error(record, fmt::format("{}invalid recording rule name: {}", in_, spec.record));
  }
  if (spec.record.find_first_of("{}") != std::string::npos) {
    error(record,
          fmt::format("{}braces present in the recording rule name; should it be in expr?: {}", in_, spec.record));
  }
}

void Reader::check_labels(const std::map<std::string, YamlNode>& labels) {
  for (const auto& [name, node] : labels) {
    if (!valid_name(name, options_.names) || name == model::kMetricNameLabel) {
      error(node, fmt::format("{}invalid label name: {}", in_, name));
    }
    if (const std::string value = node.string().value_or(""); !is_valid_utf8(value)) {
      error(node, fmt::format("{}invalid label value: {}", in_, value));
    }
  }
}

void Reader::check_templates(const RuleSpec& spec, const std::map<std::string, YamlNode>& texts,
                             std::string_view what) {
  for (const auto& [name, node] : texts) {
    auto status = AlertTemplate::check(spec.alert, node.string().value_or(""));
    if (!status) error(node, fmt::format("{}{} \"{}\": {}", in_, what, name, status.error().message()));
  }
}

void Reader::expression(const YamlNode& node, const YamlNode& rule, RuleSpec& spec) {
  spec.expr = string(node);
  if (spec.expr.empty()) {
    error(node.is_null() ? rule : node, in_ + "field 'expr' must be set in rule");
    return;
  }
  spec.query = parsed(node, spec.expr);
}

void Reader::resolve_expression(const YamlNode& node, RuleSpec& spec) {
  spec.resolve_expr = string(node);
  if (!spec.record.empty()) return error(node, in_ + "invalid field 'resolve_expr' in recording rule");
  const std::shared_ptr<const promql::Query> query = parsed(node, spec.resolve_expr);
  if (!query) return;
  auto truth = promql::truth_of(*query);
  if (!truth) return error(node, fmt::format("{}resolve_expr: {}", in_, truth.error().message()));
  spec.resolve_truth = std::move(*truth);
}

// Null after an error.
std::shared_ptr<const promql::Query> Reader::parsed(const YamlNode& node, const std::string& text) {
  auto query = promql::parse(text);
  if (query) return std::move(*query);
  const Error& e = query.error();
  const Position place = e.position() ? place_in_expression(node, text, *e.position()) : node.position();
  out_.errors.push_back(
      Error(ErrorCode::kInvalidArgument, fmt::format("{}could not parse expression: {}", in_, e.message()), place));
  return nullptr;
}

// Where in the file the line and column inside an expression are: right after the indentation of a block, or on the
// line of a plain or quoted scalar. The scalar's own position where the text was folded or escaped.
Position Reader::place_in_expression(const YamlNode& node, const std::string& expr, const Position& inside) const {
  Position place = node.position();
  const auto lines = split(expr, '\n');
  if (inside.line < 1 || static_cast<size_t>(inside.line) > lines.size()) return place;
  const std::string_view wanted = lines[static_cast<size_t>(inside.line - 1)];
  for (size_t shift : {0, 1}) {  // on the scalar's line, or below its "|"
    const size_t row = static_cast<size_t>(place.line - 1 + inside.line - 1) + shift;
    if (row >= source_.size() || wanted.empty()) continue;
    const size_t from = shift == 0 && inside.line == 1 ? static_cast<size_t>(std::max(place.column - 1, 0)) : 0;
    const size_t column = source_[row].find(wanted, from);
    if (column == std::string_view::npos) continue;
    place.line = static_cast<int>(row) + 1;
    place.column = static_cast<int>(column) + std::max(inside.column, 1);
    return place;
  }
  return place;
}

}  // namespace

RuleFileCheck check_rule_file(std::string_view text, const std::string& path, const RuleFileOptions& options) {
  RuleFileCheck out;
  out.file.path = path;
  auto documents = text::parse_yaml_documents(text, path, {.bytes_max = kRuleFileBytesMax});
  if (!documents) {
    out.errors.push_back(documents.error());
    return out;
  }
  if (documents->size() > 1) out.file.warnings.push_back(path + ": only the first YAML document is read");
  if (!documents->empty()) Reader(text, options, out).read(documents->front());
  return out;
}

Result<RuleFile> parse_rule_file(std::string_view text, const std::string& path, const RuleFileOptions& options) {
  RuleFileCheck check = check_rule_file(text, path, options);
  if (check.errors.empty()) return std::move(check.file);
  const Error& first = check.errors.front();
  if (check.errors.size() == 1) return fail(first);
  return fail(Error(first.code(), fmt::format("{} (and {} more)", first.message(), check.errors.size() - 1),
                    first.position().value_or(Position{path, 0, 0})));
}

std::vector<std::string> lint_rules(const RuleFile& file) {
  std::vector<std::string> out;
  std::map<std::pair<std::string, NamedTexts>, Position> seen;
  for (const RuleGroupSpec& group : file.groups) {
    for (const RuleSpec& rule : group.rules) {
      const auto [first, fresh] = seen.try_emplace({rule.name(), rule.labels}, rule.position);
      if (fresh) continue;
      std::string labels;
      for (const auto& [name, value] : rule.labels)
        labels += fmt::format("{}{}={}", labels.empty() ? "" : ", ", name, go_quote(value));
      out.push_back(
          fmt::format("{}:{}:{}: duplicate rule {}{{{}}}: first at line {}; it might cause inconsistency while "
                      "recording expressions",
                      file.path, rule.position.line, rule.position.column, rule.name(), labels, first->second.line));
    }
  }
  return out;
}

Result<std::vector<std::string>> expand_rule_pattern(Env& env, const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return std::vector<std::string>{pattern};
  std::vector<std::string> paths{pattern.starts_with('/') ? "/" : ""};
  for (const std::string_view part : split(pattern, '/')) {
    if (part.empty()) continue;
    const bool wild = part.find_first_of("*?[") != std::string_view::npos;
    std::vector<std::string> deeper;
    for (const std::string& path : paths) {
      const std::string base = path.empty() || path.ends_with('/') ? path : path + "/";
      if (!wild) {
        deeper.push_back(base + std::string(part));
        continue;
      }
      const auto names = env.list(base.empty() ? "." : base);
      if (!names) continue;  // a file, or not there
      for (const std::string& name : *names) {
        if (fnmatch(std::string(part).c_str(), name.c_str(), FNM_PERIOD) == 0) deeper.push_back(base + name);
      }
      if (deeper.size() > kRuleFilesMax)
        return fail(ErrorCode::kTooLarge, fmt::format("{}: more than {} paths", pattern, kRuleFilesMax));
    }
    paths = std::move(deeper);
  }
  std::erase_if(paths, [&](const std::string& path) { return !env.exists(path); });
  return paths;
}

Result<std::vector<RuleFile>> load_rule_files(Env& env, const std::vector<std::string>& patterns,
                                              const RuleFileOptions& options) {
  std::vector<RuleFile> files;
  std::set<std::string> seen;
  size_t rules = 0;
  for (const std::string& pattern : patterns) {
    SENTINEL_ASSIGN(const std::vector<std::string> paths, expand_rule_pattern(env, pattern));
    for (const std::string& path : paths) {
      if (!seen.insert(path).second) continue;
      if (seen.size() > kRuleFilesMax)
        return fail(ErrorCode::kTooLarge, fmt::format("more than {} rule files", kRuleFilesMax));
      auto text = env.read_file(path);
      if (!text) return fail(text.error().with_context("rule file " + path));
      SENTINEL_ASSIGN(RuleFile file, parse_rule_file(*text, path, options));
      for (const RuleGroupSpec& group : file.groups) rules += group.rules.size();
      if (rules > kRulesMax) return fail(ErrorCode::kTooLarge, fmt::format("more than {} rules", kRulesMax));
      files.push_back(std::move(file));
    }
  }
  return files;
}

}  // namespace sentinel::detection
