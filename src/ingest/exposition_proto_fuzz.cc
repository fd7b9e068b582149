// The protobuf format from outside: no crash, and whatever is given has a name and labels that can be stored.
#include "base/check.h"
#include "base/strings.h"
#include "ingest/exposition_proto.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::ingest;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  ProtoExpositionOptions options;
  options.native = (data[0] & 1) != 0;
  options.classic_too = (data[0] & 2) != 0;
  options.buckets_max = data[0] >> 4;
  if ((data[0] & 4) != 0) options.bucket_factor = 1.1;
  (void)read_proto_exposition(
      body, options, [](const ExposedFamily& family) { SENTINEL_CHECK(!family.name.empty()); },
      [&](const ExposedSample& sample) -> Status {
        SENTINEL_CHECK(sample.labels.has(model::kMetricNameLabel));
        for (const model::Label& label : sample.labels) SENTINEL_CHECK(is_valid_utf8(label.value));
        SENTINEL_CHECK(!sample.h || options.native);
        if (sample.h && options.buckets_max > 0) {
          SENTINEL_CHECK(sample.h->positive.size() + sample.h->negative.size() <= options.buckets_max);
        }
        return {};
      });
  return 0;
}
