#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <algorithm>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/strings.h"
#include "ingest/collector.h"

namespace sentinel::ingest {
namespace {

std::string read_text(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// "MemTotal:  16384 kB" → bytes.
double meminfo_bytes(const std::string& text, std::string_view field) {
  const size_t at = text.find(field);
  if (at == std::string::npos) return 0;
  std::istringstream in(text.substr(at + field.size()));
  double kib = 0;
  in >> kib;
  return kib * 1024;
}

struct OpenFiles {
  double all = 0;
  double sockets = 0;
};

OpenFiles open_files() {
  OpenFiles found;
  std::error_code ec;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", ec);
       !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
    ++found.all;
    std::error_code gone;
    if (std::filesystem::read_symlink(it->path(), gone).native().starts_with("socket:")) ++found.sockets;
  }
  return found;
}

// Of this process, Unix time: field 22 of its stat, in ticks since the machine started.
double process_start_s() {
  const std::string stat = read_text("/proc/self/stat");
  const size_t name_end = stat.rfind(')');
  std::istringstream after_name(name_end == std::string::npos ? std::string() : stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) after_name >> skipped;
  double ticks = 0;
  after_name >> ticks;
  std::istringstream lines(read_text("/proc/stat"));
  double boot_s = 0;
  for (std::string word; lines >> word;) {
    if (word == "btime") lines >> boot_s;
  }
  return boot_s + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// A device that was taken away and came back counts from zero.
double grown(double before, double now) { return now >= before ? now - before : now; }

}  // namespace

std::vector<NetworkDevice> parse_net_dev(std::string_view text) {
  constexpr size_t kReceived = 0, kSent = 8, kFields = 16;
  std::vector<NetworkDevice> out;
  for (const std::string_view line : split(text, '\n')) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::vector<double> fields;
    for (const std::string_view word : split(line.substr(colon + 1), ' ')) {
      const auto value = word.empty() ? std::nullopt : parse_double(word);
      if (value) fields.push_back(*value);
    }
    if (fields.size() < kFields) continue;
    out.push_back({std::string(trim(line.substr(0, colon))), fields[kReceived], fields[kSent]});
  }
  return out;
}

MachineMetrics::MachineMetrics(MetricRegistry& registry, std::string disk_path)
    : registry_(registry), disk_path_(std::move(disk_path)), start_time_s_(process_start_s()) {}

void MachineMetrics::refresh_process() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  const double process_cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  registry_.counter("process_cpu_seconds_total", "CPU time of this process.")
      .add(std::max(process_cpu_s - process_cpu_s_, 0.0));
  process_cpu_s_ = process_cpu_s;
  std::istringstream statm(read_text("/proc/self/statm"));
  double size_pages = 0, resident_pages = 0;
  statm >> size_pages >> resident_pages;
  const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  registry_.gauge("process_resident_memory_bytes", "Resident memory.").set(resident_pages * page_bytes);
  registry_.gauge("process_virtual_memory_bytes", "Virtual memory.").set(size_pages * page_bytes);
  registry_.gauge("process_start_time_seconds", "When this process started, Unix time.").set(start_time_s_);
  rlimit files_max{};
  getrlimit(RLIMIT_NOFILE, &files_max);
  registry_.gauge("process_max_fds", "How many file descriptors it may open.")
      .set(static_cast<double>(files_max.rlim_cur));
  const OpenFiles files = open_files();
  registry_.gauge("process_open_fds", "Open file descriptors.").set(files.all);
  registry_.gauge("process_open_sockets", "Open sockets: connections, and the listeners.").set(files.sockets);
}

void MachineMetrics::refresh_network() {
  for (NetworkDevice& device : parse_net_dev(read_text("/proc/net/dev"))) {
    NetworkDevice& before = network_[device.name];
    registry_.counter("node_network_receive_bytes_total", "Received by the network device.", {{"device", device.name}})
        .add(grown(before.bytes_received, device.bytes_received));
    registry_.counter("node_network_transmit_bytes_total", "Sent by the network device.", {{"device", device.name}})
        .add(grown(before.bytes_sent, device.bytes_sent));
    before = std::move(device);
  }
}

void MachineMetrics::refresh() {
  refresh_process();
  refresh_network();
  std::istringstream stat(read_text("/proc/stat"));
  std::string cpu;
  stat >> cpu;
  double value = 0, total = 0, idle = 0;
  for (int i = 0; i < 8 && stat >> value; ++i) {
    total += value;
    if (i == 3 || i == 4) idle += value;  // idle, iowait
  }
  if (cpu_total_ > 0 && total > cpu_total_) {
    registry_.gauge("node_cpu_utilization", "Share of CPU time not idle since the last sample, 0..1.")
        .set((total - idle - cpu_busy_) / (total - cpu_total_));
  }
  cpu_total_ = total;
  cpu_busy_ = total - idle;

  const std::string meminfo = read_text("/proc/meminfo");
  registry_.gauge("node_memory_total_bytes", "Memory of the machine.").set(meminfo_bytes(meminfo, "MemTotal:"));
  registry_.gauge("node_memory_available_bytes", "Memory that can be had without swapping.")
      .set(meminfo_bytes(meminfo, "MemAvailable:"));
  struct statvfs disk{};
  if (statvfs(disk_path_.c_str(), &disk) == 0) {
    registry_.gauge("node_disk_total_bytes", "Size of the file system of the data directory.")
        .set(static_cast<double>(disk.f_blocks) * static_cast<double>(disk.f_frsize));
    registry_.gauge("node_disk_available_bytes", "Free for us on the file system of the data directory.")
        .set(static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize));
  }
}

}  // namespace sentinel::ingest
