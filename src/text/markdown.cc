#include "text/markdown.h"

#include <algorithm>

#include <fmt/format.h>
#include <md4c-html.h>

#include "base/strings.h"
#include "text/limits.h"

namespace sentinel::text {
namespace {

bool allowed_link(std::string_view url) {
  const size_t colon = url.find_first_of(":/?#");
  if (colon == std::string_view::npos || url[colon] != ':') return true;  // relative
  const std::string scheme = to_lower(url.substr(0, colon));
  return scheme == "http" || scheme == "https" || scheme == "mailto";
}

// The renderer escapes every "<" of the text, so an opening tag in its output is its own.
std::string filter_links(std::string_view html) {
  static constexpr std::string_view kLink = "<a href=\"";
  static constexpr std::string_view kImage = "<img src=\"";
  std::string out;
  out.reserve(html.size());
  while (!html.empty()) {
    const size_t open = std::min(html.find('<'), html.size());
    out += html.substr(0, open);
    html.remove_prefix(open);
    const std::string_view tag = html.starts_with(kLink)    ? kLink
                                 : html.starts_with(kImage) ? kImage
                                                            : std::string_view();
    if (tag.empty()) {
      out += html.substr(0, 1);
      html.remove_prefix(std::min<size_t>(1, html.size()));
      continue;
    }
    html.remove_prefix(tag.size());
    const std::string_view url = html.substr(0, html.find('"'));
    out += tag == kLink ? "<a rel=\"nofollow noopener noreferrer\" href=\"" : tag;
    out += allowed_link(url) ? url : "#";
    html.remove_prefix(url.size());
  }
  return out;
}

}  // namespace

Result<std::string> markdown_to_html(std::string_view markdown) {
  if (markdown.size() > kMarkdownBytesMax)
    return fail(ErrorCode::kTooLarge, fmt::format("Markdown longer than {} bytes", kMarkdownBytesMax));
  const std::string text = to_valid_utf8(markdown);
  std::string html;
  const auto append = [](const MD_CHAR* data, MD_SIZE size, void* to) {
    static_cast<std::string*>(to)->append(data, size);
  };
  const int failed =
      md_html(text.data(), static_cast<MD_SIZE>(text.size()), append, &html, MD_DIALECT_GITHUB | MD_FLAG_NOHTML, 0);
  if (failed != 0) return fail(ErrorCode::kInternal, "the Markdown could not be rendered");
  return filter_links(html);
}

}  // namespace sentinel::text
