#include "api/alertmanager_metrics.h"

#include <algorithm>
#include <map>

#include "base/hash.h"

namespace sentinel::api {
namespace {

std::string label_of(const MetricPoint& point, std::string_view name) {
  for (const auto& [key, value] : point.labels) {
    if (key == name) return value;
  }
  return {};
}

class Translation {
 public:
  explicit Translation(const std::vector<MetricFamily>& own) : own_(own) {}

  void add(MetricType type, std::string name, std::string help, std::vector<MetricPoint> points) {
    out_.push_back({std::move(name), std::move(help), type, {}, std::move(points)});
  }
  void gauge(std::string name, std::string help, double value) {
    add(MetricType::kGauge, std::move(name), std::move(help), {{{}, value, {}, 0}});
  }

  const MetricFamily* find(std::string_view name) const {
    const auto found = std::find_if(own_.begin(), own_.end(), [&](const MetricFamily& f) { return f.name == name; });
    return found == own_.end() ? nullptr : &*found;
  }
  double value(std::string_view name, std::string_view label = {}, std::string_view wanted = {}) const {
    double sum = 0;
    if (const MetricFamily* family = find(name)) {
      for (const MetricPoint& point : family->points) {
        if (label.empty() || label_of(point, label) == wanted) sum += point.value;
      }
    }
    return sum;
  }

  // Sums of `name` over all labels but those kept; `counts` says which points.
  template <class Wanted>
  void sums(std::string name, std::string help, std::string_view own_name, const std::vector<std::string>& kept,
            Wanted counts) {
    std::map<MetricLabels, double> by;
    if (const MetricFamily* family = find(own_name)) {
      for (const MetricPoint& point : family->points) {
        MetricLabels labels;
        for (const std::string& label : kept) labels.emplace_back(label, label_of(point, label));
        by[labels] += counts(point) ? point.value : 0;
      }
    }
    std::vector<MetricPoint> points;
    for (const auto& [labels, sum] : by) points.push_back({labels, sum, {}, 0});
    add(MetricType::kCounter, std::move(name), std::move(help), std::move(points));
  }

  void copy(std::string name, std::string_view own_name) {
    if (const MetricFamily* family = find(own_name)) {
      out_.push_back(*family);
      out_.back().name = std::move(name);
    }
  }

  std::vector<MetricFamily> take() {
    std::sort(out_.begin(), out_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return std::move(out_);
  }

 private:
  const std::vector<MetricFamily>& own_;
  std::vector<MetricFamily> out_;
};

void add_notifications(Translation& t) {
  const auto all = [](const MetricPoint&) { return true; };
  const auto ended = [](const MetricPoint& p) { return label_of(p, "result") != "retry"; };
  const auto not_delivered = [](const MetricPoint& p) { return label_of(p, "result") != "delivered"; };
  t.sums("alertmanager_notifications_total", "Notifications that were delivered or given up.",
         "sentinel_notifications_total", {"integration"}, ended);
  t.sums("alertmanager_notifications_failed_total", "Notifications given up.", "sentinel_notifications_failed_total",
         {"integration", "reason"}, all);
  t.sums("alertmanager_notification_requests_total", "Attempts to deliver a notification.",
         "sentinel_notifications_total", {"integration"}, all);
  t.sums("alertmanager_notification_requests_failed_total", "Attempts that did not deliver.",
         "sentinel_notifications_total", {"integration"}, not_delivered);
  t.copy("alertmanager_notification_latency_seconds", "sentinel_notification_latency_seconds");
}

void add_cluster(Translation& t, bool clustered) {
  t.gauge("alertmanager_cluster_enabled", "Whether there are other instances.", clustered);
  if (!clustered) return;
  const double peers = t.value("sentinel_cluster_peers");
  t.gauge("alertmanager_cluster_members", "Living instances, this one too.", peers);
  t.gauge("alertmanager_peer_position", "Living instances that notify before this one.",
          t.value("sentinel_cluster_position"));
  t.gauge("alertmanager_cluster_failed_peers", "Instances that were there and are gone.",
          t.value("sentinel_cluster_failed_peers"));
  t.gauge("alertmanager_cluster_health_score", "0: this one hears the others.", 0);
}

}  // namespace

std::vector<MetricFamily> alertmanager_families(const std::vector<MetricFamily>& own, const AlertmanagerFacts& facts) {
  Translation t(own);
  const alerting::Counts& c = facts.counts;
  const auto count = [](size_t n) { return static_cast<double>(n); };
  for (const char* name : {"alertmanager_alerts", "alertmanager_marked_alerts"}) {
    t.add(MetricType::kGauge, name, "Alerts that fire, by state.",
          {{{{"state", "active"}}, count(c.active), {}, 0},
           {{{"state", "suppressed"}}, count(c.suppressed), {}, 0},
           {{{"state", "unprocessed"}}, 0, {}, 0}});
  }
  t.add(MetricType::kGauge, "alertmanager_silences", "Silences, by state.",
        {{{{"state", "active"}}, count(c.silences_active), {}, 0},
         {{{"state", "expired"}}, count(c.silences_expired), {}, 0},
         {{{"state", "pending"}}, count(c.silences_pending), {}, 0}});
  constexpr const char* kReceived = "sentinel_alerts_received_total";
  t.add(MetricType::kCounter, "alertmanager_alerts_received_total", "Valid alerts that came in.",
        {{{{"status", "firing"}, {"version", "v2"}}, t.value(kReceived, "status", "firing"), {}, 0},
         {{{"status", "resolved"}, {"version", "v2"}}, t.value(kReceived, "status", "resolved"), {}, 0}});
  t.add(MetricType::kCounter, "alertmanager_alerts_invalid_total", "Alerts that were refused.",
        {{{{"version", "v2"}}, t.value(kReceived, "status", "invalid"), {}, 0}});
  t.add(MetricType::kGauge, "alertmanager_build_info", "The Alertmanager whose API this is, served by Sentinel.",
        {{{{"branch", "sentinel"}, {"version", facts.version}}, 1, {}, 0}});
  t.gauge("alertmanager_config_last_reload_successful", "Whether the last reload was one.", facts.reload_succeeded);
  t.gauge("alertmanager_config_last_reload_success_timestamp_seconds", "When the configuration in force was read.",
          facts.reload_success_s);
  // As many bits as a double holds, as there.
  t.gauge("alertmanager_config_hash", "Of the configuration in force, to compare instances by.",
          static_cast<double>(hash64(facts.config_sha256) >> 16));
  t.gauge("alertmanager_dispatcher_aggregation_groups", "Alert groups.", count(c.groups));
  t.gauge("alertmanager_receivers", "Receivers of the configuration.", count(c.receivers));
  t.gauge("alertmanager_integrations", "Their integrations.", count(c.integrations));
  add_notifications(t);
  add_cluster(t, facts.clustered);
  return t.take();
}

}  // namespace sentinel::api
