#include "alerting/flapping.h"

#include <algorithm>

#include "alerting/limits.h"
#include "base/duration.h"
#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::alerting {
namespace {

std::string encode_times(const std::deque<TimePoint>& times) {
  std::string out;
  for (const TimePoint t : times) out += (out.empty() ? "" : " ") + std::to_string(to_us(t));
  return out;
}

std::deque<TimePoint> decode_times(std::string_view text) {
  std::deque<TimePoint> out;
  for (const std::string_view part : split(text, ' ')) {
    if (const auto us = parse_int(part)) out.push_back(time_from_us(*us));
  }
  return out;
}

tl::unexpected<Error> malformed() {
  return fail(ErrorCode::kInvalidArgument, "annotation " + std::string(kFlapAnnotation) +
                                               " must be off or as \"6 in 30m\" or \"6 in 30m, calm at 1\"");
}

}  // namespace

Result<FlapOptions> parse_flap_options(std::string_view text) {
  FlapOptions out;
  text = trim(text);
  if (text == "off") return out;
  const size_t comma = std::min(text.find(','), text.size());
  const std::string_view often = trim(text.substr(0, comma));
  const size_t in = often.find(" in ");
  if (in == std::string_view::npos) return malformed();
  const auto changes = parse_int(trim(often.substr(0, in)));
  const auto window = parse_duration(trim(often.substr(in + 4)));
  if (!changes || *changes < 2 || *changes > static_cast<int64_t>(kFlapChangesMax) || !window || window->count() <= 0 ||
      *window > kFlapWindowMax)
    return malformed();
  out.changes = static_cast<size_t>(*changes);
  out.window = *window;
  out.calm = out.changes / 3;
  if (comma == text.size()) return out;
  constexpr std::string_view kCalm = "calm at ";
  const std::string_view rest = trim(text.substr(comma + 1));
  const auto calm = rest.starts_with(kCalm) ? parse_int(trim(rest.substr(kCalm.size()))) : std::nullopt;
  if (!calm || *calm < 0 || *calm >= *changes) return malformed();
  out.calm = static_cast<size_t>(*calm);
  return out;
}

FlapOptions flap_options(const model::Alert& alert, const FlapOptions& fallback) {
  const std::string_view own = alert.annotations.get(kFlapAnnotation);
  if (own.empty()) return fallback;
  const auto parsed = parse_flap_options(own);
  return parsed ? *parsed : fallback;
}

TimePoint FlapState::calm_at() const {
  // The newest `calm` changes may stay in the window; the one before them has to leave it.
  return changes.size() <= options.calm ? changes.back() : changes[changes.size() - 1 - options.calm] + options.window;
}

FlapState flap_after(FlapState state, TimePoint at, const FlapOptions& options) {
  state.options = options;
  state.changes.push_back(at);
  while (state.changes.size() > options.changes) state.changes.pop_front();
  if (!state.since && state.changes.size() == options.changes && state.changes.front() > at - options.window)
    state.since = at;
  return state;
}

Status Flapping::load(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT fingerprint, changes, since, limit_changes, limit_calm,"
                                                   " window FROM alert_flapping"));
  for (const state::Row& row : rows) {
    FlapState s;
    s.fingerprint = static_cast<uint64_t>(row.integer(0));
    s.changes = decode_times(row.text(1));
    if (!row.is_null(2)) s.since = time_from_us(row.integer(2));
    s.options.changes = static_cast<size_t>(row.integer(3));
    s.options.calm = static_cast<size_t>(row.integer(4));
    s.options.window = Micros(row.integer(5));
    if (!s.changes.empty()) put(std::move(s));
  }
  return {};
}

const FlapState* Flapping::find(uint64_t fingerprint) const {
  const auto it = states_.find(fingerprint);
  return it == states_.end() ? nullptr : &it->second;
}

bool Flapping::flaps(uint64_t fingerprint) const {
  const FlapState* s = calm_.empty() ? nullptr : find(fingerprint);
  return s != nullptr && s->since;
}

std::optional<TimePoint> Flapping::next_calm() const {
  return calm_.empty() ? std::nullopt : std::optional(calm_.begin()->first);
}

std::vector<uint64_t> Flapping::calm(TimePoint now) const {
  std::vector<uint64_t> out;
  for (const auto& [at, fingerprint] : calm_) {
    if (at > now) break;
    out.push_back(fingerprint);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Status Flapping::write(state::Tx& tx, const FlapState& s) {
  return tx.exec(
      "INSERT INTO alert_flapping (fingerprint, changes, since, limit_changes, limit_calm, window)"
      " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO UPDATE SET changes = excluded.changes,"
      " since = excluded.since, limit_changes = excluded.limit_changes, limit_calm = excluded.limit_calm,"
      " window = excluded.window",
      {sql_fingerprint(s.fingerprint), encode_times(s.changes),
       s.since ? state::SqlValue(to_us(*s.since)) : state::SqlValue(std::monostate{}),
       static_cast<int64_t>(s.options.changes), static_cast<int64_t>(s.options.calm), s.options.window.count()});
}

void Flapping::put(FlapState state) {
  const uint64_t fingerprint = state.fingerprint;
  if (const FlapState* old = find(fingerprint); old != nullptr && old->since)
    calm_.erase({old->calm_at(), fingerprint});
  if (state.since) calm_.emplace(state.calm_at(), fingerprint);
  states_.insert_or_assign(fingerprint, std::move(state));
}

Status Flapping::prune(state::Database& database, TimePoint now) {
  std::vector<uint64_t> old;
  for (const auto& [fingerprint, s] : states_) {
    if (!s.since && s.changes.back() + s.options.window <= now) old.push_back(fingerprint);
  }
  if (old.empty()) return {};
  SENTINEL_TRY(database.write([&](state::Tx& tx) -> Status {
    for (const uint64_t f : old)
      SENTINEL_TRY(tx.exec("DELETE FROM alert_flapping WHERE fingerprint = ?", {sql_fingerprint(f)}));
    return {};
  }));
  for (const uint64_t f : old) states_.erase(f);
  return {};
}

uint64_t flap_mark(uint64_t fingerprint) { return hash64("flapping", fingerprint); }

}  // namespace sentinel::alerting
