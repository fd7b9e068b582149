#pragma once
// For tests only: the text scripts of tests/data/gateway; their format is described in the README there.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/strings.h"
#include "model/interaction.h"

namespace sentinel::gateway {

struct Script {
  std::filesystem::path file;
  std::string name;
  std::vector<std::pair<std::string, std::string>> lines;
  bool yes(std::string_view key) const {
    return std::find(lines.begin(), lines.end(), std::pair<std::string, std::string>(key, "yes")) != lines.end();
  }
};

inline std::string unescape(std::string text) {
  return replace_all(replace_all(std::move(text), "\\n", "\n"), "\\r", "\r");
}

inline std::vector<Script> load_scripts(const std::string& folder) {
  std::vector<Script> scripts;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SENTINEL_SOURCE_DIR "/tests/data/" + folder)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
      if (line.empty() || line.starts_with('#')) continue;
      if (line.starts_with("=== ")) {
        scripts.push_back({path, path.stem().string() + ": " + line.substr(4), {}});
        continue;
      }
      const size_t colon = line.find(": ");
      if (scripts.empty() || colon == std::string::npos) {
        ADD_FAILURE() << path << ": not a line of a script: " << line;
        continue;
      }
      scripts.back().lines.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
  }
  return scripts;
}

inline std::string field_of(const model::Interaction& row, std::string_view field) {
  auto count = [](const std::optional<int64_t>& value) {
    return value ? std::to_string(*value) : std::string("unknown");
  };
  if (field == "status") return row.status == model::InteractionStatus::kOk ? "ok" : "error";
  if (field == "error_type") return row.error_type;
  if (field == "http_status") return std::to_string(row.http_status);
  if (field == "response") return row.response;
  if (field == "finish_reason") return row.finish_reason;
  if (field == "model_version") return row.model_version;
  if (field == "tokens_input") return count(row.tokens_input);
  if (field == "tokens_output") return count(row.tokens_output);
  if (field == "tokens_cached") return count(row.tokens_cached_input);
  if (field == "tokens_reasoning") return count(row.tokens_reasoning);
  if (field == "tokens_cache_write") return count(row.tokens_cache_write);
  if (field == "tokens_image_input") return count(row.tokens_image_input);
  if (field == "prompt") return row.prompt;
  if (field == "context") return row.context;
  if (field == "request_type") return row.request_type;
  if (field == "endpoint") return row.endpoint;
  if (field == "provider") return row.provider;
  if (field == "model") return row.model;
  if (field == "stream") return row.stream ? "yes" : "no";
  if (field == "ttft") return row.ttft_ms ? "known" : "unknown";
  if (field == "user") return row.user_hash.empty() ? "no" : "yes";
  if (field == "key") return row.key_hash.empty() ? "no" : "yes";
  if (field == "tags") {
    std::string tags;
    for (const auto& [key, value] : row.tags) tags += (tags.empty() ? "" : ",") + key + "=" + value;
    return tags;
  }
  if (field == "empty") return row.empty_response ? "yes" : "no";
  if (field == "retry_count") return std::to_string(row.retry_count);
  return "no such field";
}

}  // namespace sentinel::gateway
