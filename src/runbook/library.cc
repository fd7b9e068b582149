#include "runbook/library.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/strings.h"
#include "text/yaml.h"

namespace sentinel::runbook {
namespace {

Result<Step> parse_step(const text::YamlNode& node) {
  SENTINEL_TRY(node.expect_keys(
      "step", {"step_id", "description", "action", "expected_result", "troubleshooting", "automation_script"}));
  Step step;
  SENTINEL_ASSIGN(const text::YamlNode id, node.require("step", "step_id"));
  SENTINEL_ASSIGN(step.step_id, id.string());
  SENTINEL_ASSIGN(const text::YamlNode description, node.require("step", "description"));
  SENTINEL_ASSIGN(step.description, description.string());
  SENTINEL_ASSIGN(step.action, node.string_or("action", ""));
  SENTINEL_ASSIGN(step.expected_result, node.string_or("expected_result", ""));
  SENTINEL_ASSIGN(step.troubleshooting, node.string_or("troubleshooting", ""));
  SENTINEL_ASSIGN(step.automation_script, node.string_or("automation_script", ""));
  return step;
}

// "1. Do this" → "Do this"; empty when the line is no numbered item.
std::string_view numbered_item(std::string_view line) {
  const size_t digits = line.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || line.substr(digits, 2) != ". ") return {};
  return trim(line.substr(digits + 2));
}

}  // namespace

Result<Runbook> parse_yaml_runbook(std::string_view text, std::string_view file) {
  SENTINEL_ASSIGN(const text::YamlNode root, text::parse_yaml(text, file));
  SENTINEL_TRY(root.expect_keys("runbook", {"id", "title", "description", "alert_rule_id", "match", "estimated_time",
                                            "prerequisites", "escalation_contacts", "steps"}));
  Runbook book;
  book.file = std::string(file);
  SENTINEL_ASSIGN(const text::YamlNode id, root.require("runbook", "id"));
  SENTINEL_ASSIGN(book.id, id.string());
  SENTINEL_ASSIGN(const text::YamlNode title, root.require("runbook", "title"));
  SENTINEL_ASSIGN(book.title, title.string());
  SENTINEL_ASSIGN(book.description, root.string_or("description", ""));
  SENTINEL_ASSIGN(book.alert_rule_id, root.string_or("alert_rule_id", ""));
  SENTINEL_ASSIGN(book.estimated_time, root.string_or("estimated_time", ""));
  SENTINEL_ASSIGN(book.prerequisites, root.strings_or("prerequisites", {}));
  SENTINEL_ASSIGN(book.escalation_contacts, root.strings_or("escalation_contacts", {}));
  const text::YamlNode match = root.get("match");  // owns the entries
  for (const auto& entry : match.entries()) {
    SENTINEL_ASSIGN(std::string value, entry.value.string());
    book.match_labels.push_back({entry.name(), std::move(value)});
  }
  SENTINEL_ASSIGN(const text::YamlNode steps, root.require("runbook", "steps"));
  if (!steps.is_list() || steps.size() == 0) return fail(steps.error("steps must be a list with at least one step"));
  std::set<std::string> seen;
  for (const text::YamlNode& item : steps.items()) {
    SENTINEL_ASSIGN(Step step, parse_step(item));
    if (!seen.insert(step.step_id).second)
      return fail(item.error(fmt::format("step_id \"{}\" is used twice", step.step_id)));
    book.steps.push_back(std::move(step));
  }
  return book;
}

Result<Runbook> parse_markdown_runbook(std::string_view text, std::string_view file) {
  Runbook book;
  book.file = std::string(file);
  book.id = std::filesystem::path(std::string(file)).stem().string();
  book.markdown = std::string(text);
  std::string section;
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trim(raw);
    if (line.starts_with("# ") && book.title.empty()) book.title = std::string(trim(line.substr(2)));
    if (line.starts_with("## ")) section = to_lower(trim(line.substr(3)));
    const std::string_view item = numbered_item(line);
    if (item.empty() || (section != "diagnosis" && section != "mitigation" && section != "resolution")) continue;
    book.steps.push_back({fmt::format("{}-{}", section, book.steps.size() + 1), std::string(item), "", "", "", ""});
  }
  if (book.title.empty()) {
    return fail(Error(ErrorCode::kInvalidArgument, "a Markdown runbook begins with a title line \"# ...\"",
                      Position{book.file, 1, 1}));
  }
  return book;
}

Result<std::shared_ptr<const Library>> Library::parse(const std::vector<SourceFile>& files) {
  auto library = std::make_shared<Library>();
  for (const SourceFile& file : files) {
    const bool yaml = file.path.ends_with(".yml") || file.path.ends_with(".yaml");
    if (!yaml && (!file.path.ends_with(".md") || file.path.ends_with("README.md"))) continue;
    SENTINEL_ASSIGN(Runbook book,
                    yaml ? parse_yaml_runbook(file.text, file.path) : parse_markdown_runbook(file.text, file.path));
    if (const Runbook* other = library->find(book.id)) {
      return fail(Error(ErrorCode::kInvalidArgument,
                        fmt::format("runbook id \"{}\" is already used by {}", book.id, other->file),
                        Position{file.path, 0, 0}));
    }
    const auto at = std::lower_bound(library->runbooks_.begin(), library->runbooks_.end(), book,
                                     [](const Runbook& a, const Runbook& b) { return a.id < b.id; });
    library->runbooks_.insert(at, std::move(book));
  }
  return std::shared_ptr<const Library>(library);
}

const Runbook* Library::find(std::string_view id) const {
  const auto it = std::find_if(runbooks_.begin(), runbooks_.end(), [&](const Runbook& b) { return b.id == id; });
  return it == runbooks_.end() ? nullptr : &*it;
}

const Runbook* Library::match(const model::Labels& labels, const model::Labels& annotations) const {
  if (const Runbook* named = find(annotations.get("runbook"))) return named;
  const std::string_view rule = labels.get(model::kAlertNameLabel);
  const Runbook* best = nullptr;
  for (const Runbook& book : runbooks_) {
    if (!book.alert_rule_id.empty() && book.alert_rule_id == rule) return &book;
    const bool fits =
        !book.match_labels.empty() && std::all_of(book.match_labels.begin(), book.match_labels.end(),
                                                  [&](const model::Label& l) { return labels.get(l.name) == l.value; });
    if (fits && (best == nullptr || book.match_labels.size() > best->match_labels.size())) best = &book;
  }
  return best;
}

}  // namespace sentinel::runbook
