#include "alerting/acknowledgements.h"

#include "alerting/codec.h"

namespace sentinel::alerting {

Status Acknowledgements::load(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT fingerprint, at, actor, source, address, note, until, ended, updated_at"
                           " FROM alert_acknowledgements"));
  for (const state::Row& row : rows) {
    Acknowledgement a;
    a.fingerprint = static_cast<uint64_t>(row.integer(0));
    a.at = time_from_us(row.integer(1));
    a.by = {row.text(2), row.text(3), row.text(4)};
    a.note = row.text(5);
    if (!row.is_null(6)) a.until = time_from_us(row.integer(6));
    a.ended = row.integer(7) != 0;
    a.updated_at = time_from_us(row.integer(8));
    put(std::move(a));
  }
  return {};
}

const Acknowledgement* Acknowledgements::find(uint64_t fingerprint) const {
  const auto it = all_.find(fingerprint);
  return it == all_.end() ? nullptr : &it->second;
}

const Acknowledgement* Acknowledgements::active(uint64_t fingerprint, TimePoint now) const {
  const Acknowledgement* a = find(fingerprint);
  return a != nullptr && a->active(now) ? a : nullptr;
}

Status Acknowledgements::write(state::Tx& tx, const Acknowledgement& a) {
  return tx.exec(
      "INSERT INTO alert_acknowledgements (fingerprint, at, actor, source, address, note, until, ended, updated_at)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO UPDATE SET at = excluded.at,"
      " actor = excluded.actor, source = excluded.source, address = excluded.address, note = excluded.note,"
      " until = excluded.until, ended = excluded.ended, updated_at = excluded.updated_at",
      {sql_fingerprint(a.fingerprint), to_us(a.at), a.by.name, a.by.source, a.by.address, a.note,
       a.until ? state::SqlValue(to_us(*a.until)) : state::SqlValue(std::monostate{}), int64_t{a.ended},
       to_us(a.updated_at)});
}

void Acknowledgements::put(Acknowledgement acknowledgement) {
  const uint64_t fingerprint = acknowledgement.fingerprint;
  all_.insert_or_assign(fingerprint, std::move(acknowledgement));
}

Status Acknowledgements::prune(state::Database& database, TimePoint ended_before) {
  SENTINEL_TRY(database.write([&](state::Tx& tx) {
    return tx.exec("DELETE FROM alert_acknowledgements WHERE (ended = 1 AND updated_at < ?) OR until < ?",
                   {to_us(ended_before), to_us(ended_before)});
  }));
  std::erase_if(all_, [&](const auto& entry) {
    const Acknowledgement& a = entry.second;
    return (a.ended && a.updated_at < ended_before) || (a.until && *a.until < ended_before);
  });
  return {};
}

}  // namespace sentinel::alerting
