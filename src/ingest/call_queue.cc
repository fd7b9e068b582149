#include "ingest/call_queue.h"

#include <mutex>
#include <utility>

namespace sentinel::ingest {

size_t size_bytes(const model::Interaction& i) {
  return sizeof i + i.prompt.size() + i.context.size() + i.tool_output.size() + i.response.size();
}

bool CallQueue::crowded() const { return calls_.size() * 2 > calls_max_ || bytes_ * 2 > bytes_max_; }

QueuedCall CallQueue::take_front() {
  QueuedCall call = std::move(calls_.front());
  calls_.pop_front();
  bytes_ -= size_bytes(call.interaction);
  return call;
}

bool CallQueue::push(QueuedCall call) {
  MutexLock lock(mutex_);
  const size_t bytes = size_bytes(call.interaction);
  if (closed_ || calls_.size() >= calls_max_ || (!calls_.empty() && bytes_ + bytes > bytes_max_)) return false;
  calls_.push_back(std::move(call));
  bytes_ += bytes;
  ready_.notify_one();
  if (crowded()) pressure_.notify_one();
  return true;
}

bool CallQueue::post(std::function<void()> task) {
  MutexLock lock(mutex_);
  if (closed_) return false;
  tasks_.push_back(std::move(task));
  ready_.notify_one();
  return true;
}

CallQueue::Work CallQueue::pop(size_t calls_max, Millis timeout) SENTINEL_TSA(no_thread_safety_analysis) {
  std::unique_lock lock(mutex_);
  ready_.wait_for(lock, timeout, [this]() SENTINEL_TSA(no_thread_safety_analysis) {
    return closed_ || !calls_.empty() || !tasks_.empty();
  });
  Work work;
  work.tasks = std::exchange(tasks_, {});
  while (!calls_.empty() && work.calls.size() < calls_max) work.calls.push_back(take_front());
  return work;
}

std::vector<QueuedCall> CallQueue::pop_for_spill(size_t calls_max, int64_t before_us) {
  MutexLock lock(mutex_);
  std::vector<QueuedCall> out;
  while (!calls_.empty() && out.size() < calls_max && (calls_.front().since_us < before_us || crowded()))
    out.push_back(take_front());
  return out;
}

void CallQueue::put_back(std::vector<QueuedCall> calls) {
  MutexLock lock(mutex_);
  for (auto it = calls.rbegin(); it != calls.rend(); ++it) {
    bytes_ += size_bytes(it->interaction);
    calls_.push_front(std::move(*it));
  }
  ready_.notify_one();
}

void CallQueue::wait_for_pressure(Millis timeout) SENTINEL_TSA(no_thread_safety_analysis) {
  std::unique_lock lock(mutex_);
  pressure_.wait_for(lock, timeout, [this]() SENTINEL_TSA(no_thread_safety_analysis) { return closed_ || crowded(); });
}

void CallQueue::wait_for_close(Millis timeout) SENTINEL_TSA(no_thread_safety_analysis) {
  std::unique_lock lock(mutex_);
  pressure_.wait_for(lock, timeout, [this]() SENTINEL_TSA(no_thread_safety_analysis) { return closed_; });
}

void CallQueue::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  ready_.notify_all();
  pressure_.notify_all();
}

bool CallQueue::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

size_t CallQueue::size() const {
  MutexLock lock(mutex_);
  return calls_.size();
}

}  // namespace sentinel::ingest
