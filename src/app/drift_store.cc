#include "app/drift_store.h"

#include "analysis/limits.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "state/kv.h"

namespace sentinel::app {
namespace {

using state::KeyValue;

// All references in one document, as they were written before each had its own.
constexpr std::string_view kOldKey = "analysis/drift";
constexpr std::string_view kPrefix = "analysis/drift/";

// The names of routes, models and templates can be longer than a key of the store.
std::string place_of(const std::string& key) { return std::string(kPrefix) + hex_encode(sha256(key)); }

}  // namespace

Status DriftStore::load(state::Tx& tx, analysis::Analyzer& analyzer) {
  std::vector<std::string> documents;
  SENTINEL_ASSIGN(const auto old, KeyValue::get(tx, kOldKey));
  if (old) documents.push_back(*old);
  SENTINEL_ASSIGN(auto rows, KeyValue::list(tx, kPrefix, analysis::kDriftKeysMax));
  for (auto& [place, json] : rows) documents.push_back(std::move(json));
  if (documents.empty()) return {};
  const Status read = analyzer.load_drift(documents);
  unreadable_ = !read;
  if (!read) log_warn("server", "drift references are learnt anew", {{"error", read.error().to_string()}});
  return {};
}

Status DriftStore::save(state::Tx& tx, const analysis::Analyzer& analyzer, TimePoint now) {
  SENTINEL_TRY(KeyValue::remove(tx, kOldKey));
  if (unreadable_) {
    SENTINEL_ASSIGN(const auto rows, KeyValue::list(tx, kPrefix, analysis::kDriftKeysMax));
    for (const auto& [place, json] : rows) SENTINEL_TRY(KeyValue::remove(tx, place));
  }
  for (const analysis::DriftTracker::Document& document : analyzer.drift_changes()) {
    const std::string place = place_of(document.key);
    SENTINEL_TRY(document.json.empty() ? KeyValue::remove(tx, place) : KeyValue::put(tx, place, document.json, now));
  }
  unreadable_ = false;
  return {};
}

}  // namespace sentinel::app
