#include <cstdint>
#include <string_view>

#include "analysis/price_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto table = sentinel::analysis::PriceTable::parse({reinterpret_cast<const char*>(data), size}, "fuzz.yml");
  if (!table) return 0;
  (void)table->find("gpt-4o-2024-08-06");
  // What was read can be written and read again: the same prices.
  const auto again = sentinel::analysis::PriceTable::parse(table->to_yaml(), "fuzz.yml");
  if (!again || again->to_yaml() != table->to_yaml()) __builtin_trap();
  return 0;
}
