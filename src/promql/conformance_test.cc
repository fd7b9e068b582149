// Prometheus's own scripts, all of them. What does not pass yet is listed in tests/data/promql/known_failures.txt; a
// listed case that passes is an error, so that the list can only shrink.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/strings.h"
#include "base/work_crew.h"
#include "promql/test_script.h"

namespace sentinel::promql {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// "file.test:12  reason", one a line.
std::map<std::string, std::string> known_failures() {
  std::map<std::string, std::string> known;
  const std::string text = read_file(std::string(SENTINEL_SOURCE_DIR) + "/tests/data/promql/known_failures.txt");
  for (std::string_view line : split(text, '\n')) {
    line = trim(line);
    if (line.empty() || line[0] == '#') continue;
    const size_t space = std::min(line.find_first_of(" \t"), line.size());
    known[std::string(line.substr(0, space))] = std::string(trim(line.substr(space)));
  }
  return known;
}

std::vector<std::filesystem::path> scripts() {
  std::vector<std::filesystem::path> out;
  const char* elsewhere = std::getenv("SENTINEL_SHARED_DIR");
  const std::filesystem::path folder =
      std::string(elsewhere != nullptr ? elsewhere : SENTINEL_SHARED_DIR) + "/conformance/promql";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".test") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(Conformance, every_script_passes_with_helpers_and_the_smallest_pieces) {
  WorkCrew crew("crew", 2);
  EngineOptions options = script_engine_options();
  options.crew = &crew;
  options.piece_series = 1;
  const std::map<std::string, std::string> known = known_failures();
  for (const auto& file : scripts()) {
    const auto cases = run_script(read_file(file), options);
    ASSERT_TRUE(cases.has_value()) << file << ":" << cases.error().to_string();
    for (const ScriptCase& c : *cases) {
      const std::string id = file.filename().string() + ":" + std::to_string(c.line);
      EXPECT_TRUE(c.passed || known.contains(id)) << id << ": " << c.query << "\n  " << c.failure;
    }
  }
}

TEST(Conformance, every_script_of_prometheus_passes_but_for_the_known_failures) {
  const std::vector<std::filesystem::path> files = scripts();
  if (files.empty()) GTEST_SKIP() << "no conformance scripts in " << SENTINEL_SHARED_DIR;
  std::map<std::string, std::string> known = known_failures();
  int float_total = 0, float_passed = 0, native_total = 0, native_passed = 0;
  for (const auto& file : files) {
    const auto cases = run_script(read_file(file), script_engine_options());
    ASSERT_TRUE(cases.has_value()) << file << ":" << cases.error().to_string();
    for (const ScriptCase& c : *cases) {
      ++(c.native_histograms ? native_total : float_total);
      if (c.passed) ++(c.native_histograms ? native_passed : float_passed);
      const std::string id = file.filename().string() + ":" + std::to_string(c.line);
      const bool listed = known.erase(id) > 0;
      EXPECT_TRUE(c.passed || listed) << id << ": " << c.query << "\n  " << c.failure;
      EXPECT_FALSE(c.passed && listed) << id << " passes: take it off tests/data/promql/known_failures.txt";
    }
  }
  for (const auto& [id, reason] : known) ADD_FAILURE() << "known_failures.txt lists " << id << ", which is no case";
  std::printf("PromQL conformance: %d of %d float cases, %d of %d native-histogram cases passed\n", float_passed,
              float_total, native_passed, native_total);
  EXPECT_GT(float_total + native_total, 0);
}

}  // namespace
}  // namespace sentinel::promql
