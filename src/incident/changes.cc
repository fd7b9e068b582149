#include "incident/changes.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/strings.h"
#include "incident/limits.h"
#include "text/labels_json.h"

namespace sentinel::incident {
namespace {

constexpr std::array<std::string_view, 7> kKinds{"deploy", "configuration", "breaker", "model",
                                                 "prompt", "feature_flag",  "other"};
constexpr std::string_view kColumns = "id, at, kind, subject, text, link, labels, actor";

Result<ChangeEvent> event_of(const state::Row& row) {
  ChangeEvent event;
  event.id = row.integer(0);
  event.at = time_from_us(row.integer(1));
  event.kind = static_cast<ChangeKind>(row.integer(2));
  event.subject = row.text(3);
  event.text = row.text(4);
  event.link = row.text(5);
  SENTINEL_ASSIGN(event.labels, text::decode_labels(row.text(6)));
  event.actor = row.text(7);
  return event;
}

Status check(const ChangeEvent& event, std::string_view key) {
  if (event.subject.empty()) return fail(ErrorCode::kInvalidArgument, "a change needs a subject: what was changed");
  if (!event.link.empty() && !event.link.starts_with("https://") && !event.link.starts_with("http://"))
    return fail(ErrorCode::kInvalidArgument, "the link of a change begins with https:// or http://");
  for (const std::string_view text :
       {std::string_view(event.subject), std::string_view(event.text), std::string_view(event.link), key}) {
    if (text.size() > kTitleBytesMax)
      return fail(ErrorCode::kTooLarge,
                  fmt::format("subject, text, link and key of a change have at most {} bytes", kTitleBytesMax));
  }
  for (const model::Label& label : event.labels) {
    if (label.name != "service" && label.name != "env")
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown label \"{}\" of a change; expected service or env", label.name));
  }
  return {};
}

}  // namespace

std::string_view change_kind_name(ChangeKind kind) { return kKinds[static_cast<size_t>(kind)]; }

Result<ChangeKind> parse_change_kind(std::string_view text) {
  const auto found = std::find(kKinds.begin(), kKinds.end(), text);
  if (found != kKinds.end()) return static_cast<ChangeKind>(found - kKinds.begin());
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown kind \"{}\" of a change; expected {}", text, fmt::join(kKinds, ", ")));
}

std::string ChangeEvent::describe() const {
  const std::string how = text.empty() ? "" : fmt::format(" ({})", text);
  switch (kind) {
    case ChangeKind::kDeploy: return fmt::format("deploy of {}{}", subject, how);
    case ChangeKind::kBreaker: return fmt::format("circuit breaker of {} {}", subject, text);
    case ChangeKind::kOther: return subject + how;
    default:
      return fmt::format("change of {} {}{}", replace_all(std::string(change_kind_name(kind)), "_", " "), subject, how);
  }
}

bool ChangeEvent::concerns(const Scope& scope) const {
  return std::all_of(scope.begin(), scope.end(), [&](const auto& wanted) {
    const std::string_view said = labels.get(wanted.first);
    return said.empty() || said == wanted.second;
  });
}

Result<ChangeEvent> ChangeLog::add(ChangeEvent event, std::string_view key, const Actor& actor) {
  SENTINEL_TRY(check(event, key));
  event.actor = actor.name;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    if (!key.empty()) {
      SENTINEL_ASSIGN(
          const state::Rows there,
          tx.query(fmt::format("SELECT {} FROM change_events WHERE once_key = ?", kColumns), {std::string(key)}));
      if (!there.empty()) {
        SENTINEL_ASSIGN(event, event_of(there.front()));
        return {};
      }
    }
    SENTINEL_ASSIGN(const state::Rows made,
                    tx.query("INSERT INTO change_events (at, kind, subject, text, link, labels, actor, once_key) "
                             "VALUES (?,?,?,?,?,?,?,?) RETURNING id",
                             {to_us(event.at), static_cast<int64_t>(event.kind), event.subject, event.text, event.link,
                              text::encode_labels(event.labels), event.actor,
                              key.empty() ? state::SqlValue() : state::SqlValue(std::string(key))}));
    event.id = made.front().integer(0);
    return tx.exec("DELETE FROM change_events WHERE id <= ?", {event.id - kChangesKept});
  }));
  return event;
}

Result<std::vector<ChangeEvent>> ChangeLog::list(const ChangeQuery& query) const {
  std::vector<ChangeEvent> events;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    std::string where = "at >= ? AND at <= ?";
    state::SqlParams params{to_us(query.from), to_us(query.to)};
    if (query.kind) {
      where += " AND kind = ?";
      params.emplace_back(static_cast<int64_t>(*query.kind));
    }
    SENTINEL_ASSIGN(
        const state::Rows rows,
        tx.query(fmt::format("SELECT {} FROM change_events WHERE {} ORDER BY at DESC, id DESC", kColumns, where),
                 params));
    for (const state::Row& row : rows) {
      if (events.size() >= query.limit) break;
      SENTINEL_ASSIGN(ChangeEvent event, event_of(row));
      if (event.concerns(query.scope)) events.push_back(std::move(event));
    }
    return {};
  }));
  return events;
}

}  // namespace sentinel::incident
