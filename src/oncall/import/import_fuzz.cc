// Any bytes as an export of any of the tools: an error, or a configuration that its own text reads back.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "oncall/import/import.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  if (size < 1) return 0;
  const auto source = static_cast<oncall::ImportSource>(data[0] % 3);
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  const TimePoint now = FakeClock().now();
  const auto imported = oncall::import_oncall(source, {{"fuzz-S.json", text}}, now);
  if (!imported) return 0;
  const auto read = oncall::parse_config(oncall::imported_text(source, *imported, now), "oncall.yml");
  SENTINEL_CHECK(read);
  for (const auto& [id, schedule] : read->schedules) (void)oncall::who_is_on_call(schedule, now);
  return 0;
}
