#include "incident/postmortems.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/strings.h"
#include "incident/limits.h"
#include "incident/schema.h"

namespace sentinel::incident {
namespace {

constexpr std::array<std::string_view, 4> kStates{"draft", "in_review", "reviewed", "closed"};
constexpr char kBetweenAuthors = '\n';  // no name has one: they come from a header or one field

Result<PostmortemDocument> load_document(state::Tx& tx, const std::string& incident) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT text, state, authors, version, saved_at, saved_by FROM incident_postmortems WHERE "
                           "incident_id = ?",
                           {incident}));
  PostmortemDocument out;
  if (rows.empty()) return out;
  const state::Row& row = rows.front();
  out.text = row.text(0);
  out.state = static_cast<PostmortemState>(row.integer(1));
  const std::string authors = row.text(2);
  for (const std::string_view author : split(authors, kBetweenAuthors)) {
    if (!author.empty()) out.authors.emplace_back(author);
  }
  out.version = row.integer(3);
  out.saved_at = time_from_us(row.integer(4));
  out.saved_by = row.text(5);
  return out;
}

Status store_document(state::Tx& tx, const std::string& incident, const PostmortemDocument& document) {
  return tx.exec(
      "INSERT INTO incident_postmortems (incident_id, text, state, authors, version, saved_at, saved_by) VALUES "
      "(?,?,?,?,?,?,?) ON CONFLICT (incident_id) DO UPDATE SET text = excluded.text, state = excluded.state, authors = "
      "excluded.authors, version = excluded.version, saved_at = excluded.saved_at, saved_by = excluded.saved_by",
      {incident, document.text, static_cast<int64_t>(document.state),
       join(document.authors, std::string_view(&kBetweenAuthors, 1)), document.version, to_us(document.saved_at),
       document.saved_by});
}

std::string sentence_of(const PostmortemDocument& before, const PostmortemDocument& after, const std::string& who) {
  if (before.state != after.state)
    return fmt::format("Postmortem {} by {}", kStates[static_cast<size_t>(after.state)], who);
  return after.text.empty() ? fmt::format("Postmortem taken back to the generated one by {}", who)
                            : fmt::format("Postmortem edited by {}", who);
}

}  // namespace

std::string_view postmortem_state_name(PostmortemState state) { return kStates[static_cast<size_t>(state)]; }

Result<PostmortemState> parse_postmortem_state(std::string_view text) {
  const auto found = std::find(kStates.begin(), kStates.end(), text);
  if (found != kStates.end()) return static_cast<PostmortemState>(found - kStates.begin());
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown state \"{}\"; expected {}", text, fmt::join(kStates, ", ")));
}

Result<PostmortemDocument> Postmortems::get(std::string_view id) {
  PostmortemDocument out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const IncidentRecord record, load(tx, id));
    SENTINEL_ASSIGN(out, load_document(tx, record.incident.id));
    return {};
  }));
  return out;
}

Result<PostmortemDocument> Postmortems::change(std::string_view id, const PostmortemChange& change, const Actor& actor,
                                               int64_t version) {
  if (change.text && change.text->size() > kPostmortemBytesMax)
    return fail(ErrorCode::kTooLarge, fmt::format("a postmortem has at most {} bytes", kPostmortemBytesMax));
  PostmortemDocument out;
  std::string incident;
  bool reviewed = false;
  bool changed = false;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const IncidentRecord record, load(tx, id));
    incident = record.incident.id;
    SENTINEL_ASSIGN(out, load_document(tx, incident));
    if (version != 0 && version != out.version)
      return fail(ErrorCode::kConflict,
                  fmt::format("the postmortem was changed by {} meanwhile: version {}", out.saved_by, out.version));
    const PostmortemDocument before = out;
    out.text = change.text.value_or(out.text);
    out.state = change.state.value_or(out.state);
    changed = out.text != before.text || out.state != before.state;
    if (!changed) return {};
    reviewed = before.state < PostmortemState::kReviewed && out.state >= PostmortemState::kReviewed;
    if (reviewed && !record.incident.resolved_at)
      return fail(ErrorCode::kConflict, "its incident is not resolved, so the postmortem cannot have been reviewed");
    const bool known = std::find(out.authors.begin(), out.authors.end(), actor.name) != out.authors.end();
    if (!known && out.authors.size() < kPostmortemAuthorsMax) out.authors.push_back(actor.name);
    ++out.version;
    out.saved_at = scheduler_.now();
    out.saved_by = actor.name;
    SENTINEL_TRY(store_document(tx, incident, out));
    return desk_.add_timeline(tx, incident, "postmortem", sentence_of(before, out, actor.name),
                              fmt::format(R"({{"version":{}}})", out.version), actor);
  }));
  if (changed) desk_.notify_changed(incident);
  if (reviewed) SENTINEL_TRY(casework_.review(incident, "The postmortem was reviewed", actor));
  return out;
}

}  // namespace sentinel::incident
