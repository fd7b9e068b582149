#include "alerting/audit.h"

#include "base/strings.h"
#include "text/json.h"

namespace sentinel::alerting {
namespace {

void write_matchers(text::JsonWriter& w, const model::Matchers& matchers) {
  w.begin_array();
  for (const model::Matcher& m : matchers) w.string(m.to_string());
  w.end_array();
}

}  // namespace

Status Audit::add(state::Tx& tx, const AuditEntry& e) {
  return tx.exec(
      "INSERT INTO alert_audit (at, actor, source, address, action, target, before_json, after_json)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      {to_us(e.at), e.by.name, e.by.source, e.by.address, e.action, e.target, e.before, e.after});
}

Result<std::vector<AuditEntry>> Audit::list(state::Tx& tx, const AuditQuery& q) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT id, at, actor, source, address, action, target, before_json, after_json"
                           " FROM alert_audit WHERE id < ? AND at >= ? AND at < ? AND (? = '' OR action = ?)"
                           " AND (? = '' OR actor = ?) AND (? = '' OR target = ?) ORDER BY id DESC LIMIT ?",
                           {q.before_id, to_us(q.from), to_us(q.to), q.action, q.action, q.actor, q.actor, q.target,
                            q.target, static_cast<int64_t>(q.limit)}));
  std::vector<AuditEntry> out;
  for (const state::Row& row : rows) {
    out.push_back({row.integer(0),
                   time_from_us(row.integer(1)),
                   {row.text(2), row.text(3), row.text(4)},
                   row.text(5),
                   row.text(6),
                   row.text(7),
                   row.text(8)});
  }
  return out;
}

Status Audit::prune(state::Tx& tx, TimePoint before) {
  return tx.exec("DELETE FROM alert_audit WHERE at < ?", {to_us(before)});
}

std::string audit_json(const Silence& s) {
  std::string out;
  text::JsonWriter w(out);
  w.begin_object().key("matchers");
  write_matchers(w, s.matcher_sets.empty() ? model::Matchers() : s.matcher_sets.front());
  if (s.matcher_sets.size() > 1) {
    w.key("matcher_sets").begin_array();
    for (size_t i = 1; i < s.matcher_sets.size(); ++i) write_matchers(w, s.matcher_sets[i]);
    w.end_array();
  }
  w.field("starts_at", format_rfc3339(s.starts_at)).field("ends_at", format_rfc3339(s.ends_at));
  w.field("created_by", s.created_by).field("comment", s.comment).key("annotations").begin_object();
  for (const model::Label& label : s.annotations) w.field(label.name, label.value);
  w.end_object().end_object();
  return out;
}

}  // namespace sentinel::alerting
