#include "incident/synthetic_page.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/id.h"
#include "base/log.h"
#include "state/kv.h"
#include "text/json.h"

namespace sentinel::incident {
namespace {

constexpr std::string_view kKey = "oncall/synthetic_page";
constexpr Micros kTick = std::chrono::seconds(1);
constexpr Micros kPauseMin = std::chrono::seconds(10);     // more between two ticks: we stood still
constexpr Micros kGiveUpAfter = std::chrono::minutes(10);  // beyond `within`
constexpr Micros kFires = std::chrono::days(3650);
constexpr size_t kPagesMax = 50;
const Actor kTester{"sentinel", "synthetic"};

double seconds(Micros d) { return static_cast<double>(d.count()) / 1e6; }

}  // namespace

SyntheticPages::SyntheticPages(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics,
                               Service& incidents, Pager& pager, Put put)
    : scheduler_(scheduler),
      database_(database),
      metrics_(metrics),
      incidents_(incidents),
      pager_(pager),
      put_(std::move(put)),
      last_tick_(scheduler.now()),
      seconds_(metrics.gauge("sentinel_synthetic_page_seconds",
                             "From the alert to the delivery, of the last synthetic page that arrived.")),
      last_success_(metrics.gauge("sentinel_synthetic_page_last_success_timestamp_seconds",
                                  "When a synthetic page last arrived in time; 0: never.")) {}

SyntheticPages::~SyntheticPages() { scheduler_.cancel(timer_); }

Result<std::unique_ptr<SyntheticPages>> SyntheticPages::open(Scheduler& scheduler, state::Database& database,
                                                             MetricRegistry& metrics, Service& incidents, Pager& pager,
                                                             Put put) {
  std::unique_ptr<SyntheticPages> self(
      new SyntheticPages(scheduler, database, metrics, incidents, pager, std::move(put)));
  SENTINEL_TRY(self->load());
  self->timer_ = scheduler.after(Micros(0), [raw = self.get()] { raw->tick(); });
  return self;
}

Status SyntheticPages::load() {
  std::optional<std::string> document;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(document, state::KeyValue::get(tx, kKey));
    return {};
  }));
  if (!document) return {};
  SENTINEL_ASSIGN(const auto json, text::parse_json_object(*document));
  SENTINEL_ASSIGN(const int64_t next, text::json_int(json, "next"));
  SENTINEL_ASSIGN(state_.id, text::json_string(json, "id"));
  SENTINEL_ASSIGN(state_.missing, text::json_bool(json, "missing"));
  if (next != 0) state_.next = time_from_us(next);
  // One that was under way is said again, which alerting folds, and measured from here.
  state_.sent = scheduler_.now();
  if (!state_.id.empty()) {
    const Status put = put_page(false);
    if (!put) log_warn("synthetic", "not put", {{"error", put.error().to_string()}});
  }
  return {};
}

Status SyntheticPages::save() {
  std::string document;
  text::JsonWriter json(document);
  json.begin_object()
      .field("next", state_.next ? to_us(*state_.next) : int64_t{0})
      .field("id", state_.id)
      .field("missing", state_.missing)
      .end_object();
  return database_.write([&](state::Tx& tx) { return state::KeyValue::put(tx, kKey, document, scheduler_.now()); });
}

void SyntheticPages::tick() {
  const TimePoint now = scheduler_.now();
  const Micros gap = now - last_tick_;
  if (gap > kPauseMin || gap < Micros(0)) state_.sent += gap;
  last_tick_ = now;
  const auto config = pager_.shared_config();
  if (config->synthetic_page && state_.id.empty()) {
    // A shorter interval of a reload counts at once; a clock that was set back does not stop it.
    const bool due = !state_.next || now >= *state_.next || *state_.next > now + config->synthetic_page->every;
    if (due) begin(now);
  } else if (config->synthetic_page) {
    look(*config->synthetic_page, now);
  } else if (!state_.id.empty() || state_.missing) {
    finish("ended", std::nullopt);
    set_missing(false, "");
  }
  timer_ = scheduler_.after(kTick, [this] { tick(); });
}

void SyntheticPages::begin(TimePoint now) {
  State before = state_;
  state_.id = new_id(now);
  state_.sent = now;
  state_.next = now + pager_.config().synthetic_page->every;
  Status begun = save();
  if (begun) begun = put_page(false);
  if (begun) return;
  // Tried again at the next tick: the disk that refuses it has alerts of its own.
  log_warn("synthetic", "a synthetic page was not begun", {{"error", begun.error().to_string()}});
  before.next = now + kPauseMin;
  state_ = std::move(before);
}

Status SyntheticPages::put_page(bool over) {
  model::Alert alert;
  alert.labels =
      model::Labels{{"alertname", kSyntheticAlertName}, {"severity", "low"}, {oncall::kSyntheticLabel, state_.id}};
  alert.annotations = model::Labels{{"summary", "A test: do pages arrive?"},
                                    {"description", "Sentinel pages a test channel to see that the way is open."},
                                    {"action", "Nothing."}};
  alert.starts_at = state_.sent;
  alert.updated_at = scheduler_.now();
  alert.ends_at = over ? scheduler_.now() : scheduler_.now() + kFires;
  return put_({std::move(alert)});
}

std::optional<std::string> SyntheticPages::incident_of(const std::string& id) const {
  const auto newest = incidents_.list({.tests = true, .limit = kPagesMax});
  if (!newest) return std::nullopt;
  for (const IncidentRecord& record : *newest) {
    if (record.incident.labels.get(oncall::kSyntheticLabel) == id) return record.incident.id;
  }
  return std::nullopt;
}

std::optional<oncall::PageRecord> SyntheticPages::delivered_page(const std::string& incident) const {
  const auto pages = pager_.escalations().pages(incident, kPagesMax);
  if (!pages) return std::nullopt;
  std::optional<oncall::PageRecord> first;
  for (const oncall::PageRecord& page : *pages) {
    if (page.outcome != "delivered" || !page.outcome_at) continue;
    if (!pager_.config().test_channels.contains(page.channel)) continue;
    if (!first || *page.outcome_at < *first->outcome_at) first = page;
  }
  return first;
}

void SyntheticPages::look(const oncall::SyntheticPage& config, TimePoint now) {
  const auto incident = incident_of(state_.id);
  const auto page = incident ? delivered_page(*incident) : std::nullopt;
  if (page) {
    const Micros took = std::max(Micros(0), *page->outcome_at - state_.sent);
    const bool late = took > config.within;
    if (late) set_missing(true, fmt::format("it took {:.1f} s", seconds(took)));
    finish(late ? "late" : "delivered", took);
    if (!late) set_missing(false, "");
    return;
  }
  if (now - state_.sent <= config.within) return;
  set_missing(true, fmt::format("it has not arrived within {}",
                                format_duration(std::chrono::duration_cast<Millis>(config.within))));
  // Tried on for a while: late or never are different things to look for.
  if (now - state_.sent > config.within + std::min<Micros>(kGiveUpAfter, config.every / 2))
    finish("missing", std::nullopt);
}

void SyntheticPages::finish(std::string_view outcome, std::optional<Micros> took) {
  metrics_
      .counter("sentinel_synthetic_pages_total", "Synthetic pages by what became of them.",
               {{"outcome", std::string(outcome)}})
      .add();
  if (took) seconds_.set(seconds(*took));
  if (outcome == "delivered") last_success_.set(static_cast<double>(to_us(scheduler_.now())) / 1e6);
  log_info("synthetic", "a synthetic page ended",
           {{"outcome", std::string(outcome)}, {"seconds", took ? seconds(*took) : -1.0}});
  if (state_.id.empty()) return;
  const auto incident = incident_of(state_.id);
  Status over = put_page(true);
  // Where incidents are not resolved by themselves, this one is.
  if (over && incident) {
    const auto resolved = incidents_.resolve(*incident, {"a test", fmt::format("the page was {}", outcome)}, kTester);
    if (!resolved && resolved.error().code() != ErrorCode::kConflict) over = fail(resolved.error());
  }
  if (!over) log_warn("synthetic", "not ended", {{"error", over.error().to_string()}});
  state_.id.clear();
  if (const Status saved = save(); !saved) log_warn("synthetic", "not stored", {{"error", saved.error().to_string()}});
}

// What the alert says is put again while it lasts: alerting folds it.
void SyntheticPages::set_missing(bool missing, const std::string& why) {
  if (missing == state_.missing) return;
  model::Alert alert;
  alert.labels = model::Labels{{"alertname", oncall::kSyntheticMissing}, {"severity", "critical"}, {"category", "own"}};
  if (missing) {
    alert.annotations = model::Labels{
        {"summary", "Pages may not arrive"},
        {"description", fmt::format("A synthetic page was sent the whole way, and {}.", why)},
        {"action",
         "Look at the escalation of the newest incident in test mode (`sentinel incident list --tests`), at "
         "`sentinel oncall escalations`, and try the channels with `sentinel oncall page`."}};
  }
  alert.starts_at = scheduler_.now() - (missing ? Micros(0) : Micros(std::chrono::seconds(1)));
  alert.updated_at = scheduler_.now();
  alert.ends_at = missing ? scheduler_.now() + kFires : scheduler_.now();
  if (const Status put = put_({std::move(alert)}); !put) {
    log_error("synthetic", "pages may not arrive, and the alert was not stored", {{"error", put.error().to_string()}});
    return;
  }
  state_.missing = missing;
  if (const Status saved = save(); !saved) log_warn("synthetic", "not stored", {{"error", saved.error().to_string()}});
}

}  // namespace sentinel::incident
