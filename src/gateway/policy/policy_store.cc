#include "gateway/policy/policy_store.h"

#include <algorithm>

#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"

namespace sentinel::gateway {
namespace {

constexpr std::chrono::hours kSpendingKept{24 * 62};

std::string raw_from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  return out;
}

Result<std::shared_ptr<const VirtualKey>> key_from(const state::Row& row) {
  auto key = std::make_shared<VirtualKey>();
  key->id = row.text(0);
  key->hash = raw_from_hex(row.text(1));
  key->hint = row.text(2);
  SENTINEL_ASSIGN(key->spec, parse_key_spec(row.text(3), TimePoint()));
  key->created_at = time_from_us(row.integer(4));
  key->created_by = row.text(5);
  if (!row.is_null(6)) key->revoked_at = time_from_us(row.integer(6));
  return std::shared_ptr<const VirtualKey>(std::move(key));
}

bool in_force(const VirtualKey& key, TimePoint now) { return !key.revoked_at && !key.expired(now); }

}  // namespace

Status PolicyStore::migrate(state::Database& database) {
  return database.migrate("gateway_policy", {{1,
                                              "CREATE TABLE gateway_keys ("
                                              "  id TEXT PRIMARY KEY,"
                                              "  hash TEXT NOT NULL UNIQUE,"  // SHA-256 in hexadecimal digits
                                              "  hint TEXT NOT NULL,"
                                              "  spec TEXT NOT NULL,"
                                              "  created_at INTEGER NOT NULL,"
                                              "  created_by TEXT NOT NULL,"
                                              "  revoked_at INTEGER);"
                                              "CREATE TABLE gateway_switches ("
                                              "  route TEXT PRIMARY KEY,"
                                              "  reason TEXT NOT NULL,"
                                              "  switched_by TEXT NOT NULL,"
                                              "  switched_at INTEGER NOT NULL);"
                                              "CREATE TABLE gateway_spending ("
                                              "  subject TEXT PRIMARY KEY,"
                                              "  period_begin INTEGER NOT NULL,"
                                              "  spent_microusd INTEGER NOT NULL)"}});
}

Result<std::unique_ptr<PolicyStore>> PolicyStore::open(state::Database& database, const Clock& clock,
                                                       Published<VirtualKeys>& keys,
                                                       Published<RouteSwitches>& switches) {
  std::unique_ptr<PolicyStore> store(new PolicyStore(database, clock, keys, switches));
  SENTINEL_TRY(store->load());
  return store;
}

Status PolicyStore::load() {
  std::vector<std::shared_ptr<const VirtualKey>> keys;
  auto switches = std::make_shared<RouteSwitches>();
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT id, hash, hint, spec, created_at, created_by, revoked_at"
                                                     " FROM gateway_keys"));
    for (const state::Row& row : rows) {
      SENTINEL_ASSIGN(auto key, key_from(row));
      keys.push_back(std::move(key));
    }
    SENTINEL_ASSIGN(const state::Rows off,
                    tx.query("SELECT route, reason, switched_by, switched_at FROM gateway_switches"));
    for (const state::Row& row : off) {
      switches->off[row.text(0)] = {row.text(0), row.text(1), row.text(2), time_from_us(row.integer(3))};
    }
    return {};
  }));
  keys_.publish(std::make_shared<const VirtualKeys>(std::move(keys)));
  switches_.publish(std::move(switches));
  return {};
}

Result<PolicyStore::Made> PolicyStore::create_key(KeySpec spec, std::string created_by,
                                                  const std::function<Status(state::Tx&, const VirtualKey&)>& also) {
  const MutexLock lock(writing_);
  const TimePoint now = clock_.now();
  const auto ring = keys_.get();
  if (ring->all().size() >= kKeysMax) return fail(ErrorCode::kTooLarge, "there are 100000 keys already");
  for (const auto& other : ring->all()) {
    if (other->spec.name == spec.name && in_force(*other, now))
      return fail(ErrorCode::kConflict, "a key called \"" + spec.name + "\" is there already: " + other->id);
  }
  Made made;
  made.secret = new_key_secret();
  auto key = std::make_shared<VirtualKey>();
  key->id = new_id(now);
  key->hash = key_hash_of(made.secret);
  key->hint = made.secret.substr(made.secret.size() - 4);
  key->spec = std::move(spec);
  key->created_at = now;
  key->created_by = std::move(created_by);
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(
        tx.exec("INSERT INTO gateway_keys (id, hash, hint, spec, created_at, created_by) VALUES (?,?,?,?,?,?)",
                {key->id, hex_encode(key->hash), key->hint, key_spec_json(key->spec), to_us(now), key->created_by}));
    return also ? also(tx, *key) : Status{};
  }));
  std::vector<std::shared_ptr<const VirtualKey>> all = ring->all();
  all.push_back(key);
  keys_.publish(std::make_shared<const VirtualKeys>(std::move(all)));
  made.key = std::move(key);
  return made;
}

Result<std::shared_ptr<const VirtualKey>> PolicyStore::revoke_key(
    std::string_view id, const std::function<Status(state::Tx&, const VirtualKey&)>& also) {
  const MutexLock lock(writing_);
  const TimePoint now = clock_.now();
  std::vector<std::shared_ptr<const VirtualKey>> all = keys_.get()->all();
  auto found = std::find_if(all.begin(), all.end(), [&](const auto& key) { return key->id == id; });
  if (found == all.end()) {
    found = std::find_if(all.begin(), all.end(),
                         [&](const auto& key) { return key->spec.name == id && in_force(*key, now); });
  }
  if (found == all.end()) return fail(ErrorCode::kNotFound, "no key \"" + std::string(id) + "\"");
  if ((*found)->revoked_at)
    return fail(ErrorCode::kConflict, "the key was revoked at " + format_rfc3339(*(*found)->revoked_at));
  auto key = std::make_shared<VirtualKey>(**found);
  key->revoked_at = now;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(tx.exec("UPDATE gateway_keys SET revoked_at = ? WHERE id = ?", {to_us(now), key->id}));
    return also ? also(tx, *key) : Status{};
  }));
  *found = key;
  keys_.publish(std::make_shared<const VirtualKeys>(std::move(all)));
  return std::shared_ptr<const VirtualKey>(std::move(key));
}

Status PolicyStore::set_switch(const RouteSwitch& change, bool off, const Also& also) {
  const MutexLock lock(writing_);
  auto next = std::make_shared<RouteSwitches>(*switches_.get());
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    if (off) {
      SENTINEL_TRY(
          tx.exec("INSERT INTO gateway_switches (route, reason, switched_by, switched_at) VALUES (?, ?, ?, ?)"
                  " ON CONFLICT (route) DO UPDATE SET reason = excluded.reason,"
                  " switched_by = excluded.switched_by, switched_at = excluded.switched_at",
                  {change.route, change.reason, change.by, to_us(change.at)}));
    } else {
      SENTINEL_TRY(tx.exec("DELETE FROM gateway_switches WHERE route = ?", {change.route}));
    }
    return also ? also(tx) : Status{};
  }));
  if (off) {
    next->off.insert_or_assign(change.route, change);
  } else {
    next->off.erase(change.route);
  }
  switches_.publish(std::move(next));
  log_warn("gateway", off ? "route switched off by hand" : "route switched on by hand",
           {{"route", change.route}, {"actor", change.by}, {"reason", change.reason}});
  return {};
}

Status PolicyStore::save_spending(const std::vector<Spending>& spendings) {
  if (spendings.empty()) return {};
  return database_.write([&](state::Tx& tx) -> Status {
    for (const Spending& s : spendings) {
      SENTINEL_TRY(
          tx.exec("INSERT INTO gateway_spending (subject, period_begin, spent_microusd) VALUES (?, ?, ?)"
                  " ON CONFLICT (subject) DO UPDATE SET period_begin = excluded.period_begin,"
                  " spent_microusd = excluded.spent_microusd",
                  {s.subject, to_us(s.period_begin), s.spent_microusd}));
    }
    return tx.exec("DELETE FROM gateway_spending WHERE period_begin < ?", {to_us(clock_.now() - kSpendingKept)});
  });
}

Result<std::vector<Spending>> PolicyStore::load_spending() {
  std::vector<Spending> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT subject, period_begin, spent_microusd"
                                                     " FROM gateway_spending WHERE period_begin >= ?",
                                                     {to_us(clock_.now() - kSpendingKept)}));
    for (const state::Row& row : rows) out.push_back({row.text(0), time_from_us(row.integer(1)), row.integer(2)});
    return {};
  }));
  return out;
}

}  // namespace sentinel::gateway
