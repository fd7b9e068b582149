#pragma once
// Prometheus remote write, 1.0 (prometheus.WriteRequest) and 2.0 (io.prometheus.write.v2.Request): from the bytes of a
// request into the store, without message objects. What the specifications say of partial writes holds: samples that
// cannot be taken are named in a 400, all others are stored.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "ingest/metadata.h"
#include "tsdb/store.h"

namespace sentinel::ingest {

enum class WriteProtocol { kV1, kV2 };

struct RemoteWriteOptions {
  size_t bytes_max = 0;  // decompressed; 0: kWriteBytesMax
  bool created_zero_samples =
      false;  // a zero at the created timestamp, as Prometheus's created-timestamp-zero-ingestion
};

struct WriteAnswer {
  int status = 204;
  std::string message;  // plain text when the status is an error
  // Only 2.0 says how much was written; kV1 has no such headers.
  WriteProtocol protocol = WriteProtocol::kV1;
  uint64_t samples = 0;
  uint64_t histograms = 0;
  uint64_t exemplars = 0;
};

// Thread-safe: requests may run side by side. Remembers which series a label set is, so that a sender's labels are
// looked at once.
class RemoteWriter {
 public:
  RemoteWriter(tsdb::Store& store, MetadataStore& metadata, const Clock& clock, MetricRegistry& metrics,
               RemoteWriteOptions options);
  ~RemoteWriter();
  RemoteWriter(const RemoteWriter&) = delete;
  RemoteWriter& operator=(const RemoteWriter&) = delete;

  // Blocks on the store. `body` is snappy's block format.
  WriteAnswer write(std::string_view content_type, std::string_view content_encoding, std::string_view body);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// "application/x-protobuf;proto=io.prometheus.write.v2.Request"; no type at all is 1.0. The error is for a 415.
Result<WriteProtocol> write_protocol_of(std::string_view content_type);

}  // namespace sentinel::ingest
