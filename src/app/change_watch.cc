#include "app/change_watch.h"

#include <filesystem>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "state/kv.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr std::string_view kFilesKey = "app/files_in_force";
constexpr size_t kFilesNamedMax = 5;

FileHashes hashes_of(const std::string& document) {
  FileHashes files;
  boost::system::error_code wrong;
  const json::value value = json::parse(document, wrong);
  if (wrong || !value.is_object()) return files;  // as if there had been none: everything is new once
  for (const auto& [name, hash] : value.as_object()) {
    if (hash.is_string()) files.emplace(name, hash.as_string());
  }
  return files;
}

std::string document_of(const FileHashes& files) {
  json::object out;
  for (const auto& [name, hash] : files) out[name] = hash;
  return text::serialize(out);
}

std::vector<std::string> differing(const FileHashes& before, const FileHashes& after) {
  std::vector<std::string> names;
  for (const auto& [path, hash] : after) {
    const auto was = before.find(path);
    const std::string name = std::filesystem::path(path).filename().string();
    if (was == before.end()) names.push_back(name + " added");
    if (was != before.end() && was->second != hash) names.push_back(name);
  }
  for (const auto& [path, hash] : before) {
    if (!after.contains(path)) names.push_back(std::filesystem::path(path).filename().string() + " removed");
  }
  return names;
}

}  // namespace

Status ChangeWatch::files_in_force(const FileHashes& files, TimePoint now, const incident::Actor& by) {
  std::optional<std::string> known;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(known, state::KeyValue::get(tx, kFilesKey));
    return {};
  }));
  const std::string document = document_of(files);
  if (known == document) return {};
  std::vector<std::string> names = known ? differing(hashes_of(*known), files) : std::vector<std::string>();
  if (!names.empty()) {
    const size_t more = names.size() > kFilesNamedMax ? names.size() - kFilesNamedMax : 0;
    names.resize(names.size() - more);
    incident::ChangeEvent event;
    event.at = now;
    event.kind = incident::ChangeKind::kConfiguration;
    event.subject = join(names, ", ") + (more > 0 ? fmt::format(" and {} more", more) : "");
    event.text = "by " + by.name;
    SENTINEL_TRY(log_.add(std::move(event), "", by));
  }
  return database_.write([&](state::Tx& tx) { return state::KeyValue::put(tx, kFilesKey, document, now); });
}

Status ChangeWatch::breakers_seen(const std::vector<gateway::BreakerView>& breakers, TimePoint now) {
  for (const gateway::BreakerView& b : breakers) {
    if (b.state == gateway::BreakerState::kHalfOpen) continue;
    const bool open = b.state == gateway::BreakerState::kOpen;
    bool& was_open = open_[{b.provider, b.model}];
    if (open == was_open) continue;
    incident::ChangeEvent event;
    event.at = now;
    event.kind = incident::ChangeKind::kBreaker;
    event.subject = b.model.empty() ? b.provider : fmt::format("{}/{}", b.provider, b.model);
    event.text = open ? b.held ? "was opened by hand" : "opened" : "closed";
    SENTINEL_TRY(log_.add(std::move(event), "", {"sentinel", "gateway"}));
    was_open = open;
  }
  return {};
}

}  // namespace sentinel::app
