#include "ingest/exposition_proto.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/strings.h"
#include "ingest/limits.h"
#include "ingest/proto_reader.h"
#include "ingest/wire_histogram.h"

namespace sentinel::ingest {
namespace {

Error malformed(std::string_view what) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("proto: malformed {}", what));
}

MetricKind kind_of(uint64_t type) {
  static constexpr std::array kKinds{MetricKind::kCounter, MetricKind::kGauge,     MetricKind::kSummary,
                                     MetricKind::kUnknown, MetricKind::kHistogram, MetricKind::kGaugeHistogram};
  return type < kKinds.size() ? kKinds[type] : MetricKind::kUnknown;
}

// As in OpenMetrics: it shows that it is a float.
std::string bound_text(double v) {
  std::string out = format_double_g(v);
  if (std::isfinite(v) && out.find_first_of("e.") == std::string::npos) out += ".0";
  return out;
}

Status read_label(std::string_view message, std::vector<model::Label>& out) {
  ProtoReader in(message);
  model::Label label;
  while (in.next()) {
    switch (in.field()) {
      case 1: label.name = in.bytes(); break;
      case 2: label.value = in.bytes(); break;
      default: in.skip();
    }
  }
  if (!in.ok()) return fail(malformed("label"));
  if (label.name.empty() || !is_valid_utf8(label.name)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("invalid label name: {}", go_quote(label.name)));
  }
  if (!is_valid_utf8(label.value)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("invalid label value: {}", go_quote(label.value)));
  }
  out.push_back(std::move(label));
  return {};
}

// google.protobuf.Timestamp
Result<int64_t> read_time_ms(std::string_view message) {
  constexpr int64_t kNanosPerMs = 1'000'000;
  constexpr int64_t kSecondsMax = 1'000'000'000'000;
  ProtoReader in(message);
  int64_t seconds = 0;
  int64_t nanos = 0;
  while (in.next()) {
    switch (in.field()) {
      case 1: seconds = in.int64(); break;
      case 2: nanos = in.int64(); break;
      default: in.skip();
    }
  }
  if (!in.ok() || std::abs(nanos) >= 1'000 * kNanosPerMs || seconds > kSecondsMax || seconds < -kSecondsMax) {
    return fail(malformed("timestamp"));
  }
  return seconds * 1'000 + nanos / kNanosPerMs;
}

Result<Exemplar> read_exemplar(std::string_view message) {
  ProtoReader in(message);
  std::vector<model::Label> labels;
  Exemplar out;
  while (in.next()) {
    switch (in.field()) {
      case 1: SENTINEL_TRY(read_label(in.bytes(), labels)); break;
      case 2: out.value = in.float64(); break;
      case 3: {
        SENTINEL_ASSIGN(out.t_ms, read_time_ms(in.bytes()));
        break;
      }
      default: in.skip();
    }
  }
  if (!in.ok()) return fail(malformed("exemplar"));
  out.labels = model::Labels(std::move(labels));
  return out;
}

struct Number {
  double v = 0;
  std::vector<Exemplar> exemplars;
};

// Gauge, Counter and Untyped: a value, and of a counter an exemplar.
Result<Number> read_number(std::string_view message) {
  ProtoReader in(message);
  Number out;
  while (in.next()) {
    switch (in.field()) {
      case 1: out.v = in.float64(); break;
      case 2: {
        SENTINEL_ASSIGN(Exemplar exemplar, read_exemplar(in.bytes()));
        out.exemplars.push_back(std::move(exemplar));
        break;
      }
      default: in.skip();
    }
  }
  if (!in.ok()) return fail(malformed("value"));
  return out;
}

struct Bucket {
  double bound = 0;
  double count = 0;
  std::vector<Exemplar> exemplars;
};

Result<Bucket> read_bucket(std::string_view message) {
  ProtoReader in(message);
  Bucket out;
  double as_float = 0;
  while (in.next()) {
    switch (in.field()) {
      case 1: out.count = static_cast<double>(in.varint()); break;
      case 2: out.bound = in.float64(); break;
      case 3: {
        SENTINEL_ASSIGN(Exemplar exemplar, read_exemplar(in.bytes()));
        out.exemplars.push_back(std::move(exemplar));
        break;
      }
      case 4: as_float = in.float64(); break;
      default: in.skip();
    }
  }
  if (!in.ok()) return fail(malformed("bucket"));
  if (as_float > 0) out.count = as_float;
  return out;
}

// A summary, or the classic side of a histogram.
struct Distribution {
  double count = 0;
  double sum = 0;
  std::vector<Bucket> parts;          // of a summary: quantile and value
  std::vector<Exemplar> exemplars{};  // of a native histogram
  bool native = false;
};

Result<Distribution> read_summary(std::string_view message) {
  ProtoReader in(message);
  Distribution out;
  while (in.next()) {
    switch (in.field()) {
      case 1: out.count = static_cast<double>(in.varint()); break;
      case 2: out.sum = in.float64(); break;
      case 3: {
        ProtoReader quantile(in.bytes());
        Bucket part;
        while (quantile.next()) {
          switch (quantile.field()) {
            case 1: part.bound = quantile.float64(); break;
            case 2: part.count = quantile.float64(); break;
            default: quantile.skip();
          }
        }
        if (!quantile.ok()) return fail(malformed("quantile"));
        out.parts.push_back(std::move(part));
        break;
      }
      default: in.skip();
    }
  }
  if (!in.ok()) return fail(malformed("summary"));
  return out;
}

Result<Distribution> read_classic(std::string_view message) {
  ProtoReader in(message);
  Distribution out;
  double count_float = 0;
  while (in.next()) {
    switch (in.field()) {
      case 1: out.count = static_cast<double>(in.varint()); break;
      case 2: out.sum = in.float64(); break;
      case 3: {
        SENTINEL_ASSIGN(Bucket bucket, read_bucket(in.bytes()));
        out.parts.push_back(std::move(bucket));
        break;
      }
      case 4: count_float = in.float64(); break;
      case 6: out.native = in.float64() > 0 || out.native; break;  // a width of zero
      case 7: out.native = in.varint() > 0 || out.native; break;   // what lies in it
      case 8: out.native = in.float64() > 0 || out.native; break;
      case 9:
      case 12:  // spans; an empty one says that it is native though nothing was observed
        in.skip();
        out.native = true;
        break;
      case 16: {
        SENTINEL_ASSIGN(Exemplar exemplar, read_exemplar(in.bytes()));
        out.exemplars.push_back(std::move(exemplar));
        break;
      }
      default: in.skip();
    }
  }
  if (!in.ok()) return fail(malformed("histogram"));
  if (count_float > 0) out.count = count_float;
  return out;
}

// Wider buckets, until there are few enough and they grow fast enough.
Result<model::HistogramPtr> fit(model::HistogramPtr h, const ProtoExpositionOptions& options) {
  const auto growth = [](int32_t schema) { return std::exp2(std::exp2(-schema)); };
  const auto too_fine = [&](const model::FloatHistogram& now) {
    const bool many = options.buckets_max > 0 && now.positive.size() + now.negative.size() > options.buckets_max;
    return many || (options.bucket_factor > 0 && growth(now.schema) < options.bucket_factor);
  };
  if (h->schema < model::kExponentialSchemaMin || h->schema > model::kExponentialSchemaMax) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("invalid schema {} of a native histogram", h->schema));
  }
  while (h->schema > model::kExponentialSchemaMin && too_fine(*h)) {
    auto wider = std::make_shared<model::FloatHistogram>(h->copy_to_schema(h->schema - 1));
    wider->hint = h->hint;
    h = std::move(wider);
  }
  if (options.buckets_max > 0 && h->positive.size() + h->negative.size() > options.buckets_max) {
    return fail(ErrorCode::kTooLarge, "histogram bucket limit exceeded");
  }
  return h;
}

// One Metric message of a family.
class MetricReader {
 public:
  MetricReader(const ExposedFamily& family, const ProtoExpositionOptions& options,
               absl::FunctionRef<Status(const ExposedSample&)> on_sample)
      : family_(family), options_(options), on_sample_(on_sample) {}

  Status read(std::string_view message) {
    ProtoReader in(message);
    std::optional<std::string_view> number;
    std::optional<std::string_view> summary;
    std::optional<std::string_view> histogram;
    while (in.next()) {
      switch (in.field()) {
        case 1: SENTINEL_TRY(read_label(in.bytes(), labels_)); break;
        case 2:
        case 3:
        case 5: number = in.bytes(); break;
        case 4: summary = in.bytes(); break;
        case 6: t_ms_ = in.int64(); break;
        case 7: histogram = in.bytes(); break;
        default: in.skip();
      }
    }
    if (!in.ok()) return fail(malformed("metric"));
    if (t_ms_ == 0) t_ms_.reset();  // as good as none
    if (number) return give_number(*number);
    if (summary) return give_summary(*summary);
    if (histogram) return give_histogram(*histogram);
    return {};
  }

 private:
  Status give(std::string_view suffix, double v, std::vector<Exemplar> exemplars = {},
              std::pair<std::string_view, double> bound = {}) {
    ExposedSample out = series(suffix, bound);
    out.v = v;
    out.exemplars = std::move(exemplars);
    return on_sample_(out);
  }
  ExposedSample series(std::string_view suffix, std::pair<std::string_view, double> bound = {}) const {
    std::vector<model::Label> labels = labels_;
    labels.push_back({std::string(model::kMetricNameLabel), family_.name + std::string(suffix)});
    if (!bound.first.empty()) labels.push_back({std::string(bound.first), bound_text(bound.second)});
    ExposedSample out;
    out.labels = model::Labels(std::move(labels));
    out.t_ms = t_ms_;
    return out;
  }

  Status give_number(std::string_view message) {
    SENTINEL_ASSIGN(Number number, read_number(message));
    return give("", number.v, std::move(number.exemplars));
  }
  Status give_summary(std::string_view message) {
    SENTINEL_ASSIGN(const Distribution summary, read_summary(message));
    SENTINEL_TRY(give("_count", summary.count));
    SENTINEL_TRY(give("_sum", summary.sum));
    for (const Bucket& part : summary.parts) SENTINEL_TRY(give("", part.count, {}, {"quantile", part.bound}));
    return {};
  }
  Status give_histogram(std::string_view message) {
    SENTINEL_ASSIGN(const Distribution classic, read_classic(message));
    const bool native = classic.native && options_.native;
    if (native) SENTINEL_TRY(give_native(message, classic));
    if (native && !options_.classic_too) return {};
    if (native && classic.parts.empty()) return {};  // there is no classic side
    SENTINEL_TRY(give("_count", classic.count));
    SENTINEL_TRY(give("_sum", classic.sum));
    bool all = false;
    for (const Bucket& bucket : classic.parts) {
      all = all || bucket.bound == std::numeric_limits<double>::infinity();
      SENTINEL_TRY(give("_bucket", bucket.count, bucket.exemplars, {"le", bucket.bound}));
    }
    if (all) return {};
    return give("_bucket", classic.count, {}, {"le", std::numeric_limits<double>::infinity()});
  }
  Status give_native(std::string_view message, const Distribution& classic) {
    SENTINEL_ASSIGN(model::HistogramPtr h,
                    read_exposed_histogram(message, family_.kind == MetricKind::kGaugeHistogram));
    ExposedSample out = series("");
    SENTINEL_ASSIGN(out.h, fit(std::move(h), options_));
    const auto take = [&](const std::vector<Exemplar>& some) {
      // Without a time two exemplars of a histogram could not be told apart.
      std::copy_if(some.begin(), some.end(), std::back_inserter(out.exemplars),
                   [](const Exemplar& exemplar) { return exemplar.t_ms.has_value(); });
    };
    take(classic.exemplars);
    if (classic.exemplars.empty()) {
      for (const Bucket& bucket : classic.parts) take(bucket.exemplars);
    }
    std::sort(out.exemplars.begin(), out.exemplars.end(),
              [](const Exemplar& a, const Exemplar& b) { return *a.t_ms < *b.t_ms; });
    return on_sample_(out);
  }

  const ExposedFamily& family_;
  const ProtoExpositionOptions& options_;
  absl::FunctionRef<Status(const ExposedSample&)> on_sample_;
  std::vector<model::Label> labels_;
  std::optional<int64_t> t_ms_;
};

// What a family says of itself stands anywhere among its metrics.
Result<ExposedFamily> read_family(std::string_view message) {
  ProtoReader in(message);
  ExposedFamily out;
  out.kind = MetricKind::kCounter;  // number 0, which need not be sent
  while (in.next()) {
    switch (in.field()) {
      case 1: out.name = in.bytes(); break;
      case 2: out.help = to_valid_utf8(in.bytes()); break;
      case 3: out.kind = kind_of(in.varint()); break;
      case 5: out.unit = to_valid_utf8(in.bytes()); break;
      default: in.skip();
    }
  }
  if (!in.ok()) return fail(malformed("metric family"));
  if (out.name.empty() || !is_valid_utf8(out.name)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("invalid metric name: {}", go_quote(out.name)));
  }
  return out;
}

}  // namespace

Status read_proto_exposition(std::string_view body, const ProtoExpositionOptions& options,
                             absl::FunctionRef<void(const ExposedFamily&)> on_family,
                             absl::FunctionRef<Status(const ExposedSample&)> on_sample) {
  while (!body.empty()) {
    const auto message = take_delimited(body);
    if (!message) return fail(malformed("length of a metric family"));
    SENTINEL_ASSIGN(const ExposedFamily family, read_family(*message));
    on_family(family);
    ProtoReader in(*message);
    while (in.next()) {
      if (in.field() != 4) {
        in.skip();
        continue;
      }
      SENTINEL_TRY(MetricReader(family, options, on_sample).read(in.bytes()));
    }
  }
  return {};
}

}  // namespace sentinel::ingest
