#pragma once
// Our series in Datadog: POST /api/v2/series, each window of time once it is over. The store is the queue: what a
// service does not take waits there, and what was acknowledged is remembered as a time, so a restart goes on where the
// last run ended. Windows older than Datadog takes are left out, and counted.
//
// At least once: a crash between an answer and its record sends a window again, with the same times.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "connect/caller.h"
#include "connect/config.h"
#include "ingest/exposition_parser.h"
#include "state/database.h"
#include "tsdb/queryable.h"

namespace sentinel::connect {

// What families are, by name. Others are told by what their names end in.
using FamilyKinds = std::map<std::string, ingest::MetricKind, std::less<>>;

// Whether a series of this name only ever grows: then Datadog is told by how much.
bool grows(std::string_view name, const FamilyKinds& kinds);

// One request's worth.
struct SeriesBatch {
  std::string body;  // JSON, gzipped
  size_t points = 0;
};

// Collects the points of one window, (end - interval, end], into batches within Datadog's limits.
class SeriesWriter {
 public:
  // All references outlive the writer.
  SeriesWriter(const SeriesOut& out, const FamilyKinds& kinds, int64_t end_ms)
      : out_(out), kinds_(kinds), end_ms_(end_ms) {}

  // One that only grows is a count of what was added within the window, every other a gauge of its newest value; a
  // native histogram is NAME_count and NAME_sum. Nothing of a series that has ended, nor the first value of one that
  // grows unless it says when it began: how much of that is of this window nobody knows.
  void add(const tsdb::SeriesData& series);
  std::vector<SeriesBatch> take();

 private:
  struct Values;
  void add_point(std::string_view name, const model::Labels& labels, bool count, double value);
  void add_values(std::string_view name, const model::Labels& labels, bool count, const Values& values);
  void close();

  const SeriesOut& out_;
  const FamilyKinds& kinds_;
  const int64_t end_ms_;
  std::string body_;
  size_t points_ = 0;
  std::vector<SeriesBatch> batches_;
};

// Sends for each connection that wants series. Lives on the control scheduler; reading the store, packing and what is
// remembered happen in the background.
class SeriesExport {
 public:
  using Background = std::function<void(std::function<void()>)>;  // runs a job on some other thread
  struct Parts {
    Scheduler& scheduler;
    state::Database& database;
    MetricRegistry& metrics;
    const tsdb::Queryable& series;
    Caller& caller;
    Background background;               // its jobs have ended before any of this is destroyed
    std::function<FamilyKinds()> kinds;  // from any thread
  };
  // REQUIRES: state::KeyValue::migrate() ran. All of `parts` outlives it.
  SeriesExport(Parts parts, std::shared_ptr<const Config> config);
  ~SeriesExport();

  void reload(std::shared_ptr<const Config> config);

 private:
  struct Line;  // one connection

  void start(const std::shared_ptr<Line>& line);
  void look(const std::shared_ptr<Line>& line);
  void read(const std::shared_ptr<Line>& line, int64_t end_ms);
  Status fill(SeriesWriter& writer, const SeriesOut& out, int64_t end_ms) const;
  void send(const std::shared_ptr<Line>& line);
  void answered(const std::shared_ptr<Line>& line, const Result<net::Response>& answer);
  void lose(const std::shared_ptr<Line>& line, int64_t until_ms);
  void again(const std::shared_ptr<Line>& line, Micros after);

  Parts parts_;
  std::map<std::string, std::shared_ptr<Line>> lines_;  // by name of the connection
};

}  // namespace sentinel::connect
