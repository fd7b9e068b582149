#include "receivers/receiver.h"

#include <algorithm>

#include "base/strings.h"
#include "receivers/limits.h"

namespace sentinel::receivers {

bool Integration::send_resolved() const { return impl->send_resolved(); }
bool Integration::digestible() const { return impl->digestible(); }

bool Receiver::fixed(std::initializer_list<std::string_view> texts) {
  return std::none_of(texts.begin(), texts.end(),
                      [](std::string_view text) { return text.find("{{") != std::string_view::npos; });
}

Status Receiver::read(const text::YamlNode& node, std::string_view what, const Globals& globals, Fields fields) {
  http_ = globals.http;
  fields.push_back({"send_resolved", &send_resolved_});
  fields.push_back({"http_config", ReadNode([&](const text::YamlNode& n) -> Status {
                      SENTINEL_ASSIGN(http_, read_http_config(n, globals.folder, globals.http));
                      return {};
                    })});
  return read_fields(node, what, fields);
}

Next done(SendResult result) {
  Next next;
  next.result = std::move(result);
  return next;
}

Next failed(const Error& error) { return done({SendResult::Kind::kFailed, error.to_string(), {}, {}}); }
Next retry(std::string error) { return done({SendResult::Kind::kRetry, std::move(error), {}, {}}); }

Next ask(HttpCall call, std::function<Next(const net::Response&)> then) {
  Next next;
  next.call = std::move(call);
  next.then = std::move(then);
  return next;
}

HttpCall json_call(std::string url, std::string body) {
  HttpCall call{std::move(url), std::move(body)};
  call.headers.set("Content-Type", "application/json");
  return call;
}

Next ask_once(HttpCall call, TimePoint now) {
  return ask(std::move(call), [now](const net::Response& response) { return done(judge_status(response, now)); });
}

std::string shown_body(std::string_view body) {
  std::string out(trim(utf8_prefix(body, kResponseShownBytesMax)));
  std::replace_if(out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return out;
}

namespace {

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form of RFC 9110 that is still written.
std::optional<TimePoint> parse_http_date(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return std::nullopt;
  const auto day = parse_int(text.substr(5, 2));
  const size_t month = kMonths.find(text.substr(8, 3));
  const auto year = parse_int(text.substr(12, 4));
  const auto hour = parse_int(text.substr(17, 2));
  const auto minute = parse_int(text.substr(20, 2));
  const auto second = parse_int(text.substr(23, 2));
  if (!day || month == std::string_view::npos || month % 3 != 0 || !year || !hour || !minute || !second) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second);
}

}  // namespace

std::optional<Micros> parse_retry_after(std::string_view text, TimePoint now) {
  const std::string_view value = trim(text);
  Micros wait{0};
  if (const auto seconds = parse_int(value)) {
    wait = std::chrono::seconds(std::clamp<int64_t>(*seconds, 0, 86'400));
  } else if (const auto date = parse_http_date(value)) {
    wait = *date - now;
  }
  if (wait.count() <= 0) return std::nullopt;
  return std::min(wait, kRetryAfterMax);
}

SendResult judge_status(const net::Response& response, TimePoint now, int also_retried,
                        const std::optional<std::string>& details) {
  if (response.status / 100 == 2) return {};
  SendResult result;
  const std::string shown = details ? *details : shown_body(response.body);
  result.error = "unexpected status code " + std::to_string(response.status) + (shown.empty() ? "" : ": " + shown);
  const bool again = response.status / 100 == 5 || response.status == 429 || response.status == also_retried;
  result.kind = again ? SendResult::Kind::kRetry : SendResult::Kind::kFailed;
  if (again) result.retry_after = parse_retry_after(response.headers.get("Retry-After"), now);
  return result;
}

}  // namespace sentinel::receivers
