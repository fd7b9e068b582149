// Remote-write requests of both versions from outside: no crash, and an answer that fits.
#include "base/check.h"
#include "ingest/remote_write.h"

#include <snappy-c.h>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::ingest;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  FaultEnv env;
  FakeClock clock;
  MetricRegistry metrics;
  MetadataStore metadata;
  tsdb::StoreOptions options;
  options.dir = "metrics";
  options.sync_interval = Micros(0);
  const auto store = tsdb::Store::open(env, clock, metrics, options);
  SENTINEL_CHECK(store.has_value());
  RemoteWriter writer(**store, metadata, clock, metrics, {});
  size_t length = snappy_max_compressed_length(size);
  std::string body(length, '\0');
  SENTINEL_CHECK(snappy_compress(bytes.data(), size, body.data(), &length) == SNAPPY_OK);
  body.resize(length);
  (void)writer.write("", "snappy", bytes);
  for (const char* type : {"application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request"}) {
    const WriteAnswer answer = writer.write(type, "snappy", body);
    SENTINEL_CHECK(answer.status == 204 || answer.status == 400);
    SENTINEL_CHECK((answer.status == 204) == answer.message.empty());
  }
  return 0;
}
