#pragma once
// Result<T> and Error: how every expected failure travels. Exceptions are never ours (STYLE: errors).

#include <optional>
#include <string>
#include <string_view>
#include <utility>

// A Result that nobody looks at is a compile error: the library does not mark its class, and an alias cannot be marked.
namespace tl {
template <class T, class E>
class [[nodiscard]] expected;
}
#include <tl/expected.hpp>

namespace sentinel {

// Small and closed; each maps 1:1 to an HTTP status and a CLI exit code.
enum class ErrorCode {
  kInvalidArgument,   // 400 the input is malformed; `position` says where
  kUnauthenticated,   // 401
  kPermissionDenied,  // 403
  kNotFound,          // 404
  kConflict,          // 409 the object changed or already exists
  kTooLarge,          // 413 a named limit was exceeded
  kUnprocessable,     // 422 well formed but cannot be carried out
  kRateLimited,       // 429
  kCanceled,          // 499 the caller went away
  kInternal,          // 500 a bug of ours
  kUnavailable,       // 503 try again later
  kTimeout,           // 504
  kIo,                // 500 the disk or the network refused
};

std::string_view error_code_name(ErrorCode code);
int http_status(ErrorCode code);
int exit_code(ErrorCode code);

// Where in a text an error was found. Lines and columns count from 1; 0 means unknown.
struct Position {
  std::string file;
  int line = 0;
  int column = 0;
};

class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  Error(ErrorCode code, std::string message, Position position)
      : code_(code), message_(std::move(message)), position_(std::move(position)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::optional<Position>& position() const { return position_; }

  // "file:line:column: message", leaving out what is unknown.
  std::string to_string() const;

  // The same error with "context: " in front of its message.
  Error with_context(std::string_view context) const;
  // The same error with the file name set, keeping line and column.
  Error in_file(std::string_view file) const;

 private:
  ErrorCode code_;
  std::string message_;
  std::optional<Position> position_;
};

template <class T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error(code, std::move(message)));
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace sentinel

// Evaluates an expression that yields a Result; returns its error from the enclosing function.
#define SENTINEL_CONCAT_INNER(a, b) a##b
#define SENTINEL_CONCAT(a, b) SENTINEL_CONCAT_INNER(a, b)
#define SENTINEL_TRY(expr)                                                                     \
  do {                                                                                         \
    auto sentinel_try_result = (expr);                                                         \
    if (!sentinel_try_result) return ::sentinel::fail(std::move(sentinel_try_result).error()); \
  } while (false)
#define SENTINEL_ASSIGN(lhs, expr) SENTINEL_ASSIGN_INNER(SENTINEL_CONCAT(sentinel_r_, __LINE__), lhs, expr)
#define SENTINEL_ASSIGN_INNER(tmp, lhs, expr)                \
  auto tmp = (expr);                                         \
  if (!tmp) return ::sentinel::fail(std::move(tmp).error()); \
  lhs = std::move(tmp).value()
// The same inside a coroutine.
#define SENTINEL_CO_TRY(expr)                                                                     \
  do {                                                                                            \
    auto sentinel_try_result = (expr);                                                            \
    if (!sentinel_try_result) co_return ::sentinel::fail(std::move(sentinel_try_result).error()); \
  } while (false)
#define SENTINEL_CO_ASSIGN(lhs, expr) SENTINEL_CO_ASSIGN_INNER(SENTINEL_CONCAT(sentinel_r_, __LINE__), lhs, expr)
#define SENTINEL_CO_ASSIGN_INNER(tmp, lhs, expr)                \
  auto tmp = (expr);                                            \
  if (!tmp) co_return ::sentinel::fail(std::move(tmp).error()); \
  lhs = std::move(tmp).value()
