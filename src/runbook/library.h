#pragma once
// Runbooks as files: YAML with steps, or Markdown with sections. Loaded whole, validated with positions, immutable.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace sentinel::runbook {

struct Step {
  std::string step_id;  // unique within the runbook
  std::string description;
  std::string action;
  std::string expected_result;
  std::string troubleshooting;
  std::string automation_script;  // id of an automation; "" by hand
};

struct Runbook {
  std::string id;
  std::string title;
  std::string description;
  std::string alert_rule_id;               // the rule it belongs to
  std::vector<model::Label> match_labels;  // or: alerts with all of these
  std::string estimated_time;
  std::vector<std::string> prerequisites;
  std::vector<std::string> escalation_contacts;
  std::vector<Step> steps;
  std::string markdown;  // the whole text of a Markdown runbook
  std::string file;
};

struct SourceFile {
  std::string path;  // its ending tells the kind; for messages
  std::string text;
};

class Library {
 public:
  // Takes *.yml, *.yaml and *.md, skips README.md and the rest. The first wrong file is an error with its position; ids
  // must be unique.
  static Result<std::shared_ptr<const Library>> parse(const std::vector<SourceFile>& files);

  const Runbook* find(std::string_view id) const;  // null: not there
  // By annotation `runbook` (an id), else by rule name, else by labels (most labels wins). Null: none fits.
  const Runbook* match(const model::Labels& alert_labels, const model::Labels& annotations) const;
  const std::vector<Runbook>& all() const { return runbooks_; }

 private:
  std::vector<Runbook> runbooks_;  // sorted by id
};

// `file` for messages. Markdown: the id is the file name, steps are the numbered items of "## Mitigation" and "##
// Diagnosis".
Result<Runbook> parse_yaml_runbook(std::string_view text, std::string_view file);
Result<Runbook> parse_markdown_runbook(std::string_view text, std::string_view file);

}  // namespace sentinel::runbook
