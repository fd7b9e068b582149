// What one interaction costs with all detectors on, and each detector alone. Texts model chat traffic: about 1 KB of
// question and 1 KB of answer in plain English with a few numbers, no attack; "document" adds 1 KB of grounding text.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "analysis/analyzer.h"
#include "analysis/normalize.h"
#include "analysis/pii.h"
#include "analysis/risk.h"
#include "analysis/support.h"

namespace sentinel::analysis {
namespace {

// Different words each time, so that no cache of one text flatters the figure.
std::string prose(size_t bytes, uint32_t seed) {
  static constexpr const char* kWords[] = {
      "the",      "service", "returned", "an",        "invoice",   "for",       "customer", "accounts",
      "in",       "region",  "because",  "shipment",  "delays",    "affected",  "delivery", "of",
      "orders",   "and",     "we",       "recommend", "checking",  "dashboard", "before",   "closing",
      "ticket",   "number",  "42",       "please",    "summarise", "quarterly", "report",   "with",
      "tables",   "that",    "explain",  "growth",    "across",    "products",  "while",    "keeping",
      "language", "simple",  "to",       "read",      "a",         "is",        "on",       "at"};
  std::string out;
  size_t words = 0;
  while (out.size() < bytes) {
    seed = seed * 1664525U + 1013904223U;
    out += kWords[(seed >> 16) % std::size(kWords)];
    out += ++words % 14 == 0 ? ". " : " ";
  }
  return out;
}

model::Interaction interaction(uint32_t seed, bool document) {
  model::Interaction call;
  call.endpoint = "/qa";
  call.model = "sim-large";
  call.request_type = "chat";
  call.prompt = prose(1000, seed);
  call.response = prose(1000, seed + 7);
  if (document) call.context = prose(1000, seed + 13);
  call.tokens_input = 250;
  call.tokens_output = 250;
  return call;
}

void report_percentiles(benchmark::State& state, std::vector<double>& micros) {
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
}

void analyze(benchmark::State& state, bool document) {
  auto analyzer = Analyzer::open({}).value();
  std::vector<double> micros;
  uint32_t seed = 1;
  for (auto _ : state) {
    model::Interaction call = interaction(++seed, document);
    const auto start = std::chrono::steady_clock::now();
    analyzer->analyze(call);
    const double us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    micros.push_back(us);
    state.SetIterationTime(us / 1e6);
    benchmark::DoNotOptimize(call);
  }
  report_percentiles(state, micros);
}
void analyze_2kb(benchmark::State& state) { analyze(state, false); }
void analyze_2kb_with_document(benchmark::State& state) { analyze(state, true); }
BENCHMARK(analyze_2kb)->UseManualTime();
BENCHMARK(analyze_2kb_with_document)->UseManualTime();

void normalise_1kb(benchmark::State& state) {
  const std::string text = prose(1000, 3);
  for (auto _ : state) benchmark::DoNotOptimize(normalize(text));
}
BENCHMARK(normalise_1kb);

void risk_1kb(benchmark::State& state) {
  const std::string text = prose(1000, 3);
  for (auto _ : state) benchmark::DoNotOptimize(assess(HeadModel::embedded(), text));
}
BENCHMARK(risk_1kb);

void pii_1kb(benchmark::State& state) {
  const auto detector = make_pii_detector().value();
  const std::string text = prose(1000, 3);
  for (auto _ : state) benchmark::DoNotOptimize(detector->find(text));
}
BENCHMARK(pii_1kb);

void support_1kb(benchmark::State& state) {
  const auto detector = make_support_detector(HeadModel::embedded());
  const std::string document = prose(1000, 3);
  const std::string answer = prose(1000, 5);
  for (auto _ : state) benchmark::DoNotOptimize(detector->score(document, "", answer));
}
BENCHMARK(support_1kb);

}  // namespace
}  // namespace sentinel::analysis

BENCHMARK_MAIN();
