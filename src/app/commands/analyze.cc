// sentinel analyze: the detectors over a file of texts, without a server.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "analysis/batch.h"
#include "app/analysis_report.h"
#include "app/commands/commands.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace {

using analysis::BatchResult;
using analysis::BatchScorer;
using analysis::BatchTask;
using analysis::Row;
using Clock = std::chrono::steady_clock;

constexpr auto kProgressEvery = std::chrono::milliseconds(200);

struct AnalyzeOptions {
  std::string task;
  std::string input;
  std::string output;
  std::string report = "text";
  std::optional<double> threshold;
  bool explain = false;
  bool quiet = false;
};

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdout) std::fclose(file);
  }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string one_line(const std::vector<std::string>& evidence) {
  std::string out;
  for (const std::string& piece : evidence) {
    if (!out.empty()) out += "; ";
    for (const char c : piece) out += c == '\t' || c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

std::string to_tsv(const AnalyzeOptions& o, BatchTask task, const Row& row, const BatchResult& result) {
  if (task == BatchTask::kPii) {
    std::string out;
    for (const analysis::Span& span : result.spans) {
      out += fmt::format("{}\t{}\t{}\t{}\n", row.id, analysis::characters_before(row.text, span.begin),
                         analysis::characters_before(row.text, span.end), span.type);
    }
    return out;
  }
  const std::string score = fmt::format("{}\t{:.6f}", row.id, result.risk.value_or(AnalysisReport::kUndecided));
  return o.explain ? score + "\t" + one_line(result.evidence) + "\n" : score + "\n";
}

// A file of another task is a mistake to be told of, not a file of harmless empty texts.
Status check_fields(const Row& row, const AnalyzeOptions& o, BatchTask task, int line) {
  const bool support = task == BatchTask::kSupport;
  const bool other = support ? row.answer.empty() && !row.text.empty() : row.text.empty() && !row.answer.empty();
  if (!other) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{}:{}: --task {} reads {}; this row has only \"{}\"", o.input, line, o.task,
                  support ? "\"context\", \"question\" and \"answer\"" : "\"text\"", support ? "text" : "answer"));
}

void draw_progress(size_t rows, double share, double seconds) {
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(share * kWidth);
  std::string bar;
  for (int i = 0; i < kWidth; ++i) bar += i < filled ? "█" : "░";
  fmt::print(stderr, "\r{} {:3.0f} %  {} rows, {:.0f} rows/s   ", bar, share * 100, rows,
             static_cast<double>(rows) / std::max(seconds, 1e-3));
}

Status score_rows(const AnalyzeOptions& o, BatchTask task, const BatchScorer& scorer, std::FILE* output,
                  AnalysisReport& report) {
  std::unique_ptr<analysis::RowReader> reader;
  SENTINEL_ASSIGN(reader, analysis::RowReader::open(o.input));
  const Clock::time_point start = Clock::now();
  Clock::time_point drawn = start;
  const bool draw = !o.quiet && isatty(STDERR_FILENO) != 0;
  while (true) {
    std::optional<Row> row;
    SENTINEL_ASSIGN(row, reader->next());
    if (!row) break;
    SENTINEL_TRY(check_fields(*row, o, task, reader->line()));
    const Clock::time_point before = Clock::now();
    const BatchResult result = scorer.score(*row, o.explain);
    const Clock::time_point after = Clock::now();
    report.add(*row, result, std::chrono::duration<double, std::micro>(after - before).count());
    if (output) {
      const std::string lines = to_tsv(o, task, *row, result);
      if (std::fwrite(lines.data(), 1, lines.size(), output) != lines.size())
        return fail(ErrorCode::kIo, fmt::format("{}: cannot be written: {}", o.output, std::strerror(errno)));
    }
    if (draw && after - drawn > kProgressEvery) {
      drawn = after;
      draw_progress(report.rows(), reader->share_read(), seconds_since(start));
    }
  }
  report.finish(seconds_since(start));
  if (draw && drawn != start) fmt::print(stderr, "\r\033[K");
  if (output && std::fflush(output) != 0)
    return fail(ErrorCode::kIo, fmt::format("{}: cannot be written: {}", o.output, std::strerror(errno)));
  return {};
}

Status analyze(const AnalyzeOptions& o) {
  const BatchTask task = analysis::batch_task(o.task).value();  // CLI11 has checked it
  std::unique_ptr<BatchScorer> scorer;
  SENTINEL_ASSIGN(scorer, BatchScorer::make(task));
  File output;
  if (!o.output.empty()) {
    output.reset(o.output == "-" ? stdout : std::fopen(o.output.c_str(), "we"));
    if (!output) return fail(ErrorCode::kIo, fmt::format("{}: cannot be written: {}", o.output, std::strerror(errno)));
  }
  AnalysisReport report(task, o.threshold.value_or(scorer->threshold()));
  SENTINEL_TRY(score_rows(o, task, *scorer, output.get(), report));
  if (o.quiet) return {};
  // The report must not stand among the scores.
  fmt::print(o.output == "-" ? stderr : stdout, "{}",
             o.report == "json" ? text::serialize(report.to_json()) + "\n" : report.to_text());
  return {};
}

}  // namespace

void add_analyze_command(CLI::App& cli, int& exit_code) {
  auto o = std::make_shared<AnalyzeOptions>();
  CLI::App* command =
      cli.add_subcommand("analyze", "Score a file of texts with one of the detectors, without a server");
  command->footer(
      "Input: one JSON object a line, plain or gzipped, each with an \"id\" and\n"
      "  injection, toxicity, risky, pii   \"text\"\n"
      "  support                           \"context\", \"question\" (may be missing), \"answer\"\n"
      "\"label\" (1 = bad) or \"spans\", and \"slice\", may be there: then the report has figures against them.\n"
      "Output: id<TAB>risk (0..1, calibrated, 1 = bad); for pii id<TAB>start<TAB>end<TAB>TYPE, counted in characters.\n"
      "Examples:\n"
      "  sentinel analyze --task injection --input prompts.jsonl.gz --output scores.tsv\n"
      "  sentinel analyze --task support --input answers.jsonl --explain --output -\n"
      "Use it to see what a threshold would flag in your own traffic before a guard rule acts on it "
      "(docs/analysis.md).");
  command->add_option("--task", o->task, "injection, toxicity, risky, support or pii")
      ->required()
      ->check(CLI::IsMember(
          std::vector<std::string>(std::begin(analysis::kBatchTaskNames), std::end(analysis::kBatchTaskNames))));
  command->add_option("--input", o->input, "file of JSON lines, plain or gzipped; - is standard input")->required();
  command->add_option("--output", o->output, "file for the scores; - is standard output; none: only the report");
  command->add_option("--threshold", o->threshold, "what the report counts as flagged (default: the shipped one)")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--report", o->report, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_flag("--explain", o->explain, "add a column that says why: phrases, word classes, sentences");
  command->add_flag("--quiet", o->quiet, "no progress bar and no report");
  command->callback([o, &exit_code] {
    const Status done = analyze(*o);
    exit_code = done ? 0 : report(done.error());
  });
}

}  // namespace sentinel::app
