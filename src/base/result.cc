#include "base/result.h"

#include <array>

#include <fmt/format.h>

namespace sentinel {
namespace {

struct CodeInfo {
  std::string_view name;
  int http;
  int exit;
};

// In the order of ErrorCode.
constexpr std::array<CodeInfo, 13> kCodes{{
    {"invalid_argument", 400, 2},
    {"unauthenticated", 401, 4},
    {"permission_denied", 403, 4},
    {"not_found", 404, 3},
    {"conflict", 409, 5},
    {"too_large", 413, 2},
    {"unprocessable", 422, 2},
    {"rate_limited", 429, 6},
    {"canceled", 499, 130},
    {"internal", 500, 1},
    {"unavailable", 503, 6},
    {"timeout", 504, 6},
    {"io", 500, 1},
}};

const CodeInfo& info(ErrorCode code) { return kCodes.at(static_cast<size_t>(code)); }

}  // namespace

std::string_view error_code_name(ErrorCode code) { return info(code).name; }
int http_status(ErrorCode code) { return info(code).http; }
int exit_code(ErrorCode code) { return info(code).exit; }

std::string Error::to_string() const {
  std::string where;
  if (position_) {
    where = position_->file;
    if (position_->line > 0) where += fmt::format("{}{}", where.empty() ? "" : ":", position_->line);
    if (position_->line > 0 && position_->column > 0) where += fmt::format(":{}", position_->column);
    if (!where.empty()) where += ": ";
  }
  return where + message_;
}

Error Error::with_context(std::string_view context) const {
  Error copy = *this;
  copy.message_ = fmt::format("{}: {}", context, message_);
  return copy;
}

Error Error::in_file(std::string_view file) const {
  Error copy = *this;
  if (!copy.position_) copy.position_.emplace();
  copy.position_->file = std::string(file);
  return copy;
}

}  // namespace sentinel
