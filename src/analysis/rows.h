#pragma once
// Texts to be scored, from a file: JSON lines, plain or gzipped. Rows may hold offensive text: never log them.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analyzer.h"
#include "base/result.h"

namespace sentinel::analysis {

struct Row {
  std::string id;
  bool dev = false;       // "split": "dev"
  bool labelled = false;  // `label` or `spans` say what is right
  int label = 0;          // 1 = bad
  std::string cls;
  std::string slice;
  std::string kind;  // personal data only
  std::string text;
  std::string context;  // support only, as question and answer
  std::string question;
  std::string answer;
  std::vector<Span> spans;  // personal data only; byte offsets
};

// One line; errors say what was expected, never the text.
Result<Row> parse_row(std::string_view line);

// Reads row by row, so that a file may be larger than memory. One owner, one thread; blocks.
class RowReader {
 public:
  static Result<std::unique_ptr<RowReader>> open(const std::string& path);  // "-": standard input
  virtual ~RowReader() = default;
  // No value at the end. Empty lines are passed over, fields that are missing stay empty; errors name file and line
  // and what was expected, never the text.
  virtual Result<std::optional<Row>> next() = 0;
  virtual int line() const = 0;           // of the last row, from 1
  virtual double share_read() const = 0;  // 0..1 of the file; 0 when its size is not known
};

Result<std::vector<Row>> read_rows(const std::string& path);

// Byte offset → character offset, for span files counted in characters.
size_t characters_before(const std::string& text, size_t byte_offset);

}  // namespace sentinel::analysis
