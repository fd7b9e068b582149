// Any text as a query: it parses or is refused with a position, prints to something that parses to the same, and
// evaluates without harm over a small store.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "promql/engine.h"
#include "promql/memory_queryable.h"
#include "promql/series_description.h"

namespace {

using namespace sentinel;

const promql::MemoryQueryable& store() {
  static const auto* filled = [] {
    auto* s = new promql::MemoryQueryable;
    const char* series[] = {
        "m{a=\"1\", le=\"1\"} 0+1x20", "m{a=\"2\", le=\"+Inf\"} 5 NaN Inf stale _ 1-1x5",
        "h{a=\"1\"} {{schema:1 sum:3 count:22 buckets:[5 10 7] n_buckets:[1] z_bucket:2 z_bucket_w:0.1}}x5",
        "h{a=\"2\"} {{schema:-53 sum:1 count:3 custom_values:[5 10] buckets:[1 2]}} 1 2",
        "target_info{instance=\"i\", job=\"j\", x=\"y\"} 1x20"};
    for (const char* text : series) {
      const auto parsed = promql::parse_series_description(text);
      for (size_t i = 0; parsed && i < parsed->values.size(); ++i) {
        const auto& v = parsed->values[i];
        const int64_t t = static_cast<int64_t>(i) * 10'000;
        if (v.omitted) continue;
        if (v.h) {
          s->add(parsed->labels, t, v.h);
        } else {
          s->add(parsed->labels, t, v.v, t - 5000);
        }
      }
    }
    return s;
  }();
  return *filled;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto query = promql::parse(text);
  if (!query) return 0;
  const std::string printed = promql::to_string(**query);
  const auto again = promql::parse(printed);
  if (!again || promql::to_string(**again) != printed) std::abort();
  promql::EngineOptions options;
  options.samples_max = 20'000;
  options.timeout = std::chrono::milliseconds(200);
  options.delayed_name_removal = size % 2 == 0;
  options.use_start_timestamps = true;
  const promql::Engine engine(store(), options);
  (void)engine.instant(**query, 120'000);
  (void)engine.range(**query, 0, 200'000, 20'000);
  return 0;
}
