#pragma once
// Made at build time from web/dist by cmake/EmbedFiles.cmake.

#include <span>
#include <string_view>

namespace sentinel::api {

struct PageAsset {
  std::string_view path;  // "/index.html", "/assets/index-1a2b3c.js"
  std::string_view content;
};

std::span<const PageAsset> page_assets();

}  // namespace sentinel::api
