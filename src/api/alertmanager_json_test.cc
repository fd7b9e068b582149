// Bodies as Alertmanager 0.25 and 0.34 answered them; the expected words are theirs.

#include "api/alertmanager_json.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace sentinel::api {
namespace {

std::string refusal(const AlertmanagerError& error) {
  const net::Response response = alertmanager_response(error);
  return std::to_string(response.status) + " " + response.body.substr(0, response.body.size() - 1);
}

TEST(AlertmanagerJson, bodies_of_alerts_are_refused_in_alertmanagers_words) {
  const std::pair<const char*, const char*> cases[] = {
      {"", R"(422 {"code":602,"message":"alerts in body is required"})"},
      {" \n", R"(422 {"code":602,"message":"alerts in body is required"})"},
      {"{}",
       R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because json: cannot unmarshal object into Go value of type models.PostableAlerts"})"},
      {"[{}]", R"(422 {"code":602,"message":"0.labels in body is required"})"},
      {R"([{"labels":{"a":"b"}},{"annotations":{}}])", R"(422 {"code":602,"message":"1.labels in body is required"})"},
      {R"([{"labels":{"a":1}}])",
       R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because json: cannot unmarshal number into Go struct field Alert.labels of type string"})"},
      {R"([{"labels":{"a":"b"},"startsAt":"nope"}])",
       R"(400 {"code":400,"message":"parsing alerts body from \"\" failed, because parsing time \"nope\" as \"2006-01-02 15:04:05\": cannot parse \"nope\" as \"2006\""})"},
      {R"([{"labels":{"ok":"b"},"generatorURL":"no url"}])",
       R"(422 {"code":601,"message":"0.generatorURL in body must be of type uri: \"no url\""})"},
  };
  for (const auto& [body, answer] : cases) {
    const auto parsed = parse_alerts(body);
    ASSERT_FALSE(parsed) << body;
    EXPECT_EQ(refusal(parsed.error()), answer) << body;
  }
}

TEST(AlertmanagerJson, alerts_are_read_with_all_their_fields) {
  const auto parsed = parse_alerts(
      R"([{"labels":{"b":"2","a":"1","empty":""},"annotations":{"s":"t\n\u00e4"},"startsAt":"2026-11-21T02:24:57.123Z",)"
      R"("endsAt":"2026-11-21T03:24:57.123456+01:00","generatorURL":"http://x/y","unknown":[1]},)"
      R"({"labels":{},"startsAt":"0001-01-01T00:00:00.000Z","endsAt":null}])");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 2u);
  const model::Alert& a = parsed->at(0);
  EXPECT_EQ(a.labels, (model::Labels{{"a", "1"}, {"b", "2"}})) << "an empty value is no label";
  EXPECT_EQ(a.annotations.get("s"), "t\nä");
  EXPECT_EQ(format_rfc3339(a.starts_at), "2026-11-21T02:24:57.123Z");
  EXPECT_EQ(format_rfc3339(a.ends_at), "2026-11-21T02:24:57.123456Z");
  EXPECT_EQ(a.generator_url, "http://x/y");
  EXPECT_EQ(parsed->at(1).starts_at, TimePoint{}) << "Go's zero time means not said";
  EXPECT_TRUE(parse_alerts("null")->empty());
  EXPECT_TRUE(parse_alerts("[]")->empty());
}

TEST(AlertmanagerJson, bodies_of_silences_are_refused_in_alertmanagers_words) {
  const std::string times =
      R"("comment":"c","createdBy":"b","endsAt":"2030-01-01T00:00:00Z","startsAt":"2026-01-01T00:00:00Z",)";
  const std::pair<std::string, const char*> cases[] = {
      {"{}", R"(422 {"code":602,"message":"comment in body is required"})"},
      {R"({"comment":"c"})", R"(422 {"code":602,"message":"createdBy in body is required"})"},
      {R"({"comment":"c","createdBy":"b"})", R"(422 {"code":602,"message":"endsAt in body is required"})"},
      {R"({"comment":"c","createdBy":"b","endsAt":"2030-01-01T00:00:00Z"})",
       R"(422 {"code":602,"message":"matchers in body is required"})"},
      {"{" + times + R"("matchers":[]})",
       R"(422 {"code":612,"message":"matchers in body should have at least 1 items"})"},
      {"{" + times + R"("matchers":[{"name":"a"}]})",
       R"(422 {"code":602,"message":"matchers.0.isRegex in body is required"})"},
      {"{" + times + R"("matchers":[{"name":"a","isRegex":false}]})",
       R"(422 {"code":602,"message":"matchers.0.value in body is required"})"},
  };
  for (const auto& [body, answer] : cases) {
    const auto parsed = parse_silence(body);
    ASSERT_FALSE(parsed) << body;
    EXPECT_EQ(refusal(parsed.error()), answer) << body;
  }
}

TEST(AlertmanagerJson, a_silence_that_is_written_can_be_read_back) {
  const std::string body =
      R"({"id":"x","comment":"c","createdBy":"b","endsAt":"2030-01-01T00:00:00.000Z","startsAt":"2026-01-01T00:00:00.000Z",)"
      R"("annotations":{"ticket":"T-1"},"matchers":[{"name":"a","value":"b.*","isRegex":true,"isEqual":false}],)"
      R"("matcherSets":[[{"name":"c","value":"d","isRegex":false}]]})";
  const auto first = parse_silence(body);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->matcher_sets.size(), 2u);
  EXPECT_EQ(first->matcher_sets[0][0].type(), model::MatchType::kNotRegexp);
  EXPECT_EQ(first->annotations.get("ticket"), "T-1");
  const auto second = parse_silence(silence_json(*first, first->starts_at));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->matcher_sets, first->matcher_sets);
  EXPECT_EQ(silence_json(*second, first->starts_at), silence_json(*first, first->starts_at));
}

TEST(AlertmanagerJson, an_alert_looks_as_alertmanagers_does) {
  alerting::AlertView view;
  view.alert.labels = {{"ok", "b"}};
  view.alert.annotations = {{"s", "t"}};
  view.alert.generator_url = "http://x/y";
  view.alert.starts_at = view.alert.updated_at = *parse_time("2026-11-21T06:31:04.298123Z");
  view.alert.ends_at = *parse_time("2026-11-21T06:36:04.298Z");
  view.receivers = {"default"};
  EXPECT_EQ(
      alerts_json({view}),
      R"([{"annotations":{"s":"t"},"endsAt":"2026-11-21T06:36:04.298Z","fingerprint":"8e5a53b8bac61c2b","receivers":[{"name":"default"}],"startsAt":"2026-11-21T06:31:04.298Z","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"updatedAt":"2026-11-21T06:31:04.298Z","generatorURL":"http://x/y","labels":{"ok":"b"}}])"
      "\n")
      << "the fingerprint is what Debian's Alertmanager computed of the same labels";
}

TEST(AlertmanagerJson, flags_are_read_as_go_openapi_reads_them) {
  for (const char* yes : {"true", "TRUE", "1", "yes", "on"}) EXPECT_TRUE(parse_flag(yes, false)) << yes;
  for (const char* no : {"false", "0", "foo"}) EXPECT_FALSE(parse_flag(no, true)) << no;
  EXPECT_TRUE(parse_flag("", true));
  EXPECT_EQ(parse_filter({"foo"}).error().message, "bad matcher format: foo");
}

}  // namespace
}  // namespace sentinel::api
