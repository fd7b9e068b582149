#pragma once
// Which series a label set on the wire is. A sender repeats its label sets with every request: they are recognised by
// two independent 64-bit hashes under seeds of this process, so that labels need not be made nor compared.

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include "tsdb/store.h"

namespace sentinel::ingest {

struct SeriesKey {
  uint64_t hash = 0;
  uint64_t check = 0;
};

// Thread-safe: shards with a lock each.
class SeriesCache {
 public:
  SeriesCache();

  SeriesKey key_of(std::string_view bytes) const;
  // The key of a sequence: order matters.
  SeriesKey combine(SeriesKey sofar, SeriesKey next) const {
    return {(sofar.hash ^ next.hash) * 0x9e3779b97f4a7c15ULL + (sofar.hash >> 29),
            (sofar.check + next.check) * 0xd6e8feb86659fd93ULL + (sofar.check >> 31)};
  }
  std::optional<tsdb::SeriesRef> find(SeriesKey key) const;
  void put(SeriesKey key, tsdb::SeriesRef ref);
  size_t size() const;

 private:
  static constexpr size_t kShards = 64;
  struct Known {
    uint64_t check = 0;
    tsdb::SeriesRef ref = tsdb::SeriesRef::kNone;
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    absl::flat_hash_map<uint64_t, Known> known;
  };
  Shard& shard(SeriesKey key) { return shards_[key.check % kShards]; }
  const Shard& shard(SeriesKey key) const { return shards_[key.check % kShards]; }

  const uint64_t hash_seed_;
  const uint64_t check_seed_;
  std::array<Shard, kShards> shards_;
};

}  // namespace sentinel::ingest
