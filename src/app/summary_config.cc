#include "app/summary_config.h"

namespace sentinel::app {

Result<SummaryConfig> parse_summary(const text::YamlNode& node) {
  SummaryConfig out;
  if (node.is_null()) return out;
  SENTINEL_TRY(node.expect_keys("summary", {"model", "base_url", "api_key", "max_tokens", "timeout"}));
  SENTINEL_ASSIGN(const text::YamlNode model, node.require("summary", "model"));
  SENTINEL_ASSIGN(out.model, model.string());
  if (out.model.empty()) return fail(model.error("expected the name of a model"));
  SENTINEL_ASSIGN(out.base_url, node.string_or("base_url", ""));
  if (!out.base_url.empty() && !out.base_url.starts_with("http://") && !out.base_url.starts_with("https://"))
    return fail(node.get("base_url").error("expected a URL, such as https://sentinel.example/v1"));
  while (out.base_url.ends_with('/')) out.base_url.pop_back();
  SENTINEL_ASSIGN(out.api_key, node.string_or("api_key", ""));
  SENTINEL_ASSIGN(out.max_tokens, node.integer_or("max_tokens", out.max_tokens));
  if (out.max_tokens < 1 || out.max_tokens > 4000) return fail(node.get("max_tokens").error("expected 1 to 4000"));
  SENTINEL_ASSIGN(out.timeout, node.duration_or("timeout", out.timeout));
  if (out.timeout <= Millis(0)) return fail(node.get("timeout").error("expected a duration above 0"));
  return out;
}

}  // namespace sentinel::app
