#include "incident/page_links.h"

#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"
#include "state/kv.h"

namespace sentinel::incident {
namespace {

constexpr std::string_view kSecretKey = "oncall/link-secret";
constexpr size_t kSecretBytes = 32;
constexpr size_t kSignatureBytes = 15;  // 20 characters; guessing one is hopeless and an SMS is short

}  // namespace

Status PageLinks::open(state::Database& database, TimePoint now) {
  std::optional<std::string> stored;
  SENTINEL_TRY(database.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(stored, state::KeyValue::get(tx, kSecretKey));
    return {};
  }));
  const auto bytes = stored ? base64_decode(*stored) : std::nullopt;
  if (bytes && bytes->size() == kSecretBytes) {
    secret_ = *bytes;
    return {};
  }
  secret_ = secure_random(kSecretBytes);
  return database.write(
      [&](state::Tx& tx) { return state::KeyValue::put(tx, kSecretKey, base64_encode(secret_), now); });
}

std::string PageLinks::signature(std::string_view purpose, std::string_view name) const {
  const std::string mac = hmac_sha256(secret_, std::string(purpose) + '\0' + std::string(name));
  std::string text = base64_encode(std::string_view(mac).substr(0, kSignatureBytes));
  for (char& c : text) c = c == '+' ? '-' : (c == '/' ? '_' : c);
  return text;
}

std::string PageLinks::token(int64_t id, std::string_view purpose, std::string_view name) const {
  const std::string number = std::to_string(id);
  return number + "." + signature(purpose, number + "/" + std::string(name));
}

std::optional<int64_t> PageLinks::id_of(std::string_view token) {
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  return parse_int(token.substr(0, dot));
}

bool PageLinks::valid(std::string_view token, std::string_view purpose, std::string_view name) const {
  const auto id = id_of(token);
  return id && constant_time_equals(token, this->token(*id, purpose, name));
}

}  // namespace sentinel::incident
