#include "ingest/call_metrics.h"

#include <malloc.h>

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "ingest/collector.h"
#include "ingest/genai_metrics.h"
#include "ingest/limits.h"

namespace sentinel::ingest {
namespace {

model::Interaction streamed() {
  model::Interaction i;
  i.service = "shop";
  i.env = "prod";
  i.endpoint = "/qa";
  i.request_type = "chat";
  i.provider = "openai";
  i.model = "gpt-4o";
  i.model_version = "gpt-4o-2024-08-06";
  i.latency_ms = 3000;
  i.ttft_ms = 500;
  i.tokens_input = 1000;
  i.tokens_output = 51;
  return i;
}

// A histogram is "count/sum".
std::map<std::string, std::string> series(const MetricRegistry& registry, std::string_view prefix) {
  std::map<std::string, std::string> out;
  for (const MetricFamily& family : registry.collect()) {
    if (!family.name.starts_with(prefix)) continue;
    for (const MetricPoint& point : family.points) {
      std::string name = family.name + "{";
      for (const auto& [label, value] : point.labels) name += label + "=" + value + ",";
      name.back() = '}';
      out[name] = family.type == MetricType::kHistogram
                      ? std::to_string(point.counts.back()) + "/" + std::to_string(point.sum).substr(0, 5)
                      : std::to_string(point.value).substr(0, 5);
    }
  }
  return out;
}

constexpr const char* kAbout =
    "gen_ai_operation_name=chat,gen_ai_request_model=gpt-4o,gen_ai_response_model=gpt-4o-2024-08-06,"
    "gen_ai_system=openai";

TEST(CallMetrics, CountsUnderTheNamesOfOpenTelemetryToo) {
  MetricRegistry registry;
  CallMetrics metrics(registry);
  metrics.record(streamed());
  const std::string about = kAbout;
  EXPECT_EQ(series(registry, "gen_ai_"),
            (std::map<std::string, std::string>{
                {"gen_ai_client_operation_duration_seconds{" + about + "}", "1/3.000"},
                {"gen_ai_client_token_usage{" + about + ",gen_ai_token_type=input}", "1/1000."},
                {"gen_ai_client_token_usage{" + about + ",gen_ai_token_type=output}", "1/51.00"},
                {"gen_ai_server_request_duration_seconds{" + about + "}", "1/3.000"},
                {"gen_ai_server_time_per_output_token_seconds{" + about + "}", "1/0.050"},  // 2.5 s for 50 tokens
                {"gen_ai_server_time_to_first_token_seconds{" + about + "}", "1/0.500"},
            }));
}

TEST(CallMetrics, OfAFailedCallOnlyTheDurationIsKnownAndWhyItFailed) {
  MetricRegistry registry;
  CallMetrics metrics(registry);
  model::Interaction call = streamed();
  call.status = model::InteractionStatus::kError;
  call.error_type = "provider_timeout";
  call.model_version.clear();
  call.ttft_ms.reset();
  call.tokens_input.reset();
  call.tokens_output.reset();
  metrics.record(call);
  metrics.record(call);
  const std::string about =
      "error_type=provider_timeout,gen_ai_operation_name=chat,gen_ai_request_model=gpt-4o,gen_ai_system=openai";
  EXPECT_EQ(series(registry, "gen_ai_"), (std::map<std::string, std::string>{
                                             {"gen_ai_client_operation_duration_seconds{" + about + "}", "2/6.000"},
                                             {"gen_ai_server_request_duration_seconds{" + about + "}", "2/6.000"},
                                         }));
}

TEST(CallMetrics, NamesOfOperationsAreThoseOfTheConventions) {
  for (const auto& [ours, theirs] : std::map<std::string, std::string>{
           {"chat", "chat"}, {"completion", "text_completion"}, {"embedding", "embeddings"}}) {
    MetricRegistry registry;
    CallMetrics metrics(registry);
    model::Interaction call = streamed();
    call.request_type = ours;
    metrics.record(call);
    const auto found = series(registry, "gen_ai_server_request");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_NE(found.begin()->first.find("gen_ai_operation_name=" + theirs + ","), std::string::npos);
  }
}

// Names, labels and buckets as the conventions list them.
TEST(CallMetrics, TheNewerConventionsNameTheProviderAnewAndTimeEveryChunk) {
  MetricRegistry registry;
  CallMetrics metrics(registry, {.latest = true, .providers = {{"openai", "azure.ai.openai"}}});
  model::Interaction call = streamed();
  call.tokens_image_input = 258;
  for (const double gap : {0.01, 0.011, 0.5, 100.0}) call.chunk_gaps.add(gap);
  metrics.record(call);
  const std::string about =
      "gen_ai_operation_name=chat,gen_ai_provider_name=azure.ai.openai,gen_ai_request_model=gpt-4o,"
      "gen_ai_response_model=gpt-4o-2024-08-06";
  EXPECT_EQ(series(registry, "gen_ai_client_operation_time"),
            (std::map<std::string, std::string>{
                {"gen_ai_client_operation_time_per_output_chunk_seconds{" + about + "}", "4/100.5"},
                {"gen_ai_client_operation_time_to_first_chunk_seconds{" + about + "}", "1/0.500"}}));
  EXPECT_EQ(series(registry, "gen_ai_client_inference_operation"),
            (std::map<std::string, std::string>{
                {"gen_ai_client_inference_operation_input_tokens{" + about + "}", "1/1000."},
                {"gen_ai_client_inference_operation_output_tokens{" + about + "}", "1/51.00"}}));
  EXPECT_EQ(
      series(registry, "gen_ai_client_inference_usage_input"),
      (std::map<std::string, std::string>{
          {"gen_ai_client_inference_usage_input_tokens_total{" + about + ",gen_ai_token_modality=image}", "258.0"},
          {"gen_ai_client_inference_usage_input_tokens_total{" + about + ",gen_ai_token_modality=text}", "742.0"}}));
  for (const MetricFamily& family : registry.collect()) {
    if (family.name != "gen_ai_client_operation_time_per_output_chunk_seconds") continue;
    EXPECT_EQ(family.upper_bounds, (std::vector<double>{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12,
                                                        10.24, 20.48, 40.96, 81.92}));
    EXPECT_EQ(family.points.at(0).counts, (std::vector<uint64_t>{1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4}));
  }
}

TEST(CallMetrics, NamesOfProvidersFollowAReload) {
  MetricRegistry registry;
  CallMetrics metrics(registry, {.latest = false, .providers = {}});
  model::Interaction call = streamed();
  call.provider = "eu";
  metrics.record(call);
  metrics.set_names({.latest = false, .providers = {{"eu", "gcp.vertex_ai"}}});
  metrics.record(call);
  const auto served = series(registry, "gen_ai_server_request_duration_seconds");
  ASSERT_EQ(served.size(), 2U);
  EXPECT_NE(served.begin()->first.find("gen_ai_system=eu"), std::string::npos);
  EXPECT_NE(served.rbegin()->first.find("gen_ai_system=gcp.vertex_ai"), std::string::npos);
}

TEST(CallMetrics, ClassesOfTokensAreSeriesOnceThereAreAny) {
  MetricRegistry registry;
  CallMetrics metrics(registry);
  metrics.record(streamed());
  EXPECT_TRUE(series(registry, "llm_tokens_class_total").empty());
  model::Interaction call = streamed();
  call.tokens_cached_input = 100;
  call.tokens_cache_write = 30, call.tokens_cache_write_1h = 10;
  call.tokens_reasoning = 20;
  call.tokens_audio_input = 0;
  call.tokens_image_output = 7;
  metrics.record(call);
  metrics.record(call);
  std::map<std::string, std::string> got;
  for (const auto& [name, value] : series(registry, "llm_tokens_class_total"))
    got[name.substr(name.find("class=") + 6, name.find(",endpoint") - name.find("class=") - 6)] = value;
  EXPECT_EQ(got, (std::map<std::string, std::string>{{"cached_input", "200.0"},
                                                     {"cache_write", "60.00"},
                                                     {"cache_write_1h", "20.00"},
                                                     {"reasoning", "40.00"},
                                                     {"image_output", "14.00"}}));
}

TEST(CallMetrics, SimulateFlagsAreLabelsWhenTheyAreOurs) {
  MetricRegistry registry;
  CallMetrics metrics(registry);
  model::Interaction call = streamed();
  call.simulate_flags = {"simulate_latency", "simulate_retry", "simulate_whatever", "not a label"};
  call.retry_count = 2;
  metrics.record(call);
  EXPECT_EQ(
      series(registry, "llm_retry_count_total"),
      (std::map<std::string, std::string>{
          {"llm_retry_count_total{endpoint=/qa,env=prod,model=gpt-4o,model_version=gpt-4o-2024-08-06,provider=openai,"
           "request_type=chat,service=shop,simulate_latency=true,simulate_retry=true}",
           "2.000"}}));
}

TEST(CallMetrics, TestTrafficTouchesNoSeriesOfItsOwn) {
  MetricRegistry registry;
  CallMetrics metrics(registry);
  model::Interaction call = streamed();
  call.test_mode = true;
  metrics.record(call);
  EXPECT_TRUE(series(registry, "gen_ai_").empty());
  EXPECT_EQ(series(registry, "llm_"), (std::map<std::string, std::string>{{"llm_test_calls_total}", "1.000"}}));
}

// Callers name models. A million names cost no more than the limit, and what is over it is counted.
TEST(CallMetrics, AMillionModelNamesAreBounded) {
  MetricRegistry registry;
  CallMetrics metrics(registry);
  constexpr size_t kCalls = 1'000'000;
  model::Interaction call = streamed();
  call.drift_score = 0.5;
  size_t bytes_at_limit = 0;
  for (size_t n = 0; n < kCalls; ++n) {
    call.model = "model-" + std::to_string(n);
    call.model_version = call.model;
    call.status = n % 2 == 0 ? model::InteractionStatus::kOk : model::InteractionStatus::kError;
    call.error_type = n % 2 == 0 ? "" : "provider_error";
    metrics.record(call);
    if (n == 2 * kCallLabelSetsMax) bytes_at_limit = mallinfo2().uordblks;
  }
  EXPECT_EQ(metrics.label_sets(), kCallLabelSetsMax);
  // The sanitizers' allocators say 0 both times.
  EXPECT_LT(mallinfo2().uordblks, bytes_at_limit + (4u << 20));

  constexpr size_t kOver = kCalls - kCallLabelSetsMax;
  const auto value = [&](const char* name, MetricLabels labels) { return registry.counter(name, "", labels).value(); };
  EXPECT_EQ(value("sentinel_metric_overflow_total", {{"metric", "llm_requests_total"}}), kOver);
  EXPECT_EQ(value("sentinel_metric_overflow_total", {{"metric", "gen_ai_client_operation_duration_seconds"}}), kOver);
  // Nothing is lost: the shared series still tell outcomes and kinds apart.
  EXPECT_EQ(value("llm_requests_total", {{"overflow", "true"}, {"status", "ok"}}),
            kCalls / 2 - (kCallLabelSetsMax + 1) / 2);
  EXPECT_EQ(value("llm_requests_total", {{"overflow", "true"}, {"status", "error"}}),
            kCalls / 2 - kCallLabelSetsMax / 2);
  EXPECT_EQ(value("llm_tokens_input_total", {{"overflow", "true"}}), 1000.0 * kOver);
  EXPECT_EQ(value("tokens_generated_total", {{"overflow", "true"}}), 51.0 * kOver);
  const auto tokens = series(registry, "gen_ai_client_token_usage");
  EXPECT_TRUE(tokens.contains("gen_ai_client_token_usage{gen_ai_token_type=input,overflow=true}"));
  EXPECT_TRUE(tokens.contains("gen_ai_client_token_usage{gen_ai_token_type=output,overflow=true}"));
  // A gauge shared by many models would say what none of them is.
  const auto drift = series(registry, "llm_drift_score");
  EXPECT_EQ(drift.size(), kCallLabelSetsMax);
  EXPECT_FALSE(drift.contains("llm_drift_score{overflow=true}"));
  for (const MetricFamily& family : registry.collect())
    EXPECT_LE(family.points.size(), kMetricSeriesMax) << family.name;
}

TEST(CallMetrics, AKnownModelKeepsItsSeriesWhenTheLimitIsReached) {
  MetricRegistry registry;
  CallMetrics metrics(registry);
  const model::Interaction known = streamed();
  metrics.record(known);
  model::Interaction other = streamed();
  for (size_t n = 0; n < 2 * kCallLabelSetsMax; ++n) {
    other.model = std::to_string(n);
    metrics.record(other);
  }
  metrics.record(known);
  const std::string labels =
      "{endpoint=/qa,env=prod,model=gpt-4o,model_version=gpt-4o-2024-08-06,provider=openai,request_type=chat,"
      "service=shop,status=ok}";
  EXPECT_EQ(series(registry, "llm_requests_total")["llm_requests_total" + labels], "2.000");
}

TEST(MachineMetrics, NetworkDevicesAreReadFromTheKernelsTable) {
  constexpr std::string_view kTable =
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
      "compressed\n"
      "    lo: 9214811   55123    0    0    0     0          0         0  9214811   55123    0    0    0     0       0 "
      "  "
      "       0\n"
      "  eth0:123456789012 1 0 0 0 0 0 0 42 1 0 0 0 0 0 0\n"
      "  bad0: 1 2 x\n";
  const std::vector<NetworkDevice> devices = parse_net_dev(kTable);
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_EQ(devices[0].name, "lo");
  EXPECT_EQ(devices[0].bytes_received, 9214811);
  EXPECT_EQ(devices[0].bytes_sent, 9214811);
  EXPECT_EQ(devices[1].name, "eth0");
  EXPECT_EQ(devices[1].bytes_received, 123456789012);
  EXPECT_EQ(devices[1].bytes_sent, 42);
}

TEST(MachineMetrics, CountFromTheBootOfTheMachine) {
  MetricRegistry registry;
  MachineMetrics machine(registry, ".");
  machine.refresh();
  const auto before = series(registry, "node_network_receive");
  machine.refresh();
  EXPECT_FALSE(before.empty());
  EXPECT_EQ(series(registry, "node_network_transmit").size(), before.size());
  EXPECT_FALSE(series(registry, "process_open_sockets").empty());
}

}  // namespace
}  // namespace sentinel::ingest
