#pragma once
// The log of rows that are not sealed yet: docs/formats/events_log.md.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "events/schema.h"

namespace sentinel::events {

std::string log_header();  // magic and schema frame: what every log begins with
// kTooLarge: the frame would exceed its limit.
Result<std::string> encode_rows_frame(const RowBatch& rows);

// What is in the bytes of a log: calls `visit` for each whole batch, in order, and returns how many bytes were whole.
// Columns are matched by name: unknown ones are left out, missing ones are null. Safe on any bytes.
uint64_t read_log(std::string_view file, const std::function<void(RowBatch)>& visit);

// One open log. One thread.
class EventLog {
 public:
  static Result<std::unique_ptr<EventLog>> create(Env& env, const std::string& path);

  // The batch is on disk, whole, when this returns. On failure the file is as before, or `broken()`.
  Status append(const RowBatch& rows);
  // Takes back the last append.
  Status undo();
  bool broken() const { return broken_; }
  uint64_t size_bytes() const { return good_bytes_; }
  const std::string& path() const { return path_; }

 private:
  EventLog(Env& env, std::string path) : env_(env), path_(std::move(path)) {}
  Status cut_to(uint64_t bytes);

  Env& env_;
  const std::string path_;
  std::unique_ptr<AppendFile> file_;
  uint64_t good_bytes_ = 0;
  uint64_t before_last_ = 0;
  bool broken_ = false;
};

}  // namespace sentinel::events
