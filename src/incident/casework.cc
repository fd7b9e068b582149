#include "incident/casework.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/id.h"
#include "base/strings.h"
#include "incident/limits.h"
#include "incident/mentions.h"
#include "incident/schema.h"
#include "incident/status_page.h"
#include "incident/words.h"

namespace sentinel::incident {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 3> kRoles{
    {{Role::kCommander, "commander"}, {Role::kScribe, "scribe"}, {Role::kLiaison, "liaison"}}};

bool same_person(const Person& person, std::string_view name) {
  return iequals(person.id, name) || iequals(person.name, name);
}

Result<std::vector<RoleHolder>> load_roles(state::Tx& tx, std::string_view id) {
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query("SELECT role, person, since, given_by FROM incident_roles WHERE incident_id = ?", {std::string(id)}));
  std::vector<RoleHolder> out;
  for (const auto& [role, name] : kRoles) {
    for (const state::Row& row : rows) {
      if (row.text(0) == name) out.push_back({role, row.text(1), time_from_us(row.integer(2)), row.text(3)});
    }
  }
  return out;
}

Result<std::vector<Update>> load_updates(state::Tx& tx, std::string_view id) {
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT id, at, actor, public, title, text, status FROM "
                                                   "incident_updates WHERE incident_id = ? ORDER BY id",
                                                   {std::string(id)}));
  std::vector<Update> out;
  for (const state::Row& row : rows) {
    out.push_back({row.integer(0), time_from_us(row.integer(1)), row.text(2), row.integer(3) != 0, row.text(4),
                   row.text(5), model::parse_incident_status(row.text(6)).value_or(model::IncidentStatus::kOpen)});
  }
  return out;
}

constexpr std::string_view kAttachmentColumns = "id, name, type, size_bytes, sha256, at, actor";

Result<std::vector<Attachment>> load_attachments(state::Tx& tx, std::string_view id) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query(fmt::format("SELECT {} FROM incident_attachments WHERE incident_id = ? ORDER BY at, id",
                                       kAttachmentColumns),
                           {std::string(id)}));
  std::vector<Attachment> out;
  for (const state::Row& row : rows) {
    out.push_back({row.text(0), row.text(1), row.text(2), static_cast<uint64_t>(row.integer(3)), row.text(4),
                   time_from_us(row.integer(5)), row.text(6)});
  }
  return out;
}

Result<Attachment> find_attachment(state::Tx& tx, const IncidentRecord& record, std::string_view id) {
  SENTINEL_ASSIGN(std::vector<Attachment> all, load_attachments(tx, record.incident.id));
  const auto found = std::find_if(all.begin(), all.end(), [&](const Attachment& a) { return a.id == id; });
  if (found == all.end())
    return fail(ErrorCode::kNotFound, fmt::format("INC-{} has no attachment {}", record.incident.number, id));
  return std::move(*found);
}

// `who`: the name of `actor` as roles have it.
std::string role_sentence(std::string_view role, const std::string& from, const std::string& to,
                          const std::string& actor, const std::string& who) {
  if (to.empty()) return fmt::format("{} is no longer {} (by {})", from, role, actor);
  if (from.empty())
    return who == to ? fmt::format("{} takes the role of {}", to, role)
                     : fmt::format("{} is {} (by {})", to, role, actor);
  if (who == to) return fmt::format("{} takes over as {} from {}", to, role, from);
  return fmt::format("{} hands over as {} to {}{}", from, role, to, who == from ? "" : " (by " + actor + ")");
}

}  // namespace

std::string_view role_name(Role role) {
  return std::find_if(kRoles.begin(), kRoles.end(), [&](const auto& r) { return r.first == role; })->second;
}

std::optional<Role> parse_role(std::string_view text) {
  for (const auto& [role, name] : kRoles) {
    if (iequals(name, text)) return role;
  }
  return std::nullopt;
}

Result<std::vector<Subscriber>> load_subscribers(state::Tx& tx, std::string_view id) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT person, name, channel, since FROM incident_subscribers WHERE incident_id = ? "
                           "ORDER BY since, person",
                           {std::string(id)}));
  std::vector<Subscriber> out;
  for (const state::Row& row : rows)
    out.push_back({row.text(0), row.text(1), row.text(2), time_from_us(row.integer(3))});
  return out;
}

Result<std::string> role_holder(state::Tx& tx, std::string_view id, Role role) {
  SENTINEL_ASSIGN(const std::vector<RoleHolder> roles, load_roles(tx, id));
  const auto found = std::find_if(roles.begin(), roles.end(), [&](const RoleHolder& r) { return r.role == role; });
  return found == roles.end() ? std::string() : found->person;
}

Result<Case> Casework::get(std::string_view id) {
  Case out;
  SENTINEL_TRY(desk_.database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const IncidentRecord record, load(tx, id));
    const std::string& key = record.incident.id;
    SENTINEL_ASSIGN(out.roles, load_roles(tx, key));
    SENTINEL_ASSIGN(out.links, load_links(tx, key));
    SENTINEL_ASSIGN(out.subscribers, load_subscribers(tx, key));
    SENTINEL_ASSIGN(out.updates, load_updates(tx, key));
    SENTINEL_ASSIGN(out.attachments, load_attachments(tx, key));
    SENTINEL_ASSIGN(out.deadlines, load_deadlines(tx, key));
    SENTINEL_ASSIGN(const state::Rows fields,
                    tx.query("SELECT name, value FROM incident_fields WHERE incident_id = ?", {key}));
    for (const state::Row& row : fields) out.fields.emplace(row.text(0), row.text(1));
    SENTINEL_ASSIGN(const state::Rows rated,
                    tx.query("SELECT useful FROM incident_ratings WHERE incident_id = ?", {key}));
    if (!rated.empty()) out.useful = rated.front().integer(0) != 0;
    return {};
  }));
  return out;
}

// One entry of the timeline, and the incident's next version.
Status Casework::touch(state::Tx& tx, IncidentRecord& record, std::string_view kind, std::string_view text,
                       std::string_view data, const Actor& actor) {
  record.incident.updated_at = desk_.scheduler_.now();
  ++record.incident.version;
  SENTINEL_TRY(desk_.append_timeline(tx, record.incident, kind, text, data, actor));
  return desk_.store(tx, record);
}

std::string Casework::name_of(std::string_view person) const {
  const auto known = desk_.escalator_ == nullptr ? std::nullopt : desk_.escalator_->person(person);
  return known ? known->name : std::string(person);
}

// ---- roles and fields ----

Result<IncidentRecord> Casework::set_role(std::string_view id, Role role, std::string_view person, const Actor& actor,
                                          int64_t version) {
  const std::string to = name_of(trim(person));
  if (to.size() > kPersonBytesMax)
    return fail(ErrorCode::kTooLarge, fmt::format("a name has at most {} bytes", kPersonBytesMax));
  return desk_.change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    SENTINEL_ASSIGN(const std::string from, role_holder(tx, record.incident.id, role));
    if (from == to) return {};
    const std::string_view name = role_name(role);
    if (to.empty()) {
      SENTINEL_TRY(tx.exec("DELETE FROM incident_roles WHERE incident_id = ? AND role = ?",
                           {record.incident.id, std::string(name)}));
    } else {
      SENTINEL_TRY(tx.exec(
          "INSERT INTO incident_roles (incident_id, role, person, since, given_by) VALUES (?,?,?,?,?) ON CONFLICT "
          "(incident_id, role) DO UPDATE SET person = excluded.person, since = excluded.since, given_by = "
          "excluded.given_by",
          {record.incident.id, std::string(name), to, to_us(desk_.scheduler_.now()), actor.name}));
    }
    const std::string text = role_sentence(name, from, to, actor.name, name_of(actor.name));
    const std::string change = change_json(from, to);
    return touch(tx, record, "role", text, fmt::format(R"({{"role":"{}",{})", name, std::string_view(change).substr(1)),
                 actor);
  });
}

Result<IncidentRecord> Casework::set_fields(std::string_view id, const std::map<std::string, std::string>& values,
                                            const Actor& actor, int64_t version) {
  std::map<std::string, std::string> checked;
  for (const auto& [name, json] : values) {
    const FieldDefinition* field = desk_.options_.field(name);
    if (field == nullptr) {
      std::vector<std::string> known;
      for (const FieldDefinition& f : desk_.options_.fields) known.push_back(f.name);
      return fail(ErrorCode::kInvalidArgument,
                  known.empty() ? fmt::format("unknown field \"{}\": the configuration declares none", name)
                                : fmt::format("unknown field \"{}\"; expected one of {}", name, join(known, ", ")));
    }
    if (json == "null") {
      checked.emplace(name, "");
      continue;
    }
    SENTINEL_ASSIGN(std::string value, check_field(*field, json));
    checked.emplace(name, std::move(value));
  }
  return desk_.change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    for (const auto& [name, value] : checked) {
      SENTINEL_ASSIGN(
          const state::Rows before,
          tx.query("SELECT value FROM incident_fields WHERE incident_id = ? AND name = ?", {record.incident.id, name}));
      const std::string from = before.empty() ? "" : before.front().text(0);
      if (from == value) continue;
      const auto stored =
          value.empty()
              ? tx.exec("DELETE FROM incident_fields WHERE incident_id = ? AND name = ?", {record.incident.id, name})
              : tx.exec(
                    "INSERT INTO incident_fields (incident_id, name, value) VALUES (?,?,?) ON "
                    "CONFLICT (incident_id, name) DO UPDATE SET value = excluded.value",
                    {record.incident.id, name, value});
      SENTINEL_TRY(stored);
      SENTINEL_TRY(touch(tx, record, "field",
                         value.empty() ? fmt::format("{} taken away by {}", name, actor.name)
                                       : fmt::format("{} set to {} by {}", name, value, actor.name),
                         fmt::format(R"({{"field":{},"from":{},"to":{}}})", json_quote(name),
                                     from.empty() ? "null" : from, value.empty() ? "null" : value),
                         actor));
    }
    return {};
  });
}

// ---- those who are told ----

Result<IncidentRecord> Casework::subscribe(std::string_view id, std::string_view person, std::string_view channel,
                                           const Actor& actor) {
  const Escalator* people = desk_.escalator_;
  const auto known = people == nullptr ? std::nullopt : people->person(person);
  if (!known) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("nobody called \"{}\" is among the users of on-call, so nothing is known to reach him by", person));
  }
  if (!people->reaches(known->id, channel)) {
    return fail(ErrorCode::kInvalidArgument,
                channel.empty() ? fmt::format("{} has no contact that takes messages", known->name)
                                : fmt::format("{} has no contact \"{}\" that takes messages", known->name, channel));
  }
  return desk_.change(id, 0, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    SENTINEL_ASSIGN(const std::vector<Subscriber> all, load_subscribers(tx, record.incident.id));
    const auto before = std::find_if(all.begin(), all.end(), [&](const Subscriber& s) { return s.user == known->id; });
    if (before != all.end() && before->channel == channel) return {};
    if (all.size() >= kSubscribersMax)
      return fail(ErrorCode::kTooLarge, "the incident has as many subscribers as it may");
    SENTINEL_TRY(tx.exec(
        "INSERT INTO incident_subscribers (incident_id, person, name, channel, since) VALUES (?,?,?,?,?) ON CONFLICT "
        "(incident_id, person) DO UPDATE SET channel = excluded.channel",
        {record.incident.id, known->id, known->name, std::string(channel), to_us(desk_.scheduler_.now())}));
    const std::string by = same_person(*known, actor.name) ? "" : fmt::format(" (by {})", actor.name);
    return touch(tx, record, "subscription", fmt::format("{} is told of news{}", known->name, by),
                 fmt::format(R"({{"user":{}}})", json_quote(known->id)), actor);
  });
}

Result<IncidentRecord> Casework::unsubscribe(std::string_view id, std::string_view person, const Actor& actor) {
  return desk_.change(id, 0, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    SENTINEL_ASSIGN(const std::vector<Subscriber> all, load_subscribers(tx, record.incident.id));
    const auto found = std::find_if(all.begin(), all.end(), [&](const Subscriber& s) {
      return iequals(s.user, person) || iequals(s.name, person);
    });
    if (found == all.end())
      return fail(ErrorCode::kNotFound, fmt::format("{} is not told of INC-{}", person, record.incident.number));
    SENTINEL_TRY(tx.exec("DELETE FROM incident_subscribers WHERE incident_id = ? AND person = ?",
                         {record.incident.id, found->user}));
    return touch(tx, record, "subscription", fmt::format("{} is no longer told of news", found->name),
                 fmt::format(R"({{"user":{}}})", json_quote(found->user)), actor);
  });
}

Status Service::tell_subscribers(state::Tx& tx, const IncidentRecord& record, std::string_view what,
                                 std::string_view news, const Actor& actor) {
  if (escalator_ == nullptr) return {};
  SENTINEL_ASSIGN(const std::vector<Subscriber> subscribers, load_subscribers(tx, record.incident.id));
  std::vector<Message> messages;
  for (const Subscriber& s : subscribers) {
    if (iequals(s.user, actor.name) || iequals(s.name, actor.name)) continue;
    Message m;
    m.key = fmt::format("news/{}/{}/{}/{}", record.incident.id, record.incident.version, what, s.user);
    m.user = s.user;
    m.channel = s.channel;
    m.subject = fmt::format("INC-{} {}: {}", record.incident.number,
                            model::incident_status_name(record.incident.status), record.incident.title);
    m.text = std::string(news);
    messages.push_back(std::move(m));
  }
  return messages.empty() ? Status() : escalator_->send(tx, record, messages);
}

Result<std::string> Service::tell_mentioned(state::Tx& tx, const IncidentRecord& record, std::string_view text,
                                            const Actor& actor) {
  if (escalator_ == nullptr) return std::string();
  std::vector<Person> called;
  const auto call = [&](const Person& person) {
    const bool known = std::any_of(called.begin(), called.end(), [&](const Person& p) { return p.id == person.id; });
    if (!known && !same_person(person, actor.name)) called.push_back(person);
  };
  for (const std::string& name : mentions_in(text)) {
    if (const auto person = escalator_->person(name)) {
      call(*person);
    } else {
      for (const Person& member : escalator_->team(name)) call(member);
    }
  }
  if (called.empty()) return std::string();
  std::vector<Message> messages;
  std::string ids;
  for (const Person& person : called) {
    Message m;
    m.key = fmt::format("mention/{}/{}/{}", record.incident.id, record.incident.version, person.id);
    m.user = person.id;
    m.subject = fmt::format("{} mentions you in INC-{}: {}", actor.name, record.incident.number, record.incident.title);
    m.text = std::string(text);
    messages.push_back(std::move(m));
    ids += (ids.empty() ? "" : ",") + json_quote(person.id);
  }
  SENTINEL_TRY(escalator_->send(tx, record, messages));
  return "[" + ids + "]";
}

// ---- updates ----

Result<IncidentRecord> Casework::add_update(std::string_view id, const NewUpdate& request, const Actor& actor,
                                            int64_t version) {
  if (trim(request.text).empty()) return fail(ErrorCode::kInvalidArgument, "an update needs a text");
  if (request.text.size() > kUpdateBytesMax || request.title.size() > kTitleBytesMax) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("an update has at most {} bytes, its title {}", kUpdateBytesMax, kTitleBytesMax));
  }
  if (!request.is_public && !request.title.empty())
    return fail(ErrorCode::kInvalidArgument, "only a public update has a title");
  return desk_.change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    if (request.status) SENTINEL_TRY(desk_.change_status(tx, record, *request.status, "", actor));
    SENTINEL_TRY(tx.exec(
        "INSERT INTO incident_updates (incident_id, at, actor, public, title, text, status) VALUES (?,?,?,?,?,?,?)",
        {record.incident.id, to_us(desk_.scheduler_.now()), actor.name, int64_t{request.is_public},
         std::string(trim(request.title)), std::string(trim(request.text)),
         std::string(model::incident_status_name(record.incident.status))}));
    if (request.is_public && desk_.public_handler_) {
      SENTINEL_ASSIGN(const std::vector<Update> all, load_updates(tx, record.incident.id));
      SENTINEL_TRY(desk_.public_handler_(tx, record, all.back(), public_title(all)));
    }
    SENTINEL_TRY(desk_.deadlines_->updated(tx, record));
    const std::string data = request.is_public ? R"({"public":true})" : R"({"public":false})";
    SENTINEL_TRY(touch(tx, record, "update", trim(request.text), data, actor));
    SENTINEL_ASSIGN(const std::string called, desk_.tell_mentioned(tx, record, request.text, actor));
    return desk_.tell_subscribers(tx, record, "update", fmt::format("{}: {}", actor.name, trim(request.text)), actor);
  });
}

Result<IncidentRecord> Casework::review(std::string_view id, std::string_view note, const Actor& actor,
                                        int64_t version) {
  if (note.size() > kNoteBytesMax)
    return fail(ErrorCode::kTooLarge, fmt::format("a note has at most {} bytes", kNoteBytesMax));
  return desk_.change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    if (record.incident.status != model::IncidentStatus::kResolved)
      return fail(ErrorCode::kConflict, fmt::format("INC-{} is not resolved yet", record.incident.number));
    SENTINEL_TRY(desk_.deadlines_->reviewed(tx, record));
    return touch(tx, record, "review", fmt::format("reviewed by {}{}{}", actor.name, note.empty() ? "" : ": ", note),
                 "{}", actor);
  });
}

Result<IncidentRecord> Casework::rate(std::string_view id, bool useful, std::string_view note, const Actor& actor,
                                      int64_t version) {
  if (note.size() > kNoteBytesMax)
    return fail(ErrorCode::kTooLarge, fmt::format("a note has at most {} bytes", kNoteBytesMax));
  return desk_.change(id, version, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    SENTINEL_TRY(tx.exec(
        "INSERT INTO incident_ratings (incident_id, useful, at, actor) VALUES (?,?,?,?) ON CONFLICT (incident_id) DO "
        "UPDATE SET useful = excluded.useful, at = excluded.at, actor = excluded.actor",
        {record.incident.id, int64_t{useful}, to_us(desk_.scheduler_.now()), actor.name}));
    return touch(
        tx, record, "rating",
        fmt::format("rated {} by {}{}{}", useful ? "useful" : "not useful", actor.name, note.empty() ? "" : ": ", note),
        useful ? R"({"useful":true})" : R"({"useful":false})", actor);
  });
}

// ---- files ----

Result<Attachment> Casework::attach(std::string_view id, Attachment attachment, const Actor& actor) {
  SENTINEL_ASSIGN(const IncidentRecord record, desk_.change(id, 0, [&](state::Tx& tx, IncidentRecord& in) -> Status {
    SENTINEL_ASSIGN(const std::vector<Attachment> all, load_attachments(tx, in.incident.id));
    if (all.size() >= desk_.options_.attachments.count_max) {
      return fail(ErrorCode::kTooLarge,
                  fmt::format("INC-{} has {} attachments, as many as it may", in.incident.number, all.size()));
    }
    attachment.at = desk_.scheduler_.now();
    attachment.id = new_id(attachment.at);
    attachment.by = actor.name;
    SENTINEL_TRY(tx.exec(
        fmt::format("INSERT INTO incident_attachments (incident_id, {}) VALUES (?,?,?,?,?,?,?,?)", kAttachmentColumns),
        {in.incident.id, attachment.id, attachment.name, attachment.type, static_cast<int64_t>(attachment.size_bytes),
         attachment.sha256, to_us(attachment.at), actor.name}));
    return touch(tx, in, "attachment", fmt::format("{} attached by {}", attachment.name, actor.name),
                 fmt::format(R"({{"attachment":"{}","name":{},"size_bytes":{},"sha256":"{}"}})", attachment.id,
                             json_quote(attachment.name), attachment.size_bytes, attachment.sha256),
                 actor);
  }));
  return attachment;
}

Result<Attachment> Casework::attachment(std::string_view id, std::string_view attachment) {
  Attachment out;
  SENTINEL_TRY(desk_.database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const IncidentRecord record, load(tx, id));
    SENTINEL_ASSIGN(out, find_attachment(tx, record, attachment));
    return {};
  }));
  return out;
}

Result<IncidentRecord> Casework::remove_attachment(std::string_view id, std::string_view attachment,
                                                   const Actor& actor) {
  return desk_.change(id, 0, [&](state::Tx& tx, IncidentRecord& record) -> Status {
    SENTINEL_ASSIGN(const Attachment gone, find_attachment(tx, record, attachment));
    SENTINEL_TRY(tx.exec("DELETE FROM incident_attachments WHERE id = ?", {gone.id}));
    return touch(tx, record, "attachment", fmt::format("{} removed by {}", gone.name, actor.name),
                 fmt::format(R"({{"attachment":"{}","sha256":"{}"}})", gone.id, gone.sha256), actor);
  });
}

Result<bool> Casework::content_wanted(std::string_view sha256) {
  bool wanted = false;
  SENTINEL_TRY(desk_.database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const state::Rows rows,
                    tx.query("SELECT 1 FROM incident_attachments WHERE sha256 = ? LIMIT 1", {std::string(sha256)}));
    wanted = !rows.empty();
    return {};
  }));
  return wanted;
}

}  // namespace sentinel::incident
