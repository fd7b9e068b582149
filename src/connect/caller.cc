#include "connect/caller.h"

#include "connect/limits.h"
#include "receivers/exchange.h"

namespace sentinel::connect {
namespace {

// Whatever becomes of the task, it is answered once.
struct Errand {
  std::shared_ptr<receivers::Workshop> shop;
  std::shared_ptr<const Connection> connection;
  receivers::HttpCall call;
  std::string key;
  bool bare = false;
  Caller::Done done;

  ~Errand() { give(fail(ErrorCode::kCanceled, "the call was broken off")); }
  void give(Result<net::Response> answer) {
    if (Caller::Done told = std::exchange(done, nullptr)) told(std::move(answer));
  }
};

net::Task<void> run(std::shared_ptr<Errand> errand) {
  const Status ready = errand->bare ? Status() : errand->connection->authorize(errand->call);
  if (!ready) {
    errand->give(fail(Error(ErrorCode::kInvalidArgument, ready.error().to_string())));
    co_return;
  }
  const receivers::CallTerms terms{&errand->connection->http(), kCallTimeout, errand->key};
  errand->give(co_await receivers::exchange(errand->shop.get(), terms, std::move(errand->call)));
}

}  // namespace

NetCaller::NetCaller(net::Runtime& runtime, net::HttpClient& client, const Clock& clock)
    : shop_(std::make_shared<receivers::Workshop>(runtime, client, clock)) {}

void NetCaller::call(std::shared_ptr<const Connection> connection, receivers::HttpCall call, std::string key, bool bare,
                     Done done) {
  auto errand = std::make_shared<Errand>();
  errand->shop = shop_;
  errand->connection = std::move(connection);
  errand->call = std::move(call);
  errand->key = std::move(key);
  errand->bare = bare;
  errand->done = std::move(done);
  net::Runtime& runtime = shop_->runtime;
  runtime.spawn(runtime.any_core(), "connect", run(std::move(errand)));
}

}  // namespace sentinel::connect
