// The forms in which results of rule tests are shown.
#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "detection/rule_testing.h"
#include "text/json.h"

namespace sentinel::detection {
namespace {

std::string xml_escape(std::string_view text) {
  std::string out;
  const std::string valid = to_valid_utf8(text);
  for (const char c : valid) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&#34;"; break;
      case '\n': out += "&#xA;"; break;
      case '\t': out += "&#x9;"; break;
      case '\r': out += "&#xD;"; break;
      default: byte < 0x20 ? out += "\xEF\xBF\xBD" : out += c;  // XML has no other control characters
    }
  }
  return out;
}

void add_suite(std::string& out, const RuleTestReport& report) {
  size_t failures = 0;
  for (const RuleTestResult& test : report.tests) failures += test.failures.size();
  const bool aborted = !report.error.empty();
  out += fmt::format(R"(<testsuite name="{}" tests="{}" failures="{}" errors="{}" skipped="0" timestamp="">)",
                     xml_escape(report.file), report.tests.size() + (aborted ? 1 : 0), failures, aborted ? 1 : 0);
  if (aborted) out += fmt::format(R"(<testcase name="unknown"><error>{}</error></testcase>)", xml_escape(report.error));
  for (const RuleTestResult& test : report.tests) {
    out += fmt::format(R"(<testcase name="{}">)", xml_escape(test.name));
    for (const std::string& failure : test.failures) out += "<failure>" + xml_escape(failure) + "</failure>";
    out += "</testcase>";
  }
  out += "</testsuite>";
}

}  // namespace

bool RuleTestReport::passed() const {
  return error.empty() && std::all_of(tests.begin(), tests.end(), [](const auto& t) { return t.failures.empty(); });
}

std::string to_text(const RuleTestReport& report) {
  std::string out = "Unit Testing:  " + report.file + "\n";
  for (const std::string& warning : report.warnings) out += "  WARNING: " + warning + "\n";
  if (report.passed()) return out + "  SUCCESS\n\n";
  out += "  FAILED:\n";
  if (!report.error.empty()) out += "    " + report.error + "\n";
  for (const RuleTestResult& test : report.tests) {
    for (const std::string& failure : test.failures) {
      out += "    " + replace_all(failure, "\n", "\n    ") + "\n";
    }
  }
  return out + "\n";
}

std::string to_json(const std::vector<RuleTestReport>& reports) {
  std::string out;
  text::JsonWriter json(out);
  const bool all = std::all_of(reports.begin(), reports.end(), [](const auto& r) { return r.passed(); });
  json.begin_object().field("passed", all).key("files").begin_array();
  for (const RuleTestReport& report : reports) {
    json.begin_object().field("file", report.file).field("passed", report.passed()).field("error", report.error);
    json.key("warnings").begin_array();
    for (const std::string& warning : report.warnings) json.string(warning);
    json.end_array().key("tests").begin_array();
    for (const RuleTestResult& test : report.tests) {
      json.begin_object().field("name", test.name).field("passed", test.failures.empty());
      json.field("seconds", test.seconds).key("failures").begin_array();
      for (const std::string& failure : test.failures) json.string(failure);
      json.end_array().end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string to_junit_xml(const std::vector<RuleTestReport>& reports) {
  std::string out = "<testsuites>";
  for (const RuleTestReport& report : reports) add_suite(out, report);
  return out + "</testsuites>";
}

}  // namespace sentinel::detection
