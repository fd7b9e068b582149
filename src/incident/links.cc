// Incidents among each other: links, parents and their children, and one that becomes two.

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "base/id.h"
#include "base/strings.h"
#include "incident/casework.h"
#include "incident/limits.h"
#include "incident/schema.h"
#include "incident/words.h"

namespace sentinel::incident {
namespace {

using model::IncidentStatus;

// How each kind of link reads at its two ends.
struct LinkWords {
  std::string_view kind;
  std::string_view from;  // of the incident that says it
  std::string_view to;
  bool by_hand = false;  // link() makes it
};
constexpr std::array<LinkWords, 6> kWords{{{kLinkRelated, "related", "related", true},
                                           {kLinkDuplicate, "duplicate_of", "duplicated_by", true},
                                           {kLinkCause, "caused_by", "causes", true},
                                           {kLinkSplit, "split_into", "split_from"},
                                           {kLinkMerged, "merged_into", "merged_from"},
                                           {kLinkParent, "parent", "child"}}};

// The kind of a relation, and whether it is said from its other end.
struct Said {
  const LinkWords* words = nullptr;
  bool reversed = false;
};
Result<Said> said(std::string_view relation) {
  for (const LinkWords& w : kWords) {
    if (!w.by_hand) continue;
    if (w.from == relation) return Said{&w, false};
    if (w.to == relation) return Said{&w, true};
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown relation \"{}\"; expected related, duplicate_of, duplicated_by, caused_by or causes",
                          relation));
}

std::string spoken(std::string_view relation) { return replace_all(std::string(relation), "_", " "); }

std::string number_of(const IncidentRecord& record) { return fmt::format("INC-{}", record.incident.number); }

std::string link_json(std::string_view relation, const IncidentRecord& other) {
  return fmt::format(R"({{"relation":"{}","incident":"{}"}})", relation, other.incident.id);
}

Result<std::vector<std::string>> ids_of(Result<state::Rows> found) {
  SENTINEL_ASSIGN(const state::Rows rows, std::move(found));
  std::vector<std::string> out;
  for (const state::Row& row : rows) out.push_back(row.text(0));
  return out;
}

model::Severity worst_of(const std::vector<IncidentAlert>& alerts) {
  model::Severity worst = model::Severity::kSev4;
  for (const IncidentAlert& entry : alerts) worst = std::min(worst, severity_of(entry.alert));
  return worst;
}

// What the other rules among them are called, each once.
std::vector<std::string> other_titles(const model::Alert& lead, const std::vector<IncidentAlert>& alerts) {
  std::vector<std::string> titles;
  std::set<std::string_view> named{lead.name()};
  for (const IncidentAlert& entry : alerts) {
    if (named.insert(entry.alert.name()).second) titles.push_back(title_of(entry.alert));
  }
  return titles;
}

const model::Alert& most_severe(const std::vector<IncidentAlert>& alerts) {
  return std::min_element(
             alerts.begin(), alerts.end(),
             [](const IncidentAlert& a, const IncidentAlert& b) { return severity_of(a.alert) < severity_of(b.alert); })
      ->alert;
}

}  // namespace

Status put_link(state::Tx& tx, std::string_view from, std::string_view to, std::string_view kind, TimePoint at,
                std::string_view actor) {
  return tx.exec(
      "INSERT INTO incident_links (from_id, to_id, kind, at, actor) VALUES (?,?,?,?,?) ON CONFLICT (from_id, to_id, "
      "kind) DO NOTHING",
      {std::string(from), std::string(to), std::string(kind), to_us(at), std::string(actor)});
}

Status remove_link(state::Tx& tx, std::string_view from, std::string_view to, std::string_view kind) {
  return tx.exec("DELETE FROM incident_links WHERE from_id = ? AND to_id = ? AND kind = ?",
                 {std::string(from), std::string(to), std::string(kind)});
}

Result<std::vector<std::string>> linked_from(state::Tx& tx, std::string_view to, std::string_view kind) {
  return ids_of(tx.query("SELECT from_id FROM incident_links WHERE to_id = ? AND kind = ? ORDER BY at, from_id",
                         {std::string(to), std::string(kind)}));
}

Result<std::vector<std::string>> linked_to(state::Tx& tx, std::string_view from, std::string_view kind) {
  return ids_of(tx.query("SELECT to_id FROM incident_links WHERE from_id = ? AND kind = ? ORDER BY at, to_id",
                         {std::string(from), std::string(kind)}));
}

Result<std::vector<Link>> load_links(state::Tx& tx, std::string_view id) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT from_id, to_id, kind, at, actor FROM incident_links WHERE from_id = ? OR to_id = ? "
                           "ORDER BY at, from_id, to_id LIMIT ?",
                           {std::string(id), std::string(id), static_cast<int64_t>(kLinksMax)}));
  std::vector<Link> out;
  for (const state::Row& row : rows) {
    const bool from = row.text(0) == id;
    const auto* const words =
        std::find_if(kWords.begin(), kWords.end(), [&](const LinkWords& w) { return w.kind == row.text(2); });
    if (words == kWords.end()) continue;
    SENTINEL_ASSIGN(const IncidentRecord other, load(tx, row.text(from ? 1 : 0)));
    const model::Incident& i = other.incident;
    out.push_back({std::string(from ? words->from : words->to), i.id, i.number, i.title, i.status, i.severity,
                   time_from_us(row.integer(3)), row.text(4)});
  }
  return out;
}

// ---- links ----

// On both timelines. The one that says it has been loaded by change(), which writes it.
Result<IncidentRecord> Casework::link(std::string_view id, std::string_view relation, std::string_view other,
                                      const Actor& actor) {
  SENTINEL_ASSIGN(const Said which, said(relation));
  std::string other_id;
  auto done = desk_.change(id, 0, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    SENTINEL_ASSIGN(IncidentRecord target, load(tx, other));
    if (target.incident.id == record.incident.id)
      return fail(ErrorCode::kInvalidArgument, "an incident cannot be linked to itself");
    const IncidentRecord& from = which.reversed ? target : record;
    const IncidentRecord& to = which.reversed ? record : target;
    SENTINEL_ASSIGN(const std::vector<std::string> known, linked_to(tx, from.incident.id, which.words->kind));
    if (std::find(known.begin(), known.end(), to.incident.id) != known.end()) return {};
    if (which.words->kind == kLinkRelated) {
      SENTINEL_ASSIGN(const std::vector<std::string> back, linked_from(tx, from.incident.id, kLinkRelated));
      if (std::find(back.begin(), back.end(), to.incident.id) != back.end()) return {};
    }
    if (known.size() >= kLinksMax) return fail(ErrorCode::kTooLarge, "the incident has as many links as it may");
    SENTINEL_TRY(put_link(tx, from.incident.id, to.incident.id, which.words->kind, desk_.scheduler_.now(), actor.name));
    other_id = target.incident.id;
    const std::string_view there = which.reversed ? which.words->from : which.words->to;
    SENTINEL_TRY(touch(tx, target, "link", fmt::format("{} {} (by {})", spoken(there), number_of(record), actor.name),
                       link_json(there, record), actor));
    return touch(tx, record, "link", fmt::format("{} {} (by {})", spoken(relation), number_of(target), actor.name),
                 link_json(relation, target), actor);
  });
  if (done && !other_id.empty()) desk_.notify_changed(other_id);
  return done;
}

Result<IncidentRecord> Casework::unlink(std::string_view id, std::string_view relation, std::string_view other,
                                        const Actor& actor) {
  SENTINEL_ASSIGN(const Said which, said(relation));
  std::string other_id;
  auto done = desk_.change(id, 0, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    SENTINEL_ASSIGN(IncidentRecord target, load(tx, other));
    const std::string& from = which.reversed ? target.incident.id : record.incident.id;
    const std::string& to = which.reversed ? record.incident.id : target.incident.id;
    SENTINEL_TRY(remove_link(tx, from, to, which.words->kind));
    int64_t removed = tx.rows_changed();
    if (which.words->kind == kLinkRelated) {
      SENTINEL_TRY(remove_link(tx, to, from, kLinkRelated));
      removed += tx.rows_changed();
    }
    if (removed == 0) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("{} is not {} {}", number_of(record), spoken(relation), number_of(target)));
    }
    other_id = target.incident.id;
    const auto text = [&](const IncidentRecord& there) {
      return fmt::format("no longer linked to {} (by {})", number_of(there), actor.name);
    };
    SENTINEL_TRY(touch(tx, target, "link", text(record), "{}", actor));
    return touch(tx, record, "link", text(target), "{}", actor);
  });
  if (done && !other_id.empty()) desk_.notify_changed(other_id);
  return done;
}

// ---- parents ----

Result<IncidentRecord> Casework::set_parent(std::string_view id, std::string_view parent, const Actor& actor,
                                            int64_t version) {
  std::string told;
  auto done = desk_.change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    const std::string& child = record.incident.id;
    SENTINEL_ASSIGN(const std::vector<std::string> before, linked_to(tx, child, kLinkParent));
    std::optional<IncidentRecord> above;
    if (!parent.empty()) {
      SENTINEL_ASSIGN(above, load(tx, parent));
      if (!before.empty() && before.front() == above->incident.id) return {};
      std::string ancestor = above->incident.id;
      for (int depth = 0; !ancestor.empty(); ++depth) {
        if (ancestor == child)
          return fail(ErrorCode::kConflict, fmt::format("{} would be its own ancestor", number_of(record)));
        if (depth >= kParentsMax)
          return fail(ErrorCode::kTooLarge, fmt::format("more than {} parents one above the other", kParentsMax));
        SENTINEL_ASSIGN(const std::vector<std::string> next, linked_to(tx, ancestor, kLinkParent));
        ancestor = next.empty() ? "" : next.front();
      }
    } else if (before.empty()) {
      return {};
    }
    for (const std::string& old : before) SENTINEL_TRY(remove_link(tx, child, old, kLinkParent));
    if (!above)
      return touch(tx, record, "link", fmt::format("has no parent any more (by {})", actor.name), "{}", actor);
    SENTINEL_TRY(put_link(tx, child, above->incident.id, kLinkParent, desk_.scheduler_.now(), actor.name));
    told = above->incident.id;
    SENTINEL_TRY(touch(tx, *above, "link", fmt::format("parent of {} (by {})", number_of(record), actor.name),
                       link_json("child", record), actor));
    return touch(tx, record, "link", fmt::format("child of {} (by {})", number_of(*above), actor.name),
                 link_json("parent", *above), actor);
  });
  if (done && !told.empty()) desk_.notify_changed(told);
  return done;
}

Status Service::resolve_children(state::Tx& tx, const IncidentRecord& record, const Actor& actor) {
  if (!options_.resolve_children) return {};
  SENTINEL_ASSIGN(const std::vector<std::string> children, linked_from(tx, record.incident.id, kLinkParent));
  const bool by_itself = actor.name == Actor{}.name;
  for (const std::string& id : children) {
    SENTINEL_ASSIGN(IncidentRecord child, load(tx, id));
    if (child.incident.status == IncidentStatus::kResolved) continue;
    SENTINEL_ASSIGN(const AlertsLeft left, alerts_left(tx, id));
    if (by_itself && left.firing) continue;
    if (child.incident.resolution.empty())
      child.incident.resolution = fmt::format("Resolved with {}.", number_of(record));
    SENTINEL_TRY(change_status(tx, child, IncidentStatus::kResolved, fmt::format("with {}", number_of(record)), actor));
    notify_changed(id);
  }
  return {};
}

// ---- split ----

Status Casework::check_split(state::Tx& tx, const IncidentRecord& old, const SplitRequest& request,
                             std::vector<IncidentAlert>* moved) {
  if (old.incident.status == IncidentStatus::kResolved)
    return fail(ErrorCode::kConflict, fmt::format("{} is resolved; reopen it first", number_of(old)));
  SENTINEL_ASSIGN(std::vector<IncidentAlert> alerts, load_alerts(tx, old.incident.id));
  const std::set<std::string, std::less<>> wanted(request.fingerprints.begin(), request.fingerprints.end());
  const size_t all = alerts.size();
  std::erase_if(alerts, [&](const IncidentAlert& a) { return !wanted.contains(a.alert.fingerprint_hex()); });
  if (alerts.size() != wanted.size()) {
    return fail(ErrorCode::kNotFound, fmt::format("{} of {} alerts are not of {}", wanted.size() - alerts.size(),
                                                  wanted.size(), number_of(old)));
  }
  if (alerts.size() == all)
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} must keep at least one alert", number_of(old)));
  *moved = std::move(alerts);
  return {};
}

Result<IncidentRecord> Casework::new_from(state::Tx& tx, const IncidentRecord& old, const SplitRequest& request,
                                          const std::vector<IncidentAlert>& moved, const Actor& actor) {
  const TimePoint now = desk_.scheduler_.now();
  const model::Alert& lead = most_severe(moved);
  IncidentRecord record;
  model::Incident& incident = record.incident;
  incident.id = new_id(now);
  SENTINEL_ASSIGN(incident.number, next_number(tx));
  incident.title = trim(request.title).empty() ? title_of(lead) : std::string(trim(request.title));
  incident.severity = request.severity.value_or(worst_of(moved));
  incident.assignee = old.incident.assignee;
  SENTINEL_ASSIGN(incident.channel, channel_name(tx, now));
  incident.labels = lead.labels;
  incident.runbook_id = std::string(lead.annotations.get("runbook"));
  incident.test_mode = old.incident.test_mode;
  incident.created_at = incident.updated_at = now;
  incident.detected_at = now;
  for (const IncidentAlert& entry : moved) incident.detected_at = std::min(incident.detected_at, entry.alert.starts_at);
  record.headline.what_failed = what_failed_of(lead, other_titles(lead, moved));
  record.headline.next_step = std::string(lead.annotations.get("action"));
  const bool known = old.incident.status != IncidentStatus::kOpen;
  if (known) {
    incident.status = IncidentStatus::kAcknowledged;
    incident.acknowledged_at = now;
  }
  SENTINEL_TRY(insert(tx, record));
  SENTINEL_TRY(desk_.append_timeline(
      tx, incident, "created",
      fmt::format("{} incident split from {} by {}, with {} alerts", model::severity_name(incident.severity),
                  number_of(old), actor.name, moved.size()),
      link_json("split_from", old), actor));
  SENTINEL_TRY(put_link(tx, old.incident.id, incident.id, kLinkSplit, now, actor.name));
  // Whoever works on the old one has seen this one: nobody is called out of bed for it.
  SENTINEL_TRY(known ? desk_.deadlines_->on_event(tx, IncidentEvent::kOpened, record)
                     : desk_.escalate(tx, IncidentEvent::kOpened, record, actor));
  if (known) SENTINEL_TRY(desk_.store(tx, record));
  return record;
}

// The alert it was called after has left: the most severe of those that stay names it.
Status Casework::name_anew(state::Tx& tx, IncidentRecord& record, const std::vector<IncidentAlert>& moved) {
  const bool was_called_after_it = std::any_of(moved.begin(), moved.end(), [&](const IncidentAlert& entry) {
    return title_of(entry.alert) == record.incident.title;
  });
  SENTINEL_ASSIGN(const std::optional<model::Alert> same, load_lead(tx, record.incident.id, record.incident.title));
  if (was_called_after_it && !same) {
    SENTINEL_ASSIGN(const std::optional<model::Alert> lead, load_lead(tx, record.incident.id));
    if (!lead) return {};
    const std::string title = title_of(*lead);
    SENTINEL_TRY(desk_.append_timeline(tx, record.incident, "title",
                                       fmt::format("called after {} now: {}", lead->name(), title),
                                       change_json(record.incident.title, title), Actor{}));
    record.incident.title = title;
    record.incident.labels = lead->labels;
    desk_.lead_changed_.insert(record.incident.id);
  }
  return desk_.sum_up(tx, record);
}

Result<IncidentRecord> Casework::split(std::string_view id, const SplitRequest& request, const Actor& actor,
                                       int64_t version) {
  if (request.fingerprints.empty()) return fail(ErrorCode::kInvalidArgument, "which alerts is not said");
  if (request.title.size() > kTitleBytesMax)
    return fail(ErrorCode::kTooLarge, fmt::format("the title has more than {} bytes", kTitleBytesMax));
  IncidentRecord made;
  SENTINEL_ASSIGN(
      const IncidentRecord old, desk_.change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
        std::vector<IncidentAlert> moved;
        SENTINEL_TRY(check_split(tx, record, request, &moved));
        SENTINEL_ASSIGN(made, new_from(tx, record, request, moved, actor));
        for (const IncidentAlert& entry : moved) {
          SENTINEL_TRY(tx.exec("UPDATE incident_alerts SET incident_id = ? WHERE incident_id = ? AND fingerprint = ?",
                               {made.incident.id, record.incident.id, entry.alert.fingerprint_hex()}));
        }
        SENTINEL_TRY(name_anew(tx, record, moved));
        return touch(tx, record, "split",
                     fmt::format("{} alerts split out into {} by {}", moved.size(), number_of(made), actor.name),
                     link_json("split_into", made), actor);
      }));
  desk_.just_opened_.insert(made.incident.id);
  desk_.notify_changed(made.incident.id);
  // Either may be calm now.
  if (desk_.options_.auto_resolve) {
    desk_.schedule_auto_resolve(old.incident.id);
    desk_.schedule_auto_resolve(made.incident.id);
  }
  return made;
}

}  // namespace sentinel::incident
