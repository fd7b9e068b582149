// What one interaction costs with all detectors on, and each detector alone, by size: 256 bytes, 2 KB, 16 KB. Texts
// model chat traffic: plain English with a few numbers, no attack.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

#include "analysis/analyzer.h"
#include "analysis/embedding.h"
#include "analysis/normalize.h"
#include "analysis/pii.h"
#include "analysis/quality.h"
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

model::Interaction interaction(size_t bytes, uint32_t seed, bool document) {
  model::Interaction call;
  call.endpoint = "/qa";
  call.model = "sim-large";
  call.request_type = "chat";
  const size_t text = document ? bytes / 4 : bytes / 2;
  call.prompt = prose(text, seed);
  call.response = prose(text, seed + 7);
  if (document) call.context = prose(bytes / 2, seed + 13);
  call.tokens_input = 250;
  call.tokens_output = 250;
  return call;
}

// Time of this thread on a core: a shared machine that takes the core away for a while does not count as analysis.
double cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double percentile(std::vector<double>& micros, size_t percent) {
  std::sort(micros.begin(), micros.end());
  return micros[micros.size() * percent / 100];
}

// p50_us and p99_us are CPU time of one call, wall_p99_us what a clock on the wall says. Texts are made outside of
// both.
template <class Make, class Fn>
void measure(benchmark::State& state, Make make, Fn fn) {
  std::vector<double> cpu;
  std::vector<double> wall;
  uint32_t seed = 1;
  for (auto _ : state) {
    auto input = make(++seed);
    const auto start = std::chrono::steady_clock::now();
    const double cpu_start = cpu_us();
    fn(input);
    cpu.push_back(cpu_us() - cpu_start);
    wall.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    state.SetIterationTime(cpu.back() / 1e6);
    benchmark::DoNotOptimize(input);
  }
  state.counters["p50_us"] = percentile(cpu, 50);
  state.counters["p99_us"] = percentile(cpu, 99);
  state.counters["wall_p99_us"] = percentile(wall, 99);
}

size_t bytes_of(const benchmark::State& state) { return static_cast<size_t>(state.range(0)); }
auto text_of(const benchmark::State& state) {
  return [bytes = bytes_of(state)](uint32_t seed) { return prose(bytes, seed); };
}

// A call of so many bytes: half question, half answer; the second form is half document, a quarter each of the others.
void all_detectors(benchmark::State& state, bool document) {
  const auto analyzer = Analyzer::open({}).value();
  measure(
      state, [&](uint32_t seed) { return interaction(bytes_of(state), seed, document); },
      [&](model::Interaction& call) { analyzer->analyze(call); });
}
void all(benchmark::State& state) { all_detectors(state, false); }
void all_with_document(benchmark::State& state) { all_detectors(state, true); }
void normalise(benchmark::State& state) {
  measure(state, text_of(state), [](const std::string& text) { benchmark::DoNotOptimize(normalize(text)); });
}
// The three heads share one pass, so each costs what they cost together.
void injection_toxicity_risky(benchmark::State& state) {
  measure(state, text_of(state),
          [](const std::string& text) { benchmark::DoNotOptimize(assess(HeadModel::embedded(), text)); });
}
void pii_and_secrets(benchmark::State& state) {
  const auto detector = make_pii_detector().value();
  measure(state, text_of(state), [&](const std::string& text) { benchmark::DoNotOptimize(detector->find(text)); });
}
// Half document, half answer.
void support(benchmark::State& state) {
  const auto detector = make_support_detector(HeadModel::embedded());
  measure(state, text_of(state), [&](const std::string& text) {
    const std::string_view all = text;
    benchmark::DoNotOptimize(detector->score(all.substr(0, text.size() / 2), "", all.substr(text.size() / 2)));
  });
}
void quality(benchmark::State& state) {
  const HeadModel& model = HeadModel::embedded();
  measure(state, text_of(state), [&](const std::string& text) {
    const FeatureDoc doc(text);
    const std::string_view answer = std::string_view(text).substr(text.size() / 2);
    benchmark::DoNotOptimize(semantic_similarity(model, text, doc, answer, FeatureDoc(answer)));
  });
}
// Embedding and style of one text, and the tracker's step, windows included.
void drift(benchmark::State& state) {
  const HeadModel& model = HeadModel::embedded();
  DriftTracker tracker({});
  measure(state, text_of(state), [&](const std::string& text) {
    DriftCall call;
    for (int side = 0; side < 2; ++side) {
      const FeatureDoc doc(drift_text(text));
      const std::vector<float> topic = embed_doc(model, doc);
      const auto style = style_of(text, doc, false);
      call.sample.insert(call.sample.end(), topic.begin(), topic.end());
      call.sample.insert(call.sample.end(), style.begin(), style.end());
    }
    benchmark::DoNotOptimize(tracker.observe("k", std::move(call)));
  });
}

#define SENTINEL_DETECTOR(name) BENCHMARK(name)->Arg(256)->Arg(2048)->Arg(16384)->UseManualTime()
SENTINEL_DETECTOR(all);
SENTINEL_DETECTOR(all_with_document);
SENTINEL_DETECTOR(normalise);
SENTINEL_DETECTOR(injection_toxicity_risky);
SENTINEL_DETECTOR(pii_and_secrets);
SENTINEL_DETECTOR(support);
SENTINEL_DETECTOR(quality);
SENTINEL_DETECTOR(drift);

}  // namespace
}  // namespace sentinel::analysis

BENCHMARK_MAIN();
