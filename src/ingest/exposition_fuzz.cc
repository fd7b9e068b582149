// Text formats from outside: no crash, an end, and what was read of a series says the same when read again.
#include "base/check.h"
#include "ingest/exposition_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::ingest;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const ExpositionFormat format : {ExpositionFormat::kText, ExpositionFormat::kOpenMetrics}) {
    ExpositionParser parser(text, format);
    for (size_t entries = 0;; ++entries) {
      SENTINEL_CHECK(entries <= size + 1);  // every entry takes a byte
      const auto entry = parser.next();
      if (entry == ExpositionParser::Entry::kEnd || entry == ExpositionParser::Entry::kInvalid) break;
      if (entry != ExpositionParser::Entry::kSeries) {
        (void)parser.family();
        (void)parser.text();
        continue;
      }
      SENTINEL_CHECK(parser.series().data() >= text.data());
      SENTINEL_CHECK(parser.series().data() + parser.series().size() <= text.data() + text.size());
      (void)parser.exemplar();
      const auto labels = parser.labels();
      const std::string again = std::string(parser.series()) + " 1";
      ExpositionParser second(again, ExpositionFormat::kText);
      SENTINEL_CHECK(second.next() == ExpositionParser::Entry::kSeries);
      if (labels && parser.kind() == MetricKind::kUnknown)
        SENTINEL_CHECK(second.labels() && *second.labels() == *labels);
    }
  }
  return 0;
}
