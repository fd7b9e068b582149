#pragma once
// The keys of one provider, used in turn. A key that was refused or is limited rests for a while, also under the next
// configuration that has it. Shared by all cores; a leaf lock, held for a few instructions.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/thread_annotations.h"

namespace sentinel::gateway {

// Until when each key of one provider rests, by the key's hash; outlives configurations. Thread-safe.
class KeyRests {
 public:
  using Rest = std::shared_ptr<std::atomic<int64_t>>;  // µs UTC; 0: it does not
  // The same for the same key as long as some ring has it.
  Rest of(std::string_view key);

 private:
  Mutex mutex_;
  std::map<std::string, std::weak_ptr<std::atomic<int64_t>>> by_hash_ GUARDED_BY(mutex_);
};

class KeyRing {
 public:
  // As they stand in the provider's header. REQUIRES: at least one.
  KeyRing(std::vector<std::string> keys, KeyRests& rests);

  // The next in turn that does not rest; when all do, the one whose rest ends first.
  size_t pick(TimePoint now);
  const std::string& key(size_t index) const { return keys_[index]; }
  // Not to be used for `rest`.
  void rest(size_t index, TimePoint now, Millis rest);
  // Whether a key could be used now.
  bool any_ready(TimePoint now) const;
  size_t size() const { return keys_.size(); }

 private:
  const std::vector<std::string> keys_;
  std::vector<KeyRests::Rest> rests_;
  Mutex mutex_;
  size_t next_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sentinel::gateway
