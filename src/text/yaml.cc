#include "text/yaml.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/duration.h"
#include "base/strings.h"

namespace sentinel::text {

struct YamlNode::Data {
  YamlKind kind = YamlKind::kNull;
  std::shared_ptr<const std::string> file;
  int line = 0;
  int column = 0;
  bool quoted = false;
  std::string scalar;
  std::vector<YamlNode> items;
  std::vector<Entry> entries;
};

namespace {

using Data = YamlNode::Data;

bool is_null_word(std::string_view word) {
  return word.empty() || word == "~" || word == "null" || word == "Null" || word == "NULL";
}

std::string_view kind_name(YamlKind kind) {
  switch (kind) {
    case YamlKind::kNull: return "nothing";
    case YamlKind::kScalar: return "a scalar";
    case YamlKind::kList: return "a list";
    case YamlKind::kMap: return "a map";
  }
  return "";
}

// `[:,` holds three nodes in two bytes; no text holds more than four a byte. yaml-cpp gives nulls without end for some
// that are malformed (a `,` alone): this stops it long before the limit of nodes does.
constexpr size_t kNodesPerByteMax = 4;

// Builds our tree from yaml-cpp's events, which know the position of everything and whether a scalar was quoted.
// Errors are thrown as YAML::ParserException inside and caught in parse_yaml_documents.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view file, size_t text_bytes, const YamlLimits& limits)
      : file_(std::make_shared<const std::string>(file)),
        limits_(limits),
        written_max_(kNodesPerByteMax * (text_bytes + 1)) {}

  YamlNode take() { return std::exchange(root_, YamlNode()); }

  void OnDocumentStart(const YAML::Mark&) override {
    root_ = YamlNode();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(finish(make(mark, YamlKind::kNull), anchor));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) throw YAML::ParserException(mark, "an alias inside its own anchor");
    nodes_ += it->second.nodes;
    check_limits(mark, it->second.depth);
    reached(it->second.depth);
    add(it->second.node);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto data = make(mark, YamlKind::kScalar);
    data->quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    data->scalar = value;
    if (!data->quoted && is_null_word(value)) data->kind = YamlKind::kNull;
    add(finish(std::move(data), anchor));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, YamlKind::kList, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, YamlKind::kMap, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    std::shared_ptr<Data> data;
    YAML::anchor_t anchor;
    size_t nodes_before;
    std::optional<YamlNode> key;
    std::set<std::string> seen;
    std::vector<YamlNode> merges;
    size_t depth = 1;  // of the tree below, this node included
  };
  struct Anchored {
    YamlNode node;
    size_t nodes;
    size_t depth;
  };

  // The open node holds something `depth` levels deep.
  void reached(size_t depth) {
    if (!stack_.empty()) stack_.back().depth = std::max(stack_.back().depth, depth + 1);
  }

  std::shared_ptr<Data> make(const YAML::Mark& mark, YamlKind kind) {
    ++nodes_;
    if (++written_ > written_max_) throw YAML::ParserException(mark, "nothing can begin with what stands here");
    check_limits(mark);
    auto data = std::make_shared<Data>();
    data->kind = kind;
    data->file = file_;
    data->line = mark.line + 1;
    data->column = mark.column + 1;
    return data;
  }

  void check_limits(const YAML::Mark& mark, size_t deeper = 0) const {
    if (nodes_ > limits_.nodes_max)
      throw YAML::ParserException(mark, fmt::format("more than {} nodes", limits_.nodes_max));
    if (stack_.size() + deeper > limits_.depth_max)
      throw YAML::ParserException(mark, fmt::format("nested deeper than {}", limits_.depth_max));
  }

  YamlNode finish(std::shared_ptr<Data> data, YAML::anchor_t anchor) {
    YamlNode node{std::shared_ptr<const Data>(std::move(data))};
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {node, 1, 0};
    return node;
  }

  void open(const YAML::Mark& mark, YamlKind kind, YAML::anchor_t anchor) {
    stack_.push_back({make(mark, kind), anchor, nodes_, std::nullopt, {}, {}, 1});
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    apply_merges(frame);
    YamlNode node{std::shared_ptr<const Data>(frame.data)};
    if (frame.anchor != YAML::NullAnchor) anchors_[frame.anchor] = {node, nodes_ - frame.nodes_before + 1, frame.depth};
    reached(frame.depth);
    add(node);
  }

  // Keys of the map itself win over merged ones, earlier merges over later ones.
  static void apply_merges(Frame& frame) {
    for (const YamlNode& source : frame.merges) {
      for (const YamlNode::Entry& entry : source.entries()) {
        if (frame.seen.insert(entry.name()).second) frame.data->entries.push_back(entry);
      }
    }
  }

  void add(const YamlNode& node) {
    if (stack_.empty()) {
      root_ = node;
      return;
    }
    Frame& frame = stack_.back();
    if (frame.data->kind == YamlKind::kList) {
      frame.data->items.push_back(node);
    } else if (!frame.key) {
      frame.key = node;
    } else {
      add_entry(frame, *std::exchange(frame.key, std::nullopt), node);
    }
  }

  static void add_entry(Frame& frame, const YamlNode& key, const YamlNode& value) {
    const Position at = key.position();
    YAML::Mark mark;
    mark.line = at.line - 1;
    mark.column = at.column - 1;
    if (key.is_list() || key.is_map()) throw YAML::ParserException(mark, "a key must be a scalar");
    const std::string name = key.string().value_or("");
    if (name == "<<" && !key.quoted()) {
      if (value.is_map()) frame.merges.push_back(value);
      for (const YamlNode& item : value.items()) frame.merges.push_back(item);
      return;
    }
    if (!frame.seen.insert(name).second)
      throw YAML::ParserException(mark, fmt::format("field \"{}\" is already set in this map", name));
    frame.data->entries.push_back({key, value});
  }

  std::shared_ptr<const std::string> file_;
  const YamlLimits& limits_;
  YamlNode root_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  size_t nodes_ = 0;
  size_t written_ = 0;  // without aliases
  const size_t written_max_;
};

// Damerau-free Levenshtein distance, small words only.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

YamlNode::YamlNode() {
  static const auto null = std::make_shared<const Data>();
  data_ = null;
}
YamlNode::YamlNode(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

YamlKind YamlNode::kind() const { return data_->kind; }
bool YamlNode::quoted() const { return data_->quoted; }
Position YamlNode::position() const { return {data_->file ? *data_->file : "", data_->line, data_->column}; }
Error YamlNode::error(std::string message) const {
  return Error(ErrorCode::kInvalidArgument, std::move(message), position());
}
size_t YamlNode::size() const { return is_map() ? data_->entries.size() : data_->items.size(); }
YamlNode YamlNode::at(size_t index) const { return data_->items.at(index); }
std::vector<YamlNode> YamlNode::items() const { return data_->items; }
const std::vector<YamlNode::Entry>& YamlNode::entries() const { return data_->entries; }

Result<std::string> YamlNode::string() const {
  if (is_scalar()) return data_->scalar;
  return fail(error(fmt::format("expected a string, found {}", kind_name(kind()))));
}

Result<int64_t> YamlNode::integer() const {
  if (is_scalar() && !quoted()) {
    if (const auto value = parse_int(data_->scalar)) return *value;
  }
  return fail(error(
      fmt::format("expected a whole number, found {}", is_scalar() ? json_quote(data_->scalar) : kind_name(kind()))));
}

Result<double> YamlNode::number() const {
  if (is_scalar() && !quoted()) {
    if (const auto value = parse_double(data_->scalar)) return *value;
  }
  return fail(
      error(fmt::format("expected a number, found {}", is_scalar() ? json_quote(data_->scalar) : kind_name(kind()))));
}

Result<bool> YamlNode::boolean() const {
  if (is_scalar() && !quoted()) {
    const std::string word = to_lower(data_->scalar);
    if (word == "true") return true;
    if (word == "false") return false;
  }
  return fail(error(
      fmt::format("expected true or false, found {}", is_scalar() ? json_quote(data_->scalar) : kind_name(kind()))));
}

Result<Millis> YamlNode::duration() const {
  SENTINEL_ASSIGN(const std::string text, string());
  auto parsed = parse_duration(text);
  if (!parsed) return fail(error(parsed.error().message()));
  return parsed;
}

Result<std::vector<std::string>> YamlNode::strings() const {
  if (!is_list()) return fail(error(fmt::format("expected a list of strings, found {}", kind_name(kind()))));
  std::vector<std::string> out;
  for (const YamlNode& item : data_->items) {
    SENTINEL_ASSIGN(out.emplace_back(), item.string());
  }
  return out;
}

YamlNode YamlNode::get(std::string_view key) const {
  for (const Entry& entry : data_->entries) {
    if (entry.key.data_->scalar == key) return entry.value;
  }
  auto null = std::make_shared<Data>();
  null->file = data_->file;
  null->line = data_->line;
  null->column = data_->column;
  return YamlNode{std::shared_ptr<const Data>(std::move(null))};
}

bool YamlNode::has(std::string_view key) const {
  return std::any_of(data_->entries.begin(), data_->entries.end(),
                     [&](const Entry& e) { return e.key.data_->scalar == key; });
}

Status YamlNode::expect_keys(std::string_view what, std::initializer_list<std::string_view> known) const {
  return expect_keys(what, std::vector<std::string_view>(known));
}

Status YamlNode::expect_keys(std::string_view what, const std::vector<std::string_view>& known) const {
  if (is_null()) return {};
  if (!is_map()) return fail(error(fmt::format("{} must be a map, found {}", what, kind_name(kind()))));
  for (const Entry& entry : data_->entries) {
    const std::string& name = entry.key.data_->scalar;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::vector<std::string> words(known.begin(), known.end());
    const auto near = nearest_word(name, words);
    return fail(
        entry.key.error(near ? fmt::format("unknown field \"{}\" in {}; did you mean \"{}\"?", name, what, *near)
                             : fmt::format("unknown field \"{}\" in {}; known are {}", name, what, join(words, ", "))));
  }
  return {};
}

Result<std::string> YamlNode::string_or(std::string_view key, std::string fallback) const {
  const YamlNode node = get(key);
  return node.is_null() ? Result<std::string>(std::move(fallback)) : node.string();
}
Result<int64_t> YamlNode::integer_or(std::string_view key, int64_t fallback) const {
  const YamlNode node = get(key);
  return node.is_null() ? Result<int64_t>(fallback) : node.integer();
}
Result<double> YamlNode::number_or(std::string_view key, double fallback) const {
  const YamlNode node = get(key);
  return node.is_null() ? Result<double>(fallback) : node.number();
}
Result<bool> YamlNode::boolean_or(std::string_view key, bool fallback) const {
  const YamlNode node = get(key);
  return node.is_null() ? Result<bool>(fallback) : node.boolean();
}
Result<Millis> YamlNode::duration_or(std::string_view key, Millis fallback) const {
  const YamlNode node = get(key);
  return node.is_null() ? Result<Millis>(fallback) : node.duration();
}
Result<uint64_t> YamlNode::bytes_or(std::string_view key, uint64_t fallback) const {
  const YamlNode node = get(key);
  if (node.is_null()) return fallback;
  SENTINEL_ASSIGN(const std::string text, node.string());
  if (text == "0") return uint64_t{0};
  static constexpr std::array<std::string_view, 6> kUnits{"B", "KB", "MB", "GB", "TB", "PB"};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_int(std::string_view(text).substr(0, digits));
  const std::string unit = replace_all(text.substr(digits), "i", "");
  const auto* const it = std::find(kUnits.begin(), kUnits.end(), unit);
  const auto power = 10u * static_cast<unsigned>(it - kUnits.begin());
  if (!number || it == kUnits.end() || *number > (INT64_MAX >> power))
    return fail(node.error(fmt::format("expected a size such as 10MB, got {}", sentinel::go_quote(text))));
  return static_cast<uint64_t>(*number) << power;
}
Result<std::vector<std::string>> YamlNode::strings_or(std::string_view key, std::vector<std::string> fallback) const {
  const YamlNode node = get(key);
  return node.is_null() ? Result<std::vector<std::string>>(std::move(fallback)) : node.strings();
}

Result<YamlNode> YamlNode::require(std::string_view what, std::string_view key) const {
  YamlNode node = get(key);
  if (node.is_null()) return fail(error(fmt::format("{} needs a field \"{}\"", what, key)));
  return node;
}

Result<std::vector<YamlNode>> parse_yaml_documents(std::string_view text, std::string_view file,
                                                   const YamlLimits& limits) {
  const std::string name(file);
  if (text.size() > limits.bytes_max) {
    return fail(
        Error(ErrorCode::kTooLarge, fmt::format("larger than {} bytes", limits.bytes_max), Position{name, 0, 0}));
  }
  std::istringstream stream{std::string(text)};
  std::vector<YamlNode> documents;
  try {
    YAML::Parser parser(stream);
    Builder builder(file, text.size(), limits);
    while (parser.HandleNextDocument(builder)) documents.push_back(builder.take());
  } catch (const YAML::Exception& e) {
    return fail(
        Error(ErrorCode::kInvalidArgument, "YAML: " + e.msg, Position{name, e.mark.line + 1, e.mark.column + 1}));
  } catch (const std::exception& e) {
    return fail(Error(ErrorCode::kInvalidArgument, fmt::format("YAML: {}", e.what()), Position{name, 0, 0}));
  }
  return documents;
}

Result<YamlNode> parse_yaml(std::string_view text, std::string_view file, const YamlLimits& limits) {
  SENTINEL_ASSIGN(std::vector<YamlNode> documents, parse_yaml_documents(text, file, limits));
  if (documents.empty()) return YamlNode();
  if (documents.size() > 1) return fail(documents[1].error("a second document; one is expected"));
  return std::move(documents.front());
}

Result<std::string> expand_environment(std::string_view text) {
  std::string out;
  bool comment = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') comment = false;
    if (text[i] == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t' || text[i - 1] == '\n')) comment = true;
    if (comment || text[i] != '$' || i + 1 >= text.size() || (text[i + 1] != '{' && text[i + 1] != '$')) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string_view::npos) return fail(ErrorCode::kInvalidArgument, "${ without }");
    const std::string_view inside = text.substr(i + 2, end - i - 2);
    const size_t dash = inside.find(":-");
    const std::string name(inside.substr(0, dash));
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && *value != '\0')
      out += value;
    else if (dash != std::string_view::npos)
      out += inside.substr(dash + 2);
    else
      return fail(ErrorCode::kInvalidArgument, fmt::format("environment variable {} is not set", name));
    i = end;
  }
  return out;
}

std::optional<std::string> nearest_word(std::string_view word, const std::vector<std::string>& known) {
  std::optional<std::string> best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace sentinel::text
