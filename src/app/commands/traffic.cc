// sentinel traffic: the traffic generator.

#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/commands.h"
#include "app/traffic.h"
#include "base/duration.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

struct Options {
  TrafficOptions traffic;
  std::string duration = "5m";
  std::string rate = "10/s";
  std::string toxic = "0%";
  std::string output = "text";
};

// "10/s", "600/m", "10".
Result<double> parse_rate(std::string_view text) {
  const size_t slash = text.find('/');
  const auto count = parse_double(text.substr(0, slash));
  const std::string_view unit = slash == std::string_view::npos ? "s" : text.substr(slash + 1);
  const double per = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (!count || per == 0 || *count <= 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--rate \"{}\": expected a number a second such as 10/s (or /m, /h)", text));
  return *count / per;
}

// "30%" or "0.3".
Result<double> parse_share(std::string_view text) {
  const bool percent = text.ends_with('%');
  const auto value = parse_double(percent ? text.substr(0, text.size() - 1) : text);
  const double share = value ? *value / (percent ? 100 : 1) : -1;
  if (share < 0 || share > 1)
    return fail(ErrorCode::kInvalidArgument, fmt::format("--toxic \"{}\": expected a share such as 30% or 0.3", text));
  return share;
}

void draw_progress(const TrafficProgress& p) {
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(p.fraction * kWidth);
  std::string bar;
  for (int i = 0; i < kWidth; ++i) bar += i < filled ? "█" : "░";
  fmt::print(stderr, "\r{} {:3.0f} %  {:<13} sent {} ok {} failed {}   ", bar, p.fraction * 100, p.scenario, p.sent,
             p.ok, p.failed);
}

std::string summary_text(const TrafficSummary& s, double toxic_share) {
  std::string out =
      fmt::format("sent {} in {:.1f} s ({:.1f}/s): {} ok, {} failed, {} without an answer, {} skipped\n", s.sent,
                  s.seconds, static_cast<double>(s.sent) / s.seconds, s.ok, s.failed, s.broken, s.skipped);
  out += fmt::format("hostile prompts {} ({:.1f} %; asked for {} %)\n", s.toxic,
                     s.sent > 0 ? 100 * static_cast<double>(s.toxic) / static_cast<double>(s.sent) : 0.0,
                     text::number_text(100 * toxic_share));
  out += fmt::format("latency p50 {:.0f} ms  p95 {:.0f} ms  p99 {:.0f} ms\n", s.p50_ms, s.p95_ms, s.p99_ms);
  for (const auto& [endpoint, count] : s.by_endpoint) out += fmt::format("  {:10} {}\n", endpoint, count);
  for (const auto& [status, count] : s.by_status) out += fmt::format("  status {:10} {}\n", status, count);
  return out;
}

std::string summary_json(const TrafficSummary& s, double toxic_share) {
  json::object status, endpoint;
  for (const auto& [name, count] : s.by_status) status[name] = count;
  for (const auto& [name, count] : s.by_endpoint) endpoint[name] = count;
  return text::serialize(json::object{{"sent", s.sent},
                                      {"ok", s.ok},
                                      {"failed", s.failed},
                                      {"broken", s.broken},
                                      {"skipped", s.skipped},
                                      {"toxic", s.toxic},
                                      {"toxic_share", toxic_share},
                                      {"seconds", s.seconds},
                                      {"p50_ms", s.p50_ms},
                                      {"p95_ms", s.p95_ms},
                                      {"p99_ms", s.p99_ms},
                                      {"by_status", std::move(status)},
                                      {"by_endpoint", std::move(endpoint)}}) +
         "\n";
}

Result<TrafficSummary> run_traffic(Options& o) {
  SENTINEL_ASSIGN(const Millis duration, parse_duration(o.duration));
  o.traffic.duration = duration;
  SENTINEL_ASSIGN(o.traffic.rate_per_s, parse_rate(o.rate));
  SENTINEL_ASSIGN(o.traffic.toxic_share, parse_share(o.toxic));
  net::Runtime runtime({.cores = 1});
  MetricRegistry metrics;
  net::HttpClient client(runtime, metrics, {});
  Traffic traffic(runtime, client, o.traffic);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  auto summary = traffic.run([terminal](const TrafficProgress& p) {
    if (terminal) draw_progress(p);
  });
  if (terminal) fmt::print(stderr, "\n");
  return summary;
}

// The summary is printed in any case; a run that nothing answered has failed.
int print_summary(const Options& o, const TrafficSummary& s) {
  const double toxic = o.traffic.toxic_share;
  fmt::print("{}", o.output == "json" ? summary_json(s, toxic) : summary_text(s, toxic));
  if (s.sent == 0 || s.broken < s.sent) return 0;
  return report(Error(ErrorCode::kUnavailable,
                      fmt::format("nothing answers at {}: of {} requests none got an answer; --target sets the address "
                                  "(the demo application of `sentinel demo` listens two ports above the page)",
                                  o.traffic.target, s.sent)));
}

}  // namespace

void add_traffic_command(CLI::App& cli, int& exit_code) {
  auto o = std::make_shared<Options>();
  CLI::App* command = cli.add_subcommand("traffic", "Send traffic to the demo application");
  command->footer(
      "Scenarios: normal, cost-spike, quality-drop, latency-retry, drift (the model version changes), all (each in "
      "that order).\n"
      "Open loop: requests are sent at the rate whether or not answers come. The same seed sends the same requests.\n"
      "Example:\n  sentinel traffic --duration=5m --rate=10/s --toxic=30% --scenario=all");
  command->add_option("--target", o->traffic.target, "the demo application")->capture_default_str();
  command->add_option("--provider-control", o->traffic.provider_control, "the simulated provider, for drift")
      ->capture_default_str();
  command->add_option("--scenario", o->traffic.scenario, "what goes wrong")->capture_default_str();
  command->add_option("--duration", o->duration, "how long, e.g. 5m")->capture_default_str();
  command->add_option("--rate", o->rate, "requests a second, e.g. 10/s")->capture_default_str();
  command->add_option("--toxic", o->toxic, "share of hostile prompts, e.g. 30%")->capture_default_str();
  command->add_option("--seed", o->traffic.seed, "for the same run again")->capture_default_str();
  command->add_flag("--test", o->traffic.test_mode, "mark as a test: scored and stored, raises no page");
  command->add_option("-o,--output", o->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([o, &exit_code] {
    const auto summary = run_traffic(*o);
    exit_code = summary ? print_summary(*o, *summary) : report(summary.error());
  });
}

}  // namespace sentinel::app
