#include "analysis/policy.h"

#include <algorithm>

namespace sentinel::analysis {
namespace {

bool fits(std::string_view pattern, std::string_view value) {
  if (pattern.empty()) return true;
  if (pattern.ends_with('*')) return value.starts_with(pattern.substr(0, pattern.size() - 1));
  return value == pattern;
}

}  // namespace

FindingAction Policy::action(std::string_view category) const {
  const auto it = actions.find(category);
  return it == actions.end() ? FindingAction::kFlag : it->second;
}

const Policy& Policies::of(const model::Interaction& call) const {
  const std::string& prompt_template = call.prompt_template.empty() ? call.prompt_id : call.prompt_template;
  const auto it = std::find_if(list_.begin(), list_.end(), [&](const Policy& p) {
    return fits(p.service, call.service) && fits(p.env, call.env) && fits(p.endpoint, call.endpoint) &&
           fits(p.model, call.model) && fits(p.prompt_template, prompt_template);
  });
  return it == list_.end() ? shipped_ : *it;
}

}  // namespace sentinel::analysis
