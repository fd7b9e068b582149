#pragma once
// All receivers of remote_write: one queue each, on a thread of their own, and what of the log they need.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/scheduler.h"
#include "ingest/write_queue.h"
#include "net/http_client.h"

namespace sentinel::ingest {

// HTTP. Thread-safe; the runtime outlives it.
std::shared_ptr<WriteSender> make_http_sender(net::Runtime& runtime, const Clock& clock, MetricRegistry& metrics,
                                              const WriteTarget& target);

// The first segment of the log that any of the targets has still to read, for StoreOptions::log; kKeepNothing: none.
uint64_t oldest_unread_segment(Env& env, const std::string& dir, const std::vector<WriteTarget>& targets);

// Thread-safe. All references outlive it, and the runtime is stopped before it is destroyed.
class RemoteWriteOut {
 public:
  struct Dirs {
    std::string store;      // of the store
    std::string positions;  // ours; created
  };
  RemoteWriteOut(net::Runtime& runtime, const Clock& clock, Env& env, tsdb::Store& store, const MetadataStore& metadata,
                 MetricRegistry& metrics, Dirs dirs);
  ~RemoteWriteOut();
  RemoteWriteOut(const RemoteWriteOut&) = delete;
  RemoteWriteOut& operator=(const RemoteWriteOut&) = delete;

  // Replaces all queues; those of the same name go on where they were, positions of names that are gone are removed.
  Status apply(const std::vector<WriteTarget>& targets, const model::Labels& external_labels);
  void stop();  // saves the positions; idempotent

 private:
  void keep_log();  // on loop_

  net::Runtime& runtime_;
  const Clock& clock_;
  Env& env_;
  tsdb::Store& store_;
  const MetadataStore& metadata_;
  MetricRegistry& metrics_;
  const Dirs dirs_;
  std::map<std::string, std::shared_ptr<WriteQueue>> queues_;  // on loop_
  EventLoop loop_;                                             // destroyed first
};

}  // namespace sentinel::ingest
