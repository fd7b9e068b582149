#include "ingest/exposition_parser.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace sentinel::ingest {
namespace {

using Entry = ExpositionParser::Entry;

// Each entry as one line, so that a whole text compares as text.
std::string dump(std::string_view text, ExpositionFormat format) {
  ExpositionParser parser(text, format);
  std::string out;
  while (true) {
    switch (parser.next()) {
      case Entry::kEnd: return out;
      case Entry::kInvalid: return out + "ERROR " + parser.error().message() + "\n";
      case Entry::kComment: out += "comment\n"; break;
      case Entry::kType: out += fmt::format("type {} {}\n", parser.family(), metric_kind_name(parser.kind())); break;
      case Entry::kHelp: out += fmt::format("help {} {}\n", parser.family(), go_quote(parser.text())); break;
      case Entry::kUnit: out += fmt::format("unit {} {}\n", parser.family(), go_quote(parser.text())); break;
      case Entry::kSeries: {
        const auto labels = parser.labels();
        out += labels ? labels->to_string() : labels.error().message();
        out += " " + format_double_g(parser.value());
        if (const auto t = parser.time_ms()) out += fmt::format(" @{}", *t);
        if (parser.is_created()) out += " created";
        if (const auto e = parser.exemplar()) {
          out += fmt::format(" # {} {}", e->labels.to_string(), format_double_g(e->value));
          if (e->t_ms) out += fmt::format(" @{}", *e->t_ms);
        }
        out += '\n';
      }
    }
  }
}

struct Case {
  std::string_view text;
  std::string_view expected;
};

TEST(ExpositionParser, ReadsThe004Text) {
  const Case cases[] = {
      {"a 1", "a 1\n"},
      {"a 1 1234\n\n  b\t2\n", "a 1 @1234\nb 2\n"},
      {"# HELP a  some \\\\ \\n \\\" text\n# TYPE a counter\na{x=\"1\",} 1e3",
       "help a \" some \\\\ \\n \\\\\\\" text\"\ntype a counter\na{x=\"1\"} 1000\n"},
      {"#  HELP a\n# HELPER a\n#comment\n#\na 1\n", "help a \"\"\ncomment\ncomment\ncomment\na 1\n"},
      {"#\tTYPE\ta\tuntyped\na NaN\n", "type a unknown\na NaN\n"},
      {"# HELP a   \n", "help a \"\"\n"},
      {"a{ b = \"c\" , d = \"e\" } 1", "a{b=\"c\", d=\"e\"} 1\n"},
      {"a{b=\"c\"}1 5", "a{b=\"c\"} 1 @5\n"},
      {"a{b=\"\\\"x\\\\y\\n\\z\"} +Inf", "a{b=\"\\\"x\\\\y\\n\\\\z\"} +Inf\n"},
      {"a{b=\"two\nlines\"} -Inf", "a{b=\"two\\nlines\"} -Inf\n"},
      {"{\"my.metric\",\"a b\"=\"c\"} 0x1",
       "ERROR strconv.ParseFloat: parsing \"0x1\": invalid syntax while parsing: \"{\\\"my.metric\\\",\\\"a "
       "b\\\"=\\\"c\\\"} 0x1\"\n"},
      {"{\"my.metric\",\"a b\"=\"c\"} 1\n{q=\"1\",\"m\"} 2", "{\"my.metric\", \"a b\"=\"c\"} 1\nm{q=\"1\"} 2\n"},
      {"# TYPE s summary\ns{quantile=\"1\"} 1\n# TYPE h histogram\nh_bucket{le=\"1000000\"} 1\nh_bucket{le=\"+Inf\"} 1",
       "type s summary\ns{quantile=\"1.0\"} 1\ntype h histogram\nh_bucket{le=\"1e+06\"} 1\nh_bucket{le=\"+Inf\"} 1\n"},
      {"a{b=\"\"} 1", "a 1\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(dump(c.text, ExpositionFormat::kText), c.expected) << c.text;
}

TEST(ExpositionParser, RefusesWrong004TextInPrometheusWords) {
  const Case cases[] = {
      {"a", "expected value after metric, got \"\" (\"EOF\") while parsing: \"a\""},
      {"a\n", "expected value after metric, got \"\\n\" (\"INVALID\") while parsing: \"a\\n\""},
      {"a{b='c'} 1\n", "expected label value, got \"'\" (\"INVALID\") while parsing: \"a{b='\""},
      {"a{b=\n", "expected label value, got \"\\n\" (\"INVALID\") while parsing: \"a{b=\\n\""},
      {"a{\xff=\"foo\"} 1\n", "expected label name, got \"\\xff\" (\"INVALID\") while parsing: \"a{\\xff\""},
      {"a{b=\"\xff\"} 1\n", "invalid UTF-8 label value: \"\\\"\\xff\\\"\""},
      {"a true\n", "strconv.ParseFloat: parsing \"true\": invalid syntax while parsing: \"a true\""},
      {"a 1_2\n", "unsupported character in float while parsing: \"a 1_2\""},
      {"a 1 2 3\n", "expected next entry after timestamp, got \"3\\n\" (\"TIMESTAMP\") while parsing: \"a 1 2 3\\n\""},
      {"a 1 2.5\n", "expected next entry after timestamp, got \".\" (\"INVALID\") while parsing: \"a 1 2.\""},
      {"a 1 99999999999999999999\n",
       "strconv.ParseInt: parsing \"99999999999999999999\": value out of range while parsing: \"a 1 "
       "99999999999999999999\""},
      {"{b=\"c\"} 1\n", "metric name not set while parsing: \"{b=\\\"c\\\"} 1\""},
      {"a{\"b\"} 1\n", "metric name already set while parsing: \"a{\\\"b\\\"}\""},
      {"a{b} 1\n", "expected equal, got \"} \" (\"BCLOSE\") while parsing: \"a{b} \""},
      {"# TYPE a info\n", "invalid metric type \"info\""},
      {"# TYPE 9 gauge\n", "expected metric name after TYPE, got \"9\" (\"INVALID\") while parsing: \"# TYPE 9\""},
      {"9 1\n", "expected a valid start token, got \"9\" (\"INVALID\") while parsing: \"9\""},
      {"a{b=\"1\",b=\"2\"} 1\n", ""},
  };
  for (const Case& c : cases) {
    const std::string got = dump(c.text, ExpositionFormat::kText);
    if (c.expected.empty()) {
      EXPECT_EQ(got, "label name \"b\" is not unique: invalid sample 1\n");
    } else {
      EXPECT_EQ(got, fmt::format("ERROR {}\n", c.expected)) << c.text;
    }
  }
}

TEST(ExpositionParser, ReadsOpenMetrics) {
  const Case cases[] = {
      {"# EOF", ""},
      {"# EOF\n", ""},
      {"# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds x \\\" \\\\ y\na_seconds_total 1 123.456 "
       "# "
       "{id=\"7\"} 4 12.5\na_seconds_created 1.5\n# EOF\n",
       "type a_seconds counter\nunit a_seconds \"seconds\"\nhelp a_seconds \"x \\\" \\\\ y\"\na_seconds_total 1 "
       "@123456 # "
       "{id=\"7\"} 4 @12500\na_seconds_created 1.5 created\n"},
      {"# TYPE g gauge\ng_created 5\n# EOF\n", "type g gauge\ng_created 5\n"},
      {"# TYPE h gaugehistogram\nh_bucket{le=\"1\"} 1 # {} 2\n# EOF\n",
       "type h gaugehistogram\nh_bucket{le=\"1\"} 1 # {} 2\n"},
      {"{\"a.b\",\"c.d\"=\"e\"} 1 # {\"id.x\"=\"y\"} 4\n# EOF\n", "{\"a.b\", \"c.d\"=\"e\"} 1 # {\"id.x\"=\"y\"} 4\n"},
      {"# TYPE \"a b\" stateset\n# TYPE i info\n# TYPE u unknown\n# EOF\n",
       "type a b stateset\ntype i info\ntype u unknown\n"},
      {"# UNIT nounit \n# HELP n \n# EOF\n", "unit nounit \"\"\nhelp n \"\"\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(dump(c.text, ExpositionFormat::kOpenMetrics), c.expected) << c.text;
}

TEST(ExpositionParser, RefusesWrongOpenMetricsInPrometheusWords) {
  const Case cases[] = {
      {"", "data does not end with # EOF"},
      {"a 1\n", "data does not end with # EOF"},
      {"a 1", "data does not end with # EOF"},
      {"\n# EOF\n", "expected a valid start token, got \"\\n\" (\"INVALID\") while parsing: \"\\n\""},
      {"# EOF\na 1", "unexpected data after # EOF"},
      {"a\n# EOF\n", "expected value after metric, got \"\\n\" (\"INVALID\") while parsing: \"a\\n\""},
      {"a  1\n# EOF\n", "expected value after metric, got \" \" (\"INVALID\") while parsing: \"a \""},
      {"a\t1\n# EOF\n", "expected value after metric, got \"\\t\" (\"INVALID\") while parsing: \"a\\t\""},
      {"#\tTYPE c counter\n# EOF\n", "expected a valid start token, got \"#\" (\"INVALID\") while parsing: \"#\""},
      {"# TYPE c  counter\n# EOF\n", "invalid metric type \" counter\""},
      {"a 1 NaN\n# EOF\n", "invalid timestamp NaN"},
      {"a 1 1 # {x=\"1\"} 1 Inf\n# EOF\n", "invalid exemplar timestamp +Inf"},
      {"a{b=\"c\" ,d=\"e\"} 1\n# EOF\n",
       "expected comma or brace close, got \" \" (\"INVALID\") while parsing: \"a{b=\\\"c\\\" \""},
      {"a{b=\"x\ny\"} 1\n# EOF\n", "expected label value, got \"\\\"\" (\"INVALID\") while parsing: \"a{b=\\\"\""},
      {"# UNIT metric suffix\n# EOF\n", "unit \"suffix\" not a suffix of metric \"metric\""},
      {"# UNIT metricsuffix suffix\n# EOF\n", "unit \"suffix\" not a suffix of metric \"metricsuffix\""},
      {"a 1 # {\"x\"} 1\n# EOF\n", "expected label name, got \"} \" (\"COMMA\") while parsing: \"a 1 # {\\\"x\\\"} \""},
      {"a 1 # {x=\"y\"}\n# EOF\n",
       "expected value after exemplar labels, got \"\\n\" (\"INVALID\") while parsing: \"a 1 # {x=\\\"y\\\"}\\n\""},
  };
  for (const Case& c : cases) {
    const std::string got = dump(c.text, ExpositionFormat::kOpenMetrics);
    EXPECT_TRUE(got.ends_with(fmt::format("ERROR {}\n", c.expected))) << c.text << "\n" << got;
  }
}

TEST(ExpositionParser, SeriesTextIsWhatWasWritten) {
  ExpositionParser parser("a{b=\"c\"} 1\n  {\"m\"} 2\nx 3", ExpositionFormat::kText);
  for (const std::string_view expected : {"a{b=\"c\"}", "{\"m\"}", "x"}) {
    ASSERT_EQ(parser.next(), Entry::kSeries);
    EXPECT_EQ(parser.series(), expected);
  }
  EXPECT_EQ(parser.next(), Entry::kEnd);
}

TEST(ExpositionParser, NoTextBreaksIt) {
  const std::filesystem::path dir = SENTINEL_SOURCE_DIR "/tests/data/ingest/exposition";
  size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir)) {
    std::ifstream in(file.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    const std::string text = bytes.str();
    ++files;
    // Every prefix, in both formats: it ends, with an answer or an error.
    for (size_t n = 0; n <= text.size(); ++n) {
      (void)dump(std::string_view(text).substr(0, n), ExpositionFormat::kText);
      (void)dump(std::string_view(text).substr(0, n), ExpositionFormat::kOpenMetrics);
    }
  }
  EXPECT_GE(files, 2u);
}

}  // namespace
}  // namespace sentinel::ingest
