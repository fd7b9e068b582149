#include "alerting/replica.h"

#include <utility>

#include "alerting/limits.h"
#include "text/json.h"

namespace sentinel::alerting {
namespace {

namespace json = boost::json;

void write_labels(text::JsonWriter& w, std::string_view name, const model::Labels& labels) {
  w.key(name).begin_object();
  for (const model::Label& label : labels) w.field(label.name, label.value);
  w.end_object();
}

void write_silence(text::JsonWriter& w, const Silence& s) {
  w.begin_object().field("id", s.id).field("created_by", s.created_by).field("comment", s.comment);
  w.field("starts_at", to_us(s.starts_at)).field("ends_at", to_us(s.ends_at)).field("updated_at", to_us(s.updated_at));
  write_labels(w, "annotations", s.annotations);
  w.key("matcher_sets").begin_array();
  for (const model::Matchers& set : s.matcher_sets) {
    w.begin_array();
    for (const model::Matcher& m : set) {
      w.begin_object().field("type", static_cast<int>(m.type())).field("name", m.name()).field("value", m.value());
      w.end_object();
    }
    w.end_array();
  }
  w.end_array().end_object();
}

void write_entry(text::JsonWriter& w, const ReplicaEntry& e) {
  w.begin_object().field("group_key", e.group_key).field("integration", e.integration);
  w.field("at", to_us(e.told.at)).field("firing", encode_fingerprints(e.told.firing));
  w.field("resolved", encode_fingerprints(e.told.resolved)).field("maybe", encode_fingerprints(e.told.maybe_firing));
  w.field("expires_at", to_us(e.expires_at)).end_object();
}

void write_acknowledgement(text::JsonWriter& w, const Acknowledgement& a) {
  w.begin_object().field("fingerprint", fingerprint_text(a.fingerprint)).field("at", to_us(a.at));
  w.field("actor", a.by.name).field("source", a.by.source).field("address", a.by.address).field("note", a.note);
  if (a.until) w.field("until", to_us(*a.until));
  w.field("ended", static_cast<int64_t>(a.ended)).field("updated_at", to_us(a.updated_at)).end_object();
}

void write_recurring(text::JsonWriter& w, const RecurringSilence& r) {
  Silence shown = r.instance;
  shown.id = r.id;
  w.begin_object().key("instance");
  write_silence(w, shown);
  w.field("schedule", r.schedule_text).field("next_from", to_us(r.next_from));
  if (r.ends_at) w.field("ends_at", to_us(*r.ends_at));
  if (r.removed_at) w.field("removed_at", to_us(*r.removed_at));
  w.end_object();
}

Result<TimePoint> read_time(const json::object& object, std::string_view key) {
  SENTINEL_ASSIGN(const int64_t us, text::json_int(object, key));
  return time_from_us(us);
}

Result<model::Matchers> read_set(const json::value& value) {
  if (!value.is_array()) return fail(ErrorCode::kInvalidArgument, "a matcher set must be an array");
  model::Matchers out;
  for (const json::value& item : value.get_array()) {
    if (!item.is_object()) return fail(ErrorCode::kInvalidArgument, "a matcher must be an object");
    SENTINEL_ASSIGN(const int64_t type, text::json_int(item.get_object(), "type"));
    if (type < 0 || type > static_cast<int64_t>(model::MatchType::kNotRegexp))
      return fail(ErrorCode::kInvalidArgument, "unknown type of a matcher");
    SENTINEL_ASSIGN(std::string name, text::json_string(item.get_object(), "name"));
    SENTINEL_ASSIGN(std::string text, text::json_string(item.get_object(), "value"));
    SENTINEL_ASSIGN(model::Matcher matcher,
                    model::Matcher::make(static_cast<model::MatchType>(type), std::move(name), std::move(text)));
    out.push_back(std::move(matcher));
  }
  return out;
}

Result<Silence> read_silence(const json::object& object) {
  Silence s;
  SENTINEL_ASSIGN(s.id, text::json_string(object, "id"));
  if (s.id.empty()) return fail(ErrorCode::kInvalidArgument, "a silence without an id");
  SENTINEL_ASSIGN(s.created_by, text::json_string(object, "created_by"));
  SENTINEL_ASSIGN(s.comment, text::json_string(object, "comment"));
  SENTINEL_ASSIGN(s.starts_at, read_time(object, "starts_at"));
  SENTINEL_ASSIGN(s.ends_at, read_time(object, "ends_at"));
  SENTINEL_ASSIGN(s.updated_at, read_time(object, "updated_at"));
  SENTINEL_ASSIGN(const json::object* annotations, text::json_object(object, "annotations"));
  for (const auto& [name, value] : *annotations) {
    if (!value.is_string()) return fail(ErrorCode::kInvalidArgument, "an annotation must be a string");
    s.annotations.set(name, value.get_string());
  }
  SENTINEL_ASSIGN(const json::array* sets, text::json_array(object, "matcher_sets"));
  for (const json::value& set : *sets) {
    SENTINEL_ASSIGN(model::Matchers matchers, read_set(set));
    s.matcher_sets.push_back(std::move(matchers));
  }
  return s;
}

Result<ReplicaEntry> read_entry(const json::object& object) {
  ReplicaEntry e;
  SENTINEL_ASSIGN(e.group_key, text::json_string(object, "group_key"));
  SENTINEL_ASSIGN(e.integration, text::json_string(object, "integration"));
  SENTINEL_ASSIGN(e.told.at, read_time(object, "at"));
  SENTINEL_ASSIGN(const std::string firing, text::json_string(object, "firing"));
  SENTINEL_ASSIGN(const std::string resolved, text::json_string(object, "resolved"));
  SENTINEL_ASSIGN(const std::string maybe, text::json_string(object, "maybe"));
  e.told.firing = decode_fingerprints(firing);
  e.told.resolved = decode_fingerprints(resolved);
  e.told.maybe_firing = decode_fingerprints(maybe);
  SENTINEL_ASSIGN(e.expires_at, read_time(object, "expires_at"));
  return e;
}

Result<Acknowledgement> read_acknowledgement(const json::object& object) {
  Acknowledgement a;
  SENTINEL_ASSIGN(const std::string fingerprint, text::json_string(object, "fingerprint"));
  const Fingerprints one = decode_fingerprints(fingerprint);
  if (one.size() != 1) return fail(ErrorCode::kInvalidArgument, "an acknowledgement without an alert");
  a.fingerprint = *one.begin();
  SENTINEL_ASSIGN(a.at, read_time(object, "at"));
  SENTINEL_ASSIGN(a.by.name, text::json_string(object, "actor"));
  SENTINEL_ASSIGN(a.by.source, text::json_string(object, "source"));
  SENTINEL_ASSIGN(a.by.address, text::json_string(object, "address"));
  SENTINEL_ASSIGN(a.note, text::json_string(object, "note"));
  if (object.contains("until")) {
    SENTINEL_ASSIGN(a.until, read_time(object, "until"));
  }
  SENTINEL_ASSIGN(const int64_t ended, text::json_int(object, "ended"));
  a.ended = ended != 0;
  SENTINEL_ASSIGN(a.updated_at, read_time(object, "updated_at"));
  return a;
}

Result<RecurringSilence> read_recurring(const json::object& object) {
  RecurringSilence r;
  SENTINEL_ASSIGN(const json::object* instance, text::json_object(object, "instance"));
  SENTINEL_ASSIGN(r.instance, read_silence(*instance));
  r.id = std::exchange(r.instance.id, "");
  SENTINEL_ASSIGN(r.schedule_text, text::json_string(object, "schedule"));
  if (r.schedule_text.size() > kScheduleBytesMax) return fail(ErrorCode::kTooLarge, "a schedule is too large");
  SENTINEL_ASSIGN(r.schedule, parse_schedule(r.schedule_text));
  SENTINEL_ASSIGN(r.next_from, read_time(object, "next_from"));
  if (object.contains("ends_at")) {
    SENTINEL_ASSIGN(r.ends_at, read_time(object, "ends_at"));
  }
  if (object.contains("removed_at")) {
    SENTINEL_ASSIGN(r.removed_at, read_time(object, "removed_at"));
  }
  return r;
}

template <class T>
Status read_list(const json::object& object, std::string_view key, std::vector<T>& out,
                 Result<T> (*read)(const json::object&)) {
  SENTINEL_ASSIGN(const json::array* list, text::json_array(object, key));
  for (const json::value& item : *list) {
    if (!item.is_object()) return fail(ErrorCode::kInvalidArgument, "a list of objects was expected");
    SENTINEL_ASSIGN(T value, read(item.get_object()));
    out.push_back(std::move(value));
  }
  return {};
}

}  // namespace

std::string encode_replica(const ReplicaState& state) {
  std::string out;
  text::JsonWriter w(out);
  w.begin_object().key("silences").begin_array();
  for (const Silence& s : state.silences) write_silence(w, s);
  w.end_array().key("log").begin_array();
  for (const ReplicaEntry& e : state.log) write_entry(w, e);
  w.end_array().key("acknowledgements").begin_array();
  for (const Acknowledgement& a : state.acknowledgements) write_acknowledgement(w, a);
  w.end_array().key("recurring").begin_array();
  for (const RecurringSilence& r : state.recurring) write_recurring(w, r);
  w.end_array().end_object();
  return out;
}

Result<ReplicaState> decode_replica(std::string_view text) {
  SENTINEL_ASSIGN(const json::object object, text::parse_json_object(text));
  return decode_replica(object);
}

Result<ReplicaState> decode_replica(const json::object& object) {
  ReplicaState state;
  SENTINEL_TRY(read_list<Silence>(object, "silences", state.silences, read_silence));
  SENTINEL_TRY(read_list<ReplicaEntry>(object, "log", state.log, read_entry));
  // Instances of earlier versions do not have them.
  if (object.contains("acknowledgements"))
    SENTINEL_TRY(read_list<Acknowledgement>(object, "acknowledgements", state.acknowledgements, read_acknowledgement));
  if (object.contains("recurring"))
    SENTINEL_TRY(read_list<RecurringSilence>(object, "recurring", state.recurring, read_recurring));
  return state;
}

}  // namespace sentinel::alerting
