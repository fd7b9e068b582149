#pragma once
// The configuration that ships, built into the binary from config/: rules, routes, runbooks, prices, the demo's own.
// A path "builtin:rules/llm.yml" names one of them wherever a file is asked for.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace sentinel::app {

struct BuiltinFile {
  std::string_view path;  // "rules/llm.yml"
  std::string_view content;
};
std::span<const BuiltinFile> builtin_files();  // made at build time

inline constexpr std::string_view kBuiltinPrefix = "builtin:";

// A file's text with the name it is known by in messages.
struct ConfigText {
  std::string path;
  std::string text;
};

// kNotFound names the path and, for built-in ones, those there are.
Result<ConfigText> read_config(Env& env, const std::string& path);
// All files of a folder (not deeper), sorted by name.
Result<std::vector<ConfigText>> read_config_dir(Env& env, const std::string& path);
// A file, a folder, or a pattern with `*` in its last part.
Result<std::vector<ConfigText>> read_config_glob(Env& env, const std::string& pattern);

}  // namespace sentinel::app
