#include "model/labels.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/alert.h"
#include "model/incident.h"
#include "model/sample.h"
#include "model/severity.h"

namespace sentinel::model {
namespace {

TEST(Labels, AreSortedUniqueAndWithoutEmptyValues) {
  const Labels labels{{"b", "1"}, {"a", "x"}, {"c", ""}, {"b", "2"}};
  EXPECT_EQ(labels.to_string(), R"({a="x", b="2"})");
  EXPECT_EQ(labels.size(), 2u);
  EXPECT_EQ(labels.get("b"), "2");
  EXPECT_EQ(labels.get("c"), "");
  EXPECT_FALSE(labels.has("c"));
  EXPECT_EQ(Labels({{"b", "1"}, {"b", ""}}), Labels()) << "the last of equal names wins, even when it is empty";
}

TEST(Labels, SetReplacesInsertsAndRemoves) {
  Labels labels{{"b", "1"}};
  labels.set("a", "0");
  labels.set("c", "2");
  labels.set("b", "1.5");
  EXPECT_EQ(labels, (Labels{{"a", "0"}, {"b", "1.5"}, {"c", "2"}}));
  labels.set("b", "");
  labels.remove("missing");
  EXPECT_EQ(labels, (Labels{{"a", "0"}, {"c", "2"}}));
}

TEST(Labels, WithoutDropsTheMetricNameAndKeepOnlyKeeps) {
  const Labels labels{{"__name__", "up"}, {"job", "api"}, {"pod", "1"}};
  EXPECT_EQ(labels.without({"pod"}), (Labels{{"job", "api"}}));
  EXPECT_EQ(labels.without({}), (Labels{{"job", "api"}, {"pod", "1"}}));
  EXPECT_EQ(labels.keep({"__name__", "pod"}), (Labels{{"__name__", "up"}, {"pod", "1"}}));
  EXPECT_EQ(labels.with("pod", "2").get("pod"), "2");
  EXPECT_EQ(labels.get("pod"), "1");
}

TEST(Labels, HashIsStableAndTellsNamesFromValues) {
  EXPECT_EQ((Labels{{"a", "1"}, {"b", "2"}}).hash(), (Labels{{"b", "2"}, {"a", "1"}}).hash());
  std::set<uint64_t> hashes;
  const Labels sets[] = {{},
                         {{"a", "b"}},
                         {{"ab", "c"}},
                         {{"a", "bc"}},
                         {{"a", "b"}, {"c", "d"}},
                         {{"a", "bcd"}},
                         Labels{{"long", std::string(2000, 'x')}},
                         Labels{{"long", std::string(2001, 'x')}}};
  for (const Labels& labels : sets) EXPECT_TRUE(hashes.insert(labels.hash()).second) << labels.to_string();
  // Stored keys depend on it: it may change only together with a migration.
  EXPECT_EQ(Labels().hash(), 0x2d06800538d394c2ULL);
  EXPECT_EQ((Labels{{"alertname", "HighErrorRate"}, {"service", "chat"}}).hash(), 0xB8B5C21B5A6BC132ULL);
}

TEST(Labels, PrintAsPrometheus) {
  EXPECT_EQ(Labels().to_string(), "{}");
  EXPECT_EQ((Labels{{"__name__", "up"}}).to_string(), "up");
  EXPECT_EQ((Labels{{"__name__", "up"}, {"job", "a\"b\n"}}).to_string(), R"(up{job="a\"b\n"})");
  EXPECT_EQ((Labels{{"__name__", "my.metric"}, {"dotted.name", "x"}}).to_string(),
            R"({"my.metric", "dotted.name"="x"})");
}

struct MatchCase {
  MatchType type;
  const char* pattern;
  const char* value;
  bool matches;
};

TEST(Matcher, MatchesAsPrometheusDoes) {
  const MatchCase cases[] = {
      {MatchType::kEqual, "a", "a", true},
      {MatchType::kEqual, "a", "ab", false},
      {MatchType::kEqual, "", "", true},
      {MatchType::kNotEqual, "a", "b", true},
      {MatchType::kNotEqual, "", "", false},
      {MatchType::kRegexp, "a|b", "a", true},
      {MatchType::kRegexp, "a|b", "ab", false},  // the anchors hold for the whole alternation
      {MatchType::kRegexp, "a|b", "xb", false},
      {MatchType::kRegexp, ".*", "", true},
      {MatchType::kRegexp, ".+", "", false},
      {MatchType::kRegexp, "a.c", "a\nc", true},  // (?s): a dot is any character
      {MatchType::kRegexp, "a", "a\n", false},    // $ is the very end
      {MatchType::kRegexp, "(?i)abc", "ABC", true},
      {MatchType::kRegexp, "ü.", "üb", true},
      {MatchType::kNotRegexp, "5..", "500", false},
      {MatchType::kNotRegexp, "5..", "404", true},
      {MatchType::kNotRegexp, ".+", "", true},
  };
  for (const MatchCase& c : cases) {
    const auto matcher = Matcher::make(c.type, "l", c.pattern);
    ASSERT_TRUE(matcher) << c.pattern;
    EXPECT_EQ(matcher->matches(c.value), c.matches) << matcher->to_string() << " on " << c.value;
    EXPECT_EQ(matcher->matches(Labels{{"l", c.value}}), c.matches) << "an absent label is an empty one";
  }
}

TEST(Matcher, ABadExpressionIsAnErrorThatShowsIt) {
  for (const char* bad : {"(", "a**", "[", "(?=x)", "\\"}) {
    const auto matcher = Matcher::make(MatchType::kRegexp, "job", bad);
    ASSERT_FALSE(matcher) << bad;
    EXPECT_EQ(matcher.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(matcher.error().message(), testing::HasSubstr("job"));
  }
}

TEST(Matcher, PrintsAsItIsWritten) {
  EXPECT_EQ(Matcher::equal("a", "b\"c").to_string(), R"(a="b\"c")");
  EXPECT_EQ(Matcher::make(MatchType::kNotEqual, "a", "b")->to_string(), R"(a!="b")");
  EXPECT_EQ(Matcher::make(MatchType::kRegexp, "a", "b.*")->to_string(), R"(a=~"b.*")");
  EXPECT_EQ(Matcher::make(MatchType::kNotRegexp, "a.b", "c")->to_string(), R"("a.b"!~"c")");
  EXPECT_EQ(Matcher::equal("a", "b"), Matcher::equal("a", "b"));
}

TEST(Matchers, AllMustMatch) {
  const Labels labels{{"a", "1"}, {"b", "2"}};
  EXPECT_TRUE(matches_all({}, labels));
  EXPECT_TRUE(matches_all({Matcher::equal("a", "1"), Matcher::equal("c", "")}, labels));
  EXPECT_FALSE(matches_all({Matcher::equal("a", "1"), Matcher::equal("b", "3")}, labels));
}

TEST(LegacyNames, AreLettersDigitsAndUnderscores) {
  for (const char* good : {"a", "_", "aB_9"})
    EXPECT_TRUE(is_legacy_label_name(good) && is_legacy_metric_name(good)) << good;
  for (const char* bad : {"", "9a", "a-b", "a.b", "ü", "a b"}) {
    EXPECT_FALSE(is_legacy_label_name(bad) || is_legacy_metric_name(bad)) << bad;
  }
  EXPECT_TRUE(is_legacy_metric_name("job:x:rate5m"));
  EXPECT_FALSE(is_legacy_label_name("job:x"));
}

TEST(Severity, IsReadInEverySpelling) {
  const std::pair<const char*, Severity> cases[] = {
      {"SEV1", Severity::kSev1},    {"sev2", Severity::kSev2},     {"P3", Severity::kSev3},
      {"p4", Severity::kSev4},      {"Critical", Severity::kSev1}, {"HIGH", Severity::kSev2},
      {"medium", Severity::kSev3},  {" low ", Severity::kSev4},    {"error", Severity::kSev2},
      {"warning", Severity::kSev3}, {"info", Severity::kSev4}};
  for (const auto& [text, severity] : cases) EXPECT_EQ(parse_severity(text), severity) << text;
  for (const char* bad : {"", "sev0", "sev5", "p", "1", "very high"})
    EXPECT_EQ(parse_severity(bad), std::nullopt) << bad;
  for (const auto style : {SeverityStyle::kSev, SeverityStyle::kPriority, SeverityStyle::kWord}) {
    for (int i = 1; i <= 4; ++i) {
      EXPECT_EQ(parse_severity(severity_name(static_cast<Severity>(i), style)), static_cast<Severity>(i));
    }
  }
  EXPECT_EQ(severity_name(Severity::kSev2, SeverityStyle::kPriority), "P2");
}

TEST(IncidentStatus, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(IncidentStatus::kResolved); ++i) {
    const auto status = static_cast<IncidentStatus>(i);
    EXPECT_EQ(parse_incident_status(incident_status_name(status)), status);
  }
  EXPECT_EQ(parse_incident_status("Resolved"), IncidentStatus::kResolved);
  EXPECT_EQ(parse_incident_status("closed"), std::nullopt);
}

TEST(Alert, IsIdentifiedByItsLabels) {
  Alert alert;
  alert.labels = {{"alertname", "A"}, {"service", "x"}};
  alert.ends_at = time_from_ms(1000);
  EXPECT_EQ(alert.name(), "A");
  EXPECT_EQ(alert.fingerprint_hex().size(), 16u);
  EXPECT_EQ(alert.fingerprint_hex().find_first_not_of("0123456789abcdef"), std::string::npos);
  alert.labels = {{"ok", "b"}};
  EXPECT_EQ(alert.fingerprint_hex(), "8e5a53b8bac61c2b") << "what Alertmanager computed";
  EXPECT_FALSE(alert.resolved_at(time_from_ms(999)));
  EXPECT_TRUE(alert.resolved_at(time_from_ms(1000)));
  EXPECT_EQ(alert_state_name(AlertState::kPending), "pending");
}

TEST(StaleNaN, IsNotAnOrdinaryNaN) {
  EXPECT_TRUE(is_stale_nan(stale_nan()));
  EXPECT_FALSE(is_stale_nan(std::numeric_limits<double>::quiet_NaN()));
}

}  // namespace
}  // namespace sentinel::model
