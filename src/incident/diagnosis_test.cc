#include "incident/diagnosis.h"

#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel::incident {
namespace {

using model::Interaction;

// A real event store with a story: healthy calls, then a fault from `onset` on.
class DiagnosisTest : public testing::Test {
 protected:
  DiagnosisTest() : dir_(testing::TempDir() + "/diagnosis-" + std::to_string(getpid())) {
    std::filesystem::remove_all(dir_);
    events::EmbeddedOptions options;
    options.dir = dir_;
    store_ = events::open_embedded(clock_, metrics_, options).value();
  }
  ~DiagnosisTest() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }

  Interaction call(TimePoint at) {
    Interaction i;
    i.request_id = "r" + std::to_string(++id_);
    i.timestamp_us = to_us(at);
    i.service = "shop";
    i.env = "prod";
    i.endpoint = random_.chance(0.5) ? "/qa" : "/chat";
    i.provider = "openai";
    i.model = "sim-large";
    i.model_version = "sim-large-1";
    i.prompt_template = "qa-v1";
    i.user_hash = "u" + std::to_string(random_.below(20));
    i.latency_ms = 300;
    i.tokens_input = 50;
    i.tokens_output = 20;
    i.cost_microusd = 100;
    return i;
  }
  static void break_call(Interaction& i) {
    i.status = model::InteractionStatus::kError;
    i.error_type = "provider_error";
  }
  DiagnosisRequest request(TimePoint alert_at) {
    DiagnosisRequest r;
    r.failing_condition = "status = 'error'";
    r.alert_started_at = alert_at;
    r.now = alert_at + std::chrono::seconds(30);
    return r;
  }

  const std::string dir_;
  FakeClock clock_;
  MetricRegistry metrics_;
  Random random_{7};
  int id_ = 0;
  std::unique_ptr<events::EventStore> store_;
};

TEST_F(DiagnosisTest, ANewModelVersionThatFailsIsNamedFirstWithItsFirstSighting) {
  const TimePoint start = clock_.now();
  const TimePoint onset = start + std::chrono::seconds(300);
  std::vector<Interaction> calls;
  for (int s = 0; s < 400; ++s) {
    Interaction i = call(start + std::chrono::seconds(s));
    if (start + std::chrono::seconds(s) >= onset && random_.chance(0.8)) {
      i.model_version = "sim-large-2";
      break_call(i);
    } else if (random_.chance(0.02)) {
      break_call(i);  // background noise
    }
    calls.push_back(std::move(i));
  }
  ASSERT_TRUE(store_->append(calls));
  const auto diagnosis = diagnose(*store_, request(start + std::chrono::seconds(370)));
  ASSERT_TRUE(diagnosis) << diagnosis.error().to_string();
  ASSERT_FALSE(diagnosis->findings.empty());
  EXPECT_EQ(diagnosis->findings[0].dimension, "model_version");
  EXPECT_EQ(diagnosis->findings[0].value, "sim-large-2");
  EXPECT_GT(diagnosis->findings[0].failing_share, 0.9);
  EXPECT_LT(diagnosis->findings[0].p_value, 1e-6);
  ASSERT_TRUE(diagnosis->onset);
  EXPECT_LE(*diagnosis->onset - onset, std::chrono::seconds(10));
  EXPECT_GE(*diagnosis->onset - onset, -std::chrono::seconds(10));
  ASSERT_EQ(diagnosis->changes.size(), 1u);
  EXPECT_NE(diagnosis->changes[0].sentence.find("model version sim-large-2 was first seen"), std::string::npos);
  EXPECT_NE(diagnosis->why().find("sim-large-2"), std::string::npos);
  EXPECT_NE(diagnosis->why().find("first seen"), std::string::npos);
  ASSERT_FALSE(diagnosis->examples.empty());
  EXPECT_NE(diagnosis->examples[0].sentence.find("sim-large-2"), std::string::npos);

  const auto again = diagnosis_from_json(to_json(*diagnosis));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->why(), diagnosis->why());
  EXPECT_EQ(again->onset, diagnosis->onset);
  ASSERT_EQ(again->findings.size(), diagnosis->findings.size());
  EXPECT_EQ(again->findings[0].failing_count, diagnosis->findings[0].failing_count);
  EXPECT_DOUBLE_EQ(again->findings[0].p_value, diagnosis->findings[0].p_value);
  EXPECT_EQ(again->examples.size(), diagnosis->examples.size());
}

TEST_F(DiagnosisTest, AFaultOfOneEndpointIsNamedAlthoughTheVersionIsTheSame) {
  const TimePoint start = clock_.now();
  std::vector<Interaction> calls;
  for (int s = 0; s < 400; ++s) {
    Interaction i = call(start + std::chrono::seconds(s));
    if (s >= 300 && i.endpoint == "/chat") break_call(i);
    calls.push_back(std::move(i));
  }
  ASSERT_TRUE(store_->append(calls));
  const auto diagnosis = diagnose(*store_, request(start + std::chrono::seconds(370))).value();
  ASSERT_FALSE(diagnosis.findings.empty());
  EXPECT_EQ(diagnosis.findings[0].dimension, "endpoint");
  EXPECT_EQ(diagnosis.findings[0].value, "/chat");
}

TEST_F(DiagnosisTest, AFaultThatHitsAllAlikeBlamesNothing) {
  const TimePoint start = clock_.now();
  std::vector<Interaction> calls;
  for (int s = 0; s < 400; ++s) {
    Interaction i = call(start + std::chrono::seconds(s));
    if (s >= 300 && random_.chance(0.5)) i.status = model::InteractionStatus::kError;
    calls.push_back(std::move(i));
  }
  ASSERT_TRUE(store_->append(calls));
  const auto diagnosis = diagnose(*store_, request(start + std::chrono::seconds(370))).value();
  EXPECT_TRUE(diagnosis.findings.empty()) << diagnosis.findings[0].sentence;
  EXPECT_NE(diagnosis.why().find("common to all calls"), std::string::npos);
}

TEST_F(DiagnosisTest, OtherServicesAndTestTrafficAreLeftOut) {
  const TimePoint start = clock_.now();
  std::vector<Interaction> calls;
  for (int s = 0; s < 300; ++s) {
    Interaction other = call(start + std::chrono::seconds(s));
    other.service = "se'arch";
    break_call(other);
    Interaction test = call(start + std::chrono::seconds(s));
    test.test_mode = true;
    break_call(test);
    calls.push_back(call(start + std::chrono::seconds(s)));
    calls.push_back(std::move(other));
    calls.push_back(std::move(test));
  }
  ASSERT_TRUE(store_->append(calls));
  DiagnosisRequest r = request(start + std::chrono::seconds(280));
  r.scope = {{"service", "shop"}};
  EXPECT_EQ(diagnose(*store_, r)->failing, 0u);
  r.scope = {{"service", "se'arch"}};
  EXPECT_GT(diagnose(*store_, r)->failing, 200u) << "quotes in values are no syntax";
}

TEST_F(DiagnosisTest, AWrongConditionIsAnErrorThatNamesIt) {
  ASSERT_TRUE(store_->append({call(clock_.now())}));
  DiagnosisRequest r = request(clock_.now());
  r.failing_condition = "no_such_column > 1";
  const auto diagnosis = diagnose(*store_, r);
  ASSERT_FALSE(diagnosis);
  EXPECT_NE(diagnosis.error().to_string().find("no_such_column"), std::string::npos);
}

TEST_F(DiagnosisTest, ImpactCountsCallsUsersAndMoney) {
  const TimePoint start = clock_.now();
  std::vector<Interaction> calls;
  for (int s = 0; s < 100; ++s) {
    Interaction i = call(start + std::chrono::seconds(s));
    if (s < 25) break_call(i);
    calls.push_back(std::move(i));
  }
  ASSERT_TRUE(store_->append(calls));
  const auto impact = measure_impact(*store_, {{"service", "shop"}}, "", start, start + std::chrono::seconds(200));
  ASSERT_TRUE(impact) << impact.error().to_string();
  EXPECT_EQ(impact->calls, 100u);
  EXPECT_EQ(impact->failing, 25u);
  EXPECT_GT(impact->users, 0u);
  EXPECT_NEAR(impact->cost_usd, 0.01, 1e-9);
  EXPECT_EQ(impact->models, std::vector<std::string>{"sim-large-1"});
}

// Longer than a string keeps within itself: the names must not be views of freed memory.
TEST_F(DiagnosisTest, ImpactNamesEachModelVersionAndEndpointOfTheFailingCallsWhole) {
  const std::string first = "a-model-version-with-a-name-of-its-own-2026-11-01";
  const std::string second = "another-model-version-with-a-longer-name-still-2026-11-02";
  std::vector<Interaction> calls;
  for (int s = 0; s < 8; ++s) {
    Interaction i = call(clock_.now() + std::chrono::seconds(s));
    i.model_version = s < 4 ? second : first;
    i.endpoint = s % 2 == 0 ? "/v1/a/rather/long/path/to/an/endpoint" : "/v1/b/rather/long/path/to/an/endpoint";
    break_call(i);
    calls.push_back(std::move(i));
  }
  Interaction healthy = call(clock_.now());
  healthy.model_version = "not-failing";
  calls.push_back(std::move(healthy));
  ASSERT_TRUE(store_->append(calls));
  const auto impact = measure_impact(*store_, {}, "", clock_.now(), clock_.now() + std::chrono::seconds(20));
  ASSERT_TRUE(impact) << impact.error().to_string();
  EXPECT_EQ(impact->models, (std::vector<std::string>{first, second}));
  EXPECT_EQ(impact->endpoints, (std::vector<std::string>{"/v1/a/rather/long/path/to/an/endpoint",
                                                         "/v1/b/rather/long/path/to/an/endpoint"}));
}

}  // namespace
}  // namespace sentinel::incident
