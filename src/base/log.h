#pragma once
// Structured logs: one JSON object a line (ts, level, logger, message, fields). Thread-safe, non-blocking for callers
// beyond a short lock. Secrets and prompts never go here.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace sentinel {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kJson, kText };

// A field's value is shown as a JSON string, number or bool.
class LogValue {
 public:
  LogValue(std::string_view v);
  LogValue(const char* v) : LogValue(std::string_view(v)) {}
  LogValue(const std::string& v) : LogValue(std::string_view(v)) {}
  LogValue(bool v) : json_(v ? "true" : "false") {}
  LogValue(int v) : json_(std::to_string(v)) {}
  LogValue(long v) : json_(std::to_string(v)) {}
  LogValue(long long v) : json_(std::to_string(v)) {}
  LogValue(unsigned v) : json_(std::to_string(v)) {}
  LogValue(unsigned long v) : json_(std::to_string(v)) {}
  LogValue(double v);
  const std::string& json() const { return json_; }

 private:
  std::string json_;
};

using LogFields = std::initializer_list<std::pair<std::string_view, LogValue>>;

// Where logs go. Before the first call: stderr, text, info. `path` empty means stderr.
struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
  std::string path;
};
void log_configure(const LogOptions& options);

void log(LogLevel level, std::string_view logger, std::string_view message, LogFields fields = {});
inline void log_debug(std::string_view logger, std::string_view message, LogFields fields = {}) {
  log(LogLevel::kDebug, logger, message, fields);
}
inline void log_info(std::string_view logger, std::string_view message, LogFields fields = {}) {
  log(LogLevel::kInfo, logger, message, fields);
}
inline void log_warn(std::string_view logger, std::string_view message, LogFields fields = {}) {
  log(LogLevel::kWarn, logger, message, fields);
}
inline void log_error(std::string_view logger, std::string_view message, LogFields fields = {}) {
  log(LogLevel::kError, logger, message, fields);
}

}  // namespace sentinel
