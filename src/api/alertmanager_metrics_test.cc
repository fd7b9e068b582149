#include "api/alertmanager_metrics.h"

#include <gtest/gtest.h>

#include "ingest/exposition.h"

namespace sentinel::api {
namespace {

TEST(AlertmanagerMetrics, OurNumbersByTheirNames) {
  MetricRegistry metrics;
  const auto ended = [&](const char* integration, const char* receiver, const char* result) -> Counter& {
    return metrics.counter("sentinel_notifications_total", "",
                           {{"integration", integration}, {"receiver", receiver}, {"result", result}});
  };
  ended("slack", "a", "delivered").add(3);
  ended("slack", "b", "delivered").add(2);
  ended("slack", "b", "retry").add(4);
  ended("email", "a", "failed").add(1);
  metrics
      .counter("sentinel_notifications_failed_total", "",
               {{"integration", "email"}, {"receiver", "a"}, {"reason", "clientError"}})
      .add(1);
  metrics.counter("sentinel_alerts_received_total", "", {{"status", "firing"}}).add(7);
  metrics.counter("sentinel_alerts_received_total", "", {{"status", "resolved"}}).add(5);
  metrics.counter("sentinel_alerts_received_total", "", {{"status", "invalid"}}).add(2);
  metrics.histogram("sentinel_notification_latency_seconds", "Latency.", {1}, {{"integration", "slack"}}).observe(0.5);
  metrics.gauge("sentinel_cluster_peers", "").set(3);

  AlertmanagerFacts facts;
  facts.version = "0.34.0";
  facts.counts = {10, 4, 6, 2, 3, 1, 0, 5};
  facts.clustered = true;
  facts.config_sha256 = "abc";
  facts.reload_succeeded = false;
  facts.reload_success_s = 12.5;
  const std::string text = ingest::write_text_format(alertmanager_families(metrics.collect(), facts));
  for (const char* line : {
           "alertmanager_alerts{state=\"active\"} 10\n",
           "alertmanager_alerts{state=\"suppressed\"} 4\n",
           "alertmanager_marked_alerts{state=\"suppressed\"} 4\n",
           "alertmanager_alerts_received_total{status=\"firing\",version=\"v2\"} 7\n",
           "alertmanager_alerts_received_total{status=\"resolved\",version=\"v2\"} 5\n",
           "alertmanager_alerts_invalid_total{version=\"v2\"} 2\n",
           "alertmanager_cluster_members 3\n",
           "alertmanager_config_last_reload_successful 0\n",
           "alertmanager_config_last_reload_success_timestamp_seconds 12.5\n",
           "alertmanager_dispatcher_aggregation_groups 6\n",
           "alertmanager_integrations 3\n",
           "alertmanager_notifications_total{integration=\"slack\"} 5\n",
           "alertmanager_notifications_total{integration=\"email\"} 1\n",
           "alertmanager_notifications_failed_total{integration=\"email\",reason=\"clientError\"} 1\n",
           "alertmanager_notification_requests_total{integration=\"slack\"} 9\n",
           "alertmanager_notification_requests_failed_total{integration=\"slack\"} 4\n",
           "alertmanager_notification_latency_seconds_count{integration=\"slack\"} 1\n",
           "alertmanager_receivers 2\n",
           "alertmanager_silences{state=\"expired\"} 5\n",
       }) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST(AlertmanagerMetrics, TheHashComparesConfigurations) {
  const auto hash_of = [](const std::string& sha) {
    AlertmanagerFacts facts;
    facts.config_sha256 = sha;
    for (const MetricFamily& family : alertmanager_families({}, facts)) {
      if (family.name == "alertmanager_config_hash") return family.points.at(0).value;
    }
    return 0.0;
  };
  EXPECT_EQ(hash_of("a"), hash_of("a"));
  EXPECT_NE(hash_of("a"), hash_of("b"));
}

}  // namespace
}  // namespace sentinel::api
