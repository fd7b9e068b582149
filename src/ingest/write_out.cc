#include "ingest/write_out.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "ingest/limits.h"

namespace sentinel::ingest {
namespace {

constexpr std::string_view kSuffix = ".position";

// A name may have any characters, a file may not.
std::string position_file(const std::string& dir, const std::string& name) {
  return fmt::format("{}/{:016x}{}", dir, hash64(name), kSuffix);
}

class HttpSender final : public WriteSender, public std::enable_shared_from_this<HttpSender> {
 public:
  HttpSender(net::Runtime& runtime, const Clock& clock, MetricRegistry& metrics, const WriteTarget& target)
      : runtime_(runtime), clock_(clock), target_(target), client_(runtime, metrics, options_of(target)) {}

  void send(WriteProtocol protocol, std::shared_ptr<const std::string> body, Done done) override {
    runtime_.spawn(runtime_.any_core(), "remote write", run(shared_from_this(), protocol, std::move(body), done));
  }

 private:
  static net::ClientOptions options_of(const WriteTarget& target) {
    net::ClientOptions options;
    options.idle_connections_per_origin = kWriteShardsMax;
    options.verify_tls = target.client.verify_tls;
    options.ca_file = target.client.ca_file;
    return options;
  }

  Result<net::ClientRequest> request(WriteProtocol protocol, const std::string& body) const {
    net::ClientRequest out;
    out.method = "POST";
    out.url = target_.url;
    SENTINEL_TRY(target_.client.apply(out.headers));
    out.headers.set("Content-Encoding", "snappy");
    out.headers.set("Content-Type", content_type_of(protocol));
    out.headers.set("User-Agent", "Sentinel/0.1.0");
    out.headers.set("X-Prometheus-Remote-Write-Version", protocol == WriteProtocol::kV1 ? "0.1.0" : "2.0.0");
    out.body = body;
    out.timeouts = {target_.timeout, target_.timeout, target_.timeout, target_.timeout};
    out.body_bytes_max = kWriteAnswerBytesMax;
    return out;
  }

  static net::Task<void> run(std::shared_ptr<HttpSender> self, WriteProtocol protocol,
                             std::shared_ptr<const std::string> body, Done done) {
    auto request = self->request(protocol, *body);
    if (!request) {
      done(self->judge(0, request.error().to_string(), ""));
      co_return;
    }
    const auto answer = co_await self->client_.fetch(std::move(*request));
    done(answer ? self->judge(answer->status, answer->body, answer->headers.get("Retry-After"))
                : self->judge(0, answer.error().to_string(), ""));
  }
  SendOutcome judge(int status, std::string message, std::string_view retry_after) const {
    constexpr size_t kMessageShown = 512;
    if (message.size() > kMessageShown) message.resize(kMessageShown);
    return judge_answer(status, std::move(message), retry_after, target_.retry_on_429, clock_.now());
  }

  net::Runtime& runtime_;
  const Clock& clock_;
  const WriteTarget target_;
  net::HttpClient client_;
};

}  // namespace

std::shared_ptr<WriteSender> make_http_sender(net::Runtime& runtime, const Clock& clock, MetricRegistry& metrics,
                                              const WriteTarget& target) {
  return std::make_shared<HttpSender>(runtime, clock, metrics, target);
}

uint64_t oldest_unread_segment(Env& env, const std::string& dir, const std::vector<WriteTarget>& targets) {
  uint64_t oldest = tsdb::kKeepNothing;
  for (const WriteTarget& target : targets) {
    const std::string file = position_file(dir, target.name);
    if (!env.exists(file)) continue;
    const auto text = env.read_file(file);
    const auto at = text ? decode_write_position(*text) : Result<tsdb::LogPosition>(fail(text.error()));
    if (at) oldest = std::min(oldest, at->segment);
  }
  return oldest;
}

RemoteWriteOut::RemoteWriteOut(net::Runtime& runtime, const Clock& clock, Env& env, tsdb::Store& store,
                               const MetadataStore& metadata, MetricRegistry& metrics, Dirs dirs)
    : runtime_(runtime),
      clock_(clock),
      env_(env),
      store_(store),
      metadata_(metadata),
      metrics_(metrics),
      dirs_(std::move(dirs)),
      loop_(clock, "remote_write") {}

RemoteWriteOut::~RemoteWriteOut() { stop(); }

Status RemoteWriteOut::apply(const std::vector<WriteTarget>& targets, const model::Labels& external_labels) {
  return loop_.call([&]() -> Status {
    for (auto& [name, queue] : queues_) queue->stop();
    queues_.clear();
    std::vector<std::string> files;
    if (!targets.empty()) SENTINEL_TRY(env_.make_dirs(dirs_.positions));
    for (const WriteTarget& target : targets) {
      files.push_back(position_file(dirs_.positions, target.name));
      auto queue = std::make_shared<WriteQueue>(loop_, env_, store_, metadata_, metrics_,
                                                make_http_sender(runtime_, clock_, metrics_, target), target,
                                                WriteQueueOptions{dirs_.store, files.back(), external_labels});
      queue->on_saved([this] { keep_log(); });
      queues_[target.name] = queue;
      queue->start();
    }
    if (env_.exists(dirs_.positions)) {
      SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dirs_.positions));
      for (const std::string& name : names) {
        const std::string path = dirs_.positions + "/" + name;
        if (std::find(files.begin(), files.end(), path) == files.end()) SENTINEL_TRY(env_.remove(path));
      }
    }
    keep_log();
    return {};
  });
}

void RemoteWriteOut::keep_log() {
  uint64_t oldest = tsdb::kKeepNothing;
  for (const auto& [name, queue] : queues_) oldest = std::min(oldest, queue->acknowledged().segment);
  store_.keep_log_from(oldest);
}

void RemoteWriteOut::stop() {
  loop_.call([this] {
    for (auto& [name, queue] : queues_) queue->stop();
    queues_.clear();
    return true;
  });
}

}  // namespace sentinel::ingest
