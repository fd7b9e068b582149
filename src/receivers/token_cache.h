#pragma once
// Access tokens that servers gave for a while (OAuth2, WeChat), shared by all attempts. In memory only: after a restart
// they are asked for again. Thread-safe.

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/thread_annotations.h"

namespace sentinel::receivers {

class TokenCache {
 public:
  // `key` names who asked whom; it should hold a hash of the secret, so that a new secret asks anew.
  std::optional<std::string> find(const std::string& key, TimePoint now) const;
  void put(const std::string& key, std::string token, TimePoint expires_at);
  void drop(const std::string& key);

 private:
  struct Entry {
    std::string token;
    TimePoint expires_at;
  };
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::receivers
