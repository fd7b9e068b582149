#include "events/query_deadlines.h"

namespace sentinel::events {
namespace {

// An interrupt that comes before the engine has begun to execute is lost, so it is repeated.
constexpr std::chrono::milliseconds kRepeat{20};

}  // namespace

QueryDeadlines::QueryDeadlines() : thread_([this] { run(); }) {}

QueryDeadlines::~QueryDeadlines() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

QueryDeadlines::Watch::Watch(QueryDeadlines& owner, DuckConnection& connection, std::chrono::milliseconds timeout)
    : owner_(owner), connection_(connection), due_(std::chrono::steady_clock::now() + timeout) {
  {
    MutexLock lock(owner_.mutex_);
    owner_.watches_.emplace(due_, this);
  }
  owner_.wake_.notify_all();
}

QueryDeadlines::Watch::~Watch() {
  MutexLock lock(owner_.mutex_);
  std::erase_if(owner_.watches_, [this](const auto& entry) { return entry.second == this; });
}

bool QueryDeadlines::Watch::fired() const {
  MutexLock lock(owner_.mutex_);
  return fired_;
}

void QueryDeadlines::run() SENTINEL_TSA(no_thread_safety_analysis) {
  mutex_.lock();
  while (!stopping_) {
    if (watches_.empty()) {
      wake_.wait(mutex_);
      continue;
    }
    const auto first = watches_.begin();
    const auto now = std::chrono::steady_clock::now();
    if (first->first > now) {
      const auto due = first->first;
      wake_.wait_until(mutex_, due);
      continue;
    }
    Watch* watch = first->second;
    watches_.erase(first);
    watch->fired_ = true;
    watch->connection_.interrupt();
    watches_.emplace(now + kRepeat, watch);
  }
  mutex_.unlock();
}

}  // namespace sentinel::events
