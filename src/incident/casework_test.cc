#include "incident/casework.h"

#include "incident/limits.h"
#include "incident/mentions.h"
#include "incident/test_desk.h"

namespace sentinel::incident {
namespace {

using alerting::AlertChange;
using model::IncidentStatus;
using model::Severity;
using Lines = std::vector<std::string>;

const Actor kAda{"ada", "page"};
const Actor kBob{"Bob Fry", "cli"};

std::string code(const auto& result) { return result ? "ok" : std::string(error_code_name(result.error().code())); }

class CaseworkTest : public DeskTest {
 protected:
  Lines roles(std::string_view id) {
    Lines out;
    const Case known = casework_->get(id).value();
    for (const RoleHolder& r : known.roles) out.push_back(std::string(role_name(r.role)) + "=" + r.person);
    return out;
  }
  Lines links(std::string_view id) {
    Lines out;
    const Case known = casework_->get(id).value();
    for (const Link& l : known.links) out.push_back(l.relation + " " + std::to_string(l.number));
    return out;
  }
  Lines alerts(std::string_view id) {
    Lines out;
    const auto detail = service_->get(id).value();
    for (const auto& a : detail.alerts) out.emplace_back(a.alert.labels.get("n"));
    return out;
  }
  std::string fingerprint(const model::Labels& labels) {
    model::Alert alert;
    alert.labels = labels;
    return alert.fingerprint_hex();
  }
  const model::Labels drift_{{"alertname", "Drift"}, {"service", "shop"}, {"severity", "SEV2"}};
};

TEST_F(CaseworkTest, a_role_is_given_taken_over_and_laid_down_on_the_timeline) {
  declared();
  ASSERT_TRUE(casework_->set_role("1", Role::kCommander, "ada", kAda));
  ASSERT_TRUE(casework_->set_role("1", Role::kCommander, "ada", kAda));  // silent
  ASSERT_TRUE(casework_->set_role("1", Role::kScribe, "Somebody Else", kAda));
  EXPECT_EQ(roles("1"), (Lines{"commander=Ada Lovelace", "scribe=Somebody Else"}));
  ASSERT_TRUE(casework_->set_role("1", Role::kCommander, "bob", kAda));
  ASSERT_TRUE(casework_->set_role("1", Role::kCommander, "eve", {"eve", "page"}));
  ASSERT_TRUE(casework_->set_role("1", Role::kScribe, "", kBob));
  restart();
  EXPECT_EQ(roles("1"), (Lines{"commander=Eve Ng"}));
  EXPECT_EQ(timeline("1", "role"),
            (Lines{"role: Ada Lovelace takes the role of commander", "role: Somebody Else is scribe (by ada)",
                   "role: Ada Lovelace hands over as commander to Bob Fry",
                   "role: Eve Ng takes over as commander from Bob Fry",
                   "role: Somebody Else is no longer scribe (by Bob Fry)"}));
  EXPECT_EQ(code(casework_->set_role("1", Role::kScribe, "x", kAda, 1)), "conflict");
  EXPECT_EQ(code(casework_->set_role("7", Role::kScribe, "x", kAda)), "not_found");
}

TEST(Fields, are_checked_by_their_type) {
  struct Case {
    FieldType type;
    std::string json;
    std::string stored;  // "": refused
  };
  const std::vector<Case> cases{
      {FieldType::kText, R"("  ACME ")", R"("ACME")"},
      {FieldType::kText, "7", ""},
      {FieldType::kText, "\"" + std::string(5000, 'x') + "\"", ""},
      {FieldType::kNumber, "12.5", "12.5"},
      {FieldType::kNumber, R"("12")", ""},
      {FieldType::kBoolean, "true", "true"},
      {FieldType::kBoolean, "1", ""},
      {FieldType::kDate, R"("2026-03-01")", R"("2026-03-01")"},
      {FieldType::kDate, R"("2026-02-30")", ""},
      {FieldType::kDate, R"("1.3.2026")", ""},
      {FieldType::kChoice, R"("eu")", R"("eu")"},
      {FieldType::kChoice, R"("mars")", ""},
      {FieldType::kChoice, R"(["eu"])", ""},
      {FieldType::kChoices, R"(["us","eu","us"])", R"(["eu","us"])"},
      {FieldType::kChoices, R"(["eu","mars"])", ""},
      {FieldType::kChoices, "[]", "[]"},
      {FieldType::kText, "{", ""},
  };
  for (const Case& c : cases) {
    const auto got = check_field({"f", "", c.type, {"eu", "us"}}, c.json);
    EXPECT_EQ(got ? *got : "", c.stored) << field_type_name(c.type) << " " << c.json;
  }
}

TEST_F(CaseworkTest, declared_fields_are_set_together_or_not_at_all) {
  options_.fields = {{"customer", "Customer", FieldType::kText, {}}, {"region", "", FieldType::kChoice, {"eu", "us"}}};
  restart();
  declared();
  EXPECT_EQ(code(casework_->set_fields("1", {{"customer", R"("ACME")"}, {"region", R"("mars")"}}, kAda)),
            "invalid_argument");
  EXPECT_TRUE(casework_->get("1")->fields.empty());
  EXPECT_EQ(casework_->set_fields("1", {{"costumer", "1"}}, kAda).error().message(),
            "unknown field \"costumer\"; expected one of customer, region");
  ASSERT_TRUE(casework_->set_fields("1", {{"customer", R"("ACME")"}, {"region", R"("eu")"}}, kAda));
  const int64_t version = now("1").version;
  ASSERT_TRUE(casework_->set_fields("1", {{"region", R"("eu")"}}, kAda));
  EXPECT_EQ(now("1").version, version);
  ASSERT_TRUE(casework_->set_fields("1", {{"customer", "null"}}, kAda));
  EXPECT_EQ(casework_->get("1")->fields, (std::map<std::string, std::string>{{"region", R"("eu")"}}));
  EXPECT_EQ(timeline("1", "field"), (Lines{"field: customer set to \"ACME\" by ada",
                                           "field: region set to \"eu\" by ada", "field: customer taken away by ada"}));
}

TEST_F(CaseworkTest, links_read_from_both_ends) {
  for (int i = 0; i < 3; ++i) declared("broken " + std::to_string(i));
  ASSERT_TRUE(casework_->link("1", "related", "2", kAda));
  ASSERT_TRUE(casework_->link("2", "related", "1", kAda));  // the same one
  scheduler_.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(casework_->link("1", "caused_by", "3", kAda));
  scheduler_.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(casework_->link("1", "duplicated_by", "2", kAda));
  EXPECT_EQ(links("1"), (Lines{"related 2", "caused_by 3", "duplicated_by 2"}));
  EXPECT_EQ(links("2"), (Lines{"related 1", "duplicate_of 1"}));
  EXPECT_EQ(links("3"), (Lines{"causes 1"}));
  EXPECT_EQ(timeline("3", "link"), (Lines{"link: causes INC-1 (by ada)"}));
  ASSERT_TRUE(casework_->unlink("2", "related", "1", kAda));
  ASSERT_TRUE(casework_->unlink("3", "causes", "1", kAda));
  EXPECT_EQ(links("1"), (Lines{"duplicated_by 2"}));
  EXPECT_EQ(code(casework_->unlink("1", "related", "2", kAda)), "not_found");
  EXPECT_EQ(code(casework_->link("1", "related", "1", kAda)), "invalid_argument");
  EXPECT_EQ(code(casework_->link("1", "parent", "2", kAda)), "invalid_argument");
  EXPECT_EQ(code(casework_->link("1", "related", "99", kAda)), "not_found");
}

TEST_F(CaseworkTest, a_parent_is_nobodys_own_child_and_may_resolve_its_children) {
  for (int i = 0; i < 4; ++i) declared("broken " + std::to_string(i));
  ASSERT_TRUE(casework_->set_parent("2", "1", kAda));
  scheduler_.run_for(std::chrono::seconds(1));
  ASSERT_TRUE(casework_->set_parent("3", "2", kAda));
  EXPECT_EQ(code(casework_->set_parent("1", "3", kAda)), "conflict");
  EXPECT_EQ(code(casework_->set_parent("1", "1", kAda)), "conflict");
  EXPECT_EQ(links("2"), (Lines{"parent 1", "child 3"}));
  ASSERT_TRUE(casework_->set_parent("4", "2", kAda));
  ASSERT_TRUE(casework_->set_parent("4", "", kAda));
  EXPECT_EQ(links("4"), Lines{});
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  EXPECT_EQ(now("2").status, IncidentStatus::kOpen) << "not unless it is configured";
  ASSERT_TRUE(service_->reopen("1", "", kAda));
  options_.resolve_children = true;
  service_->set_options(options_);
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  EXPECT_EQ(now("2").status, IncidentStatus::kResolved);
  EXPECT_EQ(now("3").resolution, "Resolved with INC-2.") << "through all generations";
  EXPECT_EQ(now("4").status, IncidentStatus::kOpen);
}

TEST_F(CaseworkTest, a_parent_that_resolves_by_itself_leaves_children_whose_alerts_fire) {
  options_.resolve_children = true;
  options_.auto_resolve_after = std::chrono::minutes(1);
  restart();
  ASSERT_TRUE(fire(drift_));
  ASSERT_TRUE(fire(drift_.with("service", "search")));
  declared("calm");
  ASSERT_TRUE(casework_->set_parent("2", "1", kAda));
  ASSERT_TRUE(casework_->set_parent("3", "1", kAda));
  ASSERT_TRUE(end(drift_));
  scheduler_.run_for(std::chrono::minutes(2));
  EXPECT_EQ(now("1").status, IncidentStatus::kResolved);
  EXPECT_EQ(now("2").status, IncidentStatus::kOpen);
  EXPECT_EQ(now("3").status, IncidentStatus::kResolved);
}

TEST_F(CaseworkTest, alerts_split_out_go_on_in_the_new_incident_and_others_where_they_were) {
  const auto alert = [&](const std::string& n) { return drift_.with("n", n); };
  for (const char* n : {"1", "2", "3"}) ASSERT_TRUE(fire(alert(n)));
  EXPECT_EQ(code(casework_->split("1", {{fingerprint(alert("9"))}, "", {}}, kAda)), "not_found");
  EXPECT_EQ(code(casework_->split("1", {{}, "", {}}, kAda)), "invalid_argument");
  EXPECT_EQ(code(casework_->split(
                "1", {{fingerprint(alert("1")), fingerprint(alert("2")), fingerprint(alert("3"))}, "", {}}, kAda)),
            "invalid_argument");
  const auto made =
      casework_->split("1", {{fingerprint(alert("2")), fingerprint(alert("3"))}, "two of them", Severity::kSev1}, kAda);
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(made->incident.title, "two of them");
  EXPECT_EQ(made->incident.severity, Severity::kSev1);
  EXPECT_EQ(made->incident.status, IncidentStatus::kOpen);
  EXPECT_EQ(alerts("1"), (Lines{"1"}));
  EXPECT_EQ(alerts("2"), (Lines{"2", "3"}));
  EXPECT_EQ(links("2"), (Lines{"split_from 1"}));
  EXPECT_EQ(timeline("1", "split"), (Lines{"split: 2 alerts split out into INC-2 by ada"}));
  // Later news of them reaches the new one; a new alert of the group joins the old one.
  ASSERT_TRUE(deliver({change(AlertChange::Kind::kUpdated, alert("2"), {{"summary", "worse"}})}));
  ASSERT_TRUE(end(alert("3")));
  ASSERT_TRUE(fire(alert("3")));
  ASSERT_TRUE(fire(alert("4")));
  EXPECT_EQ(alerts("1"), (Lines{"1", "4"}));
  EXPECT_EQ(alerts("2"), (Lines{"2", "3"}));
  EXPECT_EQ(service_->get("2")->alerts[0].alert.annotations.get("summary"), "worse");
  // Each resolves with its own last alert; then an alert that left joins its group again.
  ASSERT_TRUE(end(alert("2")));
  ASSERT_TRUE(end(alert("3")));
  EXPECT_EQ(now("2").status, IncidentStatus::kResolved);
  EXPECT_EQ(now("1").status, IncidentStatus::kOpen);
  ASSERT_TRUE(fire(alert("3")));
  EXPECT_EQ(service_->list({})->size(), 2u);
  EXPECT_EQ(alerts("1"), (Lines{"1", "4", "3"}));
}

TEST_F(CaseworkTest, what_is_split_from_an_incident_that_somebody_works_on_is_acknowledged) {
  ASSERT_TRUE(deliver({change(AlertChange::Kind::kFired, drift_.with("n", "1"), {{"summary", "first"}})}));
  ASSERT_TRUE(deliver({change(AlertChange::Kind::kFired, drift_.with("n", "2"), {{"summary", "second"}})}));
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  const auto made = casework_->split("1", {{fingerprint(drift_.with("n", "1"))}, "", {}}, kAda);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->incident.status, IncidentStatus::kAcknowledged);
  EXPECT_EQ(made->incident.title, "first");
  EXPECT_EQ(now("1").title, "second") << "the alert it was called after has left";
}

TEST_F(CaseworkTest, alerts_of_a_merged_group_join_what_it_was_merged_into) {
  const model::Labels search = drift_.with("service", "search");
  ASSERT_TRUE(fire(drift_));
  ASSERT_TRUE(fire(search));
  ASSERT_TRUE(service_->merge("2", "1", kAda));
  EXPECT_EQ(links("1"), (Lines{"merged_from 2"}));
  ASSERT_TRUE(fire(search.with("n", "later")));
  EXPECT_EQ(service_->list({})->size(), 2u);
  EXPECT_EQ(alerts("1"), (Lines{"", "", "later"}));
  for (const auto& labels : {drift_, search, search.with("n", "later")}) ASSERT_TRUE(end(labels));
  EXPECT_EQ(now("1").status, IncidentStatus::kResolved);
  ASSERT_TRUE(fire(search));
  EXPECT_EQ(service_->list({})->size(), 3u) << "a resolved incident swallows nothing";
}

TEST_F(CaseworkTest, what_was_resolved_by_hand_while_it_fires_stays_so_until_it_fires_anew) {
  ASSERT_TRUE(fire(drift_));
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(deliver({change(AlertChange::Kind::kUpdated, drift_)}));
  EXPECT_EQ(service_->list({})->size(), 1u);
  EXPECT_EQ(now("1").status, IncidentStatus::kResolved);
  ASSERT_TRUE(end(drift_));
  EXPECT_EQ(timeline("1", "status").size(), 1u) << "it does not resolve twice";
  ASSERT_TRUE(fire(drift_));
  EXPECT_EQ(service_->list({})->size(), 2u);
  EXPECT_EQ(now("1").status, IncidentStatus::kResolved);
}

TEST_F(CaseworkTest, whatever_people_put_beside_it_it_resolves_with_its_last_alert) {
  options_.fields = {{"customer", "", FieldType::kText, {}}};
  restart();
  ASSERT_TRUE(fire(drift_));
  declared("another");
  ASSERT_TRUE(casework_->set_fields("1", {{"customer", R"("ACME")"}}, kAda));
  ASSERT_TRUE(casework_->set_role("1", Role::kCommander, "ada", kAda));
  ASSERT_TRUE(casework_->link("1", "related", "2", kAda));
  ASSERT_TRUE(casework_->add_update("1", {"looking", true, "", IncidentStatus::kIdentified}, kAda));
  ASSERT_TRUE(service_->set_severity("1", Severity::kSev4, kAda));
  ASSERT_TRUE(service_->assign("1", "bob", kAda));
  ASSERT_TRUE(end(drift_));
  EXPECT_EQ(now("1").status, IncidentStatus::kResolved);
}

TEST_F(CaseworkTest, subscribers_hear_of_news_that_others_make) {
  declared();
  ASSERT_TRUE(casework_->subscribe("1", "Ada Lovelace", "", kAda));
  ASSERT_TRUE(casework_->subscribe("1", "eve", "email", kAda));
  EXPECT_EQ(code(casework_->subscribe("1", "nobody", "", kAda)), "invalid_argument");
  EXPECT_EQ(casework_->subscribe("1", "bob", "", kAda).error().message(), "Bob Fry has no contact that takes messages");
  EXPECT_EQ(code(casework_->subscribe("1", "eve", "fax", kAda)), "invalid_argument");
  EXPECT_TRUE(people_.heard().empty());
  ASSERT_TRUE(service_->acknowledge("1", "on it", kAda));
  EXPECT_EQ(people_.heard(), (Lines{"eve: INC-1 acknowledged: it broke | acknowledged by ada: on it"}));
  ASSERT_TRUE(service_->set_severity("1", Severity::kSev1, kBob));
  EXPECT_EQ(people_.heard(), (Lines{"ada: INC-1 acknowledged: it broke | severity set to SEV1 by Bob Fry",
                                    "eve: INC-1 acknowledged: it broke | severity set to SEV1 by Bob Fry"}));
  ASSERT_TRUE(service_->add_note("1", "looking", kBob));
  EXPECT_TRUE(people_.heard().empty()) << "a note is for those who work on it";
  ASSERT_TRUE(fire(drift_.with("severity", "SEV3")));
  ASSERT_TRUE(casework_->subscribe("2", "eve", "", kAda));
  ASSERT_TRUE(deliver({change(AlertChange::Kind::kFired, drift_.with("n", "2")),
                       change(AlertChange::Kind::kFired, drift_.with("severity", "SEV1"))}));
  EXPECT_EQ(people_.heard(), (Lines{"eve: INC-2 open: it broke | severity raised to SEV2",
                                    "eve: INC-2 open: it broke | severity raised to SEV1"}));
  ASSERT_TRUE(casework_->unsubscribe("1", "ada", kAda));
  EXPECT_EQ(code(casework_->unsubscribe("1", "ada", kAda)), "not_found");
  ASSERT_TRUE(casework_->add_update("1", {"half is back", false, "", IncidentStatus::kMonitoring}, kAda));
  EXPECT_EQ(people_.heard(), (Lines{"eve: INC-1 monitoring: it broke | monitoring by ada",
                                    "eve: INC-1 monitoring: it broke | ada: half is back"}));
}

TEST(Mentions, are_names_after_an_at_that_begins_a_word) {
  const std::vector<std::pair<std::string, Lines>> cases{
      {"@ada can you look?", {"ada"}},
      {"ask @ada, @bob.", {"ada", "bob"}},
      {"(@ada) @ada again", {"ada"}},
      {"ada@example.org", {}},
      {"@ nobody @@ada", {"ada"}},
      {"@ada.lovelace... and @grace-h", {"ada.lovelace", "grace-h"}},
      {"@", {}},
      {"@-x", {}},
      {"@Zoë", {"Zoë"}},
  };
  for (const auto& [text, names] : cases) EXPECT_EQ(mentions_in(text), names) << text;
  std::string many;
  for (int i = 0; i < 100; ++i) many += "@u" + std::to_string(i) + " ";
  EXPECT_EQ(mentions_in(many).size(), kMentionsMax);
}

TEST_F(CaseworkTest, whom_a_note_calls_is_told_once) {
  declared();
  ASSERT_TRUE(service_->add_note("1", "@eve and @sre: look at @Bob, ask @nobody", kAda));
  const std::string told = " ada mentions you in INC-1: it broke | @eve and @sre: look at @Bob, ask @nobody";
  EXPECT_EQ(people_.heard(), (Lines{"eve:" + told, "bob:" + told}));
  ASSERT_TRUE(service_->add_note("1", "@sre", kBob));
  EXPECT_EQ(people_.heard().size(), 2u);
  const auto detail = service_->get("1").value();
  EXPECT_EQ(detail.timeline.back().data_json, R"({"mentions":["ada","eve"]})");
}

TEST_F(CaseworkTest, updates_are_kept_with_who_may_read_them) {
  declared();
  EXPECT_EQ(code(casework_->add_update("1", {" ", true, "", {}}, kAda)), "invalid_argument");
  EXPECT_EQ(code(casework_->add_update("1", {"x", false, "title", {}}, kAda)), "invalid_argument");
  EXPECT_EQ(code(casework_->add_update("1", {std::string(20'000, 'x'), true, "", {}}, kAda)), "too_large");
  ASSERT_TRUE(
      casework_->add_update("1", {"We look into it.", true, "Slow answers", IncidentStatus::kInvestigating}, kAda));
  ASSERT_TRUE(casework_->add_update("1", {"It is the new model.", false, "", {}}, kAda));
  restart();
  const Case known = casework_->get("1").value();
  ASSERT_EQ(known.updates.size(), 2u);
  EXPECT_TRUE(known.updates[0].is_public);
  EXPECT_EQ(known.updates[0].title, "Slow answers");
  EXPECT_EQ(known.updates[0].status, IncidentStatus::kInvestigating);
  EXPECT_FALSE(known.updates[1].is_public);
  // A status that is refused takes the update with it.
  EXPECT_EQ(code(casework_->add_update("1", {"back", true, "", IncidentStatus::kAcknowledged}, kAda)), "conflict");
  EXPECT_EQ(casework_->get("1")->updates.size(), 2u);
}

TEST_F(CaseworkTest, attachments_are_counted_and_their_content_is_kept_while_it_is_wanted) {
  options_.attachments.count_max = 2;
  restart();
  declared();
  declared();
  const Attachment file{"", "log.txt", "text/plain", 3, "abc", {}, ""};
  const auto first = casework_->attach("1", file, kAda);
  ASSERT_TRUE(first);
  ASSERT_TRUE(casework_->attach("2", file, kAda));
  ASSERT_TRUE(casework_->attach("1", file, kAda));
  EXPECT_EQ(code(casework_->attach("1", file, kAda)), "too_large");
  EXPECT_EQ(casework_->attachment("1", first->id)->name, "log.txt");
  EXPECT_EQ(code(casework_->attachment("2", first->id)), "not_found") << "each is of its own incident";
  for (const char* id : {"1", "2"}) {
    const Case known = casework_->get(id).value();
    for (const Attachment& a : known.attachments) {
      EXPECT_TRUE(casework_->content_wanted("abc").value());
      ASSERT_TRUE(casework_->remove_attachment(id, a.id, kAda));
    }
  }
  EXPECT_FALSE(casework_->content_wanted("abc").value());
}

TEST_F(CaseworkTest, alerts_come_in_pages_those_that_fire_first) {
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(fire(drift_.with("n", std::to_string(i))));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(end(drift_.with("n", std::to_string(i))));
  const auto first = service_->get("1", 10).value();
  EXPECT_EQ(first.alerts.size(), 10u);
  EXPECT_EQ(first.alert_count, 25u);
  EXPECT_EQ(first.firing_count, 20u);
  std::set<std::string> seen;
  std::string cursor;
  size_t pages = 0;
  bool ended = false;
  do {
    const auto page = service_->alerts("1", std::nullopt, cursor, 7).value();
    for (const auto& a : page.alerts) {
      EXPECT_TRUE(seen.insert(std::string(a.alert.labels.get("n"))).second);
      ended |= !a.firing;
      EXPECT_TRUE(!a.firing || !ended) << "those that fire come first";
    }
    cursor = page.next;
    ++pages;
  } while (!cursor.empty());
  EXPECT_EQ(seen.size(), 25u);
  EXPECT_EQ(pages, 4u);
  EXPECT_EQ(service_->alerts("1", false, "", 100)->alerts.size(), 5u);
  EXPECT_EQ(code(service_->alerts("1", {}, "nonsense", 5)), "invalid_argument");
}

}  // namespace
}  // namespace sentinel::incident
