#include "gateway/key_ring.h"

#include <algorithm>

#include "base/check.h"

namespace sentinel::gateway {

KeyRing::KeyRing(std::vector<std::string> keys) : keys_(std::move(keys)), rests_until_(keys_.size()) {
  SENTINEL_ASSERT(!keys_.empty());
}

size_t KeyRing::pick(TimePoint now) {
  const MutexLock lock(mutex_);
  size_t best = next_ % keys_.size();
  for (size_t i = 0; i < keys_.size(); ++i) {
    const size_t index = (next_ + i) % keys_.size();
    if (rests_until_[index] <= now) {
      best = index;
      break;
    }
    if (rests_until_[index] < rests_until_[best]) best = index;
  }
  next_ = best + 1;
  return best;
}

void KeyRing::rest(size_t index, TimePoint now, Millis rest) {
  const MutexLock lock(mutex_);
  rests_until_[index] = std::max(rests_until_[index], now + rest);
}

bool KeyRing::any_ready(TimePoint now) const {
  const MutexLock lock(mutex_);
  return std::any_of(rests_until_.begin(), rests_until_.end(), [now](TimePoint until) { return until <= now; });
}

}  // namespace sentinel::gateway
