#include "gateway/key_ring.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace sentinel::gateway {

KeyRests::Rest KeyRests::of(std::string_view key) {
  const std::string hash = sha256(key);
  const MutexLock lock(mutex_);
  std::erase_if(by_hash_, [](const auto& entry) { return entry.second.expired(); });
  if (const auto found = by_hash_.find(hash); found != by_hash_.end()) {
    if (Rest rest = found->second.lock()) return rest;
  }
  Rest rest = std::make_shared<std::atomic<int64_t>>(0);
  by_hash_[hash] = rest;
  return rest;
}

KeyRing::KeyRing(std::vector<std::string> keys, KeyRests& rests) : keys_(std::move(keys)) {
  SENTINEL_ASSERT(!keys_.empty());
  for (const std::string& key : keys_) rests_.push_back(rests.of(key));
}

size_t KeyRing::pick(TimePoint now) {
  const int64_t now_us = to_us(now);
  const MutexLock lock(mutex_);
  size_t best = next_ % keys_.size();
  for (size_t i = 0; i < keys_.size(); ++i) {
    const size_t index = (next_ + i) % keys_.size();
    if (*rests_[index] <= now_us) {
      best = index;
      break;
    }
    if (*rests_[index] < *rests_[best]) best = index;
  }
  next_ = best + 1;
  return best;
}

void KeyRing::rest(size_t index, TimePoint now, Millis rest) {
  const int64_t until = to_us(now + rest);
  int64_t known = rests_[index]->load();
  while (known < until && !rests_[index]->compare_exchange_weak(known, until)) {
  }
}

bool KeyRing::any_ready(TimePoint now) const {
  return std::any_of(rests_.begin(), rests_.end(), [us = to_us(now)](const auto& rest) { return *rest <= us; });
}

}  // namespace sentinel::gateway
