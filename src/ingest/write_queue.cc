#include "ingest/write_queue.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "ingest/limits.h"
#include "ingest/write_metrics.h"

namespace sentinel::ingest {
namespace {

constexpr int kBadRequest = 400;
constexpr std::string_view kPositionHead = "sentinel remote write 1\n";

size_t kind_index(WriteItem::Kind kind) { return static_cast<size_t>(kind); }

}  // namespace

std::string encode_write_position(tsdb::LogPosition at) {
  std::string out = fmt::format("{}{} {}\n", kPositionHead, at.segment, at.offset);
  return out + fmt::format("{:08x}\n", crc32c(out));
}

Result<tsdb::LogPosition> decode_write_position(std::string_view text) {
  const auto damaged = [] { return fail(ErrorCode::kInvalidArgument, "not a position of remote write"); };
  if (!text.starts_with(kPositionHead)) return damaged();
  const size_t line = text.find('\n', kPositionHead.size());
  if (line == std::string_view::npos) return damaged();
  if (text.substr(line + 1) != fmt::format("{:08x}\n", crc32c(text.substr(0, line + 1)))) return damaged();
  const std::string_view numbers = text.substr(kPositionHead.size(), line - kPositionHead.size());
  const size_t space = numbers.find(' ');
  if (space == std::string_view::npos) return damaged();
  const auto segment = parse_int(numbers.substr(0, space));
  const auto offset = parse_int(numbers.substr(space + 1));
  if (!segment || !offset || *segment < 0 || *offset < 0) return damaged();
  return tsdb::LogPosition{static_cast<uint64_t>(*segment), static_cast<uint64_t>(*offset)};
}

SendOutcome judge_answer(int status, std::string message, std::string_view retry_after, bool retry_on_429,
                         TimePoint now) {
  SendOutcome out;
  out.status = status;
  out.message = std::move(message);
  constexpr int kTooManyRequests = 429;
  const bool passes = status == 0 || status >= 500 || (status == kTooManyRequests && retry_on_429);
  if (status >= 200 && status < 300) return out;
  out.kind = passes ? SendOutcome::Kind::kRetry : SendOutcome::Kind::kRefused;
  if (!passes) return out;
  const std::string text(trim(retry_after));
  if (const auto seconds = parse_int(text); seconds && *seconds >= 0) {
    out.retry_after = std::chrono::seconds(std::min<int64_t>(*seconds, kWriteRetryAfterMax.count() / 1000));
    return out;
  }
  std::tm tm{};
  if (text.empty() || ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm) == nullptr) return out;
  const int64_t wait_ms = static_cast<int64_t>(::timegm(&tm)) * 1000 - to_ms(now);
  out.retry_after = Millis(std::clamp<int64_t>(wait_ms, 0, kWriteRetryAfterMax.count()));
  return out;
}

WriteQueue::WriteQueue(Scheduler& loop, Env& env, tsdb::Store& store, const MetadataStore& metadata,
                       MetricRegistry& metrics, std::shared_ptr<WriteSender> sender, WriteTarget target,
                       WriteQueueOptions options)
    : loop_(loop),
      env_(env),
      store_(store),
      metadata_(metadata),
      sender_(std::move(sender)),
      target_(std::move(target)),
      options_(std::move(options)),
      metrics_(std::make_unique<WriteMetrics>(metrics, target_)),
      reader_(std::make_unique<tsdb::LogReader>(env_, options_.store_dir, [this] { return store_.log_end(); })),
      shards_(target_.shards) {}

WriteQueue::~WriteQueue() = default;

// ---- start and stop ----

void WriteQueue::start() {
  load_position();
  seek(done_);
  const TimePoint now = loop_.now();
  next_save_ = now;
  next_metadata_ = now + target_.metadata_interval;
  next_forget_ = now + kWriteForgetInterval;
  if (fresh_) save();
  tick();
}

void WriteQueue::load_position() {
  const tsdb::LogPosition end = store_.log_end();
  done_ = end;
  fresh_ = true;
  if (!env_.exists(options_.position_file)) return;
  const auto text = env_.read_file(options_.position_file);
  const auto at = text ? decode_write_position(*text) : Result<tsdb::LogPosition>(fail(text.error()));
  if (!at || at->segment > end.segment) {
    log_warn("remote_write", "the position in the log was lost; sending begins with what comes now",
             {{"remote", target_.name}, {"error", at ? "behind the end of the log" : at.error().to_string()}});
    return;
  }
  fresh_ = false;
  done_ = *at;
  saved_ = done_;
  doubt_until_ = end;
}

void WriteQueue::seek(tsdb::LogPosition from) {
  series_.clear();
  // At the latest there; forget_series() must not take them for older than they are.
  const uint64_t segment = store_.log_end().segment;
  const auto defined = [this, segment](const tsdb::SeriesDef& def) { define(def, segment); };
  Status found = reader_->seek(from, defined);
  if (found) return;
  log_error("remote_write", "the log was cut before all of it was sent",
            {{"remote", target_.name}, {"error", found.error().to_string()}});
  metrics_->log_lost.add();
  series_.clear();
  found = reader_->seek_newest_checkpoint(defined);
  if (!found) log_error("remote_write", "the log cannot be read", {{"error", found.error().to_string()}});
}

void WriteQueue::stop() {
  if (stopped_) return;
  save();
  stopped_ = true;
  for (Shard& shard : shards_) {
    if (shard.timer != TimerId::kNone) loop_.cancel(shard.timer);
    for (const Waiting& waiting : shard.items) metrics_->kinds[kind_index(waiting.item.kind)].pending->add(-1);
    shard.items.clear();
  }
}

void WriteQueue::tick() {
  if (stopped_) return;
  const TimePoint now = loop_.now();
  pump();
  if (now >= next_save_) {
    next_save_ = now + kWriteSaveInterval;
    metrics_->highest_seen_s.set(static_cast<double>(store_.stats().max_ms) / 1000);
    save();
  }
  if (now >= next_forget_) {
    next_forget_ = now + kWriteForgetInterval;
    forget_series();
  }
  if (target_.send_metadata && now >= next_metadata_) {
    next_metadata_ = now + target_.metadata_interval;
    send_metadata();
  }
  loop_.after(kWriteTick, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->tick();
  });
}

// ---- from the log into the shards ----

void WriteQueue::define(const tsdb::SeriesDef& def, uint64_t segment) {
  model::Labels labels = def.labels;
  for (const model::Label& label : options_.external_labels) {
    if (!labels.has(label.name)) labels.set(label.name, label.value);
  }
  Known known;
  known.defined_in = segment;
  if (relabel(target_.relabel_rules, labels) && !labels.empty()) {
    known.shard = labels.hash() % shards_.size();
    known.labels = std::make_shared<const model::Labels>(std::move(labels));
  }
  series_[def.ref] = std::move(known);
}

void WriteQueue::pump() {
  if (stopped_) return;
  // A bounded part at a time, so that answers are heard between.
  for (int i = 0; i < kWriteBatchesATime && fill(); ++i) {
  }
  for (Shard& shard : shards_) poke(shard);
  advance();
}

bool WriteQueue::fill() {
  if (spreading_) {
    if (!spread()) return false;
    return true;
  }
  const tsdb::LogPosition before = reader_->position();
  const auto more = reader_->next(batch_);
  if (!more) {
    if (more.error().code() == ErrorCode::kNotFound) {
      seek(before);
    } else {
      log_warn("remote_write", "the log cannot be read; trying again",
               {{"remote", target_.name}, {"error", more.error().to_string()}});
    }
    return false;
  }
  if (!*more) return false;
  for (const tsdb::SeriesDef& def : batch_.series) define(def, reader_->position().segment);
  next_sample_ = next_histogram_ = next_exemplar_ = 0;
  spreading_ = true;
  tickets_.push_back({reader_->position(), 1});  // one for what is not spread yet
  metrics_->kinds[0].in->add(static_cast<double>(batch_.samples.size()));
  metrics_->kinds[1].in->add(static_cast<double>(batch_.histograms.size()));
  metrics_->kinds[2].in->add(static_cast<double>(batch_.exemplars.size()));
  return spread();
}

// Gives what is left of the batch to the shards. False: one of them is full.
bool WriteQueue::spread() {
  using Kind = WriteItem::Kind;
  while (next_sample_ < batch_.samples.size() || next_histogram_ < batch_.histograms.size()) {
    const bool histogram_first =
        next_histogram_ < batch_.histograms.size() &&
        (next_sample_ >= batch_.samples.size() || batch_.histograms[next_histogram_].after <= next_sample_);
    if (histogram_first) {
      const tsdb::RefHistogram& h = batch_.histograms[next_histogram_];
      WriteItem item{Kind::kHistogram, {}, {h.sample.t_ms, 0}, h.sample.h, {}};
      if (!give(h.ref, std::move(item), Kind::kHistogram)) return false;
      ++next_histogram_;
    } else {
      const tsdb::RefSample& s = batch_.samples[next_sample_];
      if (!give(s.ref, {Kind::kSample, {}, s.sample, {}, {}}, Kind::kSample)) return false;
      ++next_sample_;
    }
  }
  for (; next_exemplar_ < batch_.exemplars.size(); ++next_exemplar_) {
    const tsdb::RefExemplar& e = batch_.exemplars[next_exemplar_];
    WriteItem item{Kind::kExemplar, {}, {e.exemplar.t_ms, 0}, {}, std::make_shared<model::Exemplar>(e.exemplar)};
    if (!give(e.ref, std::move(item), Kind::kExemplar)) return false;
  }
  spreading_ = false;
  --tickets_.back().open;
  return true;
}

// False: its shard is full.
bool WriteQueue::give(uint64_t ref, WriteItem item, WriteItem::Kind kind) {
  const WriteMetrics::Kind& metrics = metrics_->kinds[kind_index(kind)];
  if (kind == WriteItem::Kind::kExemplar && !target_.send_exemplars) return true;
  if (kind == WriteItem::Kind::kHistogram && !target_.send_histograms) return true;
  const auto it = series_.find(ref);
  if (it == series_.end()) {
    metrics.dropped_unknown->add();
    return true;
  }
  if (!it->second.labels) {
    metrics.dropped_relabelled->add();
    return true;
  }
  Shard& shard = shards_[it->second.shard];
  if (shard.items.size() >= target_.capacity) return false;
  item.labels = it->second.labels;
  const bool again = reader_->position() <= doubt_until_;
  shard.items.push_back({std::move(item), first_ticket_ + tickets_.size() - 1, loop_.now(), again});
  ++tickets_.back().open;
  metrics.pending->add(1);
  return true;
}

// Series that a checkpoint behind us does not have are defined again before they are used.
void WriteQueue::forget_series() {
  const auto checkpoint = reader_->checkpoint_since(checkpoint_seen_);
  if (!checkpoint || !checkpoint->has_value()) return;
  checkpoint_seen_ = (*checkpoint)->number;
  std::vector<uint64_t> refs = std::move((*checkpoint)->refs);
  std::sort(refs.begin(), refs.end());
  absl::erase_if(series_, [&](const auto& entry) {
    return entry.second.defined_in <= checkpoint_seen_ && !std::binary_search(refs.begin(), refs.end(), entry.first);
  });
}

// ---- a shard ----

// Sends if there is enough, or if the oldest has waited long enough; else at that time.
void WriteQueue::poke(Shard& shard) {
  if (stopped_ || shard.in_flight > 0) return;
  drop_aged(shard);
  if (shard.items.empty()) return;
  if (shard.split_left > 0) {
    send(shard, std::min({shard.split, shard.split_left, shard.items.size()}));
    return;
  }
  const bool full = shard.items.size() >= target_.samples_per_send;
  if (full || loop_.now() - shard.items.front().since >= target_.send_deadline) {
    send(shard, std::min(shard.items.size(), target_.samples_per_send));
  }
}

void WriteQueue::drop_aged(Shard& shard) {
  if (target_.age_limit <= Millis(0)) return;
  const int64_t oldest_ms = to_ms(loop_.now()) - target_.age_limit.count();
  while (!shard.items.empty() && shard.items.front().item.sample.t_ms < oldest_ms) {
    metrics_->kinds[kind_index(shard.items.front().item.kind)].dropped_too_old->add();
    release(shard.items.front());
    shard.items.pop_front();
    if (shard.split_left > 0) --shard.split_left;
  }
}

void WriteQueue::send(Shard& shard, size_t count) {
  std::vector<WriteItem> items;
  items.reserve(count);
  shard.kinds = {};
  for (size_t i = 0; i < count; ++i) {
    items.push_back(shard.items[i].item);
    ++shard.kinds[kind_index(items.back().kind)];
  }
  if (target_.protocol == WriteProtocol::kV2 && target_.send_metadata && !metadata_now_) {
    metadata_now_ = std::make_shared<const MetadataMap>(metadata_.all());
  }
  const std::string raw = encode_write(target_.protocol, items, metadata_now_.get());
  shard.body = std::make_shared<const std::string>(snappy_block(raw));
  shard.in_flight = count;
  shard.backoff = target_.backoff_min;
  transmit(shard);
}

void WriteQueue::transmit(Shard& shard) {
  shard.sent_us = to_us(loop_.now());
  sender_->send(target_.protocol, shard.body,
                [weak = weak_from_this(), loop = &loop_, at = index_of(shard), body = shard.body](SendOutcome outcome) {
                  if (weak.expired()) return;
                  loop->post([weak, at, outcome = std::move(outcome)] {
                    if (const auto self = weak.lock()) self->answered(at, outcome);
                  });
                });
}

void WriteQueue::answered(size_t at, const SendOutcome& outcome) {
  if (stopped_) return;
  Shard& shard = shards_[at];
  metrics_->batch_seconds.observe(static_cast<double>(to_us(loop_.now()) - shard.sent_us) / 1e6);
  switch (outcome.kind) {
    case SendOutcome::Kind::kTaken: settle(shard, true); break;
    case SendOutcome::Kind::kRefused: refuse(shard, outcome); break;
    case SendOutcome::Kind::kRetry: retry(shard, outcome); return;
  }
  pump();
}

void WriteQueue::retry(Shard& shard, const SendOutcome& outcome) {
  for (size_t i = 0; i < shard.kinds.size(); ++i) metrics_->kinds[i].retried->add(static_cast<double>(shard.kinds[i]));
  // What got no answer may have been taken all the same.
  if (outcome.status == 0) {
    for (size_t i = 0; i < shard.in_flight; ++i) shard.items[i].again = true;
  }
  const Micros wait = outcome.retry_after ? std::min<Micros>(*outcome.retry_after, kWriteRetryAfterMax) : shard.backoff;
  shard.backoff = std::min<Micros>(std::max<Micros>(wait, target_.backoff_min) * 2, target_.backoff_max);
  log_info("remote_write", "a request is tried again",
           {{"remote", target_.name}, {"status", outcome.status}, {"error", outcome.message}, {"wait", wait.count()}});
  shard.timer = loop_.after(wait, [weak = weak_from_this(), at = index_of(shard)] {
    const auto self = weak.lock();
    if (!self || self->stopped_) return;
    Shard& mine = self->shards_[at];
    mine.timer = TimerId::kNone;
    if (self->target_.age_limit <= Millis(0)) {
      self->transmit(mine);
      return;
    }
    // What has become too old meanwhile does not go with it.
    const Micros backoff = mine.backoff;
    const size_t before = mine.items.size();
    const size_t count = std::exchange(mine.in_flight, 0);
    self->drop_aged(mine);
    const size_t left = count - std::min(count, before - mine.items.size());
    if (left > 0) self->send(mine, left);
    mine.backoff = backoff;
    if (left == 0) self->pump();
  });
}

void WriteQueue::refuse(Shard& shard, const SendOutcome& outcome) {
  const auto begin = shard.items.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(shard.in_flight);
  const bool doubt = std::any_of(begin, end, [](const Waiting& w) { return w.again; });
  // Only 1.0 loses the good samples of a refused request.
  if (doubt && shard.in_flight > 1 && target_.protocol == WriteProtocol::kV1 && outcome.status == kBadRequest) {
    shard.split_left = std::max(shard.split_left, shard.in_flight);
    shard.split = (shard.in_flight + 1) / 2;
    shard.in_flight = 0;
    return;
  }
  log_warn(
      "remote_write", "the receiver refused a request",
      {{"remote", target_.name}, {"status", outcome.status}, {"samples", shard.in_flight}, {"error", outcome.message}});
  settle(shard, false);
}

void WriteQueue::settle(Shard& shard, bool taken) {
  for (size_t i = 0; i < shard.kinds.size(); ++i) {
    const auto count = static_cast<double>(shard.kinds[i]);
    metrics_->kinds[i].total->add(count);
    if (!taken) metrics_->kinds[i].failed->add(count);
  }
  if (taken) metrics_->bytes.add(static_cast<double>(shard.body->size()));
  int64_t highest_ms = 0;
  for (size_t i = 0; i < shard.in_flight; ++i) {
    highest_ms = std::max(highest_ms, shard.items.front().item.sample.t_ms);
    release(shard.items.front());
    shard.items.pop_front();
  }
  if (taken) highest_sent_s_ = std::max(highest_sent_s_, static_cast<double>(highest_ms) / 1000);
  metrics_->highest_sent_s.set(highest_sent_s_);
  shard.split_left -= std::min(shard.split_left, shard.in_flight);
  // A part that went through: the next may be larger again.
  if (taken) shard.split = std::min(shard.split * 2, target_.samples_per_send);
  shard.in_flight = 0;
  shard.body.reset();
}

// ---- the position ----

void WriteQueue::release(const Waiting& waiting) {
  metrics_->kinds[kind_index(waiting.item.kind)].pending->add(-1);
  --tickets_[waiting.ticket - first_ticket_].open;
}

void WriteQueue::advance() {
  while (!tickets_.empty() && tickets_.front().open == 0) {
    done_ = tickets_.front().end;
    tickets_.pop_front();
    ++first_ticket_;
  }
  // Records without samples, and ends of segments.
  if (tickets_.empty() && !spreading_) done_ = std::max(done_, reader_->position());
}

void WriteQueue::save() {
  if (done_ == saved_ && !fresh_) return;
  // The position must never be ahead of what the log still has after a power cut.
  Status status = store_.sync();
  if (status) status = env_.write_file_atomic(options_.position_file, encode_write_position(done_));
  if (!status) {
    log_warn("remote_write", "the position was not saved",
             {{"remote", target_.name}, {"error", status.error().to_string()}});
    return;
  }
  fresh_ = false;
  saved_ = done_;
  if (on_saved_) on_saved_();
}

// ---- metadata ----

void WriteQueue::send_metadata() {
  auto known = std::make_shared<const MetadataMap>(metadata_.all());
  if (target_.protocol == WriteProtocol::kV2) {
    metadata_now_ = std::move(known);
    return;
  }
  if (metadata_under_way_ || known->empty()) return;
  auto all = std::make_shared<std::vector<NamedMetadata>>();
  for (const auto& [family, descriptions] : *known) {
    for (const FamilyMetadata& one : descriptions) all->push_back({family, one});
  }
  metadata_under_way_ = true;
  send_metadata_from(all, 0, target_.backoff_min);
}

void WriteQueue::send_metadata_from(std::shared_ptr<const std::vector<NamedMetadata>> all, size_t at, Micros backoff) {
  metadata_under_way_ = at < all->size();
  if (stopped_ || !metadata_under_way_) return;
  const size_t count = std::min(target_.metadata_per_send, all->size() - at);
  auto body = std::make_shared<const std::string>(snappy_block(encode_metadata(std::span(*all).subspan(at, count))));
  const auto heard = [weak = weak_from_this(), all, at, count, backoff, bytes = body->size()](const SendOutcome& out) {
    const auto self = weak.lock();
    if (!self || self->stopped_) return;
    const auto n = static_cast<double>(count);
    if (out.kind != SendOutcome::Kind::kRetry) {
      self->metrics_->metadata_total.add(n);
      if (out.kind == SendOutcome::Kind::kRefused) self->metrics_->metadata_failed.add(n);
      if (out.kind == SendOutcome::Kind::kTaken) self->metrics_->metadata_bytes.add(static_cast<double>(bytes));
      self->send_metadata_from(all, at + count, self->target_.backoff_min);
      return;
    }
    self->metrics_->metadata_retried.add(n);
    const Micros wait = out.retry_after ? std::min<Micros>(*out.retry_after, kWriteRetryAfterMax) : backoff;
    self->loop_.after(wait, [weak, all, at, next = std::min<Micros>(wait * 2, self->target_.backoff_max)] {
      if (const auto again = weak.lock()) again->send_metadata_from(all, at, next);
    });
  };
  sender_->send(WriteProtocol::kV1, std::move(body), [weak = weak_from_this(), loop = &loop_, heard](SendOutcome out) {
    if (weak.expired()) return;
    loop->post([heard, out = std::move(out)] { heard(out); });
  });
}

}  // namespace sentinel::ingest
