#include "receivers/receiver.h"

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"
#include "receivers/limits.h"

namespace sentinel::receivers {

std::shared_ptr<const Receiver> make_receiver(const Integration& integration,
                                              std::shared_ptr<const Templates> templates) {
  if (const auto* webhook = std::get_if<WebhookConfig>(&integration.config)) return make_webhook(*webhook);
  return make_slack(std::get<SlackConfig>(integration.config), std::move(templates));
}

std::string shown_body(std::string_view body) {
  std::string out(trim(utf8_prefix(body, kResponseShownBytesMax)));
  std::replace_if(out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return out;
}

SendResult judge_status(const net::Response& response) {
  if (response.status / 100 == 2) return {};
  SendResult result;
  const std::string body = shown_body(response.body);
  result.error = "unexpected status code " + std::to_string(response.status) + (body.empty() ? "" : ": " + body);
  const bool again = response.status / 100 == 5 || response.status == 429;
  result.kind = again ? SendResult::Kind::kRetry : SendResult::Kind::kFailed;
  if (const auto seconds = parse_int(trim(response.headers.get("Retry-After"))); again && seconds && *seconds > 0) {
    result.retry_after = std::min<Micros>(std::chrono::seconds(std::min<int64_t>(*seconds, 86'400)), kRetryAfterMax);
  }
  return result;
}

Result<std::string> read_secret(const Secret& secret) {
  if (secret.file.empty()) return secret.value;
  Result<std::string> content = posix_env().read_file(secret.file);
  if (!content) return fail(content.error().with_context("secret file"));
  if (content->size() > kSecretFileBytesMax)
    return fail(ErrorCode::kTooLarge, "secret file " + secret.file + " is too large");
  return std::string(trim(*content));
}

Status authorize(net::Headers& headers, const HttpConfig& config) {
  for (const auto& [name, value] : config.headers) headers.set(name, value);
  if (!config.basic_username.empty() || !config.basic_password.empty()) {
    SENTINEL_ASSIGN(const std::string password, read_secret(config.basic_password));
    headers.set("Authorization", "Basic " + base64_encode(config.basic_username + ":" + password));
  } else if (!config.authorization.empty()) {
    SENTINEL_ASSIGN(const std::string credentials, read_secret(config.authorization));
    headers.set("Authorization", config.authorization_type + " " + credentials);
  }
  return {};
}

}  // namespace sentinel::receivers
