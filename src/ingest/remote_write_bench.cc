// The sender of bench/remote_write.sh: one remote-write 1.0 sender with requests made beforehand, against any receiver.
// Data: N series of one metric with six labels, as scraped from hosts with a hundred routes each; counters that grow.
// The first round creates the series, the others are steady state. CPU and memory are the receiver's, from /proc.
// Usage: remote_write_bench NAME URL PID SERIES ROUNDS

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <future>
#include <sstream>

#include <fmt/format.h>
#include <snappy-c.h>

#include "base/random.h"
#include "base/strings.h"
#include "ingest/proto_writer.h"
#include "net/http_client.h"

namespace sentinel::ingest {
namespace {

constexpr int64_t kSeriesPerRequest = 5'000;
constexpr int64_t kStepMs = 15'000;

std::string sub_message(const auto& fill) {
  std::string out;
  ProtoWriter writer(out);
  fill(writer);
  return out;
}

std::string series_message(int64_t i, int64_t t_ms, double v) {
  const std::pair<std::string_view, std::string> labels[] = {{"__name__", "http_requests_total"},
                                                             {"instance", "host-" + std::to_string(i / 100)},
                                                             {"job", "api"},
                                                             {"path", "/v1/route/" + std::to_string(i % 100)},
                                                             {"region", "eu-" + std::to_string(i % 3)},
                                                             {"status", i % 10 == 0 ? "500" : "200"}};
  return sub_message([&](ProtoWriter& series) {
    for (const auto& [name, value] : labels) {
      series.bytes(1, sub_message([&, n = name, v2 = std::string_view(value)](ProtoWriter& label) {
                     label.bytes(1, n);
                     label.bytes(2, v2);
                   }));
    }
    series.bytes(2, sub_message([&](ProtoWriter& sample) {
                   sample.float64(1, v);
                   sample.int64(2, t_ms);
                 }));
  });
}

std::string compress(const std::string& bytes) {
  size_t size = snappy_max_compressed_length(bytes.size());
  std::string out(size, '\0');
  if (snappy_compress(bytes.data(), bytes.size(), out.data(), &size) != SNAPPY_OK) std::abort();
  out.resize(size);
  return out;
}

struct Usage {
  double cpu_s = 0;
  double rss_bytes = 0;
};

Usage usage_of(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::stringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  // Fields are counted from the end of the name, which may hold blanks.
  const auto fields = split(std::string_view(all).substr(all.rfind(')') + 2), ' ');
  const double ticks = static_cast<double>(*parse_int(fields[11]) + *parse_int(fields[12]));
  return {ticks / static_cast<double>(sysconf(_SC_CLK_TCK)),
          static_cast<double>(*parse_int(fields[21])) * static_cast<double>(sysconf(_SC_PAGESIZE))};
}

net::Task<void> send_all(net::HttpClient* client, std::string url, const std::vector<std::string>* bodies,
                         std::promise<bool>* done) {
  for (const std::string& body : *bodies) {
    net::ClientRequest request;
    request.method = "POST";
    request.url = url;
    request.headers.set("Content-Type", "application/x-protobuf");
    request.headers.set("Content-Encoding", "snappy");
    request.headers.set("X-Prometheus-Remote-Write-Version", "0.1.0");
    request.body = body;
    const auto response = co_await client->fetch(std::move(request));
    if (response && response->status / 100 == 2) continue;
    fmt::print(stderr, "{}\n",
               response ? fmt::format("{} {}", response->status, response->body) : response.error().to_string());
    done->set_value(false);
    co_return;
  }
  done->set_value(true);
}

int run(const std::string& name, const std::string& url, const std::string& pid, int64_t series, int64_t rounds) {
  net::Runtime runtime({.cores = 1, .blocking_threads = 1});
  MetricRegistry metrics;
  net::HttpClient client(runtime, metrics, {});
  Random random(7);
  std::vector<double> values(static_cast<size_t>(series));
  int64_t t_ms = to_ms(SystemClock().now()) - rounds * kStepMs;
  const Usage idle = usage_of(pid);
  Usage before = idle;
  double first_cpu = 0;
  for (int64_t round = 0; round < rounds; ++round, t_ms += kStepMs) {
    std::vector<std::string> bodies;
    for (int64_t from = 0; from < series; from += kSeriesPerRequest) {
      std::string request;
      ProtoWriter writer(request);
      for (int64_t i = from; i < std::min(series, from + kSeriesPerRequest); ++i) {
        double& v = values[static_cast<size_t>(i)];
        v += static_cast<double>(random.below(20));
        writer.bytes(1, series_message(i, t_ms, v));
      }
      bodies.push_back(compress(request));
    }
    std::promise<bool> done;
    runtime.spawn(runtime.core(0), "sender", send_all(&client, url, &bodies, &done));
    if (!done.get_future().get()) return 1;
    if (round > 0) continue;
    before = usage_of(pid);
    first_cpu = before.cpu_s - idle.cpu_s;
  }
  const Usage after = usage_of(pid);
  const auto steady = static_cast<double>(series * (rounds - 1));
  fmt::print(R"({{"bench":"remote_write","receiver":"{}","series":{},"rounds":{},"new_series_per_cpu_s":{:.0f},)"
             R"("samples_per_cpu_s":{:.0f},"rss_bytes_per_series":{:.0f},"rss_mb":{:.0f}}})"
             "\n",
             name, series, rounds, static_cast<double>(series) / first_cpu, steady / (after.cpu_s - before.cpu_s),
             (after.rss_bytes - idle.rss_bytes) / static_cast<double>(series), after.rss_bytes / 1e6);
  return 0;
}

}  // namespace
}  // namespace sentinel::ingest

int main(int argc, char** argv) {
  if (argc != 6) {
    fmt::print(stderr, "usage: remote_write_bench NAME URL PID SERIES ROUNDS\n");
    return 2;
  }
  return sentinel::ingest::run(argv[1], argv[2], argv[3], *sentinel::parse_int(argv[4]), *sentinel::parse_int(argv[5]));
}
