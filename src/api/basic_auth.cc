#include "api/basic_auth.h"

#include <crypt.h>

#include <algorithm>

#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::api {
namespace {

constexpr size_t kPasswordChecksMax = 8;  // at once: more would keep the pool from everything else
constexpr size_t kPasswordsRememberedMax = 100;

// Somebody unknown must take as long as somebody with a wrong password. It is nobody's.
constexpr const char* kNobody = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8F9Vn7cHV7qYkQ1q8n1yLwL3lY2b5K";

bool matches(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), hash.c_str(), data.get());
  return made != nullptr && constant_time_equals(made, hash);
}

std::optional<std::pair<std::string, std::string>> credentials(const net::Request& request) {
  const std::string_view header = request.headers.get("authorization");
  if (header.size() < 6 || !iequals(header.substr(0, 6), "basic ")) return std::nullopt;
  const auto text = base64_decode(trim(header.substr(6)));
  const size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  return std::pair(text->substr(0, colon), text->substr(colon + 1));
}

}  // namespace

bool is_bcrypt(std::string_view hash) {
  if (hash.size() != 60 || !hash.starts_with("$2") || hash[3] != '$' || hash[6] != '$') return false;
  const auto cost = parse_int(hash.substr(4, 2));
  return std::string_view("aby").find(hash[2]) != std::string_view::npos && cost && *cost >= 4 && *cost <= 31;
}

BasicAuth::BasicAuth(net::Runtime& runtime, MetricRegistry& metrics)
    : runtime_(runtime),
      refused_(metrics.counter("sentinel_authentication_failures_total", "Requests without a token that is known.",
                               {{"where", "basic"}})) {}

void BasicAuth::set_users(std::map<std::string, std::string> users) {
  MutexLock lock(mutex_);
  users_ = std::move(users);
  checked_.clear();
}

std::shared_ptr<const net::Router> BasicAuth::guard(std::shared_ptr<const net::Router> routes) {
  auto guarded = std::make_shared<net::Router>();
  guarded->set_fallback(
      [this, routes = std::move(routes)](net::Exchange* exchange) { return handle(exchange, routes.get()); });
  return guarded;
}

net::Task<void> BasicAuth::handle(net::Exchange* exchange, const net::Router* routes) {
  bool open = false;
  {
    MutexLock lock(mutex_);
    open = users_.empty();
  }
  Verdict verdict = Verdict::kYes;
  if (!open) {
    const auto given = credentials(exchange->request());
    verdict = given ? co_await check(given->first, given->second) : Verdict::kNo;
  }
  if (verdict == Verdict::kYes) {
    co_await routes->serve(exchange);
    co_return;
  }
  refused_.add();
  // Plain text, as the toolkit answers: amtool reads nothing else here.
  net::Response response = verdict == Verdict::kBusy ? net::text_response(503, "too many passwords are being checked\n")
                                                     : net::text_response(401, "Unauthorized\n");
  if (verdict == Verdict::kNo) response.headers.set("WWW-Authenticate", "Basic");
  (void)co_await exchange->respond(std::move(response));
}

net::Task<BasicAuth::Verdict> BasicAuth::check(std::string name, std::string password) {
  std::string hash = kNobody;
  bool known = false;
  std::string key;
  {
    MutexLock lock(mutex_);
    if (const auto user = users_.find(name); user != users_.end()) {
      hash = user->second;
      known = true;
    }
    key = sha256(std::to_string(name.size()) + ":" + name + hash + password);
    if (const auto found = checked_.find(key); found != checked_.end())
      co_return found->second ? Verdict::kYes : Verdict::kNo;
    if (checking_ >= kPasswordChecksMax) co_return Verdict::kBusy;
    ++checking_;
  }
  const bool right = co_await net::blocking(&runtime_, [password, hash] { return matches(password, hash); });
  MutexLock lock(mutex_);
  --checking_;
  if (checked_.size() >= kPasswordsRememberedMax) checked_.erase(checked_.begin());  // keys are hashes: any one
  checked_[key] = known && right;
  co_return known&& right ? Verdict::kYes : Verdict::kNo;
}

}  // namespace sentinel::api
