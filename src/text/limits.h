#pragma once
// Every bound of this module. Input past one of them is refused with an error that names it.

#include <cstddef>
#include <cstdint>

namespace sentinel::text {

// Templates.
inline constexpr size_t kTemplateSourceBytesMax = 1 << 20;
inline constexpr size_t kTemplateOutputBytesMax = 8 << 20;  // also any one string or list a function builds
inline constexpr int kTemplateNestingMax = 200;             // blocks, parentheses and else-ifs inside one another
inline constexpr int kTemplateCallDepthMax = 500;           // {{template}} inside {{template}}
inline constexpr int kTemplateStackMax = 1500;              // statements and pipelines inside one another while running
inline constexpr uint64_t kTemplateStepsMax = 5'000'000;    // nodes walked in one execution
inline constexpr int kValueDepthMax = 100;                  // nesting that is printed, compared or turned into JSON
inline constexpr int kFormatWidthMax = 1'000'000;           // as Go: a wider field is %!(BADWIDTH)

// JSON.
inline constexpr size_t kJsonBytesMax = 64 << 20;
inline constexpr size_t kJsonDepthMax = 64;

// Markdown.
inline constexpr size_t kMarkdownBytesMax = 1 << 20;

}  // namespace sentinel::text
