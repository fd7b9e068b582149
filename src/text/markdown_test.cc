#include "text/markdown.h"

#include <gtest/gtest.h>

#include "text/limits.h"

namespace sentinel::text {
namespace {

TEST(Markdown, RendersAndRefusesWhatIsDangerous) {
  struct Case {
    const char* markdown;
    const char* html;
  };
  const Case cases[] = {
      {"# Title\n\n*a* **b** `c`", "<h1>Title</h1>\n<p><em>a</em> <strong>b</strong> <code>c</code></p>\n"},
      {"<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"},
      {"<b onclick=x>y</b>", "<p>&lt;b onclick=x&gt;y&lt;/b&gt;</p>\n"},
      {"[x](https://a/b?c=d)", "<p><a rel=\"nofollow noopener noreferrer\" href=\"https://a/b?c=d\">x</a></p>\n"},
      {"[x](javascript:alert(1))", "<p><a rel=\"nofollow noopener noreferrer\" href=\"#\">x</a></p>\n"},
      {"[x](JaVaScRiPt:1)", "<p><a rel=\"nofollow noopener noreferrer\" href=\"#\">x</a></p>\n"},
      {"[x](&#106;avascript:1)", "<p><a rel=\"nofollow noopener noreferrer\" href=\"#\">x</a></p>\n"},
      {"[x](/rel:ative)", "<p><a rel=\"nofollow noopener noreferrer\" href=\"/rel:ative\">x</a></p>\n"},
      {"![x](data:text/html,y)", "<p><img src=\"#\" alt=\"x\"></p>\n"},
      {"[x](a\"onclick=\"b)", "<p><a rel=\"nofollow noopener noreferrer\" href=\"a%22onclick=%22b\">x</a></p>\n"},
      {"|a|b|\n|---|---|\n|c|d|",
       "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>c</td>\n<td>d</td>\n</tr>\n"
       "</tbody>\n</table>\n"},
  };
  for (const Case& c : cases) {
    auto html = markdown_to_html(c.markdown);
    ASSERT_TRUE(html);
    EXPECT_EQ(*html, c.html) << c.markdown;
  }
  EXPECT_EQ(markdown_to_html(std::string(kMarkdownBytesMax + 1, 'a')).error().code(), ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace sentinel::text
