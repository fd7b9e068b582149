#include "incident/changes.h"

#include "incident/test_desk.h"

namespace sentinel::incident {
namespace {

class ChangesTest : public DeskTest {
 protected:
  ChangeEvent deploy(const std::string& subject, model::Labels labels = {}) {
    ChangeEvent e;
    e.at = scheduler_.now();
    e.kind = ChangeKind::kDeploy;
    e.subject = subject;
    e.text = "v2";
    e.labels = std::move(labels);
    return e;
  }
  std::vector<std::string> subjects(const ChangeQuery& query) {
    std::vector<std::string> out;
    const auto found = ChangeLog(*database_).list(query);
    EXPECT_TRUE(found);
    if (found) {
      for (const ChangeEvent& e : *found) out.push_back(e.subject);
    }
    return out;
  }
  ChangeQuery all() const {
    return {.from = TimePoint{}, .to = scheduler_.now(), .kind = std::nullopt, .scope = {}, .limit = 100};
  }
};

TEST_F(ChangesTest, AreListedNewestFirstByTimeKindAndWhomTheyConcern) {
  ChangeLog log(*database_);
  const TimePoint start = scheduler_.now();
  ASSERT_TRUE(log.add(deploy("shop", {{"service", "shop"}, {"env", "prod"}}), "", {"ci", "api"}));
  scheduler_.run_for(std::chrono::minutes(1));
  ASSERT_TRUE(log.add(deploy("search", {{"service", "search"}}), "", {"ci", "api"}));
  scheduler_.run_for(std::chrono::minutes(1));
  ChangeEvent everybody = deploy("prices.yml");
  everybody.kind = ChangeKind::kConfiguration;
  ASSERT_TRUE(log.add(everybody, "", {"ada", "cli"}));

  EXPECT_EQ(subjects(all()), (std::vector<std::string>{"prices.yml", "search", "shop"}));
  ChangeQuery query = all();
  query.scope = {{"service", "shop"}, {"env", "prod"}};
  EXPECT_EQ(subjects(query), (std::vector<std::string>{"prices.yml", "shop"}));
  query.scope = {{"service", "search"}, {"env", "prod"}};
  EXPECT_EQ(subjects(query), (std::vector<std::string>{"prices.yml", "search"}));
  query = all();
  query.kind = ChangeKind::kDeploy;
  query.limit = 1;
  EXPECT_EQ(subjects(query), std::vector<std::string>{"search"});
  query = all();
  query.to = start;
  EXPECT_EQ(subjects(query), std::vector<std::string>{"shop"});

  restart();
  const auto kept = ChangeLog(*database_).list(all()).value();
  EXPECT_EQ(kept[2].describe(), "deploy of shop (v2)");
  EXPECT_EQ(kept[2].actor, "ci");
  EXPECT_EQ(kept[0].describe(), "change of configuration prices.yml (v2)");
}

TEST_F(ChangesTest, APipelineThatTriesAgainTellsOfOneDeploy) {
  ChangeLog log(*database_);
  const auto first = log.add(deploy("shop"), "run-17", {"ci", "api"});
  scheduler_.run_for(std::chrono::seconds(5));
  const auto again = log.add(deploy("shop"), "run-17", {"ci", "api"});
  ASSERT_TRUE(first && again);
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(again->at, first->at);
  EXPECT_EQ(subjects(all()).size(), 1u);
}

TEST_F(ChangesTest, WhatIsWrongIsSaid) {
  ChangeLog log(*database_);
  EXPECT_EQ(log.add(deploy(""), "", {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(log.add(deploy(std::string(2000, 'x')), "", {}).error().code(), ErrorCode::kTooLarge);
  EXPECT_EQ(log.add(deploy("shop", {{"color", "red"}}), "", {}).error().code(), ErrorCode::kInvalidArgument);
  ChangeEvent script = deploy("shop");
  script.link = "javascript:alert(1)";
  EXPECT_EQ(log.add(script, "", {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(parse_change_kind("deployment").error().message(),
            "unknown kind \"deployment\" of a change; expected deploy, configuration, breaker, model, prompt, "
            "feature_flag, other");
  EXPECT_TRUE(subjects(all()).empty());
}

}  // namespace
}  // namespace sentinel::incident
