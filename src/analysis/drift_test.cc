#include "analysis/drift.h"

#include <gtest/gtest.h>

#include "analysis/normalize.h"
#include "base/random.h"

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

std::optional<DriftScore> observe(DriftTracker& tracker, std::string_view key, const std::string& text) {
  const FeatureDoc doc(drift_text(fold(text)));
  return tracker.observe(key, embed_doc(HeadModel::embedded(), doc), style_of(text, doc, false));
}

TEST(Drift, NoScoreUntilTheReferenceIsFrozen) {
  DriftTracker tracker(20, 10);
  Random random(1);
  for (int i = 0; i < 19; ++i) EXPECT_FALSE(observe(tracker, "k", answer(random, false))->baseline_ready) << i;
  EXPECT_TRUE(observe(tracker, "k", answer(random, false))->baseline_ready);
}

TEST(Drift, CalmTrafficStaysCalmAndAStyleChangeShows) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    DriftTracker tracker(60, 30);
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

TEST(Drift, ARestartChangesNothing) {
  for (int stop : {7, 40, 75}) {  // while collecting, and with the window half turned over
    DriftTracker through(30, 20);
    DriftTracker before(30, 20);
    Random random(3);
    std::vector<std::string> answers;
    for (int i = 0; i < 100; ++i) answers.push_back(answer(random, i > 60));
    for (int i = 0; i < stop; ++i) {
      observe(through, "k", answers[static_cast<size_t>(i)]);
      observe(before, "k", answers[static_cast<size_t>(i)]);
    }
    DriftTracker after(30, 20);
    ASSERT_TRUE(after.load(before.save()).has_value());
    for (size_t i = static_cast<size_t>(stop); i < answers.size(); ++i) {
      const auto a = observe(through, "k", answers[i]);
      const auto b = observe(after, "k", answers[i]);
      EXPECT_EQ(a->baseline_ready, b->baseline_ready);
      EXPECT_NEAR(a->similarity, b->similarity, 1e-9);
    }
  }
}

TEST(Drift, DamagedStateIsRefusedAndChangesNothing) {
  DriftTracker tracker(8, 4);
  Random random(1);
  for (int i = 0; i < 9; ++i) observe(tracker, "k", answer(random, false));
  const std::string good = tracker.save();
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string(R"({"references":[{"key":"x"}]})"),
        std::string(R"({"references":[{"key":"x","samples":["AAAA"]}]})"), good.substr(0, good.size() / 2)}) {
    EXPECT_FALSE(tracker.load(bad).has_value());
    EXPECT_EQ(tracker.save(), good);
  }
}

TEST(Drift, ResetForgetsWhatItIsAskedToAndKeysAreBounded) {
  DriftTracker tracker(8, 4);
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

}  // namespace
}  // namespace sentinel::analysis
