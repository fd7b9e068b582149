#include "app/builtin_files.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::app {
namespace {

bool is_builtin(std::string_view path) { return path.starts_with(kBuiltinPrefix); }

Result<ConfigText> read_builtin(std::string_view path) {
  const std::string_view name = path.substr(kBuiltinPrefix.size());
  std::vector<std::string> known;
  for (const BuiltinFile& file : builtin_files()) {
    if (file.path == name) return ConfigText{std::string(path), std::string(file.content)};
    known.emplace_back(file.path);
  }
  return fail(ErrorCode::kNotFound, fmt::format("{}: no such built-in file; there are {}", path, join(known, ", ")));
}

// One `*` matches any run of characters.
bool matches_star(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const std::string_view head = pattern.substr(0, star);
  const std::string_view tail = pattern.substr(star + 1);
  return name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

}  // namespace

Result<ConfigText> read_config(Env& env, const std::string& path) {
  if (is_builtin(path)) return read_builtin(path);
  auto text = env.read_file(path);
  if (!text) return fail(text.error());
  return ConfigText{path, std::move(*text)};
}

Result<std::vector<ConfigText>> read_config_dir(Env& env, const std::string& path) {
  std::vector<ConfigText> out;
  if (is_builtin(path)) {
    const std::string prefix = path.substr(kBuiltinPrefix.size()) + "/";
    for (const BuiltinFile& file : builtin_files()) {
      if (file.path.starts_with(prefix) && file.path.find('/', prefix.size()) == std::string_view::npos) {
        out.push_back({std::string(kBuiltinPrefix) + std::string(file.path), std::string(file.content)});
      }
    }
    return out;
  }
  SENTINEL_ASSIGN(const std::vector<std::string> names, env.list(path));
  for (const std::string& name : names) {
    const std::string file = path + "/" + name;
    std::error_code ec;
    if (!std::filesystem::is_regular_file(file, ec)) continue;
    SENTINEL_ASSIGN(out.emplace_back(), read_config(env, file));
  }
  return out;
}

Result<std::vector<ConfigText>> read_config_glob(Env& env, const std::string& pattern) {
  std::error_code ec;
  if (!is_builtin(pattern) && std::filesystem::is_directory(pattern, ec)) return read_config_dir(env, pattern);
  const std::filesystem::path path(pattern);
  const std::string last = path.filename().string();
  if (last.find('*') == std::string::npos) {
    SENTINEL_ASSIGN(ConfigText file, read_config(env, pattern));
    return std::vector<ConfigText>{std::move(file)};
  }
  const std::string parent = path.parent_path().string();
  SENTINEL_ASSIGN(std::vector<ConfigText> files, read_config_dir(env, parent.empty() ? "." : parent));
  std::erase_if(files, [&](const ConfigText& f) {
    return !matches_star(last, std::filesystem::path(f.path).filename().string());
  });
  if (files.empty()) return fail(ErrorCode::kNotFound, fmt::format("{}: no file matches", pattern));
  return files;
}

}  // namespace sentinel::app
