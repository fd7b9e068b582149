#pragma once
// YAML with positions. A parsed document is an immutable tree; nodes are cheap handles that share it.
// Getters give errors that say file, line, column and what was expected.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sentinel::text {

struct YamlLimits {
  size_t bytes_max = 8 * 1024 * 1024;
  size_t depth_max = 100;
  size_t nodes_max = 1'000'000;  // aliases count as often as they are used
};

enum class YamlKind { kNull, kScalar, kList, kMap };

class YamlNode {
 public:
  struct Data;

  YamlNode();  // null, without a position
  explicit YamlNode(std::shared_ptr<const Data> data);

  YamlKind kind() const;
  bool is_null() const { return kind() == YamlKind::kNull; }
  bool is_scalar() const { return kind() == YamlKind::kScalar; }
  bool is_list() const { return kind() == YamlKind::kList; }
  bool is_map() const { return kind() == YamlKind::kMap; }
  // The scalar was written in quotes or as a block: it is a string whatever it looks like.
  bool quoted() const;
  Position position() const;  // file, line and column from 1

  // An error at this node: "file:line:column: message".
  Error error(std::string message) const;

  // Values. A null node is an error for all of them.
  Result<std::string> string() const;  // any scalar as written
  Result<int64_t> integer() const;
  Result<double> number() const;
  Result<bool> boolean() const;                      // true/false (yes/no/on/off are strings, as in Go's yaml.v3)
  Result<Millis> duration() const;                   // Prometheus form
  Result<std::vector<std::string>> strings() const;  // a list of scalars; a single scalar is refused

  // Lists.
  size_t size() const;
  YamlNode at(size_t index) const;      // REQUIRES: is_list(), index < size()
  std::vector<YamlNode> items() const;  // empty unless a list

  // Maps, in the order of the file, merge keys applied.
  struct Entry;
  const std::vector<Entry>& entries() const;  // empty unless a map
  YamlNode get(std::string_view key) const;   // null node (positioned at this map) when absent
  bool has(std::string_view key) const;

  // kInvalidArgument at the first unknown key, with the nearest known one: `unknown field "exprr" in rule; did you mean
  // "expr"?`. A null node has no keys. A node that is no map is an error: "rule must be a map".
  Status expect_keys(std::string_view what, std::initializer_list<std::string_view> known) const;
  Status expect_keys(std::string_view what, const std::vector<std::string_view>& known) const;

  // Optional fields of a map: `fallback` when absent or null.
  Result<std::string> string_or(std::string_view key, std::string fallback) const;
  Result<int64_t> integer_or(std::string_view key, int64_t fallback) const;
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  // "10MB": powers of 1024, as Prometheus reads sizes.
  Result<uint64_t> bytes_or(std::string_view key, uint64_t fallback) const;
  Result<Millis> duration_or(std::string_view key, Millis fallback) const;
  Result<std::vector<std::string>> strings_or(std::string_view key, std::vector<std::string> fallback) const;
  // A field that must be there: `rule needs a field "expr"`.
  Result<YamlNode> require(std::string_view what, std::string_view key) const;

 private:
  std::shared_ptr<const Data> data_;
};

struct YamlNode::Entry {
  YamlNode key;
  YamlNode value;
  std::string name() const { return key.string().value_or(""); }
};

// One document (an empty text is a null node; a second document is an error). Duplicate keys are errors.
Result<YamlNode> parse_yaml(std::string_view text, std::string_view file, const YamlLimits& limits = {});
Result<std::vector<YamlNode>> parse_yaml_documents(std::string_view text, std::string_view file,
                                                   const YamlLimits& limits = {});

// ${NAME} and ${NAME:-default} from the environment; $$ is a dollar; YAML
// comments are left alone. kInvalidArgument: NAME is not set and has no
// default.
Result<std::string> expand_environment(std::string_view text);

// The known word nearest to `word` when it is near enough to be meant, for "did you mean".
std::optional<std::string> nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace sentinel::text
