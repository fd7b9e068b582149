#include "receivers/token_cache.h"

#include "receivers/limits.h"

namespace sentinel::receivers {

std::optional<std::string> TokenCache::find(const std::string& key, TimePoint now) const {
  const MutexLock lock(mutex_);
  const auto it = entries_.find(key);
  if (it == entries_.end() || it->second.expires_at <= now) return std::nullopt;
  return it->second.token;
}

void TokenCache::put(const std::string& key, std::string token, TimePoint expires_at) {
  const MutexLock lock(mutex_);
  if (entries_.size() >= kTokensMax) entries_.clear();
  entries_[key] = {std::move(token), expires_at};
}

void TokenCache::drop(const std::string& key) {
  const MutexLock lock(mutex_);
  entries_.erase(key);
}

}  // namespace sentinel::receivers
