#include "ingest/span_export.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "ingest/genai_metrics.h"
#include "net/http_server.h"
#include "text/json.h"
#include "text/json_text.h"
#include "text/yaml.h"

namespace sentinel::ingest {
namespace {

model::Interaction call(std::string service = "shop") {
  model::Interaction i;
  i.trace_id = "0af7651916cd43dd8448eb211c80319c";
  i.span_id = "b7ad6b7169203331";
  i.parent_span_id = "00f067aa0ba902b7";
  i.timestamp_us = 1'700'000'000'000'000;
  i.latency_ms = 1500;
  i.service = std::move(service);
  i.env = "production";
  i.request_type = "chat";
  i.provider = "main";
  i.model = "gpt-4o";
  i.model_version = "gpt-4o-2024-08-06";
  i.finish_reason = "stop";
  i.http_status = 200;
  i.tokens_input = 12;
  i.tokens_output = 3;
  i.tokens_cached_input = 5;
  i.safety_score = 0.9;
  i.safety_label = "SAFE";
  i.cost_microusd = 1500;
  i.guard_action = "none";
  return i;
}

// key → value of a span's attributes, as text.
std::map<std::string, std::string> attributes(const boost::json::value& span) {
  std::map<std::string, std::string> out;
  for (const auto& attribute : span.at("attributes").as_array()) {
    const auto& value = attribute.at("value").as_object();
    out[std::string(attribute.at("key").as_string())] = text::serialize(value.begin()->value());
  }
  return out;
}

TEST(GenAiSpans, NamesAreThoseOfTheConventionsThatWereAskedFor) {
  SpanNames names;
  names.providers = {{"main", "openai"}};
  const auto old = *text::parse_json(span_json(call(), names));
  EXPECT_EQ(old.at("name"), "chat gpt-4o");
  EXPECT_EQ(old.at("kind"), 3);
  EXPECT_EQ(old.at("parentSpanId"), "00f067aa0ba902b7");
  EXPECT_EQ(old.at("startTimeUnixNano"), "1700000000000000000");
  EXPECT_EQ(old.at("endTimeUnixNano"), "1700000001500000000");
  EXPECT_FALSE(old.as_object().contains("status"));
  EXPECT_FALSE(old.as_object().contains("events"));
  auto said = attributes(old);
  EXPECT_EQ(said["gen_ai.operation.name"], "\"chat\"");
  EXPECT_EQ(said["gen_ai.system"], "\"openai\"");
  EXPECT_EQ(said["gen_ai.request.model"], "\"gpt-4o\"");
  EXPECT_EQ(said["gen_ai.response.model"], "\"gpt-4o-2024-08-06\"");
  EXPECT_EQ(said["gen_ai.response.finish_reasons"], R"({"values":[{"stringValue":"stop"}]})");
  EXPECT_EQ(said["gen_ai.usage.input_tokens"], "\"12\"");
  EXPECT_EQ(said["sentinel.cost_usd"], "0.0015");
  EXPECT_FALSE(said.contains("gen_ai.provider.name"));
  EXPECT_FALSE(said.contains("gen_ai.usage.cache_read.input_tokens"));

  names.latest = wants_latest_genai("http, gen_ai_latest_experimental");
  ASSERT_TRUE(names.latest);
  const auto latest = *text::parse_json(span_json(call(), names));
  said = attributes(latest);
  EXPECT_EQ(said["gen_ai.provider.name"], "\"openai\"");
  EXPECT_FALSE(said.contains("gen_ai.system"));
  EXPECT_EQ(said["gen_ai.usage.cache_read.input_tokens"], "\"5\"");
  ASSERT_EQ(latest.at("events").as_array().size(), 1U);
  EXPECT_EQ(attributes(latest.at("events").at(0))["gen_ai.evaluation.name"], "\"safety\"");
  EXPECT_FALSE(wants_latest_genai("gen_ai"));
}

TEST(GenAiMetricsSwitch, TheNewerCountersAreThereWhenAskedFor) {
  MetricRegistry metrics;
  auto i = call();
  i.tokens_audio_input = 4;
  GenAiMetrics(metrics, SpanNames{}).record(i);
  const auto has = [&](std::string_view name) {
    const auto families = metrics.collect();
    return std::any_of(families.begin(), families.end(), [&](const MetricFamily& f) { return f.name == name; });
  };
  EXPECT_FALSE(has("gen_ai_client_inference_usage_input_tokens_total"));
  GenAiMetrics(metrics, SpanNames{.latest = true}).record(i);
  const auto families = metrics.collect();
  std::map<std::string, double> sums;
  for (const MetricFamily& family : families) {
    if (family.name != "gen_ai_client_inference_usage_input_tokens_total") continue;
    for (const MetricPoint& point : family.points) {
      for (const auto& [name, value] : point.labels) {
        if (name == "gen_ai_token_modality") sums[value] = point.value;
      }
    }
  }
  EXPECT_EQ(sums, (std::map<std::string, double>{{"text", 8}, {"audio", 4}}));
  EXPECT_TRUE(has("gen_ai_client_inference_usage_cache_read_input_tokens_total"));
}

TEST(GenAiSpans, AFailureSaysWhoseFaultItWas) {
  auto failed = call();
  failed.status = model::InteractionStatus::kError;
  failed.error_type = "provider_timeout";
  failed.tokens_output.reset();
  const auto span = *text::parse_json(span_json(failed, {}));
  EXPECT_EQ(span.at("status").at("code"), 2);
  auto said = attributes(span);
  EXPECT_EQ(said["error.type"], "\"provider_timeout\"");
  EXPECT_EQ(said["gen_ai.system"], "\"main\"");
  EXPECT_FALSE(said.contains("gen_ai.usage.output_tokens"));
}

class Receiver {
 public:
  Receiver(net::Runtime& runtime, MetricRegistry& metrics) {
    auto router = std::make_shared<net::Router>();
    router->set_fallback([this](net::Exchange* exchange) { return serve(this, exchange); });
    server_ = *net::HttpServer::start(runtime, metrics, {}, router);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()) + "/v1/traces"; }
  void answer(int status) { status_ = status; }
  void stop() { server_->stop(Millis(0)); }
  std::vector<net::Request> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(ready_.wait_for(lock, std::chrono::seconds(20), [&] { return got_.size() >= count; }));
    return got_;
  }

 private:
  static net::Task<void> serve(Receiver* self, net::Exchange* exchange) {
    {
      const std::lock_guard lock(self->mutex_);
      self->got_.push_back(exchange->request());
      self->ready_.notify_all();
    }
    (void)co_await exchange->respond(net::json_response(self->status_, "{}"));
  }
  std::atomic<int> status_{200};
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<net::Request> got_;
  std::unique_ptr<net::HttpServer> server_;
};

struct SpanExportTest : testing::Test {
  net::Runtime runtime{net::RuntimeOptions{.cores = 1, .blocking_threads = 1}};
  MetricRegistry metrics;
  net::HttpClient client{runtime, metrics, {}};
  Receiver receiver{runtime, metrics};

  SpanExportConfig config() {
    SpanExportConfig out;
    out.endpoint = receiver.url();
    out.interval = Millis(10);
    return out;
  }
  double lost(const char* reason) {
    return metrics.counter("sentinel_spans_lost_total", "", {{"reason", reason}}).value();
  }
  void TearDown() override {
    receiver.stop();
    runtime.stop();
  }
};

TEST_F(SpanExportTest, SendsSpansOfOneServiceTogether) {
  auto with_header = config();
  with_header.headers = {{"x-token", "abc"}};
  SpanExporter exporter(runtime, client, metrics, with_header, {});
  for (const char* service : {"shop", "shop", "desk"}) exporter.submit(call(service));
  auto without = call();
  without.span_id.clear();
  exporter.submit(without);
  exporter.stop(std::chrono::seconds(20));
  size_t spans = 0;
  for (const net::Request& request : receiver.wait_for(2)) {
    EXPECT_EQ(request.headers.get("x-token"), "abc");
    const auto body = *text::parse_json(request.body);
    spans += body.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").as_array().size();
    EXPECT_EQ(body.at("resourceSpans").at(0).at("resource").at("attributes").at(0).at("key"), "service.name");
  }
  EXPECT_EQ(spans, 3U);
  EXPECT_EQ(metrics.counter("sentinel_spans_exported_total", "").value(), 3);
}

TEST_F(SpanExportTest, WhatDoesNotFitOrIsRefusedIsLostAndCounted) {
  receiver.answer(400);
  auto small = config();
  small.queue_max = 2;
  small.interval = std::chrono::seconds(5);
  SpanExporter exporter(runtime, client, metrics, small, {});
  for (int i = 0; i < 5; ++i) exporter.submit(call());
  EXPECT_EQ(lost("queue_full"), 3);
  exporter.stop(std::chrono::seconds(20));
  EXPECT_EQ(lost("refused"), 2);
  EXPECT_EQ(receiver.wait_for(1).size(), 1U) << "not tried again";
}

TEST_F(SpanExportTest, AReloadSendsWhatComesNextElsewhereAndLosesNothing) {
  auto slow = config();
  slow.interval = std::chrono::hours(1);
  SpanExporter exporter(runtime, client, metrics, slow, {});
  exporter.submit(call("before"));
  Receiver other{runtime, metrics};
  auto moved = config();
  moved.endpoint = other.url();
  exporter.apply(moved, {.latest = true});
  exporter.submit(call("after"));
  EXPECT_NE(receiver.wait_for(1).at(0).body.find("gen_ai.system"), std::string::npos) << "as it was when it came";
  EXPECT_NE(other.wait_for(1).at(0).body.find("gen_ai.provider.name"), std::string::npos);
  exporter.apply({}, {});
  exporter.submit(call("nowhere"));
  exporter.stop(std::chrono::seconds(20));
  EXPECT_EQ(metrics.counter("sentinel_spans_exported_total", "").value(), 2);
  EXPECT_EQ(metrics.gauge("sentinel_spans_queued", "").value(), 0);
  other.stop();
}

TEST_F(SpanExportTest, AReceiverThatIsBusyIsAskedAgain) {
  receiver.answer(503);
  SpanExporter exporter(runtime, client, metrics, config(), {});
  exporter.submit(call());
  receiver.wait_for(1);
  receiver.answer(200);
  receiver.wait_for(2);
  exporter.stop(std::chrono::seconds(20));
  EXPECT_EQ(metrics.counter("sentinel_spans_exported_total", "").value(), 1);
  EXPECT_EQ(lost("unreachable"), 0);
}

TEST(SpanExportConfig, ErrorsSayWhere) {
  EXPECT_TRUE(parse_span_export(text::YamlNode())->endpoint.empty());
  const auto good =
      parse_span_export(*text::parse_yaml("{endpoint: 'http://c:4318/v1/traces', headers: {a: b}, batch_max: 5}", "f"));
  ASSERT_TRUE(good);
  EXPECT_EQ(good->batch_max, 5U);
  for (const auto& [yaml, why] : {std::pair("{endpoint: collector}", "f:1:12: endpoint must begin with"),
                                  std::pair("{endpoint: 'http://c', queue_max: 0}", "expected 1 to 1000000"),
                                  std::pair("{endpoint: 'http://c', headers: [a]}", "headers must be a map"),
                                  std::pair("{endpoint: 'http://c', intervall: 1s}", "unknown field \"intervall\"")}) {
    const auto wrong = parse_span_export(*text::parse_yaml(yaml, "f"));
    ASSERT_FALSE(wrong) << yaml;
    EXPECT_NE(wrong.error().to_string().find(why), std::string::npos) << wrong.error().to_string();
  }
}

}  // namespace
}  // namespace sentinel::ingest
