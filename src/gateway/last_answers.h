#pragma once
// Internal to gateway: the last good answers of routes that want them as a last resort. An answer is only for the same
// request, byte for byte, of a caller who shows the same credentials. Bounded; what was not used for longest goes
// first.

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "net/http.h"

namespace sentinel::gateway {

// Shared by all cores; a leaf lock, held for the copy of one answer.
class LastAnswers {
 public:
  explicit LastAnswers(size_t bytes_max) : bytes_max_(bytes_max) {}

  // One that is too large for a sixteenth of the room is not kept.
  void put(const std::string& key, net::Response response, TimePoint now);
  std::unique_ptr<net::Response> get(const std::string& key, TimePoint not_before);
  size_t bytes() const;

 private:
  struct Entry {
    std::string key;
    net::Response response;
    TimePoint kept;
    size_t bytes = 0;
  };
  void drop_oldest() REQUIRES_LOCK(mutex_);

  const size_t bytes_max_;
  mutable Mutex mutex_;
  std::list<Entry> entries_ GUARDED_BY(mutex_);  // the latest first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sentinel::gateway
