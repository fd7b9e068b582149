// Matchers and label sets made of outside text: no crash, and a set does not depend on the order it was given in.
#include "base/check.h"
#include "base/strings.h"
#include "model/labels.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::model;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Label> parts;
  const auto lines = split(text, '\n');
  for (size_t i = 0; i + 1 < lines.size(); i += 2) parts.push_back({std::string(lines[i]), std::string(lines[i + 1])});
  const Labels labels(parts);
  Labels one_by_one;
  for (const Label& part : parts) one_by_one.set(part.name, part.value);
  SENTINEL_CHECK(labels == one_by_one && labels.hash() == one_by_one.hash());
  SENTINEL_CHECK(labels.to_string() == one_by_one.to_string());
  for (const Label& label : labels) SENTINEL_CHECK(labels.get(label.name) == label.value && !label.value.empty());
  const auto yes = Matcher::make(MatchType::kRegexp, "l", std::string(lines.front()));
  const auto no = Matcher::make(MatchType::kNotRegexp, "l", std::string(lines.front()));
  SENTINEL_CHECK(yes.has_value() == no.has_value());
  if (yes) SENTINEL_CHECK(yes->matches(lines.back()) != no->matches(lines.back()));
  return 0;
}
