#include "analysis/rows.h"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "analysis/limits.h"

namespace sentinel::analysis {
namespace {

namespace json = boost::json;

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

Row row_of(const json::object& object) {
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
  if (const json::value* label = object.if_contains("label"); label && label->is_int64()) {
    row.label = static_cast<int>(label->get_int64());
    row.labelled = true;
  }
  const json::value* spans = object.if_contains("spans");
  if (spans && spans->is_array()) {
    row.labelled = true;
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

class GzipRows final : public RowReader {
 public:
  GzipRows(std::string path, gzFile file, int64_t size_bytes)
      : path_(std::move(path)), file_(file), size_bytes_(size_bytes) {}
  ~GzipRows() override { gzclose(file_); }

  Result<std::optional<Row>> next() override {
    std::string text;
    while (true) {
      bool more = false;
      SENTINEL_ASSIGN(more, read_line(text));
      if (!more) return std::optional<Row>();
      if (text.find_first_not_of(" \t\r") != std::string::npos) break;
    }
    Result<Row> row = parse_row(text);
    if (!row) return wrong(row.error().message());
    return std::optional<Row>(std::move(*row));
  }
  int line() const override { return line_; }
  double share_read() const override {
    return size_bytes_ > 0 ? std::min(1.0, static_cast<double>(gzoffset(file_)) / static_cast<double>(size_bytes_)) : 0;
  }

 private:
  tl::unexpected<Error> wrong(const std::string& what) const {
    return fail(ErrorCode::kInvalidArgument, path_ + ":" + std::to_string(line_) + ": " + what);
  }
  // Without its end; false at the end of the file.
  Result<bool> read_line(std::string& out) {
    out.clear();
    ++line_;
    char buffer[16 * 1024];
    while (gzgets(file_, buffer, sizeof buffer)) {
      out += buffer;
      if (out.ends_with('\n')) {
        out.pop_back();
        return true;
      }
      if (out.size() > kRowBytesMax) return wrong("longer than " + std::to_string(kRowBytesMax >> 20) + " MiB");
    }
    int number = Z_OK;
    const char* message = gzerror(file_, &number);
    if (number != Z_OK && number != Z_STREAM_END) return wrong(std::string("not readable: ") + message);
    return !out.empty();
  }

  const std::string path_;
  const gzFile file_;
  const int64_t size_bytes_;
  int line_ = 0;
};

}  // namespace

Result<Row> parse_row(std::string_view line) {
  const auto wrong = [](const std::string& what) { return fail(ErrorCode::kInvalidArgument, what); };
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(line.data(), line.size()), error);
  if (error) return wrong("not JSON (" + error.message() + "); expected one JSON object a line");
  if (!value.is_object()) return wrong("expected a JSON object");
  Row row = row_of(value.get_object());
  if (row.id.empty()) return wrong("expected a field \"id\" that is a string and not empty");
  if (row.id.find_first_of("\t\n\r") != std::string::npos) return wrong("\"id\" must not hold tabs or line ends");
  return row;
}

Result<std::unique_ptr<RowReader>> RowReader::open(const std::string& path) {
  const gzFile file = path == "-" ? gzdopen(0, "rb") : gzopen(path.c_str(), "rb");
  if (!file) {
    return fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                path + ": cannot be opened: " + std::strerror(errno));
  }
  struct stat about{};
  const bool known = path != "-" && ::stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode);
  return std::make_unique<GzipRows>(path, file, known ? about.st_size : 0);
}

Result<std::vector<Row>> read_rows(const std::string& path) {
  std::unique_ptr<RowReader> reader;
  SENTINEL_ASSIGN(reader, RowReader::open(path));
  std::vector<Row> rows;
  while (true) {
    std::optional<Row> row;
    SENTINEL_ASSIGN(row, reader->next());
    if (!row) return rows;
    rows.push_back(std::move(*row));
  }
}

size_t characters_before(const std::string& text, size_t byte_offset) {
  return static_cast<size_t>(std::count_if(text.begin(),
                                           text.begin() + static_cast<int64_t>(std::min(byte_offset, text.size())),
                                           [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace sentinel::analysis
