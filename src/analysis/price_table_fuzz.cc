#include <cstdint>
#include <string_view>

#include "analysis/price_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto table = sentinel::analysis::PriceTable::parse({reinterpret_cast<const char*>(data), size}, "fuzz.yml");
  if (table) (void)table->find("gpt-4o-2024-08-06");
  return 0;
}
