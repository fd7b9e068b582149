#include "ingest/series_cache.h"

#include <cstring>

#include "base/hash.h"
#include "base/random.h"
#include "ingest/limits.h"

namespace sentinel::ingest {
namespace {

uint64_t random_seed() {
  const std::string bytes = secure_random(sizeof(uint64_t));
  uint64_t seed = 0;
  std::memcpy(&seed, bytes.data(), sizeof seed);
  return seed;
}

}  // namespace

SeriesCache::SeriesCache() : hash_seed_(random_seed()), check_seed_(random_seed()) {}

SeriesKey SeriesCache::key_of(std::string_view bytes) const {
  return {hash64(bytes, hash_seed_), hash64(bytes, check_seed_)};
}

std::optional<tsdb::SeriesRef> SeriesCache::find(SeriesKey key) const {
  const Shard& s = shard(key);
  std::lock_guard lock(s.mutex);
  const auto it = s.known.find(key.hash);
  if (it == s.known.end() || it->second.check != key.check) return std::nullopt;
  return it->second.ref;
}

void SeriesCache::put(SeriesKey key, tsdb::SeriesRef ref) {
  Shard& s = shard(key);
  std::lock_guard lock(s.mutex);
  // Label sets that no longer come would stay for ever; starting anew costs one look-up for each that does.
  if (s.known.size() >= kKnownSeriesMax / kShards) s.known.clear();
  s.known[key.hash] = {key.check, ref};
}

size_t SeriesCache::size() const {
  size_t total = 0;
  for (const Shard& s : shards_) {
    std::lock_guard lock(s.mutex);
    total += s.known.size();
  }
  return total;
}

}  // namespace sentinel::ingest
