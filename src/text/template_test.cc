// Runs tests/data/text/*.txt. A case:
//   === name [html] [zero|error] [prometheus|alertmanager]
//   data: JSON                (optional; before the first case: for all of them)
//   template text, several lines
//   --- output | error
//   what comes out (spaces and newlines at its end do not count), or a part of the error
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/strings.h"
#include "text/json.h"
#include "text/prometheus_functions.h"
#include "text/template.h"

namespace sentinel::text {
namespace {

struct Case {
  std::string where;
  std::string name;
  std::string options;
  std::string data = "null";
  std::string source;
  bool fails = false;
  std::string expected;
};

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<Case> cases;
  std::string* into = nullptr;
  std::string data = "null";
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("=== ")) {
      Case next;
      next.data = data;
      const size_t bracket = line.find('[');
      next.name =
          std::string(trim(std::string_view(line).substr(4, bracket == std::string::npos ? bracket : bracket - 4)));
      next.options = bracket == std::string::npos ? "" : line.substr(bracket);
      next.where = path.filename().string() + ":" + std::to_string(number);
      cases.push_back(next);
      into = &cases.back().source;
    } else if (!cases.empty() && line.starts_with("data: ") && into == &cases.back().source && into->empty()) {
      cases.back().data = line.substr(6);
    } else if (line == "--- output" || line == "--- error") {
      cases.back().fails = line == "--- error";
      into = &cases.back().expected;
    } else if (!into && line.starts_with("data: ")) {
      data = line.substr(6);
    } else if (into) {
      *into += line + "\n";
    }
  }
  for (Case& c : cases) {
    if (!c.source.empty()) c.source.pop_back();
    while (c.expected.ends_with("\n") || c.expected.ends_with(" ")) c.expected.pop_back();
  }
  return cases;
}

Result<std::string> run(const Case& c) {
  auto json = parse_json(c.data);
  if (!json) return fail(json.error().with_context("test data"));
  TemplateOptions options;
  if (c.options.find("html") != std::string::npos) options.mode = TemplateMode::kHtml;
  if (c.options.find("zero") != std::string::npos) options.missing_key = MissingKey::kZero;
  if (c.options.find("error") != std::string::npos) options.missing_key = MissingKey::kError;
  FuncMap functions;
  PrometheusContext context;
  context.now = [] { return time_from_ms(1'700'000'000'000); };
  context.external_url = "http://sentinel.example/base";
  context.query = [](const std::string& expression) -> Result<std::vector<QuerySample>> {
    if (expression == "bad") return fail(ErrorCode::kInvalidArgument, "parse error");
    if (expression == "none") return std::vector<QuerySample>{};
    return std::vector<QuerySample>{{model::Labels{{"__name__", "up"}, {"instance", "b"}}, 2.5},
                                    {model::Labels{{"__name__", "up"}, {"instance", "a"}}, 1}};
  };
  if (c.options.find("prometheus") != std::string::npos) functions = prometheus_functions(context);
  if (c.options.find("alertmanager") != std::string::npos)
    functions = alertmanager_functions([] { return time_from_ms(1'700'000'000'000); });
  return expand_template("t", c.source, value_from_json(*json), functions, options);
}

TEST(Template, DoesWhatTheDataFilesSay) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SENTINEL_SOURCE_DIR "/tests/data/text")) {
    if (entry.path().extension() != ".txt") continue;
    for (const Case& c : read_cases(entry.path())) {
      SCOPED_TRACE(c.where + " " + c.name);
      ++count;
      auto result = run(c);
      if (!c.fails) {
        ASSERT_TRUE(result) << result.error().message();
        std::string got = *result;
        while (got.ends_with("\n") || got.ends_with(" ")) got.pop_back();
        EXPECT_EQ(got, c.expected);
      } else {
        ASSERT_FALSE(result) << "got " << *result;
        EXPECT_NE(result.error().message().find(c.expected), std::string::npos) << result.error().message();
      }
    }
  }
  EXPECT_GT(count, 150);
}

TEST(Template, StopsRunawayTemplates) {
  const auto code = [](std::string source) {
    auto result = expand_template("t", std::move(source), Value());
    return result ? std::string("ok") : std::string(error_code_name(result.error().code()));
  };
  EXPECT_EQ(code(R"({{define "r"}}{{template "r"}}{{end}}{{template "r"}})"), "too_large");
  EXPECT_EQ(code("{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 40}}{{$x = print $x $x}}{{end}}{{len $x}}"), "too_large");
  EXPECT_EQ(code("{{range 100000000}}{{end}}"), "too_large");
  EXPECT_EQ(code("{{range 100000}}{{printf \"%1000d\" 1}}{{end}}"), "too_large");
  EXPECT_EQ(code(std::string(300, '(') + "1"), "ok");  // text
  EXPECT_EQ(code("{{" + std::string(300, '(') + "1" + std::string(300, ')') + "}}"), "invalid_argument");
  EXPECT_EQ(code("{{printf \"%9999999999999d\" 1}}"), "ok");
}

TEST(Template, CopiesShareDefinitionsAndGrowApart) {
  Template base;
  ASSERT_TRUE(base.parse("base", R"({{define "who"}}base {{.}}{{end}})"));
  Template copy = base;
  ASSERT_TRUE(copy.parse("", R"({{template "who" .}})"));
  ASSERT_TRUE(copy.parse("x", R"({{define "who"}}copy {{.}}{{end}})"));
  EXPECT_EQ(*copy.execute("", Value("v")), "copy v");
  EXPECT_EQ(*base.execute("who", Value("v")), "base v");
  EXPECT_FALSE(base.has("x"));
}

TEST(Template, AFailedParseAddsNothing) {
  Template set;
  EXPECT_FALSE(set.parse("t", R"({{define "a"}}1{{end}}{{end}})"));
  EXPECT_TRUE(set.names().empty());
}

}  // namespace
}  // namespace sentinel::text
