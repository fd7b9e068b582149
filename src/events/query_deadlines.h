#pragma once
// Interrupts queries that run past their time.

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <thread>

#include "base/thread_annotations.h"
#include "events/duck.h"

namespace sentinel::events {

// One thread for all queries. Thread-safe.
class QueryDeadlines {
 public:
  QueryDeadlines();
  ~QueryDeadlines();
  QueryDeadlines(const QueryDeadlines&) = delete;
  QueryDeadlines& operator=(const QueryDeadlines&) = delete;

  // Watches a connection until destroyed; `fired` says whether it was interrupted.
  class Watch {
   public:
    Watch(QueryDeadlines& owner, DuckConnection& connection, std::chrono::milliseconds timeout);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    bool fired() const;

   private:
    friend class QueryDeadlines;
    QueryDeadlines& owner_;
    DuckConnection& connection_;
    std::chrono::steady_clock::time_point due_;
    bool fired_ = false;  // owner_.mutex_
  };

 private:
  void run();

  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  std::multimap<std::chrono::steady_clock::time_point, Watch*> watches_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sentinel::events
