#pragma once
// Reads the write-ahead log while the store writes it: every batch in the order of the commits, from a position that
// its owner keeps over restarts. What it needs must be kept for it: Store::keep_log_from().

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tsdb/record.h"
#include "tsdb/wal.h"

namespace sentinel::tsdb {

// Works on files of its own, so that it never holds up a commit. Blocks on the disk. One thread.
class LogReader {
 public:
  using Define = std::function<void(const SeriesDef&)>;

  // `end` gives Store::log_end(); nothing behind it is read. `dir` is the store's.
  LogReader(Env& env, std::string dir, std::function<LogPosition()> end)
      : env_(env), dir_(std::move(dir) + "/wal"), end_(std::move(end)) {}

  // Goes to `from` and hands out all series that records behind it may use. kNotFound: it is not there any more.
  Status seek(LogPosition from, const Define& define);
  // The same for the newest checkpoint, behind which everything is there. For who got kNotFound.
  Status seek_newest_checkpoint(const Define& define);
  // The next batch; what it defines replaces earlier series of the same number. False: nothing more yet.
  // kNotFound: the log was cut at this place; seek anew.
  Result<bool> next(BatchRecord& out);
  LogPosition position() const { return at_; }

  // The newest checkpoint in (after, the segment read now), and the series of it: others that were defined up to it
  // are defined again before they are used. nullopt: there is none.
  struct Checkpoint {
    uint64_t number = 0;
    std::vector<uint64_t> refs;
  };
  Result<std::optional<Checkpoint>> checkpoint_since(uint64_t after);

 private:
  // One file, frame by frame, with a bounded part of it in memory.
  class File;

  Status open_segment(LogPosition at);
  Status next_segment();
  Result<uint64_t> newest_checkpoint(uint64_t before) const;
  Status definitions(const std::string& name, uint64_t end, const Define& define);

  Env& env_;
  const std::string dir_;
  const std::function<LogPosition()> end_;
  LogPosition at_;
  std::shared_ptr<File> file_;  // of at_.segment; null until there is one
};

}  // namespace sentinel::tsdb
