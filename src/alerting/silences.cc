#include "alerting/silences.h"

#include <algorithm>

#include <boost/json.hpp>

#include "alerting/codec.h"
#include "alerting/limits.h"
#include "base/id.h"
#include "base/strings.h"
#include "text/json_text.h"
#include "text/labels_json.h"

namespace sentinel::alerting {
namespace {

namespace json = boost::json;

Error invalid(const std::string& why) { return Error(ErrorCode::kInvalidArgument, "invalid silence: " + why); }

Status check_set(const model::Matchers& set) {
  if (set.empty()) return fail(invalid("at least one matcher required"));
  if (set.size() > kMatchersMax) return fail(invalid("more than " + std::to_string(kMatchersMax) + " matchers"));
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i].name().empty() || !is_valid_utf8(set[i].name()))
      return fail(
          invalid("invalid label matcher " + std::to_string(i) + ": invalid label name " + go_quote(set[i].name())));
    if (!is_valid_utf8(set[i].value()))
      return fail(
          invalid("invalid label matcher " + std::to_string(i) + ": invalid label value " + go_quote(set[i].value())));
  }
  // One that matches alerts without any of its labels would silence nearly everything; one that says what a label is
  // not was asked for.
  const auto matches_empty = [](const model::Matcher& m) {
    return (m.type() == model::MatchType::kEqual || m.type() == model::MatchType::kRegexp) && m.matches("");
  };
  if (std::all_of(set.begin(), set.end(), matches_empty))
    return fail(invalid("at least one matcher must not match the empty string"));
  return {};
}

// Whether `next` may keep the id of `previous`. Clients send times back with milliseconds at best, so a start is the
// same when its second is.
bool can_update(const Silence& previous, const Silence& next, TimePoint now) {
  if (previous.matcher_sets != next.matcher_sets) return false;
  const auto second = [](TimePoint t) { return std::chrono::floor<std::chrono::seconds>(t); };
  switch (previous.state(now)) {
    case SilenceState::kActive: return second(next.starts_at) == second(previous.starts_at) && next.ends_at >= now;
    case SilenceState::kPending: return next.starts_at >= now;
    case SilenceState::kExpired: return false;
  }
  return false;
}

Status check_size(const Silence& s, const SilenceLimits& limits) {
  size_t size = s.id.size() + s.created_by.size() + s.comment.size() + encode_matcher_sets(s.matcher_sets).size();
  for (const model::Label& label : s.annotations) size += label.name.size() + label.value.size();
  if (limits.bytes_max == 0 || size <= limits.bytes_max) return {};
  return fail(ErrorCode::kTooLarge, "silence exceeded maximum size: " + std::to_string(size) +
                                        " bytes (limit: " + std::to_string(limits.bytes_max) + " bytes)");
}

void end_now(Silence& s, TimePoint now) {
  if (s.state(now) == SilenceState::kPending) s.starts_at = now;
  s.ends_at = now;
  s.updated_at = now;
}

}  // namespace

std::string encode_matcher_sets(const std::vector<model::Matchers>& sets) {
  json::array out;
  for (const model::Matchers& set : sets) {
    json::array matchers;
    for (const model::Matcher& m : set) {
      matchers.push_back(json::array{static_cast<int64_t>(m.type()), m.name(), m.value()});
    }
    out.push_back(std::move(matchers));
  }
  return text::serialize(out);
}

Result<std::vector<model::Matchers>> decode_matcher_sets(std::string_view text) {
  try {
    std::vector<model::Matchers> sets;
    const json::value parsed = json::parse(text);
    for (const json::value& set : parsed.as_array()) {
      model::Matchers matchers;
      for (const json::value& m : set.as_array()) {
        const json::array& fields = m.as_array();
        SENTINEL_ASSIGN(
            model::Matcher matcher,
            model::Matcher::make(static_cast<model::MatchType>(fields.at(0).to_number<int>()),
                                 std::string(fields.at(1).as_string()), std::string(fields.at(2).as_string())));
        matchers.push_back(std::move(matcher));
      }
      sets.push_back(std::move(matchers));
    }
    return sets;
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInternal, std::string("a stored silence cannot be read: ") + e.what());
  }
}

Status check_silence(const Silence& s, TimePoint now) {
  if (s.matcher_sets.empty()) return fail(invalid("at least one matcher required"));
  for (const model::Matchers& set : s.matcher_sets) SENTINEL_TRY(check_set(set));
  if (s.ends_at < s.starts_at) return fail(invalid("end time must not be before start time"));
  if (s.ends_at < now) return fail(invalid("end time must not be in the past"));
  return {};
}

std::string_view silence_state_name(SilenceState state) {
  switch (state) {
    case SilenceState::kPending: return "pending";
    case SilenceState::kActive: return "active";
    case SilenceState::kExpired: return "expired";
  }
  return "expired";
}

bool Silence::matches(const model::Labels& labels) const {
  return std::any_of(matcher_sets.begin(), matcher_sets.end(),
                     [&](const model::Matchers& set) { return model::matches_all(set, labels); });
}

Status Silences::load(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT id, matchers, starts_at, ends_at, updated_at, created_by, comment,"
                           " annotations FROM alert_silences"));
  for (const state::Row& row : rows) {
    Silence s;
    s.id = row.text(0);
    SENTINEL_ASSIGN(s.matcher_sets, decode_matcher_sets(row.text(1)));
    s.starts_at = time_from_us(row.integer(2));
    s.ends_at = time_from_us(row.integer(3));
    s.updated_at = time_from_us(row.integer(4));
    s.created_by = row.text(5);
    s.comment = row.text(6);
    SENTINEL_ASSIGN(s.annotations, text::decode_labels(row.text(7)));
    silences_.emplace(s.id, std::move(s));
  }
  return {};
}

Status Silences::write(state::Tx& tx, const Silence& s) {
  return tx.exec(
      "INSERT INTO alert_silences (id, matchers, starts_at, ends_at, updated_at, created_by, comment, annotations)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET matchers = excluded.matchers,"
      " starts_at = excluded.starts_at, ends_at = excluded.ends_at, updated_at = excluded.updated_at,"
      " created_by = excluded.created_by, comment = excluded.comment, annotations = excluded.annotations",
      {s.id, encode_matcher_sets(s.matcher_sets), to_us(s.starts_at), to_us(s.ends_at), to_us(s.updated_at),
       s.created_by, s.comment, text::encode_labels(s.annotations)});
}

Result<std::string> Silences::set(state::Database& database, Silence silence, TimePoint now,
                                  const SilenceLimits& limits, const Also& also) {
  if (silence.starts_at == TimePoint{}) silence.starts_at = now;
  SENTINEL_TRY(check_silence(silence, now));
  const auto previous = silence.id.empty() ? silences_.end() : silences_.find(silence.id);
  if (!silence.id.empty() && previous == silences_.end()) return fail(ErrorCode::kNotFound, "silence not found");
  std::optional<Silence> expired;
  if (previous != silences_.end() && !can_update(previous->second, silence, now)) {
    if (previous->second.state(now) != SilenceState::kExpired) {
      expired = previous->second;
      end_now(*expired, now);
    }
    silence.id.clear();
  }
  if (silence.id.empty()) {
    const size_t most = limits.count_max > 0 ? std::min(limits.count_max, kSilencesMax) : kSilencesMax;
    if (silences_.size() + 1 > most) {
      return fail(ErrorCode::kTooLarge, "exceeded maximum number of silences: " + std::to_string(silences_.size()) +
                                            " (limit: " + std::to_string(most) + ")");
    }
    if (silence.starts_at < now) silence.starts_at = now;
    silence.id = new_uuid();
  }
  silence.updated_at = now;
  SENTINEL_TRY(check_size(silence, limits));
  SENTINEL_TRY(database.write([&](state::Tx& tx) -> Status {
    if (expired) SENTINEL_TRY(write(tx, *expired));
    SENTINEL_TRY(write(tx, silence));
    return also ? also(tx, previous == silences_.end() ? nullptr : &previous->second, silence) : Status();
  }));
  if (expired) silences_[expired->id] = *expired;
  const std::string id = silence.id;
  silences_[id] = std::move(silence);
  return id;
}

Status Silences::expire(state::Database& database, std::string_view id, TimePoint now, const Also& also) {
  const auto it = silences_.find(id);
  if (it == silences_.end()) return fail(ErrorCode::kNotFound, "silence not found");
  if (it->second.state(now) == SilenceState::kExpired) {
    return fail(ErrorCode::kConflict, "silence " + std::string(id) + " has expired already");
  }
  Silence ended = it->second;
  end_now(ended, now);
  SENTINEL_TRY(database.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(write(tx, ended));
    return also ? also(tx, &it->second, ended) : Status();
  }));
  it->second = std::move(ended);
  return {};
}

Result<size_t> Silences::merge(state::Database& database, const std::vector<Silence>& theirs, TimePoint ended_before) {
  std::vector<const Silence*> newer;
  for (const Silence& s : theirs) {
    const auto ours = silences_.find(s.id);
    if (s.ends_at < ended_before || (ours != silences_.end() && ours->second.updated_at >= s.updated_at)) continue;
    if (ours == silences_.end() && silences_.size() + newer.size() >= kSilencesMax) continue;
    for (const model::Matchers& set : s.matcher_sets) SENTINEL_TRY(check_set(set));
    newer.push_back(&s);
  }
  if (newer.empty()) return size_t{0};
  SENTINEL_TRY(database.write([&](state::Tx& tx) -> Status {
    for (const Silence* s : newer) SENTINEL_TRY(write(tx, *s));
    return {};
  }));
  for (const Silence* s : newer) silences_[s->id] = *s;
  return newer.size();
}

void Silences::put(Silence silence) {
  const std::string id = silence.id;
  silences_.insert_or_assign(id, std::move(silence));
}

std::optional<Silence> Silences::get(std::string_view id) const {
  const auto it = silences_.find(id);
  return it == silences_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<Silence> Silences::list() const {
  std::vector<Silence> out;
  out.reserve(silences_.size());
  for (const auto& [id, s] : silences_) out.push_back(s);
  std::sort(out.begin(), out.end(), [](const Silence& a, const Silence& b) {
    return std::pair(b.updated_at, a.id) < std::pair(a.updated_at, b.id);
  });
  return out;
}

std::vector<std::string> Silences::silenced_by(const model::Labels& labels, TimePoint now) const {
  std::vector<std::string> out;
  for (const auto& [id, s] : silences_) {
    if (s.state(now) == SilenceState::kActive && s.matches(labels)) out.push_back(id);
  }
  return out;
}

Result<size_t> Silences::prune(state::Database& database, TimePoint ended_before) {
  SENTINEL_TRY(database.write(
      [&](state::Tx& tx) { return tx.exec("DELETE FROM alert_silences WHERE ends_at < ?", {to_us(ended_before)}); }));
  return std::erase_if(silences_, [&](const auto& entry) { return entry.second.ends_at < ended_before; });
}

size_t Silences::count(SilenceState state, TimePoint now) const {
  return static_cast<size_t>(std::count_if(silences_.begin(), silences_.end(),
                                           [&](const auto& entry) { return entry.second.state(now) == state; }));
}

}  // namespace sentinel::alerting
