#include "incident/postmortems.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "incident/action_items.h"
#include "incident/postmortem.h"
#include "incident/test_desk.h"

namespace sentinel::incident {
namespace {

using std::chrono::hours;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const Actor kAda{"Ada Lovelace", "page"};
const Actor kBob{"bob", "cli"};

class PostmortemsTest : public DeskTest {
 protected:
  // Items and documents as the server has them, over the desk as it is now.
  struct Shelf {
    explicit Shelf(PostmortemsTest& t)
        : items(*t.service_, t.scheduler_, *t.database_, t.metrics_),
          documents(*t.service_, *t.casework_, t.scheduler_, *t.database_) {}
    ActionItems items;
    Postmortems documents;
  };
  void incident(const char* title) {
    NewIncident request;
    request.title = title;
    ASSERT_TRUE(service_->create(request, kAda));
  }
  std::vector<std::string> timeline(std::string_view id, std::string_view kind) {
    std::vector<std::string> out;
    const IncidentDetail detail = service_->get(id).value();
    for (const model::TimelineEntry& entry : detail.timeline) {
      if (entry.kind == kind) out.push_back(entry.actor + ": " + entry.text);
    }
    return out;
  }
  // Not what deadlines say meanwhile.
  std::vector<std::string> reminded() {
    std::vector<std::string> out = people_.heard();
    std::erase_if(out, [](const std::string& line) { return line.find("Overdue: ") == std::string::npos; });
    return out;
  }
  double gauge(std::string_view name) {
    for (const MetricFamily& family : metrics_.collect()) {
      if (family.name == name) return family.points.at(0).value;
    }
    return -1;
  }
  static ActionChange item(const char* text, const char* owner = "", const char* due = "") {
    ActionChange out;
    out.text = text;
    out.owner = owner;
    out.due_date = due;
    return out;
  }
};

TEST_F(PostmortemsTest, items_are_followed_until_they_are_closed) {
  incident("slow");
  Shelf shelf(*this);
  const std::string today = fmt::format("{:%Y-%m-%d}", std::chrono::floor<std::chrono::days>(scheduler_.now()));
  ASSERT_TRUE(shelf.items.add("INC-1", item("Alert on queue depth", "ada", today.c_str()), kBob));
  const auto second = shelf.items.add("1", item("Write it down"), kBob);
  ASSERT_TRUE(second);
  EXPECT_EQ(gauge("sentinel_incident_action_items"), 2);
  EXPECT_EQ(gauge("sentinel_incident_action_items_overdue"), 0) << "its day is not over";

  scheduler_.run_for(hours(25));
  EXPECT_EQ(gauge("sentinel_incident_action_items_overdue"), 1);
  EXPECT_THAT(reminded(), ElementsAre(HasSubstr("ada: Overdue: Alert on queue depth | The action item of INC-1")));
  scheduler_.run_for(hours(72));
  EXPECT_THAT(reminded(), ElementsAre()) << "told once";

  ActionFilter open;
  open.closed = false;
  EXPECT_EQ(shelf.items.list(open)->front().text, "Alert on queue depth") << "what is due comes first";
  ActionChange done;
  done.state = ActionState::kDone;
  ASSERT_TRUE(shelf.items.change(1, done, kAda));
  ASSERT_TRUE(shelf.items.change(1, done, kAda)) << "the same again is nothing";
  EXPECT_EQ(gauge("sentinel_incident_action_items"), 1);
  EXPECT_EQ(gauge("sentinel_incident_action_items_overdue"), 0);
  EXPECT_THAT(timeline("1", "action"),
              ElementsAre("bob: Action item: Alert on queue depth, by Ada Lovelace, due " + today + " (prevent)",
                          "bob: Action item: Write it down (prevent)",
                          "sentinel: Action item overdue: Alert on queue depth, by Ada Lovelace, due " + today,
                          "Ada Lovelace: Action item done: Alert on queue depth"));
}

// Another date is another promise; the same one is not told of twice.
TEST_F(PostmortemsTest, an_item_with_a_new_date_is_told_of_again_when_that_is_past) {
  incident("slow");
  Shelf shelf(*this);
  const auto in_days = [&](int days) {
    return fmt::format("{:%Y-%m-%d}",
                       std::chrono::floor<std::chrono::days>(scheduler_.now()) + std::chrono::days(days));
  };
  ASSERT_TRUE(shelf.items.add("1", item("Pin versions", "ada", in_days(-3).c_str()), kBob));
  EXPECT_EQ(reminded().size(), 1U) << "it was overdue when it was written down";
  ActionChange later;
  later.due_date = in_days(2);
  ASSERT_TRUE(shelf.items.change(1, later, kAda));
  ActionChange ticket;
  ticket.link = "https://jira.example.org/browse/OPS-7";
  ASSERT_TRUE(shelf.items.change(1, ticket, kAda));
  scheduler_.run_for(hours(48));
  EXPECT_EQ(reminded().size(), 0U);
  scheduler_.run_for(hours(48));
  EXPECT_EQ(reminded().size(), 1U);
}

TEST_F(PostmortemsTest, what_cannot_be_an_item_is_refused_and_says_why) {
  incident("slow");
  Shelf shelf(*this);
  ActionChange bad = item("x");
  const auto refused = [&](const char* because) {
    const auto answer = shelf.items.add("1", bad, kBob);
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().to_string(), HasSubstr(because));
    bad = item("x");
  };
  bad.text = "  ";
  refused("needs a text");
  bad.due_date = "2026-02-30";
  refused("no date");
  bad.due_date = "tomorrow";
  refused("such as 2026-12-31");
  bad.link = "javascript:alert(1)";
  refused("begins with https://");
  bad.text = std::string(2000, 'x');
  refused("at most");
  EXPECT_EQ(shelf.items.add("INC-9", item("x"), kBob).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(shelf.items.change(7, item("x"), kBob).error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(parse_action_type("fix").error().to_string(), HasSubstr("prevent, mitigate"));
  EXPECT_TRUE(shelf.items.list({})->empty());
}

// An item that falls due while the process dies at any write is told of exactly once.
TEST_F(PostmortemsTest, a_crash_at_each_write_tells_of_an_overdue_item_once) {
  for (int64_t at = 1; at <= 2; ++at) {
    for (const bool after : {false, true}) {
      restart();
      incident("slow");
      const std::string id = std::to_string(service_->list({})->front().incident.number);
      {
        Shelf shelf(*this);
        const auto today = std::chrono::floor<std::chrono::days>(scheduler_.now());
        ASSERT_TRUE(shelf.items.add(id, item("Pin versions", "ada", fmt::format("{:%Y-%m-%d}", today).c_str()), kBob));
        crash_ = {.at = at, .after = after};
        scheduler_.run_for(hours(25));
      }
      restart();
      Shelf shelf(*this);
      scheduler_.run_for(hours(25));
      EXPECT_EQ(timeline(id, "action").size(), 2U) << at << after;
      (void)people_.heard();
    }
  }
}

TEST_F(PostmortemsTest, a_text_written_over_the_generated_one_stays_until_it_is_taken_back) {
  incident("slow");
  Shelf shelf(*this);
  EXPECT_EQ(shelf.documents.get("1")->version, 0);
  PostmortemChange edit;
  edit.text = "# What we learnt";
  ASSERT_TRUE(shelf.documents.change("1", edit, kAda));
  edit.text = "# What we really learnt";
  const auto stale = shelf.documents.change("1", edit, kBob, 7);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code(), ErrorCode::kConflict);
  ASSERT_TRUE(shelf.documents.change("1", edit, kBob, 1));
  const PostmortemDocument now = *shelf.documents.get("INC-1");
  EXPECT_EQ(now.text, "# What we really learnt");
  EXPECT_THAT(now.authors, ElementsAre("Ada Lovelace", "bob"));
  edit.text = "";
  ASSERT_TRUE(shelf.documents.change("1", edit, kBob));
  EXPECT_THAT(timeline("1", "postmortem"),
              ElementsAre("Ada Lovelace: Postmortem edited by Ada Lovelace", "bob: Postmortem edited by bob",
                          "bob: Postmortem taken back to the generated one by bob"));
}

TEST_F(PostmortemsTest, a_review_needs_a_resolved_incident_and_ends_its_deadline) {
  incident("slow");
  Shelf shelf(*this);
  PostmortemChange reviewed;
  reviewed.state = PostmortemState::kReviewed;
  EXPECT_EQ(shelf.documents.change("1", reviewed, kAda).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(shelf.documents.get("1")->state, PostmortemState::kDraft) << "nothing of it was kept";
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  ASSERT_TRUE(shelf.documents.change("1", reviewed, kAda));
  EXPECT_EQ(timeline("1", "review").size(), 1U);
}

TEST_F(PostmortemsTest, the_generated_one_has_roles_fields_updates_and_items) {
  incident("slow");
  Shelf shelf(*this);
  ASSERT_TRUE(casework_->set_role("1", Role::kCommander, "eve", kAda));
  ASSERT_TRUE(service_->add_note("1", "looking | at it", kBob));
  ASSERT_TRUE(casework_->add_update("1", {.text = "We are on it", .is_public = true}, kAda));
  ActionChange change = item("Pin <versions>", "ada", "2020-01-02");
  change.link = "https://jira.example.org/browse/OPS-7";
  ASSERT_TRUE(shelf.items.add("1", change, kBob));
  Impact impact;
  impact.providers = {"openai"};
  impact.prompts = {"qa-v2"};
  impact.fallbacks = 3;
  const std::string text = postmortem_markdown(
      {service_->get("1").value(), casework_->get("1").value(), *shelf.items.list({}), impact}, scheduler_.now());
  for (const char* part :
       {"| Eve Ng | commander |", "| bob | responder |", "the public | Ada Lovelace | We are on it |",
        "[Pin \\<versions\\>](https://jira.example.org/browse/OPS-7) | prevent | Ada Lovelace | 2020-01-02 | open, "
        "overdue |",
        "- Providers: openai", "- Prompts: qa-v2", "- 3 calls were answered by a fallback"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("suggested")));
}

}  // namespace
}  // namespace sentinel::incident
