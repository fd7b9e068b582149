#include "gateway/last_answers.h"

namespace sentinel::gateway {
namespace {

size_t size_of(const std::string& key, const net::Response& response) {
  size_t bytes = 256 + 2 * key.size() + response.body.size();
  for (const auto& [name, value] : response.headers.all()) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

void LastAnswers::drop_oldest() {
  bytes_ -= entries_.back().bytes;
  by_key_.erase(entries_.back().key);
  entries_.pop_back();
}

void LastAnswers::put(const std::string& key, net::Response response, TimePoint now) {
  const size_t bytes = size_of(key, response);
  if (bytes > bytes_max_ / 16) return;
  const MutexLock lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    bytes_ -= found->second->bytes;
    entries_.erase(found->second);
    by_key_.erase(found);
  }
  entries_.push_front({key, std::move(response), now, bytes});
  by_key_[key] = entries_.begin();
  bytes_ += bytes;
  while (bytes_ > bytes_max_) drop_oldest();
}

std::unique_ptr<net::Response> LastAnswers::get(const std::string& key, TimePoint not_before) {
  const MutexLock lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second->kept < not_before) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return std::make_unique<net::Response>(found->second->response);
}

size_t LastAnswers::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace sentinel::gateway
