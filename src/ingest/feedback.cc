#include "ingest/feedback.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "ingest/limits.h"

namespace sentinel::ingest {
namespace {

constexpr std::array<std::string_view, 5> kLabelNames{"correct", "incorrect", "unsafe", "irrelevant", "incomplete"};

const std::vector<state::Migration>& migrations() {
  static const std::vector<state::Migration> list{{1, R"sql(
CREATE TABLE feedback (
  request_id TEXT PRIMARY KEY, service TEXT NOT NULL, env TEXT NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL,
  model_version TEXT NOT NULL, provider TEXT NOT NULL, test_mode INTEGER NOT NULL,
  rating REAL, rated_at INTEGER, label TEXT, labelled_at INTEGER, converted_at INTEGER,
  actor TEXT NOT NULL, source TEXT NOT NULL, updated_at INTEGER NOT NULL);
CREATE INDEX feedback_by_update ON feedback(updated_at);
)sql"}};
  return list;
}

std::string_view rating_word(double rating) {
  return rating > 0.5 ? "positive" : rating < 0.5 ? "negative" : "neutral";
}

state::SqlValue time_or_null(const std::optional<TimePoint>& t) {
  if (!t) return std::monostate{};
  return to_us(*t);
}

MetricLabels known(MetricLabels labels) {
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  return labels;
}

// A row as it stands, with the times the means need.
struct Stored {
  Feedback feedback;
  std::optional<TimePoint> rated_at;
  std::optional<TimePoint> labelled_at;
};

Result<Stored> load(state::Tx& tx, const std::string& request_id) {
  Stored out;
  out.feedback.request_id = request_id;
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query("SELECT rating, rated_at, label, labelled_at, converted_at FROM feedback WHERE request_id = ?",
               {request_id}));
  if (rows.empty()) return out;
  const state::Row& row = rows.front();
  const auto time = [&](size_t i) {
    return row.is_null(i) ? std::nullopt : std::optional(time_from_us(row.integer(i)));
  };
  if (!row.is_null(0)) out.feedback.rating = row.real(0);
  out.rated_at = time(1);
  out.feedback.label = parse_answer_label(row.text(2));
  out.labelled_at = time(3);
  out.feedback.converted_at = time(4);
  return out;
}

}  // namespace

std::string_view answer_label_name(AnswerLabel label) { return kLabelNames.at(static_cast<size_t>(label)); }

std::optional<AnswerLabel> parse_answer_label(std::string_view text) {
  const auto it = std::find(kLabelNames.begin(), kLabelNames.end(), text);
  if (it == kLabelNames.end()) return std::nullopt;
  return static_cast<AnswerLabel>(it - kLabelNames.begin());
}

// What series and means need of the call that is spoken of.
struct FeedbackDesk::Call {
  std::string service, env, endpoint, model, model_version, provider;
  bool test_mode = false;
};

Status FeedbackDesk::migrate(state::Database& database) { return database.migrate("feedback", migrations()); }

FeedbackDesk::FeedbackDesk(state::Database& database, events::EventStore& events, MetricRegistry& metrics,
                           const Clock& clock)
    : database_(database), events_(events), metrics_(metrics), clock_(clock) {}

Result<FeedbackDesk::Call> FeedbackDesk::find_call(const std::string& request_id) {
  SENTINEL_ASSIGN(const events::SqlResult found,
                  events_.query("SELECT service, env, endpoint, model, model_version, provider, test_mode FROM "
                                "llm_events WHERE request_id = ? LIMIT 1",
                                std::vector<events::Cell>{request_id}));
  if (found.rows.empty()) {
    return fail(ErrorCode::kNotFound,
                fmt::format("no call {}; a call is known up to a second after its answer", request_id));
  }
  const events::CellRow& row = found.rows.front();
  const auto text = [&](size_t i) {
    const auto* value = std::get_if<std::string>(&row.at(i));
    return value == nullptr ? std::string() : *value;
  };
  const auto* test = std::get_if<bool>(&row.at(6));
  return Call{text(0), text(1), text(2), text(3), text(4), text(5), test != nullptr && *test};
}

Result<Feedback> FeedbackDesk::record(const FeedbackRequest& request) {
  if (request.request_id.empty() || request.request_id.size() > kRequestIdBytesMax)
    return fail(ErrorCode::kInvalidArgument, "\"request_id\" must be the x-request-id of a call");
  if (!request.rating && !request.label && !request.converted)
    return fail(ErrorCode::kInvalidArgument, "feedback needs a rating, a label or a conversion");
  if (request.rating && !(*request.rating >= 0 && *request.rating <= 1))
    return fail(ErrorCode::kInvalidArgument, "a rating lies in 0..1");
  SENTINEL_ASSIGN(const Call call, find_call(request.request_id));
  Stored before, after;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(before, load(tx, request.request_id));
    const TimePoint now = clock_.now();
    after = before;
    after.feedback.updated_at = now;
    if (request.rating) {
      after.feedback.rating = request.rating;
      after.rated_at = now;
    }
    if (request.label) {
      after.feedback.label = request.label;
      after.labelled_at = now;
    }
    if (request.converted && !before.feedback.converted_at) after.feedback.converted_at = now;
    const Feedback& f = after.feedback;
    return tx.exec(
        "INSERT INTO feedback (request_id, service, env, endpoint, model, model_version, provider, test_mode, rating, "
        "rated_at, label, labelled_at, converted_at, actor, source, updated_at) VALUES "
        "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
        "ON CONFLICT (request_id) DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at, label = "
        "excluded.label, labelled_at = excluded.labelled_at, converted_at = excluded.converted_at, actor = "
        "excluded.actor, source = excluded.source, updated_at = excluded.updated_at",
        {request.request_id, call.service, call.env, call.endpoint, call.model, call.model_version, call.provider,
         int64_t{call.test_mode}, f.rating ? state::SqlValue(*f.rating) : state::SqlValue(std::monostate{}),
         time_or_null(after.rated_at),
         f.label ? state::SqlValue(std::string(answer_label_name(*f.label))) : state::SqlValue(std::monostate{}),
         time_or_null(after.labelled_at), time_or_null(f.converted_at), request.actor, request.source, to_us(now)});
  }));
  if (call.test_mode) return after.feedback;
  if (after.feedback.rating != before.feedback.rating) count(call, "rating", rating_word(*after.feedback.rating));
  if (after.feedback.label != before.feedback.label) count(call, "label", answer_label_name(*after.feedback.label));
  if (after.feedback.converted_at != before.feedback.converted_at) count(call, "conversion", "converted");
  MutexLock lock(mutex_);
  changed_ = true;
  return after.feedback;
}

void FeedbackDesk::count(const Call& call, std::string_view kind, std::string_view value) {
  MetricLabels labels = known({{"service", call.service},
                               {"env", call.env},
                               {"endpoint", call.endpoint},
                               {"model", call.model},
                               {"model_version", call.model_version},
                               {"provider", call.provider}});
  if (kind == "conversion") metrics_.counter("conversions_total", "Calls that led to a conversion.", labels).add();
  labels.emplace_back("kind", kind);
  labels.emplace_back("value", value);
  metrics_.counter("llm_feedback_total", "Ratings, labels and conversions told afterwards.", std::move(labels)).add();
}

void FeedbackDesk::set_mean(std::string_view name, std::string_view help, const MetricLabels& labels, int64_t samples,
                            double mean) {
  if (samples < kFeedbackSamplesMin) return;
  std::string key(name);
  for (const auto& [label, value] : labels) key.append(1, '\xff').append(label).append(1, '\xfe').append(value);
  Gauge& gauge = metrics_.gauge(name, help, labels);
  gauge.set(mean);
  means_.insert_or_assign(std::move(key), &gauge);
}

Status FeedbackDesk::refresh() {
  const TimePoint now = clock_.now();
  {
    MutexLock lock(mutex_);
    if (!changed_ && now - refreshed_at_ < kFeedbackRefreshInterval) return {};
    changed_ = false;
    refreshed_at_ = now;
  }
  const int64_t day = to_us(now - kFeedbackWindow);
  const int64_t week = to_us(now - kFeedbackWindow - kFeedbackBaseline);
  state::Rows rows;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(
        rows, tx.query("SELECT service, env, endpoint, model, provider, "
                       "COUNT(CASE WHEN rated_at >= ? THEN rating END), AVG(CASE WHEN rated_at >= ? THEN rating END), "
                       "COUNT(CASE WHEN labelled_at >= ? THEN label END), "
                       "AVG(CASE WHEN labelled_at >= ? THEN CASE WHEN label = 'correct' THEN 1.0 ELSE 0.0 END END), "
                       "COUNT(CASE WHEN labelled_at >= ? AND labelled_at < ? THEN label END), "
                       "AVG(CASE WHEN labelled_at >= ? AND labelled_at < ? THEN CASE WHEN label = 'correct' THEN 1.0 "
                       "ELSE 0.0 END END) FROM feedback WHERE test_mode = 0 GROUP BY service, env, endpoint, model, "
                       "provider",
                       {day, day, day, day, week, day, week, day}));
    return {};
  }));
  MutexLock lock(mutex_);
  const std::map<std::string, Gauge*> before = std::exchange(means_, {});
  for (const state::Row& row : rows) {
    const MetricLabels labels = known({{"service", row.text(0)},
                                       {"env", row.text(1)},
                                       {"endpoint", row.text(2)},
                                       {"model", row.text(3)},
                                       {"provider", row.text(4)}});
    set_mean("user_satisfaction_score", "Mean rating of the last day, 0..1.", labels, row.integer(5), row.real(6));
    set_mean("model_accuracy_current", "Share of correct ones among answers labelled in the last day.", labels,
             row.integer(7), row.real(8));
    set_mean("model_accuracy_baseline", "Share of correct ones among answers labelled in the week before.", labels,
             row.integer(9), row.real(10));
  }
  // What has lost its answers ends.
  for (const auto& [key, gauge] : before) {
    if (!means_.contains(key)) gauge->set(std::numeric_limits<double>::quiet_NaN());
  }
  return {};
}

Status FeedbackDesk::prune(TimePoint before) {
  return database_.write(
      [&](state::Tx& tx) { return tx.exec("DELETE FROM feedback WHERE updated_at < ?", {to_us(before)}); });
}

}  // namespace sentinel::ingest
