#include "base/log.h"

#include <atomic>
#include <memory>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/strings.h"

namespace sentinel {
namespace {

std::atomic<LogFormat> g_format{LogFormat::kText};
std::atomic<LogLevel> g_level{LogLevel::kInfo};

std::shared_ptr<spdlog::logger> make_logger(const std::string& path) {
  spdlog::sink_ptr sink;
  if (path.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
  }
  auto logger = std::make_shared<spdlog::logger>("sentinel", sink);
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::info);
  return logger;
}

std::shared_ptr<spdlog::logger>& logger_slot() {
  static std::shared_ptr<spdlog::logger> slot = make_logger("");
  return slot;
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarn: return "warn";
    case LogLevel::kError: return "error";
  }
  return "info";
}

}  // namespace

LogValue::LogValue(std::string_view v) : json_(json_quote(v)) {}
LogValue::LogValue(double v) : json_(fmt::format("{}", v)) {}

void log_configure(const LogOptions& options) {
  g_format = options.format;
  g_level = options.level;
  std::atomic_store(&logger_slot(), make_logger(options.path));
}

void log(LogLevel level, std::string_view logger, std::string_view message, LogFields fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  const std::string ts = format_rfc3339(SystemClock().now());
  std::string line;
  if (g_format.load(std::memory_order_relaxed) == LogFormat::kJson) {
    line = fmt::format(R"({{"timestamp":"{}","level":"{}","logger":{},"message":{})", ts, level_name(level),
                       json_quote(logger), json_quote(message));
    for (const auto& [key, value] : fields) line += fmt::format(",{}:{}", json_quote(key), value.json());
    line += "}";
  } else {
    line = fmt::format("{} {:5} {}: {}", ts, level_name(level), logger, message);
    for (const auto& [key, value] : fields) line += fmt::format(" {}={}", key, value.json());
  }
  std::atomic_load(&logger_slot())->log(spdlog::level::info, line);
}

}  // namespace sentinel
