#pragma once
// Reads the development data: gzipped JSON lines. Rows hold offensive text: never log them.

#include <string>
#include <vector>

#include "analysis/analyzer.h"
#include "base/result.h"

namespace sentinel::analysis::train {

struct Row {
  std::string id;
  bool dev = false;
  int label = 0;
  std::string cls;
  std::string slice;
  std::string kind;  // pii_secrets only
  std::string text;
  std::string context;  // groundedness only, as question and answer
  std::string question;
  std::string answer;
  std::vector<Span> spans;  // byte offsets
};

// Fields that are missing stay empty. Errors name file and line, never the text.
Result<std::vector<Row>> read_rows(const std::string& path);

// Byte offset → character offset, for span files counted in characters.
size_t characters_before(const std::string& text, size_t byte_offset);

}  // namespace sentinel::analysis::train
