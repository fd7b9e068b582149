#pragma once
// Remote write out to one receiver. The time-series store's own log is the queue: what was committed is read from
// there, so nothing is written twice, a slow receiver holds up nobody, and what was not acknowledged is read again
// after a crash. The position before which all is acknowledged is kept in a file
// (docs/formats/remote_write_position.md).

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/file.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "ingest/write_config.h"
#include "ingest/write_encoder.h"
#include "ingest/write_metrics.h"
#include "tsdb/log_reader.h"
#include "tsdb/store.h"

namespace sentinel::ingest {

struct SendOutcome {
  enum class Kind { kTaken, kRetry, kRefused };
  Kind kind = Kind::kTaken;
  int status = 0;  // of HTTP; 0: there was no answer
  std::string message;
  std::optional<Micros> retry_after;  // kRetry
};

// What the answer of a receiver (or its lack: status 0) means.
SendOutcome judge_answer(int status, std::string message, std::string_view retry_after, bool retry_on_429,
                         TimePoint now);

// The way to the receiver.
class WriteSender {
 public:
  using Done = std::function<void(SendOutcome)>;
  virtual ~WriteSender() = default;
  // `body` is snappy. Returns at once; `done` is called once, on any thread, or never when the process ends.
  virtual void send(WriteProtocol protocol, std::shared_ptr<const std::string> body, Done done) = 0;
};

struct WriteQueueOptions {
  std::string store_dir;      // of the store whose log is read
  std::string position_file;  // its folder exists
  model::Labels external_labels;
};

// Samples of a series go in the order of the log: series are spread over shards by their labels, and a shard sends one
// request after the other. At least once: what was under way at a crash is sent again. A receiver of 1.0 refuses a
// whole request for one sample it has newer ones of, so a request that may hold such is split when it is refused.
// Lives on `loop`, all calls there; shared, as answers come when it may be gone.
class WriteQueue : public std::enable_shared_from_this<WriteQueue> {
 public:
  WriteQueue(Scheduler& loop, Env& env, tsdb::Store& store, const MetadataStore& metadata, MetricRegistry& metrics,
             std::shared_ptr<WriteSender> sender, WriteTarget target, WriteQueueOptions options);
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  // Goes on where it was; without a position file at the end of the log.
  void start();
  // Saves the position; answers that come later are ignored. What waits is sent by the next one that starts.
  void stop();
  // The log before this is not needed any more.
  tsdb::LogPosition acknowledged() const { return saved_; }
  // Called when acknowledged() has moved.
  void on_saved(std::function<void()> fn) { on_saved_ = std::move(fn); }
  const WriteTarget& target() const { return target_; }

 private:
  // A batch of the log: settled when all that it gave to shards is.
  struct Ticket {
    tsdb::LogPosition end;
    size_t open = 0;
  };
  struct Waiting {
    WriteItem item;
    uint64_t ticket = 0;
    TimePoint since;
    bool again = false;  // it may have been sent before
  };
  struct Shard {
    std::deque<Waiting> items;
    size_t in_flight = 0;   // the first so many of `items`
    size_t split_left = 0;  // so many items are left of a refused request,
    size_t split = 0;       // and are sent so many at once
    std::shared_ptr<const std::string> body;
    std::array<size_t, 3> kinds{};  // in flight, by WriteItem::Kind
    Micros backoff{0};
    int64_t sent_us = 0;
    TimerId timer = TimerId::kNone;
  };
  struct Known {
    LabelsPtr labels;         // after relabelling; null: dropped
    uint64_t defined_in = 0;  // segment
    size_t shard = 0;
  };

  void seek(tsdb::LogPosition from);
  void define(const tsdb::SeriesDef& def, uint64_t segment);
  void pump();
  // The next batch, or the rest of the last. False: the log has no more, or there is no room.
  bool fill();
  bool spread();
  bool give(uint64_t ref, WriteItem item, WriteItem::Kind kind);
  void forget_series();
  void poke(Shard& shard);
  void send(Shard& shard, size_t count);
  void transmit(Shard& shard);
  void answered(size_t at, const SendOutcome& outcome);
  void settle(Shard& shard, bool taken);
  void retry(Shard& shard, const SendOutcome& outcome);
  void refuse(Shard& shard, const SendOutcome& outcome);
  void drop_aged(Shard& shard);
  void release(const Waiting& waiting);
  void advance();
  void save();
  void load_position();
  void send_metadata();
  void send_metadata_from(std::shared_ptr<const std::vector<NamedMetadata>> all, size_t at, Micros backoff);
  void tick();
  size_t index_of(const Shard& shard) const { return static_cast<size_t>(&shard - shards_.data()); }

  Scheduler& loop_;
  Env& env_;
  tsdb::Store& store_;
  const MetadataStore& metadata_;
  const std::shared_ptr<WriteSender> sender_;
  const WriteTarget target_;
  const WriteQueueOptions options_;
  std::unique_ptr<WriteMetrics> metrics_;
  std::unique_ptr<tsdb::LogReader> reader_;
  std::function<void()> on_saved_;

  absl::flat_hash_map<uint64_t, Known> series_;
  std::vector<Shard> shards_;
  tsdb::BatchRecord batch_;  // being spread
  size_t next_sample_ = 0;
  size_t next_histogram_ = 0;
  size_t next_exemplar_ = 0;
  bool spreading_ = false;

  std::deque<Ticket> tickets_;
  uint64_t first_ticket_ = 0;  // number of the front
  tsdb::LogPosition done_;     // all before it is settled
  tsdb::LogPosition saved_;
  tsdb::LogPosition doubt_until_;  // what is read before it may have been sent by an earlier run
  bool fresh_ = false;             // there was no position to go on at
  uint64_t checkpoint_seen_ = 0;
  double highest_sent_s_ = 0;
  TimePoint next_save_;
  TimePoint next_forget_;
  std::shared_ptr<const MetadataMap> metadata_now_;
  TimePoint next_metadata_;
  bool metadata_under_way_ = false;
  bool stopped_ = false;
};

std::string encode_write_position(tsdb::LogPosition at);
// kInvalidArgument: no such file. Any bytes are safe.
Result<tsdb::LogPosition> decode_write_position(std::string_view text);

}  // namespace sentinel::ingest
