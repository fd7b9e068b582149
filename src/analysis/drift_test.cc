#include "analysis/drift.h"

#include <gtest/gtest.h>

#include "analysis/embedding.h"
#include "analysis/normalize.h"
#include "base/random.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

// Answers of a support assistant, in two styles: plain sentences, and excited lists with headings.
std::string answer(Random& random, bool new_style) {
  static constexpr const char* kTopics[] = {"invoice",      "password", "delivery", "refund",
                                            "subscription", "account",  "order",    "address"};
  static constexpr const char* kPlain[] = {
      "You can change the % in the settings of your profile.", "We have updated the % and sent a confirmation.",
      "The % is processed within three working days.", "Please check the % before you continue.",
      "Our team has received the request about the %."};
  static constexpr const char* kLively[] = {"## About your %!\n", "* Great question about the %!\n",
                                            "* Pro tip: **%** matters!!!\n", "* Ready to level up? Try the % hub!\n",
                                            "* Boom! The % is yours to explore!\n"};
  std::string out;
  for (int i = 0; i < 3; ++i) {
    std::string line = new_style ? kLively[random.below(5)] : kPlain[random.below(5)];
    line.replace(line.find('%'), 1, kTopics[random.below(8)]);
    out += line + (new_style ? "" : " ");
  }
  return out;
}

void add_side(const std::string& text, bool refusal, std::vector<float>& sample) {
  const FeatureDoc doc(drift_text(fold(text)));
  const std::vector<float> topic = embed_doc(HeadModel::embedded(), doc);
  const std::array<float, kStyleSize> style = style_of(text, doc, refusal);
  sample.insert(sample.end(), topic.begin(), topic.end());
  sample.insert(sample.end(), style.begin(), style.end());
}

std::optional<DriftTracker::Observation> call(DriftTracker& tracker, std::string_view key, const std::string& prompt,
                                              const std::string& text, std::string_view id = "r",
                                              std::string_view version = "m-1", bool refusal = false) {
  DriftCall call;
  call.request_id = id;
  call.model_version = version;
  add_side(prompt, false, call.sample);
  add_side(text, refusal, call.sample);
  return tracker.observe(key, std::move(call));
}

std::optional<DriftScore> observe(DriftTracker& tracker, std::string_view key, const std::string& text) {
  const auto seen = call(tracker, key, "How do I do it?", text);
  return seen ? std::optional(seen->score) : std::nullopt;
}

TEST(Drift, NoScoreUntilTheReferenceIsFrozen) {
  DriftTracker tracker({.reference_size = 20, .window = 10});
  Random random(1);
  for (int i = 0; i < 19; ++i) EXPECT_FALSE(observe(tracker, "k", answer(random, false))->baseline_ready) << i;
  EXPECT_TRUE(observe(tracker, "k", answer(random, false))->baseline_ready);
}

TEST(Drift, CalmTrafficStaysCalmAndAStyleChangeShows) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    DriftTracker tracker({.reference_size = 60, .window = 30});
    Random random(seed);
    for (int i = 0; i < 60; ++i) observe(tracker, "k", answer(random, false));
    double calm = 0;
    for (int i = 0; i < 200; ++i) calm += 1 - observe(tracker, "k", answer(random, false))->similarity;
    EXPECT_LT(calm / 200, 0.15) << "seed " << seed;
    double changed = 0;
    for (int i = 0; i < 60; ++i) changed += 1 - observe(tracker, "k", answer(random, true))->similarity;
    EXPECT_GT(changed / 60, 0.4) << "seed " << seed;
    for (int i = 0; i < 40; ++i) calm = 1 - observe(tracker, "k", answer(random, false))->similarity;
    EXPECT_LT(calm, 0.2) << "comes back when the old style does, seed " << seed;
  }
}

// All keys, of a tracker that was never saved.
std::vector<std::string> documents(const DriftTracker& tracker) {
  std::vector<std::string> out;
  for (const DriftTracker::Document& document : tracker.changes()) out.push_back(document.json);
  return out;
}

TEST(Drift, OnlyWhatChangedIsSaved) {
  const auto changed = [](const DriftTracker& tracker) {
    std::vector<std::string> out;
    for (const DriftTracker::Document& one : tracker.changes()) out.push_back((one.json.empty() ? "-" : "") + one.key);
    return out;
  };
  using Keys = std::vector<std::string>;
  DriftTracker tracker({.reference_size = 8, .window = 4});
  Random random(1);
  for (const char* key : {"/a|m|", "/b|m|", "/c|m|"}) {
    for (int i = 0; i < 10; ++i) observe(tracker, key, answer(random, false));
  }
  EXPECT_EQ(changed(tracker), (Keys{"/a|m|", "/b|m|", "/c|m|"}));
  const std::vector<std::string> all = documents(tracker);
  tracker.saved();
  EXPECT_EQ(changed(tracker), Keys{});
  observe(tracker, "/b|m|", answer(random, false));
  EXPECT_EQ(changed(tracker), Keys{"/b|m|"});
  EXPECT_EQ(changed(tracker), Keys{"/b|m|"}) << "until it is saved";
  tracker.saved();
  EXPECT_EQ(tracker.reset([](std::string_view key) { return key != "/b|m|"; }), 2U);
  EXPECT_EQ(changed(tracker), (Keys{"-/a|m|", "-/c|m|"}));
  observe(tracker, "/c|m|", answer(random, false));
  EXPECT_EQ(changed(tracker), (Keys{"-/a|m|", "/c|m|"})) << "learnt anew before its end was saved";
  tracker.saved();
  tracker.adopt([](std::string_view) { return true; });
  EXPECT_EQ(changed(tracker), Keys{"/b|m|"}) << "the other was not complete";
  DriftTracker restarted({.reference_size = 8, .window = 4});
  ASSERT_TRUE(restarted.load(all).has_value());
  EXPECT_EQ(restarted.frozen(), 3U);
  EXPECT_EQ(changed(restarted).size(), 3U) << "written anew after a restart, however they came";
}

TEST(Drift, ARestartChangesNothing) {
  for (int stop : {7, 40, 75}) {  // while collecting, and with the window half turned over
    DriftTracker through({.reference_size = 30, .window = 20});
    DriftTracker before({.reference_size = 30, .window = 20});
    Random random(3);
    std::vector<std::string> answers;
    for (int i = 0; i < 100; ++i) answers.push_back(answer(random, i > 60));
    for (int i = 0; i < stop; ++i) {
      observe(through, "k", answers[static_cast<size_t>(i)]);
      observe(before, "k", answers[static_cast<size_t>(i)]);
    }
    DriftTracker after({.reference_size = 30, .window = 20});
    ASSERT_TRUE(after.load(documents(before)).has_value());
    for (size_t i = static_cast<size_t>(stop); i < answers.size(); ++i) {
      const auto a = observe(through, "k", answers[i]);
      const auto b = observe(after, "k", answers[i]);
      EXPECT_EQ(a->baseline_ready, b->baseline_ready);
      EXPECT_NEAR(a->similarity, b->similarity, 1e-9);
    }
  }
}

TEST(Drift, DamagedStateIsRefusedAndChangesNothing) {
  DriftTracker tracker({.reference_size = 8, .window = 4});
  Random random(1);
  for (int i = 0; i < 9; ++i) observe(tracker, "k", answer(random, false));
  const std::string good = documents(tracker).front();
  EXPECT_EQ(tracker.load({replace_all(good, "\"format\":2", "\"format\":1")}).error().message(),
            "drift state: written by another version");
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string(R"({"references":[{"key":"x"}]})"),
        std::string(R"({"references":[{"key":"x","samples":["AAAA"]}]})"), good.substr(0, good.size() / 2)}) {
    EXPECT_FALSE(tracker.load({bad}).has_value());
    EXPECT_FALSE(tracker.load({good, bad}).has_value());
    EXPECT_EQ(documents(tracker), std::vector<std::string>{good});
  }
}

TEST(Drift, ResetForgetsWhatItIsAskedToAndKeysAreBounded) {
  DriftTracker tracker({.reference_size = 8, .window = 4});
  Random random(1);
  observe(tracker, "/qa|a|", answer(random, false));
  observe(tracker, "/qa|b|", answer(random, false));
  observe(tracker, "/chat|a|", answer(random, false));
  tracker.reset([](std::string_view key) { return key.starts_with("/qa|"); });
  EXPECT_EQ(tracker.keys(), 1U);
  for (int i = 0; i < 1000; ++i) observe(tracker, "x" + std::to_string(i), "hello there");
  EXPECT_LE(tracker.keys(), 128U);
  EXPECT_FALSE(observe(tracker, "one more", "hello").has_value());
}

// Each kind of change is named by the measure that sees it, and prompts are told from answers.
TEST(Drift, AFullWindowSaysWhatChangedAndNamesTheVersionAndTheCalls) {
  struct Case {
    const char* name;
    std::function<std::string(Random&)> prompt;
    std::function<std::string(Random&)> answer;
    bool refusal;
    std::vector<DriftMeasure> seen;
    std::vector<DriftMeasure> unseen;
  };
  const auto calm_prompt = [](Random& random) { return "Please help: " + answer(random, false); };
  const auto calm_answer = [](Random& random) { return answer(random, false); };
  const Case cases[] = {
      {"form",
       calm_prompt,
       [](Random& r) { return answer(r, true); },
       false,
       {kAnswerForm, kAnswerTopic},
       {kPromptTopic}},
      {"length",
       calm_prompt,
       [](Random& r) { return answer(r, false) + answer(r, false) + answer(r, false); },
       false,
       {kAnswerLength},
       {kPromptTopic, kPromptLength}},
      {"language",
       calm_prompt,
       [](Random&) { return "Ihre Rechnung können Sie in den Einstellungen ändern, wir prüfen das gerne für Sie."; },
       false,
       {kAnswerLanguage, kAnswerTopic},
       {kPromptLanguage}},
      {"refusal", calm_prompt, calm_answer, true, {kAnswerRefusal}, {kAnswerTopic}},
      {"prompts",
       [](Random&) { return "Translate this poem about the sea into rhyming verse!"; },
       calm_answer,
       false,
       {kPromptTopic},
       {kAnswerTopic, kAnswerForm}},
  };
  for (const Case& c : cases) {
    DriftTracker tracker({.reference_size = 60, .window = 20});
    Random random(7);
    for (int i = 0; i < 60; ++i) call(tracker, "k", calm_prompt(random), calm_answer(random));
    std::optional<DriftWindow> window;
    for (int i = 0; i < 20; ++i) {
      ASSERT_FALSE(window) << "before the window is full";
      window =
          call(tracker, "k", c.prompt(random), c.answer(random), "call-" + std::to_string(i), "m-2", c.refusal)->window;
    }
    ASSERT_TRUE(window) << c.name;
    EXPECT_TRUE(window->drifted) << c.name;
    for (const DriftMeasure m : c.seen)
      EXPECT_GT(window->values[m], window->threshold) << c.name << drift_measure_name(m);
    for (const DriftMeasure m : c.unseen)
      EXPECT_LT(window->values[m], window->threshold) << c.name << drift_measure_name(m);
    EXPECT_EQ(window->version, "m-2");
    EXPECT_EQ(window->reference_version, "m-1");
    ASSERT_EQ(window->examples.size(), 3U);
    EXPECT_GE(window->examples[0].distance, window->examples[2].distance);
    EXPECT_TRUE(window->examples[0].request_id.starts_with("call-"));
    EXPECT_FALSE(window->what().empty());
  }
}

// A share of changed calls too small for one window adds up over many; calm traffic does not.
TEST(Drift, SlowDriftIsFoundByTheSequentialTest) {
  int found = 0;
  int calm_alarms = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (const bool slow : {true, false}) {
      DriftTracker tracker({.reference_size = 200, .window = 50});
      Random random(seed);
      for (int i = 0; i < 200; ++i) call(tracker, "k", "How?", answer(random, false));
      bool alarm = false;
      for (int i = 0; i < 50 * 12; ++i) {
        const auto seen = call(tracker, "k", "How?", answer(random, slow && random.chance(0.06)));
        if (seen->window) alarm |= seen->window->drifting;
      }
      (slow ? found : calm_alarms) += alarm;
    }
  }
  EXPECT_GE(found, 9);
  EXPECT_LE(calm_alarms, 1);
}

TEST(Drift, AReferenceIsAdoptedOnlyWhereAskedForAndOnlyFromCalmCalls) {
  for (const uint64_t after : {uint64_t{0}, uint64_t{3}}) {
    DriftTracker tracker({.reference_size = 40, .window = 20, .adopt_after_calm_windows = after});
    Random random(5);
    for (int i = 0; i < 40; ++i) call(tracker, "k", "How?", answer(random, false));
    int adopted = 0;
    for (int i = 0; i < 60; ++i) {
      const auto seen = call(tracker, "k", "How?", answer(random, false), "r", "m-2");
      if (seen->window && seen->window->adopted) ++adopted;
    }
    EXPECT_EQ(adopted, after == 0 ? 0 : 1);
    EXPECT_EQ(tracker.summaries().front().reference_version, after == 0 ? "m-1" : "m-2");
    for (int i = 0; i < 200; ++i) {  // changed answers stay drift for ever, however calm among themselves
      const auto seen = call(tracker, "k", "How?", answer(random, true), "r", "m-3");
      if (seen->window) {
        EXPECT_TRUE(seen->window->drifted);
        EXPECT_FALSE(seen->window->adopted);
      }
    }
  }
}

TEST(Drift, AdoptedCallsBeginTheNewReferenceAndTheNextOnesCompleteIt) {
  DriftTracker tracker({.reference_size = 40, .window = 20});
  Random random(5);
  for (int i = 0; i < 40; ++i) call(tracker, "/qa|m|t", "How?", answer(random, false));
  for (int i = 0; i < 33; ++i) call(tracker, "/qa|m|t", "How?", answer(random, true), "r", "m-2");
  EXPECT_EQ(tracker.summaries().front().drifted_windows, 1U);
  EXPECT_EQ(tracker.adopt([](std::string_view) { return false; }), 0U);
  EXPECT_EQ(tracker.frozen(), 1U);
  EXPECT_EQ(tracker.adopt([](std::string_view key) { return key == "/qa|m|t"; }), 1U);
  EXPECT_EQ(tracker.frozen(), 0U);
  EXPECT_EQ(tracker.adopt([](std::string_view) { return true; }), 0U) << "none is complete";
  DriftTracker restarted({.reference_size = 40, .window = 20});
  ASSERT_TRUE(restarted.load(documents(tracker)).has_value());
  for (int i = 0; i < 19; ++i) {
    EXPECT_FALSE(call(restarted, "/qa|m|t", "How?", answer(random, true), "r", "m-2")->score.baseline_ready);
  }
  EXPECT_TRUE(call(restarted, "/qa|m|t", "How?", answer(random, true), "r", "m-2")->score.baseline_ready);
  EXPECT_EQ(restarted.summaries().front().reference_version, "m-2");
  std::optional<DriftWindow> window;
  for (int i = 0; i < 20; ++i) window = call(restarted, "/qa|m|t", "How?", answer(random, true), "r", "m-2")->window;
  ASSERT_TRUE(window);
  EXPECT_FALSE(window->drifted) << window->what();
}

// What was collected under other settings is used, not thrown away.
TEST(Drift, AStateLearntUnderOtherSettingsIsRead) {
  DriftTracker before({.reference_size = 60, .window = 30});
  Random random(2);
  for (int i = 0; i < 50; ++i) observe(before, "k", answer(random, false));
  for (int i = 0; i < 90; ++i) observe(before, "frozen", answer(random, false));
  DriftTracker after({.reference_size = 20, .window = 10});
  ASSERT_TRUE(after.load(documents(before)).has_value());
  EXPECT_EQ(after.frozen(), 1U);
  EXPECT_TRUE(observe(after, "k", answer(random, false))->baseline_ready);
  EXPECT_TRUE(observe(after, "frozen", answer(random, false))->baseline_ready);
}

TEST(Drift, ARouteAndItsKeyAreTheSame) {
  for (const DriftRoute& route : {DriftRoute{"/qa", "m", "t"}, DriftRoute{"/qa", "m", ""}, DriftRoute{"", "", ""}}) {
    const DriftRoute back = drift_route(drift_key(route));
    EXPECT_EQ(back.endpoint, route.endpoint);
    EXPECT_EQ(back.model, route.model);
    EXPECT_EQ(back.prompt_template, route.prompt_template);
    EXPECT_TRUE(matches(route, drift_key(route)));
  }
  EXPECT_FALSE(matches({"/q", "", ""}, "/qa|m|t"));
  EXPECT_FALSE(matches({"/qa", "m", "u"}, "/qa|m|t"));
  EXPECT_TRUE(matches({"", "m", ""}, "/qa|m|t"));
}

}  // namespace
}  // namespace sentinel::analysis
