#pragma once
// Makes BigQuery's spelling of our queries into the engine's, token by token: strings, quoted names and comments are
// never touched. Not a parser: what the engine does not understand it will say itself, at the user's own position.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sentinel::events {

class RewrittenSql {
 public:
  std::string text;
  // EXPLAIN [ANALYZE]: where the explained statement starts in `text`; 0 when it is none.
  size_t explained_at = 0;

  // Line and column (from 1, columns in bytes) in the original text for an offset in `text`.
  Position position_of(size_t offset) const;

  // One stretch of `text` and where it comes from.
  struct Piece {
    size_t out = 0;
    size_t in = 0;
    bool copied = false;  // else it replaces something that starts at `in`
  };
  std::vector<Piece> pieces;
  std::string original;
};

// What is done: `a.b` → "a"."b", a project in front of sentinel_telemetry.llm_events dropped; CURRENT_TIMESTAMP[()],
// NOW(), CURRENT_DATETIME(), CURRENT_DATE[()] → literals of `now` (so that a clock of the caller rules, and segments
// can be skipped by time); SAFE_CAST, * EXCEPT (…), and the date part in TIMESTAMP_DIFF, TIMESTAMP_TRUNC, DATE_TRUNC.
// kInvalidArgument with position: a statement that may not run (anything but SELECT, WITH, FROM, VALUES, EXPLAIN,
// DESCRIBE, SHOW, SUMMARIZE), a function that reads files or makes a value of any size, text that does not end.
// kTooLarge.
Result<RewrittenSql> rewrite_sql(std::string_view sql, TimePoint now);

}  // namespace sentinel::events
