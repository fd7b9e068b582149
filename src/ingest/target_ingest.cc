#include "ingest/target_ingest.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "ingest/exposition_parser.h"
#include "ingest/exposition_proto.h"
#include "model/sample.h"

namespace sentinel::ingest {
namespace {

constexpr std::string_view kExportedPrefix = "exported_";
constexpr size_t kShownMax = 50;  // bytes of a name or value in a message

std::string_view shown(std::string_view text) { return utf8_prefix(text, kShownMax); }

}  // namespace

TargetIngest::TargetIngest(tsdb::Store& store, MetadataStore& metadata, std::shared_ptr<const ScrapeJob> job,
                           model::Labels labels)
    : store_(store), shared_metadata_(metadata), job_(std::move(job)), labels_(std::move(labels)) {}

Result<ExpositionFormat> TargetIngest::format_of(std::string_view content_type) const {
  if (const auto format = format_of_content_type(content_type)) return *format;
  if (job_->fallback) return *job_->fallback;
  if (trim(content_type).empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for "
                "target");
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("received unsupported Content-Type {} and no fallback_scrape_protocol specified for target",
                          go_quote(content_type)));
}

// The target's labels win, and what they hide is kept as exported_NAME; with honor_labels it is the other way round.
// No name: dropped.
Result<model::Labels> TargetIngest::sample_labels(const model::Labels& exposed) const {
  model::Labels out = exposed;
  for (const model::Label& label : labels_) {
    if (job_->honor_labels) {
      if (!out.has(label.name)) out.set(label.name, label.value);
      continue;
    }
    if (const std::string hidden(out.get(label.name)); !hidden.empty()) {
      std::string name = std::string(kExportedPrefix) + label.name;
      while (out.has(name) || labels_.has(name)) name = std::string(kExportedPrefix) + name;
      out.set(name, hidden);
    }
    out.set(label.name, label.value);
  }
  if (!relabel(job_->metric_relabel_rules, out)) return model::Labels();
  if (out.empty()) return out;
  if (!out.has(model::kMetricNameLabel)) {
    return fail(ErrorCode::kInvalidArgument, "missing metric name (__name__ label)");
  }
  SENTINEL_TRY(check_label_limits(out));
  return out;
}

Status TargetIngest::check_label_limits(const model::Labels& labels) const {
  const std::string metric(shown(labels.get(model::kMetricNameLabel)));
  if (job_->label_limit > 0 && labels.size() > job_->label_limit) {
    return fail(ErrorCode::kTooLarge, fmt::format("label_limit exceeded (metric: {}, number of labels: {}, limit: {})",
                                                  metric, labels.size(), job_->label_limit));
  }
  for (const model::Label& label : labels) {
    if (job_->label_name_length_limit > 0 && label.name.size() > job_->label_name_length_limit) {
      return fail(ErrorCode::kTooLarge,
                  fmt::format("label_name_length_limit exceeded (metric: {}, label name: {}, length: {}, limit: {})",
                              metric, shown(label.name), label.name.size(), job_->label_name_length_limit));
    }
    if (job_->label_value_length_limit > 0 && label.value.size() > job_->label_value_length_limit) {
      return fail(ErrorCode::kTooLarge,
                  fmt::format("label_value_length_limit exceeded (metric: {}, label name: {}, value: {}, length: {}, "
                              "limit: {})",
                              metric, shown(label.name), go_quote(shown(label.value)), label.value.size(),
                              job_->label_value_length_limit));
    }
  }
  return {};
}

Status TargetIngest::append(tsdb::Appender& appender, Known& known, model::Sample sample,
                            const model::HistogramPtr& h) {
  const auto put = [&] {
    return h ? appender.append_histogram(known.ref, {sample.t_ms, h}) : appender.append(known.ref, sample);
  };
  Status status = put();
  // A series that was quiet for long may have been given up by the store.
  if (!status && status.error().code() == ErrorCode::kNotFound) {
    SENTINEL_ASSIGN(known.ref, appender.ref(known.labels));
    status = put();
  }
  return status;
}

// One answer under way.
class TargetIngest::Scrape {
 public:
  Scrape(TargetIngest& target, tsdb::Appender& appender, int64_t t_ms)
      : target_(target), appender_(appender), t_ms_(t_ms) {}

  Status read(std::string_view body, ExpositionFormat format) {
    if (format == ExpositionFormat::kProtobuf) return read_proto(body);
    ExpositionParser parser(body, format);
    while (true) {
      const ExpositionParser::Entry entry = parser.next();
      switch (entry) {
        case ExpositionParser::Entry::kEnd: return {};
        case ExpositionParser::Entry::kInvalid: return fail(parser.error());
        case ExpositionParser::Entry::kComment: break;
        case ExpositionParser::Entry::kSeries: SENTINEL_TRY(take_sample(parser)); break;
        default: take_metadata(parser, entry);
      }
    }
  }
  // Series that the last scrape had and this one has not.
  void end_missing() {
    for (auto it = target_.known_.begin(); it != target_.known_.end();) {
      Known& known = it->second;
      if (known.last_seen == target_.scrape_) {
        ++it;
        continue;
      }
      if (known.stored && known.tracked) (void)target_.append(appender_, known, {t_ms_, model::stale_nan()});
      target_.known_.erase(it++);
    }
  }

  ScrapeResult result;
  Metadata metadata;

 private:
  struct Reading {
    double v = 0;
    model::HistogramPtr h{};
    std::optional<int64_t> t_ms{};
  };

  Status read_proto(std::string_view body) {
    const ScrapeJob& job = *target_.job_;
    ProtoExpositionOptions options;
    options.native = job.native_histograms;
    options.classic_too = job.classic_histograms_too;
    options.buckets_max = job.native_bucket_limit;
    options.bucket_factor = job.native_bucket_factor_min;
    std::string key;
    return read_proto_exposition(
        body, options,
        [this](const ExposedFamily& family) { metadata[family.name] = {family.kind, family.help, family.unit}; },
        [&](const ExposedSample& sample) -> Status {
          key.clear();
          for (const model::Label& label : sample.labels) {
            key.append(label.name).push_back('\xff');
            key.append(label.value).push_back('\xff');
          }
          const auto labels = [&]() -> Result<model::Labels> { return sample.labels; };
          const auto exemplars = [&] { return sample.exemplars; };
          return take_reading(key, {sample.v, sample.h, sample.t_ms}, labels, exemplars);
        });
  }

  Status take_sample(const ExpositionParser& parser) {
    const auto labels = [&] { return parser.labels(); };
    const auto exemplars = [&] {
      std::vector<Exemplar> out;
      if (auto exemplar = parser.exemplar()) out.push_back(*std::move(exemplar));
      return out;
    };
    return take_reading(parser.series(), {parser.value(), nullptr, parser.time_ms()}, labels, exemplars);
  }

  // `key` stands for the labels from one scrape to the next.
  template <class MakeLabels, class MakeExemplars>
  Status take_reading(std::string_view key, const Reading& reading, MakeLabels labels, MakeExemplars exemplars) {
    ++result.scraped;
    auto found = target_.known_.find(key);
    if (found == target_.known_.end()) {
      SENTINEL_ASSIGN(const model::Labels exposed, labels());
      SENTINEL_ASSIGN(Known known, meet(exposed));
      found = target_.known_.emplace(std::string(key), std::move(known)).first;
    }
    Known& known = found->second;
    known.last_seen = target_.scrape_;
    if (known.ref == tsdb::SeriesRef::kNone) return {};
    ++result.after_relabel;
    const uint64_t limit = target_.job_->sample_limit;
    if (limit > 0 && result.after_relabel > limit) return fail(ErrorCode::kTooLarge, "sample limit exceeded");
    const auto own_time = target_.job_->honor_timestamps ? reading.t_ms : std::nullopt;
    known.tracked = !own_time || target_.job_->track_timestamps_staleness;
    const Status status = target_.append(appender_, known, {own_time.value_or(t_ms_), reading.v}, reading.h);
    if (!status) {
      // One sample that does not fit spoils no scrape.
      log_debug("scrape", "sample refused",
                {{"series", known.labels.to_string()}, {"error", status.error().to_string()}});
      return {};
    }
    for (const Exemplar& exemplar : exemplars()) {
      (void)appender_.append_exemplar(
          known.ref, {exemplar.labels, exemplar.t_ms.value_or(own_time.value_or(t_ms_)), exemplar.value});
    }
    return {};
  }

  // A series for the first time.
  Result<Known> meet(const model::Labels& exposed) {
    SENTINEL_ASSIGN(model::Labels labels, target_.sample_labels(exposed));
    Known known;
    if (labels.empty()) return known;
    SENTINEL_ASSIGN(known.ref, appender_.ref(labels));
    known.labels = std::move(labels);
    ++result.added;
    return known;
  }

  void take_metadata(const ExpositionParser& parser, ExpositionParser::Entry entry) {
    FamilyMetadata& m = metadata[parser.family()];
    if (entry == ExpositionParser::Entry::kType) m.kind = parser.kind();
    if (entry == ExpositionParser::Entry::kHelp) m.help = parser.text();
    if (entry == ExpositionParser::Entry::kUnit) m.unit = parser.text();
  }

  TargetIngest& target_;
  tsdb::Appender& appender_;
  const int64_t t_ms_;
};

ScrapeResult TargetIngest::take(std::string_view body, std::string_view content_type, int64_t t_ms, double elapsed_s) {
  const auto format = format_of(content_type);
  if (!format) return fail_scrape(format.error(), t_ms, elapsed_s);
  ++scrape_;
  const auto appender = store_.appender();
  Scrape scrape(*this, *appender, t_ms);
  Status status = scrape.read(body, *format);
  if (status) {
    scrape.end_missing();
    status = appender->commit();
  }
  if (!status) {
    ScrapeResult failed = fail_scrape(status.error(), t_ms, elapsed_s);
    failed.scraped = scrape.result.scraped;
    failed.after_relabel = scrape.result.after_relabel;
    return failed;
  }
  for (auto& [text, known] : known_) known.stored = known.ref != tsdb::SeriesRef::kNone;
  for (const auto& [family, m] : scrape.metadata) shared_metadata_.put(family, m);
  metadata_ = std::make_shared<const Metadata>(std::move(scrape.metadata));
  finish(scrape.result, t_ms, elapsed_s);
  return scrape.result;
}

ScrapeResult TargetIngest::fail_scrape(const Error& why, int64_t t_ms, double elapsed_s) {
  ScrapeResult result;
  result.status = fail(why);
  const auto appender = store_.appender();
  end_all(*appender, t_ms);
  (void)appender->commit();
  finish(result, t_ms, elapsed_s);
  return result;
}

void TargetIngest::end_all(tsdb::Appender& appender, int64_t t_ms) {
  for (auto& [text, known] : known_) {
    if (known.stored && known.tracked) (void)append(appender, known, {t_ms, model::stale_nan()});
  }
  known_.clear();
}

// up and the numbers of the scrape, whatever became of it.
void TargetIngest::finish(const ScrapeResult& result, int64_t t_ms, double elapsed_s) {
  const Report reports[] = {
      {"up", result.status ? 1.0 : 0.0},
      {"scrape_duration_seconds", elapsed_s},
      {"scrape_samples_scraped", static_cast<double>(result.scraped)},
      {"scrape_samples_post_metric_relabeling", static_cast<double>(result.after_relabel)},
      {"scrape_series_added", static_cast<double>(result.added)},
  };
  const auto appender = store_.appender();
  for (const Report& report : reports) {
    Known& known = reports_[report.name];
    if (known.ref == tsdb::SeriesRef::kNone) {
      known.labels = labels_.with(model::kMetricNameLabel, report.name);
      const auto ref = appender->ref(known.labels);
      if (!ref) continue;
      known.ref = *ref;
    }
    (void)append(*appender, known, {t_ms, report.value});
  }
  if (const Status status = appender->commit(); !status) {
    log_warn("scrape", "what a scrape did was not stored",
             {{"job", job_->name}, {"error", status.error().to_string()}});
  }
}

void TargetIngest::set_job(std::shared_ptr<const ScrapeJob> job) {
  job_ = std::move(job);
  known_.clear();
}

void TargetIngest::end(int64_t t_ms) {
  const auto appender = store_.appender();
  end_all(*appender, t_ms);
  for (auto& [name, known] : reports_) {
    if (known.ref != tsdb::SeriesRef::kNone) (void)append(*appender, known, {t_ms, model::stale_nan()});
  }
  reports_.clear();
  (void)appender->commit();
}

}  // namespace sentinel::ingest
