#include "incident/diagnosis.h"

#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/strings.h"

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

TEST_F(DiagnosisTest, WhatWasDoneNearTheOnsetIsToldAndOnlyWhatCameBeforeIsNamedInTheSentence) {
  const TimePoint start = clock_.now();
  const TimePoint onset = start + std::chrono::seconds(300);
  std::vector<Interaction> calls;
  for (int s = 0; s < 400; ++s) {
    Interaction i = call(start + std::chrono::seconds(s));
    if (s >= 300 && i.endpoint == "/chat") break_call(i);
    if (s == 300) i.endpoint = "/chat", break_call(i);
    calls.push_back(std::move(i));
  }
  ASSERT_TRUE(store_->append(calls));
  DiagnosisRequest asked = request(start + std::chrono::seconds(370));
  asked.known_changes = {
      {onset + std::chrono::seconds(8), "breaker", "circuit breaker of openai/sim-large opened"},
      {onset - std::chrono::minutes(4), "deploy", "deploy of shop (v2)"},
      {onset - std::chrono::seconds(20), "configuration", "change of configuration routes.yml (by ada)"},
      {onset - std::chrono::hours(2), "deploy", "deploy of shop (v1)"},
  };
  const auto diagnosis = diagnose(*store_, asked).value();
  std::vector<std::string> kinds;
  for (const ChangeNearOnset& c : diagnosis.changes) kinds.push_back(c.kind);
  EXPECT_EQ(kinds, (std::vector<std::string>{"breaker", "configuration", "deploy"}));
  EXPECT_TRUE(diagnosis.changes[0].sentence.ends_with("8 s after the first failing call"));
  EXPECT_NE(diagnosis.why().find("ndpoint /chat"), std::string::npos) << diagnosis.why();
  EXPECT_TRUE(diagnosis.why().ends_with("20 s before the first failing call.")) << diagnosis.why();
  EXPECT_NE(diagnosis.why().find(". Before it: change of configuration routes.yml (by ada) at "), std::string::npos);
  EXPECT_EQ(diagnosis_from_json(to_json(diagnosis))->why(), diagnosis.why());
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

// Two faults with different causes within ten minutes, each making some calls slow: what is said of the second must not
// be the fault of the first.
class TwoFaultsTest : public DiagnosisTest {
 protected:
  enum class Fault { kNone, kVersion, kFlag };

  Interaction call_during(Fault fault, TimePoint at) {
    Interaction i = call(at);
    bool slow = random_.chance(0.01);
    if (fault == Fault::kVersion && random_.chance(0.9)) {
      i.model_version = "sim-large-2026-11";
      slow = random_.chance(0.7);
    } else if (fault == Fault::kFlag && random_.chance(0.5)) {
      i.simulate_flags = {"simulate_latency"};
      if (random_.chance(0.5)) i.simulate_flags.emplace_back("simulate_retry");
      slow = random_.chance(0.7);
    }
    if (slow) i.latency_ms = 4000;
    return i;
  }
  // Normal to 200 s, `first` to 280 s, normal to 400 s, `second` from then on; five calls a second. Diagnosed 25 s
  // after the second began, as an alert would.
  Diagnosis after(Fault first, Fault second) {
    const TimePoint start = clock_.now();
    std::vector<Interaction> calls;
    for (int n = 0; n < 450 * 5; ++n) {
      const TimePoint at = start + std::chrono::milliseconds(n * 200);
      const int s = n / 5;
      calls.push_back(call_during(s < 200 ? Fault::kNone : s < 280 ? first : s < 400 ? Fault::kNone : second, at));
    }
    EXPECT_TRUE(store_->append(calls));
    second_began_ = start + std::chrono::seconds(400);
    DiagnosisRequest r = request(second_began_ + std::chrono::seconds(15));
    r.failing_condition = "latency_ms > 1500";
    r.now = second_began_ + std::chrono::seconds(25);
    return diagnose(*store_, r).value();
  }
  void expect_second(const Diagnosis& d, std::string_view dimension, std::string_view value) {
    ASSERT_TRUE(d.onset);
    EXPECT_LE(std::chrono::abs(*d.onset - second_began_), std::chrono::seconds(3)) << format_rfc3339(*d.onset);
    ASSERT_FALSE(d.findings.empty());
    EXPECT_EQ(d.findings[0].dimension, dimension) << d.why();
    EXPECT_EQ(d.findings[0].value, value) << d.why();
    EXPECT_GT(d.findings[0].failing_share, 0.85);
  }
  TimePoint second_began_;
};

class TwoFaultsSeedTest : public TwoFaultsTest, public testing::WithParamInterface<uint64_t> {
 protected:
  TwoFaultsSeedTest() { random_ = Random(GetParam()); }
};

TEST_P(TwoFaultsSeedTest, ASlowVersionThenCallsMadeSlow) {
  const Diagnosis d = after(Fault::kVersion, Fault::kFlag);
  expect_second(d, "simulate_flags", "simulate_latency");
  EXPECT_EQ(d.why().find("sim-large-2026-11"), std::string::npos) << d.why();
  EXPECT_TRUE(d.changes.empty()) << d.changes[0].sentence;
}

TEST_P(TwoFaultsSeedTest, CallsMadeSlowThenASlowVersion) {
  const Diagnosis d = after(Fault::kFlag, Fault::kVersion);
  expect_second(d, "model_version", "sim-large-2026-11");
  EXPECT_NE(d.why().find("first seen"), std::string::npos) << d.why();
}

// The same cause again: only the calm tells the two apart.
TEST_P(TwoFaultsSeedTest, TheSameFaultTwiceBeginsAnew) {
  expect_second(after(Fault::kVersion, Fault::kVersion), "model_version", "sim-large-2026-11");
}

INSTANTIATE_TEST_SUITE_P(Seeds, TwoFaultsSeedTest, testing::Values(1, 2, 3, 4, 5));

TEST_F(DiagnosisTest, TheOnsetIsNotBeforeTheEndOfTheIncidentBefore) {
  const TimePoint start = clock_.now();
  std::vector<Interaction> calls;
  for (int s = 0; s < 400; ++s) {
    Interaction i = call(start + std::chrono::seconds(s));
    if (s >= 100) break_call(i);  // resolved by hand at 250 s, and failing on
    calls.push_back(std::move(i));
  }
  ASSERT_TRUE(store_->append(calls));
  DiagnosisRequest r = request(start + std::chrono::seconds(370));
  const auto onset_s = [&] { return std::chrono::duration<double>(*diagnose(*store_, r)->onset - start).count(); };
  EXPECT_NEAR(onset_s(), 100, 1);
  r.not_before = start + std::chrono::seconds(250);
  EXPECT_EQ(onset_s(), 250);
}

// Half the failing calls carry a value that next to no other call has; more of them one that is common everywhere.
TEST_F(DiagnosisTest, AValueThatOthersHardlyHaveIsNamedBeforeACommonOne) {
  const TimePoint start = clock_.now();
  std::vector<Interaction> calls;
  for (int n = 0; n < 1000; ++n) {
    Interaction i = call(start + std::chrono::milliseconds(n * 400));
    const bool fails = n >= 750 && n % 2 == 0;
    if (random_.chance(fails ? 0.8 : 0.3)) i.prompt_template = "qa-v2";
    if (fails) i.status = model::InteractionStatus::kError;
    if (fails && random_.chance(0.45)) i.user_hash = "mallory";
    calls.push_back(std::move(i));
  }
  ASSERT_TRUE(store_->append(calls));
  const auto d = diagnose(*store_, request(start + std::chrono::seconds(370))).value();
  ASSERT_GE(d.findings.size(), 2u);
  EXPECT_EQ(d.findings[0].value, "mallory") << d.why();
  EXPECT_EQ(d.findings[1].value, "qa-v2");
}

// Only answers of one endpoint are checked: that all bad ones come from there says nothing.
TEST_F(DiagnosisTest, CallsThatTheConditionSaysNothingOfAreNoBaseline) {
  const TimePoint start = clock_.now();
  std::vector<Interaction> calls;
  for (int s = 0; s < 400; ++s) {
    Interaction i = call(start + std::chrono::seconds(s));
    if (s >= 300 && s % 10 != 0) i.model_version = "sim-large-2";
    const bool bad = i.model_version == "sim-large-2" && random_.chance(0.9);
    if (i.endpoint == "/qa") i.semantic_similarity_score = bad ? 0.1F : 0.9F;
    calls.push_back(std::move(i));
  }
  ASSERT_TRUE(store_->append(calls));
  DiagnosisRequest r = request(start + std::chrono::seconds(370));
  r.failing_condition = "semantic_similarity_score < 0.4";
  const auto d = diagnose(*store_, r).value();
  ASSERT_FALSE(d.findings.empty());
  EXPECT_EQ(d.findings[0].value, "sim-large-2");
  for (const Finding& f : d.findings) EXPECT_NE(f.dimension, "endpoint") << f.sentence;
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
