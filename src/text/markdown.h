#pragma once
// Markdown (GitHub's dialect) to HTML that may be put into a page: raw HTML is shown as text, and only http, https,
// mailto and relative links survive.

#include <string>
#include <string_view>

#include "base/result.h"

namespace sentinel::text {

// kTooLarge past kMarkdownBytesMax. Thread-safe.
Result<std::string> markdown_to_html(std::string_view markdown);

}  // namespace sentinel::text
