// Users' SQL of any bytes through the rewriter and the planner of the narrow pass.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "events/narrow_pass.h"
#include "events/sql_rewrite.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  const std::string_view sql(reinterpret_cast<const char*>(data), size);
  const auto out = events::rewrite_sql(sql, time_from_us(1'767'225'600'000'000));
  if (!out) {
    if (out.error().position())
      SENTINEL_CHECK(out.error().position()->line >= 1 && out.error().position()->column >= 1);
    return 0;
  }
  SENTINEL_CHECK(out->explained_at <= out->text.size());
  for (size_t offset = 0; offset <= out->text.size(); offset += 1 + offset / 8) (void)out->position_of(offset);
  if (const auto plan = events::plan_narrow_pass(out->text)) (void)plan->narrowed({{"2026-01-01 00:00:00", "x'y"}});
  return 0;
}
