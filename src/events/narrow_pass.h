#pragma once
// "The latest 50 with prompt and response" must not read the prompts of all: such a query is run in two passes, first
// the time and id of the rows that win, then those rows.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sentinel::events {

inline constexpr uint64_t kNarrowRowsMax = 1'000;  // LIMIT and OFFSET together

struct NarrowKey {
  std::string timestamp;  // as a literal's text: 2026-01-01 00:00:00.123456
  std::string request_id;
};

class NarrowPlan {
 public:
  // SELECT timestamp, request_id FROM … WHERE … ORDER BY … LIMIT …
  std::string keys_sql;
  // The whole query, on rows that are among `keys` only.
  std::string narrowed(const std::vector<NarrowKey>& keys) const;

  std::string before_condition;  // SELECT … FROM …
  std::string condition;         // empty: none
  std::string after_condition;   // ORDER BY … LIMIT …
};

// A plan when `sql` (already in the engine's spelling) is plainly SELECT columns with prompt, response or * FROM
// llm_events [WHERE …] ORDER BY … LIMIT n [OFFSET m]; none for anything where two passes could give another answer.
std::optional<NarrowPlan> plan_narrow_pass(std::string_view sql);

}  // namespace sentinel::events
