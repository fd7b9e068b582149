#include "connect/series_out.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "connect/limits.h"
#include "net/gzip.h"
#include "state/kv.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

// Datadog's numbers of kinds.
constexpr int kCount = 1;
constexpr int kGauge = 3;

constexpr std::string_view kPositionPrefix = "connect/series/";

std::string_view without(std::string_view name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : std::string_view();
}

std::optional<ingest::MetricKind> kind_in(const FamilyKinds& kinds, std::string_view family) {
  const auto found = kinds.find(family);
  if (family.empty() || found == kinds.end() || found->second == ingest::MetricKind::kUnknown) return std::nullopt;
  return found->second;
}

// Letters, digits, underscores and dots, a letter first.
std::string metric_name(std::string_view prefix, std::string_view name) {
  std::string out = fmt::format("{}{}", prefix, name).substr(0, kMetricNameBytesMax);
  for (char& c : out) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
    if (!plain) c = '_';
  }
  return out;
}

int64_t window_end(TimePoint now, Millis interval) {
  const int64_t ready = to_ms(now) - kSeriesSettle.count();
  return ready - ready % interval.count();
}

}  // namespace

bool grows(std::string_view name, const FamilyKinds& kinds) {
  using Kind = ingest::MetricKind;
  if (const auto kind = kind_in(kinds, name)) return *kind == Kind::kCounter || *kind == Kind::kHistogram;
  for (const std::string_view suffix : {"_bucket", "_count", "_sum"}) {
    const auto kind = kind_in(kinds, without(name, suffix));
    if (kind) return *kind == Kind::kHistogram || *kind == Kind::kSummary;
  }
  for (const std::string_view suffix : {"_total", "_bucket", "_count", "_sum"}) {
    if (!without(name, suffix).empty()) return true;
  }
  return false;
}

// ---- one window ----

struct SeriesWriter::Values {
  const std::vector<model::Sample>& samples;
  const std::vector<int64_t>& starts_ms;  // as in SeriesData
};

void SeriesWriter::add(const tsdb::SeriesData& series) {
  const std::string_view name = series.labels.get(model::kMetricNameLabel);
  if (!series.samples.empty())
    add_values(name, series.labels, grows(name, kinds_), {series.samples, series.sample_starts_ms});
  if (series.histograms.empty()) return;
  std::vector<model::Sample> counts, sums;
  for (const model::HistogramSample& h : series.histograms) {
    const bool stale = model::is_stale_nan(h.h->sum);
    counts.push_back({h.t_ms, stale ? h.h->sum : h.h->count});
    sums.push_back({h.t_ms, h.h->sum});
  }
  add_values(fmt::format("{}_count", name), series.labels, true, {counts, series.histogram_starts_ms});
  add_values(fmt::format("{}_sum", name), series.labels, true, {sums, series.histogram_starts_ms});
}

void SeriesWriter::add_values(std::string_view name, const model::Labels& labels, bool count, const Values& values) {
  const int64_t begin_ms = end_ms_ - out_.interval.count();
  std::optional<double> before;  // the newest value so far
  bool known = false;            // how much was added is
  bool ended = false;
  double added = 0;
  for (size_t i = 0; i < values.samples.size(); ++i) {
    const auto& [t_ms, v] = values.samples[i];
    if (t_ms > end_ms_) break;
    ended = model::is_stale_nan(v);
    if (ended) continue;
    if (t_ms > begin_ms && before) {
      added += v >= *before ? v - *before : v;  // a smaller one began anew at zero
      known = true;
    } else if (t_ms > begin_ms && i < values.starts_ms.size() && values.starts_ms[i] > begin_ms) {
      added += v;
      known = true;
    }
    before = v;
    known = known || t_ms <= begin_ms;
  }
  if (!before || ended || (count && !known)) return;
  add_point(name, labels, count, count ? added : *before);
}

void SeriesWriter::add_point(std::string_view name, const model::Labels& labels, bool count, double value) {
  if (!std::isfinite(value)) return;
  if (body_.empty()) body_ = R"({"series":[)";
  if (points_ > 0) body_ += ',';
  text::JsonWriter json(body_);
  json.begin_object().field("metric", metric_name(out_.prefix, name)).field("type", count ? kCount : kGauge);
  if (count) json.field("interval", std::max<int64_t>(1, out_.interval.count() / 1000));
  json.key("points").begin_array().begin_object();
  json.field("timestamp", end_ms_ / 1000).field("value", value).end_object().end_array();
  json.key("tags").begin_array();
  for (const model::Label& label : labels) {
    if (label.name == model::kMetricNameLabel || label.value.empty()) continue;
    json.string(utf8_prefix(fmt::format("{}:{}", label.name, label.value), kTagBytesMax));
  }
  for (const std::string& tag : out_.tags) json.string(tag);
  json.end_array().end_object();
  ++points_;
  if (body_.size() >= kSeriesBodyBytesMax) close();
}

void SeriesWriter::close() {
  if (points_ == 0) return;
  batches_.push_back({net::gzip(body_ + "]}"), points_});
  body_.clear();
  points_ = 0;
}

std::vector<SeriesBatch> SeriesWriter::take() {
  close();
  return std::move(batches_);
}

// ---- sending ----

struct SeriesExport::Line {
  Line(std::shared_ptr<const Connection> connection, MetricRegistry& metrics)
      : by(std::move(connection)),
        out(*by->series()),
        sent(points(metrics, "sent")),
        refused(points(metrics, "refused")),
        lost_windows(
            metrics.counter("sentinel_integration_series_windows_lost_total",
                            "Windows of time whose series a service was never told: it was away for too long, or they "
                            "could not be read.",
                            {{"integration", by->name()}})),
        delay(metrics.gauge("sentinel_integration_series_delay_seconds",
                            "How long ago the last window ended of which a service was told all.",
                            {{"integration", by->name()}})) {}

  Counter& points(MetricRegistry& metrics, std::string result) const {
    return metrics.counter("sentinel_integration_points_total", "Points of series that a service took or refused.",
                           {{"integration", by->name()}, {"result", std::move(result)}});
  }
  std::string key() const { return std::string(kPositionPrefix) + by->name(); }

  const std::shared_ptr<const Connection> by;
  const SeriesOut out;
  Counter& sent;
  Counter& refused;
  Counter& lost_windows;
  Gauge& delay;
  bool gone = false;                // replaced, or the export was destroyed: what comes later is for nobody
  bool busy = false;                // a window is read or sent
  int64_t done_ms = 0;              // the end of the last window that needs nothing more
  int64_t window_ms = 0;            // the end of the one under way
  std::deque<SeriesBatch> batches;  // of it, what is still to be sent
  Micros pause{0};                  // before the next attempt; 0: the last one was good
  TimerId timer = TimerId::kNone;
};

SeriesExport::SeriesExport(Parts parts, std::shared_ptr<const Config> config) : parts_(std::move(parts)) {
  reload(std::move(config));
}

SeriesExport::~SeriesExport() { reload(std::make_shared<const Config>()); }

void SeriesExport::reload(std::shared_ptr<const Config> config) {
  for (const auto& [name, line] : lines_) {
    line->gone = true;
    parts_.scheduler.cancel(line->timer);
  }
  lines_.clear();
  for (const auto& connection : config->connections) {
    if (connection->series() == nullptr) continue;
    const auto line = std::make_shared<Line>(connection, parts_.metrics);
    lines_.emplace(connection->name(), line);
    start(line);
  }
}

// Goes on where the last run, or the last configuration, ended.
void SeriesExport::start(const std::shared_ptr<Line>& line) {
  const Status read = parts_.database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const std::optional<std::string> position, state::KeyValue::get(tx, line->key()));
    line->done_ms = position ? parse_int(*position).value_or(0) : 0;
    return {};
  });
  if (!read) log_warn("connect", "where series were is not known", {{"error", read.error().to_string()}});
  const int64_t newest = window_end(parts_.scheduler.now(), line->out.interval);
  if (line->done_ms == 0 || line->done_ms > newest) line->done_ms = newest;
  line->done_ms -= line->done_ms % line->out.interval.count();
  look(line);
}

void SeriesExport::again(const std::shared_ptr<Line>& line, Micros after) {
  parts_.scheduler.cancel(line->timer);
  line->timer = parts_.scheduler.after(after, [this, line] {
    if (!line->gone) line->batches.empty() ? look(line) : send(line);
  });
}

void SeriesExport::look(const std::shared_ptr<Line>& line) {
  if (line->busy) return;
  const TimePoint now = parts_.scheduler.now();
  const int64_t interval_ms = line->out.interval.count();
  lose(line, to_ms(now) - kSeriesAgeMax.count());
  line->delay.set(static_cast<double>(to_ms(now) - line->done_ms) / 1000);
  const int64_t next = line->done_ms + interval_ms;
  if (next <= window_end(now, line->out.interval)) return read(line, next);
  again(line, time_from_ms(next + kSeriesSettle.count()) - now);
}

// What is too old to be taken.
void SeriesExport::lose(const std::shared_ptr<Line>& line, int64_t until_ms) {
  const int64_t interval_ms = line->out.interval.count();
  const int64_t lost = (until_ms - line->done_ms) / interval_ms;
  if (lost <= 0) return;
  line->done_ms += lost * interval_ms;
  line->batches.clear();
  line->lost_windows.add(static_cast<double>(lost));
  log_warn("connect", "a service was away for too long: series were not sent",
           {{"integration", line->by->name()}, {"windows", lost}});
}

// In the background: what was sent is remembered first, then the next window is read.
void SeriesExport::read(const std::shared_ptr<Line>& line, int64_t end_ms) {
  line->busy = true;
  line->window_ms = end_ms;
  parts_.background([this, line, done_ms = line->done_ms, end_ms, now = parts_.scheduler.now()] {
    const Status kept = parts_.database.write(
        [&](state::Tx& tx) { return state::KeyValue::put(tx, line->key(), std::to_string(done_ms), now); });
    if (!kept) log_warn("connect", "where series are was not remembered", {{"error", kept.error().to_string()}});
    const FamilyKinds kinds = parts_.kinds();
    SeriesWriter writer(line->out, kinds, end_ms);
    const Status read = fill(writer, line->out, end_ms);
    parts_.scheduler.post([this, line, read, batches = writer.take()]() mutable {
      if (line->gone) return;
      if (!read) {
        log_warn("connect", "series were not read", {{"error", read.error().to_string()}});
        line->lost_windows.add();
      } else {
        line->batches.assign(std::make_move_iterator(batches.begin()), std::make_move_iterator(batches.end()));
      }
      send(line);
    });
  });
}

Status SeriesExport::fill(SeriesWriter& writer, const SeriesOut& out, int64_t end_ms) const {
  const int64_t from_ms = end_ms - out.interval.count() - kSeriesLookback.count();
  std::set<model::Labels> written;  // by several selectors, once
  tsdb::SeriesData series;
  for (const model::Matchers& matchers : out.match) {
    SENTINEL_ASSIGN(const auto found,
                    parts_.series.begin_select(matchers, from_ms, end_ms, {.samples_max = kSeriesSamplesMax}, {}));
    for (size_t i = 0; i < found->size(); ++i) {
      SENTINEL_ASSIGN(const bool there, found->read(i, series));
      if (there && (out.match.size() == 1 || written.insert(series.labels).second)) writer.add(series);
    }
  }
  return {};
}

void SeriesExport::send(const std::shared_ptr<Line>& line) {
  if (line->batches.empty()) {
    line->done_ms = std::max(line->done_ms, line->window_ms);
    line->busy = false;
    return look(line);
  }
  receivers::HttpCall call{line->out.url, line->batches.front().body};
  call.headers.set("Content-Type", "application/json");
  call.headers.set("Content-Encoding", "gzip");
  parts_.caller.call(line->by, std::move(call), "", false,
                     [this, scheduler = &parts_.scheduler, line](const Result<net::Response>& answer) {
                       scheduler->post([this, line, answer] {
                         if (!line->gone) answered(line, answer);
                       });
                     });
}

void SeriesExport::answered(const std::shared_ptr<Line>& line, const Result<net::Response>& answer) {
  const TimePoint now = parts_.scheduler.now();
  const int status = answer ? answer->status : 0;
  const double points = static_cast<double>(line->batches.front().points);
  const bool taken = status / 100 == 2;
  // A key can be mended; what is wrong with the points themselves cannot.
  const bool refused = status / 100 == 4 && status != 401 && status != 403 && status != 408 && status != 429;
  if (taken || refused) {
    (taken ? line->sent : line->refused).add(points);
    if (refused) {
      log_warn(
          "connect", "series were refused",
          {{"integration", line->by->name()}, {"status", status}, {"answer", receivers::shown_body(answer->body)}});
    }
    line->batches.pop_front();
    line->pause = Micros(0);
    return send(line);
  }
  if (line->pause == Micros(0)) {
    log_warn("connect", "series wait",
             {{"integration", line->by->name()},
              {"error", answer ? fmt::format("status {}", status) : answer.error().to_string()}});
  }
  line->pause = std::clamp<Micros>(line->pause * 2, kSeriesPauseMin, kSeriesPauseMax);
  Micros wait = line->pause;
  if (answer) {
    auto asked = receivers::parse_retry_after(answer->headers.get("Retry-After"), now);
    if (!asked) asked = receivers::parse_retry_after(answer->headers.get("X-RateLimit-Reset"), now);
    wait = std::max(wait, asked.value_or(Micros(0)));
  }
  line->delay.set(static_cast<double>(to_ms(now) - line->done_ms) / 1000);
  lose(line, to_ms(now) - kSeriesAgeMax.count());
  if (line->batches.empty()) line->busy = false;  // the window is too old by now
  again(line, wait);
}

}  // namespace sentinel::connect
