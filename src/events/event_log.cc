#include "events/event_log.h"

#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "base/varint.h"
#include "events/limits.h"

namespace sentinel::events {
namespace {

constexpr std::string_view kMagic("SNTLEVT\x01", 8);  // the last byte is the version
constexpr size_t kFrameHeadBytes = 9;                 // length, checksum, type
constexpr size_t kColumnsMax = 1024;

enum class FrameType : uint8_t { kSchema = 1, kRows = 2 };

std::string encode_frame(FrameType type, std::string_view payload) {
  std::string out;
  out.reserve(kFrameHeadBytes + payload.size());
  const char type_byte = static_cast<char>(type);
  put_fixed(out, static_cast<uint32_t>(payload.size()));
  put_fixed(out, crc32c(payload, crc32c(std::string_view(&type_byte, 1))));
  out.push_back(type_byte);
  out.append(payload);
  return out;
}

std::string encode_schema() {
  std::string out;
  put_varint(out, column_defs().size());
  for (const ColumnDef& def : column_defs()) {
    put_text(out, def.name);
    out.push_back(static_cast<char>(def.kind));
  }
  return out;
}

void put_field(std::string& out, ColumnKind kind, const Field& f) {
  switch (kind) {
    case ColumnKind::kText:
    case ColumnKind::kJson: return put_text(out, f.text);
    case ColumnKind::kBool: out.push_back(f.i != 0 ? '\1' : '\0'); return;
    case ColumnKind::kInt:
    case ColumnKind::kTimestamp: return put_zigzag(out, f.i);
    case ColumnKind::kDouble: return put_fixed(out, f.d);
    case ColumnKind::kTextList:
      put_varint(out, f.list->size());
      for (const std::string& text : *f.list) put_text(out, text);
  }
}

// How a column of the file maps to ours.
struct FileColumn {
  ColumnKind kind = ColumnKind::kText;
  std::optional<size_t> ours;
};

bool decode_schema(std::string_view payload, std::vector<FileColumn>& out) {
  ByteReader in(payload);
  const uint64_t count = in.varint();
  if (count > kColumnsMax) return false;
  out.clear();
  const auto defs = column_defs();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view name = in.text();
    FileColumn column;
    const auto kind = in.fixed<uint8_t>();
    if (kind < 1 || kind > static_cast<uint8_t>(ColumnKind::kJson)) return false;
    column.kind = static_cast<ColumnKind>(kind);
    const auto it = std::find_if(defs.begin(), defs.end(), [&](const ColumnDef& d) { return d.name == name; });
    if (it != defs.end() && it->kind == column.kind) column.ours = static_cast<size_t>(it - defs.begin());
    out.push_back(column);
  }
  return in.ok() && in.empty();
}

Field get_field(ByteReader& in, ColumnKind kind, RowBatch& owner) {
  Field f;
  f.null = false;
  switch (kind) {
    case ColumnKind::kText:
    case ColumnKind::kJson: f.text = owner.keep(in.text()); break;
    case ColumnKind::kBool: f.i = in.fixed<uint8_t>() != 0 ? 1 : 0; break;
    case ColumnKind::kInt:
    case ColumnKind::kTimestamp: f.i = in.zigzag(); break;
    case ColumnKind::kDouble: f.d = in.fixed<double>(); break;
    case ColumnKind::kTextList: {
      std::vector<std::string> list;
      const uint64_t count = in.varint();
      for (uint64_t i = 0; i < count && in.ok(); ++i) list.emplace_back(in.text());
      f.list = owner.keep(std::move(list));
    }
  }
  return f;
}

bool decode_rows(std::string_view payload, const std::vector<FileColumn>& columns, RowBatch& out) {
  ByteReader in(payload);
  const uint64_t rows = in.varint();
  if (rows > kBatchRowsMax || columns.empty()) return false;
  for (uint64_t r = 0; r < rows && in.ok(); ++r) {
    const std::string_view nulls = in.bytes((columns.size() + 7) / 8);
    if (!in.ok()) return false;
    const std::span<Field> row = out.add_row();
    for (size_t c = 0; c < columns.size() && in.ok(); ++c) {
      if ((static_cast<uint8_t>(nulls[c / 8]) >> (c % 8)) & 1) continue;
      const Field field = get_field(in, columns[c].kind, out);
      if (columns[c].ours) row[*columns[c].ours] = field;
    }
  }
  return in.ok() && in.empty();
}

}  // namespace

std::string log_header() { return std::string(kMagic) + encode_frame(FrameType::kSchema, encode_schema()); }

Result<std::string> encode_rows_frame(const RowBatch& rows) {
  const auto defs = column_defs();
  std::string payload;
  put_varint(payload, rows.rows());
  for (size_t r = 0; r < rows.rows(); ++r) {
    std::string nulls((defs.size() + 7) / 8, '\0');
    for (size_t c = 0; c < defs.size(); ++c) {
      if (rows.at(r, c).null) nulls[c / 8] = static_cast<char>(nulls[c / 8] | (1 << (c % 8)));
    }
    payload += nulls;
    for (size_t c = 0; c < defs.size(); ++c) {
      if (!rows.at(r, c).null) put_field(payload, defs[c].kind, rows.at(r, c));
    }
    if (payload.size() > kFrameBytesMax) return fail(ErrorCode::kTooLarge, "one batch exceeds the log's frame limit");
  }
  return encode_frame(FrameType::kRows, payload);
}

uint64_t read_log(std::string_view file, const std::function<void(RowBatch)>& visit) {
  if (!file.starts_with(kMagic)) return 0;
  size_t good = kMagic.size();
  std::vector<FileColumn> columns;
  for (;;) {
    ByteReader in(file.substr(good));
    const auto length = in.fixed<uint32_t>();
    const auto checksum = in.fixed<uint32_t>();
    const std::string_view type = in.bytes(1);
    const std::string_view payload = in.bytes(length);
    if (!in.ok() || length > kFrameBytesMax || crc32c(payload, crc32c(type)) != checksum) return good;
    if (type[0] == static_cast<char>(FrameType::kSchema)) {
      if (!decode_schema(payload, columns)) return good;
    } else if (type[0] == static_cast<char>(FrameType::kRows)) {
      RowBatch rows;
      if (!decode_rows(payload, columns, rows)) return good;
      visit(std::move(rows));
    } else {
      return good;
    }
    good += kFrameHeadBytes + length;
  }
}

Result<std::unique_ptr<EventLog>> EventLog::create(Env& env, const std::string& path) {
  std::unique_ptr<EventLog> log(new EventLog(env, path));
  SENTINEL_ASSIGN(log->file_, env.open_append(path));
  const std::string header = log_header();
  SENTINEL_TRY(log->file_->append(header));
  SENTINEL_TRY(log->file_->sync());
  log->good_bytes_ = header.size();
  log->before_last_ = header.size();
  return log;
}

Status EventLog::cut_to(uint64_t bytes) {
  file_.reset();
  if (Status s = env_.truncate(path_, bytes); !s) {
    broken_ = true;
    return s;
  }
  auto file = env_.open_append(path_);
  if (!file) {
    broken_ = true;
    return fail(file.error());
  }
  file_ = std::move(*file);
  good_bytes_ = bytes;
  return {};
}

Status EventLog::append(const RowBatch& rows) {
  if (broken_) return fail(ErrorCode::kIo, "the event log " + path_ + " cannot be written; restart to recover");
  SENTINEL_ASSIGN(const std::string frame, encode_rows_frame(rows));
  Status written = file_->append(frame);
  if (written) written = file_->sync();
  if (!written) {
    (void)cut_to(good_bytes_);
    return written;
  }
  before_last_ = good_bytes_;
  good_bytes_ += frame.size();
  return {};
}

Status EventLog::undo() { return cut_to(before_last_); }

}  // namespace sentinel::events
