#pragma once
// The keys of one provider, used in turn. A key that was refused or is limited rests for a while. Shared by all cores;
// a leaf lock, held for a few instructions.

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/thread_annotations.h"

namespace sentinel::gateway {

class KeyRing {
 public:
  // As they stand in the provider's header. REQUIRES: at least one.
  explicit KeyRing(std::vector<std::string> keys);

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
  mutable Mutex mutex_;
  std::vector<TimePoint> rests_until_ GUARDED_BY(mutex_);
  size_t next_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sentinel::gateway
