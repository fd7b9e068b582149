#include "analysis/train/dataset.h"

#include <zlib.h>

#include <algorithm>
#include <boost/json.hpp>

namespace sentinel::analysis::train {
namespace {

namespace json = boost::json;

Result<std::string> read_gzip(const std::string& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  if (!file) return fail(ErrorCode::kNotFound, path + ": cannot be opened");
  std::string out;
  char buffer[64 * 1024];
  int count = 0;
  while ((count = gzread(file, buffer, sizeof buffer)) > 0) out.append(buffer, static_cast<size_t>(count));
  gzclose(file);
  if (count < 0) return fail(ErrorCode::kIo, path + ": not readable as gzip");
  return out;
}

std::string text_of(const json::object& row, const char* key) {
  const json::value* value = row.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

size_t bytes_before(const std::string& text, int64_t characters) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && characters-- == 0) break;
  }
  return at;
}

Row parse_row(const json::object& object) {
  Row row;
  row.id = text_of(object, "id");
  row.dev = text_of(object, "split") == "dev";
  row.cls = text_of(object, "cls");
  row.slice = text_of(object, "slice");
  row.kind = text_of(object, "kind");
  row.text = text_of(object, "text");
  row.context = text_of(object, "context");
  row.question = text_of(object, "question");
  row.answer = text_of(object, "answer");
  if (const json::value* label = object.if_contains("label"); label && label->is_int64())
    row.label = static_cast<int>(label->get_int64());
  const json::value* spans = object.if_contains("spans");
  if (spans && spans->is_array()) {
    for (const json::value& entry : spans->get_array()) {
      const json::object* span = entry.if_object();
      if (!span) continue;
      const json::value* start = span->if_contains("start");
      const json::value* end = span->if_contains("end");
      if (!start || !end || !start->is_int64() || !end->is_int64()) continue;
      row.spans.push_back({bytes_before(row.text, start->get_int64()), bytes_before(row.text, end->get_int64()),
                           text_of(*span, "type")});
    }
  }
  return row;
}

}  // namespace

Result<std::vector<Row>> read_rows(const std::string& path) {
  std::string bytes;
  SENTINEL_ASSIGN(bytes, read_gzip(path));
  std::vector<Row> rows;
  size_t line = 0;
  for (size_t at = 0; at < bytes.size();) {
    size_t end = bytes.find('\n', at);
    if (end == std::string::npos) end = bytes.size();
    ++line;
    if (end > at) {
      boost::system::error_code error;
      const json::value value = json::parse(json::string_view(bytes.data() + at, end - at), error);
      if (error || !value.is_object())
        return fail(ErrorCode::kInvalidArgument, path + ":" + std::to_string(line) + ": expected a JSON object");
      rows.push_back(parse_row(value.get_object()));
    }
    at = end + 1;
  }
  return rows;
}

size_t characters_before(const std::string& text, size_t byte_offset) {
  return static_cast<size_t>(std::count_if(text.begin(),
                                           text.begin() + static_cast<int64_t>(std::min(byte_offset, text.size())),
                                           [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace sentinel::analysis::train
