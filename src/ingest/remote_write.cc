#include "ingest/remote_write.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <snappy-c.h>

#include "base/log.h"
#include "base/strings.h"
#include "ingest/limits.h"
#include "ingest/proto_reader.h"
#include "ingest/series_cache.h"
#include "ingest/wire_histogram.h"

namespace sentinel::ingest {
namespace {

constexpr std::string_view kMediaType = "application/x-protobuf";
constexpr std::string_view kMessageV1 = "prometheus.WriteRequest";
constexpr std::string_view kMessageV2 = "io.prometheus.write.v2.Request";

struct LabelView {
  std::string_view name;
  std::string_view value;
};

struct WireSample {
  double v = 0;
  int64_t t_ms = 0;
};

bool read_sample(std::string_view bytes, WireSample& out) {
  ProtoReader in(bytes);
  while (in.next()) {
    switch (in.field()) {
      case 1: out.v = in.float64(); break;
      case 2: out.t_ms = in.int64(); break;
      default: in.skip();
    }
  }
  return in.ok();
}

bool read_label(std::string_view bytes, LabelView& out) {
  ProtoReader in(bytes);
  while (in.next()) {
    switch (in.field()) {
      case 1: out.name = in.bytes(); break;
      case 2: out.value = in.bytes(); break;
      default: in.skip();
    }
  }
  return in.ok();
}

std::string shown(const std::vector<LabelView>& views) {
  std::vector<model::Label> labels;
  for (const LabelView& view : views) labels.push_back({to_valid_utf8(view.name), to_valid_utf8(view.value)});
  return model::Labels(std::move(labels)).to_string();
}

// The labels, or why they are none: Prometheus's rules with UTF-8 names allowed.
Result<model::Labels> make_labels(const std::vector<LabelView>& views) {
  std::vector<model::Label> labels;
  labels.reserve(views.size());
  bool named = false;
  bool valid = true;
  for (const LabelView& view : views) {
    valid = valid && !view.name.empty() && is_valid_utf8(view.name) && is_valid_utf8(view.value);
    named = named || (view.name == model::kMetricNameLabel && !view.value.empty());
    labels.push_back({std::string(view.name), std::string(view.value)});
  }
  if (!named || !valid) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("invalid metric name or labels, got {}", shown(views)));
  }
  std::sort(labels.begin(), labels.end());
  for (size_t i = 1; i < labels.size(); ++i) {
    if (labels[i].name != labels[i - 1].name) continue;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("invalid labels for series, labels {}, duplicated label {}", shown(views), labels[i].name));
  }
  return model::Labels(std::move(labels));
}

// Prometheus's names of why a sample is refused.
std::string_view refusal(const Error& error) {
  if (error.code() != ErrorCode::kConflict) return error.message();
  if (error.message().starts_with("another value")) return "duplicate sample for timestamp";
  if (error.message().starts_with("time ")) return "out of bounds";
  return "out of order sample";
}

// What a sender can do nothing about by sending again.
bool is_refusal(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kConflict:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kTooLarge: return true;
    default: return false;
  }
}

}  // namespace

Result<WriteProtocol> write_protocol_of(std::string_view content_type) {
  const std::string_view whole = trim(content_type);
  if (whole.empty()) return WriteProtocol::kV1;
  const std::vector<std::string_view> parts = split(whole, ';');
  if (trim(parts[0]) != kMediaType) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("expected {} as the first (media) part, got {} content-type", kMediaType, whole));
  }
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::vector<std::string_view> pair = split(parts[i], '=');
    if (pair.size() != 2) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be "
                              "key-values, got {} in {} content-type",
                              parts[i], whole));
    }
    if (trim(pair[0]) != "proto") continue;
    const std::string_view message = trim(pair[1]);
    if (message == kMessageV1) return WriteProtocol::kV1;
    if (message == kMessageV2) return WriteProtocol::kV2;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("got {} content type; unknown type for remote write protobuf message {}, supported: {}, {}",
                            whole, message, kMessageV1, kMessageV2));
  }
  return WriteProtocol::kV1;
}

struct RemoteWriter::Impl {
  tsdb::Store& store;
  MetadataStore& metadata;
  const Clock& clock;
  const RemoteWriteOptions options;
  Counter& samples_total;
  Counter& refused_total;
  Counter& invalid_labels_total;
  Counter& requests_refused_total;
  SeriesCache cache;
};

namespace {

// One request under way.
class WriteRequest {
 public:
  WriteRequest(RemoteWriter::Impl& parts, WriteAnswer& answer)
      : parts_(parts),
        answer_(answer),
        appender_(parts.store.appender()),
        latest_ms_(to_ms(parts.clock.now()) + kWriteAheadMsMax) {}

  // False: malformed (or the store failed, see failure()); nothing of it may be committed.
  bool read_v1(std::string_view message);
  bool read_v2(std::string_view message);
  const std::optional<Error>& failure() const { return failure_; }
  tsdb::Appender& appender() { return *appender_; }
  // Why samples were left out, one a line; empty when none were.
  std::string refusals() const;

 private:
  // The parts of one time series message, kept between series to save allocations.
  struct Series {
    std::vector<LabelView> labels;
    std::vector<WireSample> samples;
    std::vector<std::string_view> exemplars;   // messages
    std::vector<std::string_view> histograms;  // messages
    int64_t created_ms = 0;
    void clear();
  };

  bool read_series_v1(std::string_view message);
  bool read_series_v2(std::string_view message);
  bool read_metadata_v1(std::string_view message);
  bool read_metadata_v2(std::string_view message);
  bool read_refs(ProtoReader& in, std::vector<uint32_t>& refs) const;
  bool views_of(const std::vector<uint32_t>& refs, std::vector<LabelView>& out) const;
  bool read_exemplar(std::string_view message, model::Exemplar& out) const;

  // What is in series_ under `key` into the appender.
  bool store_series(std::optional<SeriesKey> key);
  bool resolve(std::optional<SeriesKey> key, bool renew);
  void append_created();
  bool append_samples(std::optional<SeriesKey> key);
  bool append_histograms(std::optional<SeriesKey> key);
  bool append_exemplars();
  template <class Append>
  bool append_one(std::optional<SeriesKey> key, int64_t t_ms, uint64_t& written, Append append);
  bool take_error(const Error& error);
  void refuse(std::string reason);

  RemoteWriter::Impl& parts_;
  WriteAnswer& answer_;
  const std::unique_ptr<tsdb::Appender> appender_;
  const int64_t latest_ms_;
  Series series_;
  tsdb::SeriesRef ref_ = tsdb::SeriesRef::kNone;
  bool v2_ = false;
  std::vector<std::string_view> symbols_;
  std::vector<SeriesKey> symbol_keys_;
  std::vector<uint32_t> refs_;
  std::vector<std::string> reasons_;
  uint64_t refused_ = 0;
  std::optional<Error> failure_;
};

void WriteRequest::Series::clear() {
  labels.clear();
  samples.clear();
  exemplars.clear();
  histograms.clear();
  created_ms = 0;
}

bool WriteRequest::read_v1(std::string_view message) {
  ProtoReader in(message);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        if (!read_series_v1(in.bytes())) return false;
        break;
      case 3:
        if (!read_metadata_v1(in.bytes())) return false;
        break;
      default: in.skip();
    }
  }
  return in.ok();
}

bool WriteRequest::read_series_v1(std::string_view message) {
  series_.clear();
  ProtoReader in(message);
  const char* labels_from = message.data();
  const char* labels_to = labels_from;
  bool together = true;  // nothing lies between the labels
  while (in.next()) {
    switch (in.field()) {
      case 1: {
        together = together && in.field_start() == labels_to;
        if (!read_label(in.bytes(), series_.labels.emplace_back())) return false;
        labels_to = in.position();
        break;
      }
      case 2:
        if (!read_sample(in.bytes(), series_.samples.emplace_back())) return false;
        break;
      case 3: series_.exemplars.push_back(in.bytes()); break;
      case 4: series_.histograms.push_back(in.bytes()); break;
      default: in.skip();
    }
  }
  if (!in.ok()) return false;
  if (!together) return store_series(std::nullopt);
  return store_series(parts_.cache.key_of({labels_from, static_cast<size_t>(labels_to - labels_from)}));
}

bool WriteRequest::read_metadata_v1(std::string_view message) {
  ProtoReader in(message);
  FamilyMetadata metadata;
  std::string_view family;
  while (in.next()) {
    switch (in.field()) {
      case 1: metadata.kind = static_cast<MetricKind>(std::min<uint64_t>(in.varint(), 8) % 8); break;
      case 2: family = in.bytes(); break;
      case 4: metadata.help = to_valid_utf8(in.bytes()); break;
      case 5: metadata.unit = to_valid_utf8(in.bytes()); break;
      default: in.skip();
    }
  }
  if (!in.ok()) return false;
  parts_.metadata.put(to_valid_utf8(family), std::move(metadata));
  return true;
}

// Symbols may stand behind the series that use them: two passes.
bool WriteRequest::read_v2(std::string_view message) {
  v2_ = true;
  ProtoReader first(message);
  while (first.next()) {
    if (first.field() != 4) {
      first.skip();
      continue;
    }
    if (symbols_.size() >= kWriteSymbolsMax) return false;
    symbols_.push_back(first.bytes());
  }
  if (!first.ok()) return false;
  if (!symbols_.empty() && !symbols_[0].empty()) {
    failure_ = Error(ErrorCode::kInvalidArgument, "the first symbol must be the empty string");
    return false;
  }
  symbol_keys_.reserve(symbols_.size());
  for (const std::string_view symbol : symbols_) symbol_keys_.push_back(parts_.cache.key_of(symbol));
  ProtoReader in(message);
  while (in.next()) {
    if (in.field() != 5) {
      in.skip();
    } else if (!read_series_v2(in.bytes())) {
      return false;
    }
  }
  return in.ok();
}

bool WriteRequest::read_refs(ProtoReader& in, std::vector<uint32_t>& refs) const {
  in.repeated(ProtoReader::Wire::kVarint, [&](ProtoReader& element) {
    const uint64_t ref = element.varint();
    refs.push_back(static_cast<uint32_t>(ref));
    return ref < symbols_.size();
  });
  return in.ok();
}

bool WriteRequest::views_of(const std::vector<uint32_t>& refs, std::vector<LabelView>& out) const {
  if (refs.size() % 2 != 0) return false;
  for (size_t i = 0; i < refs.size(); i += 2) out.push_back({symbols_[refs[i]], symbols_[refs[i + 1]]});
  return true;
}

bool WriteRequest::read_series_v2(std::string_view message) {
  series_.clear();
  refs_.clear();
  std::string_view metadata;
  ProtoReader in(message);
  while (in.next()) {
    switch (in.field()) {
      case 1:
        if (!read_refs(in, refs_)) return false;
        break;
      case 2:
        if (!read_sample(in.bytes(), series_.samples.emplace_back())) return false;
        break;
      case 3: series_.histograms.push_back(in.bytes()); break;
      case 4: series_.exemplars.push_back(in.bytes()); break;
      case 5: metadata = in.bytes(); break;
      case 6: series_.created_ms = in.int64(); break;
      default: in.skip();
    }
  }
  if (!in.ok() || !views_of(refs_, series_.labels)) return false;
  SeriesKey key;
  for (const uint32_t ref : refs_) key = parts_.cache.combine(key, symbol_keys_[ref]);
  if (!store_series(key)) return false;
  return metadata.empty() || read_metadata_v2(metadata);
}

bool WriteRequest::read_metadata_v2(std::string_view message) {
  ProtoReader in(message);
  FamilyMetadata metadata;
  uint64_t help = 0;
  uint64_t unit = 0;
  while (in.next()) {
    switch (in.field()) {
      case 1: metadata.kind = static_cast<MetricKind>(std::min<uint64_t>(in.varint(), 8) % 8); break;
      case 3: help = in.varint(); break;
      case 4: unit = in.varint(); break;
      default: in.skip();
    }
  }
  if (!in.ok() || help >= symbols_.size() || unit >= symbols_.size()) return false;
  if (metadata.kind == MetricKind::kUnknown && help == 0 && unit == 0) return true;
  metadata.help = to_valid_utf8(symbols_[help]);
  metadata.unit = to_valid_utf8(symbols_[unit]);
  for (const LabelView& label : series_.labels) {
    if (label.name == model::kMetricNameLabel) parts_.metadata.put(to_valid_utf8(label.value), std::move(metadata));
  }
  return true;
}

// Finds the series of series_.labels. False: the labels are wrong or the series is one too many (refused), or failure_.
bool WriteRequest::resolve(std::optional<SeriesKey> key, bool renew) {
  if (key && !renew) {
    if (const auto known = parts_.cache.find(*key)) {
      ref_ = *known;
      return true;
    }
  }
  const auto labels = make_labels(series_.labels);
  if (!labels) {
    parts_.invalid_labels_total.add(static_cast<double>(series_.samples.size() + series_.histograms.size()));
    refuse(labels.error().message());
    return false;
  }
  const auto ref = appender_->ref(*labels);
  if (!ref) {
    take_error(ref.error());
    return false;
  }
  ref_ = *ref;
  if (key) parts_.cache.put(*key, ref_);
  return true;
}

bool WriteRequest::store_series(std::optional<SeriesKey> key) {
  if (!resolve(key, false)) return !failure_;
  if (parts_.options.created_zero_samples) append_created();
  return append_samples(key) && append_histograms(key) && append_exemplars();
}

// The counter began at zero then. Where the time does not fit before what is there it changes nothing.
void WriteRequest::append_created() {
  if (series_.created_ms <= 0 || series_.samples.empty()) return;
  if (series_.created_ms < series_.samples.front().t_ms) (void)appender_->append(ref_, {series_.created_ms, 0});
}

template <class Append>
bool WriteRequest::append_one(std::optional<SeriesKey> key, int64_t t_ms, uint64_t& written, Append append) {
  if (t_ms > latest_ms_) {
    refuse(fmt::format("out of bounds: timestamp is too far in the future for series {}", shown(series_.labels)));
    return true;
  }
  Status status = append();
  // A remembered reference may have been given up by the store.
  if (!status && status.error().code() == ErrorCode::kNotFound) {
    if (!resolve(key, true)) return !failure_;
    status = append();
  }
  if (status) {
    ++written;
    return true;
  }
  return take_error(status.error());
}

bool WriteRequest::append_samples(std::optional<SeriesKey> key) {
  for (const WireSample& sample : series_.samples) {
    const auto append = [&] { return appender_->append(ref_, {sample.t_ms, sample.v}); };
    if (!append_one(key, sample.t_ms, answer_.samples, append)) return false;
  }
  return true;
}

bool WriteRequest::append_histograms(std::optional<SeriesKey> key) {
  for (const std::string_view message : series_.histograms) {
    auto histogram = read_wire_histogram(message);
    if (!histogram) {
      refuse(fmt::format("{} for series {}", histogram.error().message(), shown(series_.labels)));
      continue;
    }
    const auto append = [&] { return appender_->append_histogram(ref_, *histogram); };
    if (!append_one(key, histogram->t_ms, answer_.histograms, append)) return false;
  }
  return true;
}

bool WriteRequest::read_exemplar(std::string_view message, model::Exemplar& out) const {
  ProtoReader in(message);
  std::vector<LabelView> views;
  std::vector<uint32_t> refs;
  while (in.next()) {
    switch (in.field()) {
      case 1:
        if (v2_ ? !read_refs(in, refs) : !read_label(in.bytes(), views.emplace_back())) return false;
        break;
      case 2: out.v = in.float64(); break;
      case 3: out.t_ms = in.int64(); break;
      default: in.skip();
    }
  }
  if (!in.ok() || !views_of(refs, views)) return false;
  std::vector<model::Label> labels;
  for (const LabelView& view : views) labels.push_back({to_valid_utf8(view.name), to_valid_utf8(view.value)});
  out.labels = model::Labels(std::move(labels));
  return true;
}

// Exemplars are aids: those the store does not take fail no request of 1.0.
bool WriteRequest::append_exemplars() {
  for (const std::string_view message : series_.exemplars) {
    model::Exemplar exemplar;
    if (!read_exemplar(message, exemplar)) return false;
    const Status status = appender_->append_exemplar(ref_, exemplar);
    if (status) {
      ++answer_.exemplars;
    } else if (v2_ && status.error().code() == ErrorCode::kConflict) {
      refuse(fmt::format("out of order exemplar for series {}", shown(series_.labels)));
    }
  }
  return true;
}

// False: a failure of ours, so that the sender shall try again.
bool WriteRequest::take_error(const Error& error) {
  if (!is_refusal(error)) {
    failure_ = error;
    return false;
  }
  refuse(fmt::format("{} for series {}", refusal(error), shown(series_.labels)));
  return true;
}

void WriteRequest::refuse(std::string reason) {
  ++refused_;
  parts_.refused_total.add();
  if (reasons_.size() < kWriteErrorsShown) reasons_.push_back(std::move(reason));
}

std::string WriteRequest::refusals() const {
  std::string out = join(reasons_, "\n");
  if (refused_ > reasons_.size()) out += fmt::format("\nand {} more", refused_ - reasons_.size());
  return out;
}

WriteAnswer failed(int status, std::string message, WriteProtocol protocol) {
  WriteAnswer answer;
  answer.status = status;
  answer.message = std::move(message);
  answer.protocol = protocol;
  return answer;
}

Result<std::string> decompress(std::string_view body, size_t bytes_max) {
  size_t size = 0;
  if (snappy_uncompressed_length(body.data(), body.size(), &size) != SNAPPY_OK) {
    return fail(ErrorCode::kInvalidArgument, "snappy: corrupt input");
  }
  if (size > bytes_max) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("the request is {} bytes when decompressed; the limit is {}", size, bytes_max));
  }
  std::string out(size, '\0');
  if (snappy_uncompress(body.data(), body.size(), out.data(), &size) != SNAPPY_OK) {
    return fail(ErrorCode::kInvalidArgument, "snappy: corrupt input");
  }
  return out;
}

}  // namespace

RemoteWriter::RemoteWriter(tsdb::Store& store, MetadataStore& metadata, const Clock& clock, MetricRegistry& metrics,
                           RemoteWriteOptions options)
    : impl_(new Impl{
          store,
          metadata,
          clock,
          options,
          metrics.counter("sentinel_remote_write_samples_total", "Samples and histograms taken over remote write."),
          metrics.counter("sentinel_remote_write_refused_total", "Samples refused over remote write, and label sets."),
          metrics.counter("prometheus_api_remote_write_invalid_labels_samples_total",
                          "The total number of received remote write samples and histogram samples which were rejected "
                          "due to invalid labels."),
          metrics.counter("sentinel_remote_write_requests_refused_total", "Requests of which nothing was taken."),
          {}}) {}

RemoteWriter::~RemoteWriter() = default;

WriteAnswer RemoteWriter::write(std::string_view content_type, std::string_view content_encoding,
                                std::string_view body) {
  const auto refuse = [&](int status, std::string message, WriteProtocol protocol) {
    impl_->requests_refused_total.add();
    return failed(status, std::move(message), protocol);
  };
  const auto protocol = write_protocol_of(content_type);
  if (!protocol) return refuse(415, protocol.error().message(), WriteProtocol::kV1);
  if (!content_encoding.empty() && !iequals(content_encoding, "snappy")) {
    return refuse(415,
                  fmt::format("{} encoding (compression) is not accepted by this server; only snappy is acceptable",
                              content_encoding),
                  *protocol);
  }
  const size_t bytes_max = impl_->options.bytes_max > 0 ? impl_->options.bytes_max : kWriteBytesMax;
  const auto message = decompress(body, bytes_max);
  if (!message) return refuse(http_status(message.error().code()), message.error().message(), *protocol);

  WriteAnswer answer;
  answer.protocol = *protocol;
  WriteRequest request(*impl_, answer);
  const bool read = *protocol == WriteProtocol::kV1 ? request.read_v1(*message) : request.read_v2(*message);
  if (!read) {
    const auto& failure = request.failure();
    if (!failure) return refuse(400, "proto: malformed message", *protocol);
    return refuse(http_status(failure->code()), failure->message(), *protocol);
  }
  if (const Status status = request.appender().commit(); !status) {
    log_error("remote_write", "samples were not stored", {{"error", status.error().to_string()}});
    return refuse(500, status.error().message(), *protocol);
  }
  impl_->samples_total.add(static_cast<double>(answer.samples + answer.histograms));
  answer.message = request.refusals();
  if (!answer.message.empty()) answer.status = 400;
  return answer;
}

}  // namespace sentinel::ingest
