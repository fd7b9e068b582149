#include "detection/rule_group.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "detection/limits.h"

namespace sentinel::detection {

std::string_view rule_health_name(RuleHealth health) {
  switch (health) {
    case RuleHealth::kUnknown: return "unknown";
    case RuleHealth::kGood: return "ok";
    case RuleHealth::kBad: return "err";
  }
  return "unknown";
}

RuleMetrics::RuleMetrics(MetricRegistry& r)
    : registry(r),
      evaluations(r.counter("sentinel_rule_evaluations_total", "Rules evaluated.")),
      arrival_evaluations(r.counter("sentinel_rule_arrival_evaluations_total",
                                    "Evaluations between slots, because a sample came or a time had passed.")),
      template_failures(
          r.counter("sentinel_rule_template_failures_total", "Label or annotation templates that failed.")),
      missed_iterations(
          r.counter("sentinel_rule_group_iterations_missed_total",
                    "Slots of rule groups left out because an evaluation took longer than the interval.")),
      samples_refused(r.counter("sentinel_rule_samples_refused_total", "Results of rules the store did not take.")),
      alerts_sent(r.counter("sentinel_rule_alerts_sent_total", "Alerts handed to alerting, re-sent ones included.")),
      send_failures(r.counter("sentinel_rule_alert_send_failures_total",
                              "Batches of alerts that alerting did not take; they are offered again.")),
      state_save_failures(r.counter("sentinel_rule_state_save_failures_total",
                                    "Alert states that could not be stored; tried again at the next evaluation.")),
      seconds(r.histogram("sentinel_rule_evaluation_duration_seconds", "Time of one rule.",
                          {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10})) {}

// There from the start, so that the first failure is an increase.
Counter& RuleMetrics::failures_of(const RuleGroupSpec& group) const {
  return registry.counter("sentinel_rule_evaluation_failures_total", "Evaluations that ended in an error.",
                          {{"rule_group", group.file + ";" + group.name}});
}

RunningRule::RunningRule(RuleSpec s, std::string k, const TemplateEnvironment& environment)
    : spec(std::move(s)), key(std::move(k)), query(promql::to_string(*spec.query)) {
  if (spec.is_alert()) alerting = std::make_unique<AlertingRule>(spec, key, environment);
}

RuleGroup::RuleGroup(RuleContext& context, RuleGroupSpec spec, std::vector<RunningRule> rules)
    : context_(context),
      spec_(std::move(spec)),
      failures_(context.metrics.failures_of(spec_)),
      rules_(std::move(rules)) {}

TimePoint RuleGroup::slot_before(TimePoint now) const {
  const int64_t interval_us = std::max<int64_t>(Micros(interval()).count(), 1);
  const uint64_t hash = hash64(spec_.file + "\xff" + spec_.name);
  const int64_t offset_us =
      context_.spread_groups ? static_cast<int64_t>(hash % static_cast<uint64_t>(interval_us)) : 0;
  const int64_t since_us = to_us(now) - offset_us;
  return time_from_us(since_us - ((since_us % interval_us) + interval_us) % interval_us + offset_us);
}

void RuleGroup::start(std::function<void(RuleGroup&)> evaluated) {
  evaluated_ = std::move(evaluated);
  next_slot_ = slot_before(context_.scheduler.now()) + interval();
  timer_ = context_.scheduler.at(next_slot_, [this] { run(); });
}

void RuleGroup::stop() {
  if (timer_ != TimerId::kNone) context_.scheduler.cancel(timer_);
  timer_ = TimerId::kNone;
}

void RuleGroup::run() {
  // The rules see the slot as "now"; a late timer (a suspended machine) takes the last slot that has passed.
  const TimePoint slot = std::max(next_slot_, slot_before(context_.scheduler.now()));
  const int64_t missed = (slot - next_slot_) / interval();
  if (missed > 0) context_.metrics.missed_iterations.add(static_cast<double>(missed));
  evaluate(slot);
  next_slot_ = slot + interval();
  timer_ = context_.scheduler.at(next_slot_, [this] { run(); });
  if (evaluated_) evaluated_(*this);
}

void RuleGroup::evaluate(TimePoint now) {
  const int64_t started = monotonic_us();
  context_.templates.now = now;
  for (RunningRule& rule : rules_) evaluate_rule(rule, now, Occasion::kSlot);
  // First the hand-over, then what was handed over: a crash in between sends it again, never not at all. One write each
  // for the whole group: when everything fails at once, every rule has something to say.
  send(all_rules(), now);
  save_state();
  last_evaluation_ = now;
  evaluation_seconds_ = static_cast<double>(monotonic_us() - started) / 1e6;
}

void RuleGroup::evaluate_on_arrival(size_t rule, TimePoint now) {
  context_.templates.now = now;
  context_.metrics.arrival_evaluations.add();
  evaluate_rule(rules_[rule], now, Occasion::kArrival);
}

bool RuleGroup::finish_arrivals(const std::vector<size_t>& rules, TimePoint now) {
  std::vector<RunningRule*> some;
  for (const size_t rule : rules) some.push_back(&rules_[rule]);
  const bool sent = send(some, now);
  return save(some, false) || sent;
}

std::vector<RunningRule*> RuleGroup::all_rules() {
  std::vector<RunningRule*> all;
  for (RunningRule& rule : rules_) all.push_back(&rule);
  return all;
}

void RuleGroup::evaluate_rule(RunningRule& rule, TimePoint now, Occasion occasion) {
  const int64_t started = monotonic_us();
  context_.metrics.evaluations.add();
  const Status status = try_rule(rule, now, occasion);
  rule.health = status ? RuleHealth::kGood : RuleHealth::kBad;
  rule.last_error = status ? "" : status.error().message();
  rule.last_evaluation = now;
  rule.evaluation_seconds = static_cast<double>(monotonic_us() - started) / 1e6;
  context_.metrics.seconds.observe(rule.evaluation_seconds);
  Evaluation evaluation{now, Micros(monotonic_us() - started), occasion, status ? rule.series : 0, rule.last_error, {}};
  if (rule.alerting && rule.judged) evaluation.changes = rule.alerting->last_changes();
  rule.history->add(std::move(evaluation));
  if (status) return;
  failures_.add();
  log_warn("rules", "rule failed",
           {{"group", spec_.name}, {"file", spec_.file}, {"rule", rule.spec.name()}, {"error", rule.last_error}});
}

Result<promql::Vector> RuleGroup::query(const promql::Query& query, int64_t t_ms) const {
  SENTINEL_ASSIGN(promql::QueryResult result, context_.engine.instant(query, t_ms));
  if (auto* vector = std::get_if<promql::Vector>(&result.value)) return std::move(*vector);
  if (auto* scalar = std::get_if<promql::Scalar>(&result.value)) {
    promql::Vector one(1);
    one[0].t_ms = scalar->t_ms;
    one[0].v = scalar->v;
    return one;
  }
  return fail(ErrorCode::kUnprocessable, "rule result is not a vector or scalar");
}

// What resolve_expr compares and finds not to be true. What it finds nothing of ends as in Prometheus: a target that
// has gone must not fire for ever.
Result<promql::Vector> RuleGroup::unresolved(const RunningRule& rule, int64_t t_ms) const {
  if (!rule.spec.resolve_truth || !rule.alerting->firing()) return promql::Vector{};
  SENTINEL_ASSIGN(promql::Vector truth, query(*rule.spec.resolve_truth, t_ms));
  std::erase_if(truth, [](const promql::VectorSample& sample) { return sample.v != 0; });
  return truth;
}

// The result under the name and labels of the recording rule.
Result<promql::Vector> RuleGroup::record(const RunningRule& rule, promql::Vector result) const {
  std::set<model::Labels> seen;
  for (promql::VectorSample& sample : result) {
    sample.labels.set(model::kMetricNameLabel, rule.spec.record);
    for (const auto& [name, value] : rule.spec.labels) sample.labels.set(name, value);
    if (!seen.insert(sample.labels).second) {
      return fail(ErrorCode::kUnprocessable,
                  "vector contains metrics with the same labelset after applying rule labels");
    }
  }
  if (spec_.limit > 0 && static_cast<int64_t>(result.size()) > spec_.limit) {
    return fail(ErrorCode::kTooLarge, fmt::format("exceeded limit of {} with {} series", spec_.limit, result.size()));
  }
  return result;
}

Status RuleGroup::try_rule(RunningRule& rule, TimePoint now, Occasion occasion) {
  const int64_t t_ms = to_ms(now - query_offset());
  rule.judged = false;
  SENTINEL_ASSIGN(promql::Vector result, query(*rule.spec.query, t_ms));
  if (!rule.alerting) {
    SENTINEL_ASSIGN(promql::Vector recorded, record(rule, std::move(result)));
    rule.series = recorded.size();
    return write(rule, recorded, t_ms);
  }
  SENTINEL_ASSIGN(const promql::Vector held, unresolved(rule, t_ms));
  const Status updated = rule.alerting->update(result, now, spec_.limit, held);
  if (!rule.alerting->template_error().empty()) {
    context_.metrics.template_failures.add();
    log_warn("rules", "template of an alert failed",
             {{"rule", rule.spec.name()}, {"error", rule.alerting->template_error()}});
  }
  SENTINEL_TRY(updated);
  rule.judged = true;
  const promql::Vector samples = rule.alerting->samples(t_ms);
  rule.series = samples.size();
  if (occasion == Occasion::kArrival) return {};
  return write(rule, samples, t_ms);
}

void RuleGroup::save_state(bool with_values) { save(all_rules(), with_values); }

bool RuleGroup::save(const std::vector<RunningRule*>& rules, bool with_values) {
  RuleStateBatch batch;
  std::vector<std::pair<AlertingRule*, RuleStateBatch>> parts;
  for (RunningRule* rule : rules) {
    if (!rule->alerting) continue;
    RuleStateBatch part = rule->alerting->take_changes(with_values);
    if (part.empty()) continue;
    batch.put.insert(batch.put.end(), part.put.begin(), part.put.end());
    batch.erase.insert(batch.erase.end(), part.erase.begin(), part.erase.end());
    parts.emplace_back(rule->alerting.get(), std::move(part));
  }
  if (batch.empty()) return false;
  const Status saved = context_.states.save(batch);
  if (saved) return true;
  for (const auto& [rule, part] : parts) rule->restore_changes(part);
  context_.metrics.state_save_failures.add();
  log_error("rules", "the state of alerts could not be stored", {{"error", saved.error().message()}});
  return true;
}

bool RuleGroup::send(const std::vector<RunningRule*>& rules, TimePoint now) {
  std::vector<model::Alert> alerts;
  std::vector<std::pair<AlertingRule*, model::Labels>> sent;
  for (RunningRule* rule : rules) {
    if (!rule->alerting || !rule->judged) continue;
    for (const ActiveAlert* alert : rule->alerting->due(now, context_.resend_delay)) {
      alerts.push_back(to_sink_alert(context_, *alert, rule->query, now, interval()));
      sent.emplace_back(rule->alerting.get(), alert->labels);
    }
  }
  if (alerts.empty()) return false;
  const Status status = put_in_batches(context_.sink, std::move(alerts));
  if (!status) {
    context_.metrics.send_failures.add();
    log_error("rules", "alerts were not taken; they are offered again",
              {{"group", spec_.name}, {"error", status.error().message()}});
    return false;
  }
  context_.metrics.alerts_sent.add(static_cast<double>(sent.size()));
  for (const auto& [rule, labels] : sent) rule->mark_sent(labels, now);
  return true;
}

namespace {
Status append(tsdb::Appender& appender, tsdb::SeriesRef ref, int64_t t_ms, const promql::VectorSample& sample) {
  return sample.h ? appender.append_histogram(ref, {t_ms, sample.h}) : appender.append(ref, {t_ms, sample.v});
}
}  // namespace

Status RuleGroup::write(RunningRule& rule, const promql::Vector& samples, int64_t t_ms) {
  if (samples.empty() && rule.written.empty()) return {};
  auto appender = context_.store.appender();
  WrittenSeries written;
  Status refused;
  for (const promql::VectorSample& sample : samples) {
    auto known = rule.written.find(sample.labels);
    auto ref = known == rule.written.end() ? appender->ref(sample.labels) : Result<tsdb::SeriesRef>(known->second);
    Status status = ref ? append(*appender, *ref, t_ms, sample) : Status(fail(ref.error()));
    if (!status && status.error().code() == ErrorCode::kNotFound) {  // written so long ago that the store let it go
      ref = appender->ref(sample.labels);
      if (ref) status = append(*appender, *ref, t_ms, sample);
    }
    if (status) {
      written.emplace(sample.labels, *ref);
    } else {
      context_.metrics.samples_refused.add();
      refused = status;
    }
  }
  for (const auto& [labels, ref] : rule.written) {
    // Refused is fine: the series has been written to by another rule meanwhile.
    if (!written.contains(labels)) (void)appender->append(ref, {t_ms, model::stale_nan()});
  }
  SENTINEL_TRY(appender->commit());
  rule.written = std::move(written);
  return refused;
}

GroupStatusPtr RuleGroup::status() const {
  auto status = std::make_shared<GroupStatus>();
  status->name = spec_.name;
  status->file = spec_.file;
  status->interval = interval();
  status->query_offset = query_offset();
  status->limit = spec_.limit;
  status->last_evaluation = last_evaluation_;
  status->evaluation_seconds = evaluation_seconds_;
  for (const RunningRule& rule : rules_) {
    RuleStatus& s = status->rules.emplace_back();
    s.alerting = rule.alerting != nullptr;
    s.name = rule.spec.name();
    s.query = rule.query;
    s.for_duration = rule.spec.for_duration;
    s.keep_firing_for = rule.spec.keep_firing_for;
    s.resolve_expr = rule.spec.resolve_expr;
    s.labels = rule.spec.labels;
    s.annotations = rule.spec.annotations;
    s.health = rule.health;
    s.last_error = rule.last_error;
    s.last_evaluation = rule.last_evaluation;
    s.evaluation_seconds = rule.evaluation_seconds;
    s.series = rule.series;
    s.key = rule.key;
    s.history = rule.history;
    if (!rule.alerting) continue;
    s.state = rule.alerting->state();
    for (const auto& [labels, alert] : rule.alerting->alerts()) {
      if (alert.state != model::AlertState::kInactive) s.alerts.push_back(alert);
    }
  }
  return status;
}

TemplateQuery template_query(const promql::Engine& engine, const TemplateEnvironment& environment) {
  return [&engine, &environment](const std::string& expression) -> Result<std::vector<text::QuerySample>> {
    auto parsed = promql::parse(expression);
    if (!parsed) return fail(parsed.error().code(), parsed.error().to_string());
    const auto& query = *parsed;
    SENTINEL_ASSIGN(promql::QueryResult result, engine.instant(*query, to_ms(environment.now)));
    std::vector<text::QuerySample> samples;
    if (auto* scalar = std::get_if<promql::Scalar>(&result.value))
      return std::vector<text::QuerySample>{{{}, scalar->v}};
    if (auto* string = std::get_if<promql::String>(&result.value)) {
      return std::vector<text::QuerySample>{{model::Labels{{"__value__", string->v}}, 0}};
    }
    auto* vector = std::get_if<promql::Vector>(&result.value);
    if (!vector) return fail(ErrorCode::kUnprocessable, "query result is not a vector or scalar");
    for (auto& sample : *vector) samples.push_back({std::move(sample.labels), sample.v});
    return samples;
  };
}

model::Alert to_sink_alert(const RuleContext& context, const ActiveAlert& alert, const std::string& query,
                           TimePoint now, Millis interval) {
  model::Alert out;
  out.labels = alert.labels;
  for (const auto& label : context.templates.external_labels) {
    if (!out.labels.has(label.name)) out.labels.set(label.name, label.value);
  }
  out.annotations = alert.annotations;
  out.starts_at = alert.fired_at.value_or(alert.active_at);
  // Firing: it holds through two lost evaluations or hand-overs, and ends by itself when nobody renews it.
  out.ends_at = alert.resolved_at.value_or(now + 4 * std::max(interval, context.resend_delay));
  out.updated_at = now;
  out.generator_url = context.templates.external_url + text::table_link(query);
  return out;
}

Status put_in_batches(AlertSink& sink, std::vector<model::Alert> alerts) {
  for (size_t from = 0; from < alerts.size(); from += kAlertBatchMax) {
    const auto begin = alerts.begin() + static_cast<ptrdiff_t>(from);
    const auto end = alerts.begin() + static_cast<ptrdiff_t>(std::min(from + kAlertBatchMax, alerts.size()));
    SENTINEL_TRY(sink.put(std::vector<model::Alert>(std::make_move_iterator(begin), std::make_move_iterator(end))));
  }
  return {};
}

void mark_stale(tsdb::Store& store, const WrittenSeries& series, int64_t t_ms) {
  if (series.empty()) return;
  auto appender = store.appender();
  for (const auto& [labels, ref] : series) {
    // The last sample may be of this very millisecond.
    if (!appender->append(ref, {t_ms, model::stale_nan()})) (void)appender->append(ref, {t_ms + 1, model::stale_nan()});
  }
  if (auto status = appender->commit(); !status) {
    log_warn("rules", "staleness markers were not written", {{"error", status.error().message()}});
  }
}

}  // namespace sentinel::detection
