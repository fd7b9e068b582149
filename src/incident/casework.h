#pragma once
// What people put beside an incident's alerts and timeline: who has which role, the installation's own fields, links to
// other incidents, who is told of news, files, and updates for those who are not in it.
//
// Lives on the control scheduler with the desk: every call is made on its thread, what it returned ok for is on disk,
// and each change is one transaction with its entry of the timeline.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "incident/service.h"

namespace sentinel::incident {

enum class Role { kCommander, kScribe, kLiaison };
std::string_view role_name(Role role);
std::optional<Role> parse_role(std::string_view text);

struct RoleHolder {
  Role role = Role::kCommander;
  std::string person;
  TimePoint since;
  std::string by;
};

// As one end of it reads: related, duplicate_of, duplicated_by, caused_by, causes, split_from, split_into, merged_into,
// merged_from, parent, child.
struct Link {
  std::string relation;
  std::string id;
  int64_t number = 0;
  std::string title;
  model::IncidentStatus status = model::IncidentStatus::kOpen;
  model::Severity severity = model::Severity::kSev3;
  TimePoint at;
  std::string by;
};

struct Subscriber {
  std::string user;     // id
  std::string name;     // as it was when he subscribed
  std::string channel;  // "": as his rules say
  TimePoint since;
};

struct Update {
  int64_t id = 0;
  TimePoint at;
  std::string by;
  bool is_public = false;
  std::string title;  // what the public calls the incident from then on; "": as before
  std::string text;
  model::IncidentStatus status = model::IncidentStatus::kOpen;  // after it
};

struct Attachment {
  std::string id;
  std::string name;
  std::string type;
  uint64_t size_bytes = 0;
  std::string sha256;  // hex; the name of its content in the folder
  TimePoint at;
  std::string by;
};

struct Case {
  std::vector<RoleHolder> roles;
  std::map<std::string, std::string> fields;  // by name, JSON
  std::vector<Link> links;
  std::vector<Subscriber> subscribers;
  std::vector<Update> updates;  // oldest first
  std::vector<Attachment> attachments;
  std::vector<Deadline> deadlines;
  std::optional<bool> useful;  // whether people were right to be told, as somebody said; absent: nobody did
};

struct SplitRequest {
  std::vector<std::string> fingerprints;  // hex
  std::string title;                      // "": that of the most severe of them
  std::optional<model::Severity> severity;
};

struct NewUpdate {
  std::string text;
  bool is_public = false;
  std::string title;
  std::optional<model::IncidentStatus> status;  // set with it
};

class Casework {
 public:
  explicit Casework(Service& desk) : desk_(desk) {}

  // In one snapshot with what the desk's get() gives there.
  Result<Case> get(std::string_view id);

  // `person`: a user's id or name, or any name where nobody of it is known; "": nobody has the role any more. Versions
  // are as those of the desk.
  Result<IncidentRecord> set_role(std::string_view id, Role role, std::string_view person, const Actor& actor,
                                  int64_t version = 0);
  // Name and JSON of each; "null" takes one away. Only declared fields are taken, all or none of them.
  Result<IncidentRecord> set_fields(std::string_view id, const std::map<std::string, std::string>& values,
                                    const Actor& actor, int64_t version = 0);
  // kInvalidArgument: nobody of that name is known, or he cannot be reached by that channel.
  Result<IncidentRecord> subscribe(std::string_view id, std::string_view person, std::string_view channel,
                                   const Actor& actor);
  Result<IncidentRecord> unsubscribe(std::string_view id, std::string_view person, const Actor& actor);
  Result<IncidentRecord> add_update(std::string_view id, const NewUpdate& update, const Actor& actor,
                                    int64_t version = 0);

  // Its review is done. kConflict unless it is resolved.
  Result<IncidentRecord> review(std::string_view id, std::string_view note, const Actor& actor, int64_t version = 0);

  // Whether people were right to be told: what the figures of alert quality go by (alert_quality.h).
  Result<IncidentRecord> rate(std::string_view id, bool useful, std::string_view note, const Actor& actor,
                              int64_t version = 0);

  // `relation`: related, duplicate_of, caused_by, or one of their other ends.
  Result<IncidentRecord> link(std::string_view id, std::string_view relation, std::string_view other,
                              const Actor& actor);
  Result<IncidentRecord> unlink(std::string_view id, std::string_view relation, std::string_view other,
                                const Actor& actor);
  // `parent` "": it has none any more. kConflict: it would be its own ancestor.
  Result<IncidentRecord> set_parent(std::string_view id, std::string_view parent, const Actor& actor,
                                    int64_t version = 0);
  // Some of its alerts, not all, become an incident of their own, which this returns. Where the old one is open its
  // people are told of the new one; where somebody works on it, he has acknowledged the new one too.
  Result<IncidentRecord> split(std::string_view id, const SplitRequest& request, const Actor& actor,
                               int64_t version = 0);

  // The content is in the folder already (attachments.h). kTooLarge: the incident has as many as it may.
  Result<Attachment> attach(std::string_view id, Attachment attachment, const Actor& actor);
  Result<Attachment> attachment(std::string_view id, std::string_view attachment);
  Result<IncidentRecord> remove_attachment(std::string_view id, std::string_view attachment, const Actor& actor);
  // Whether any incident still has this content.
  Result<bool> content_wanted(std::string_view sha256);

 private:
  Status touch(state::Tx& tx, IncidentRecord& record, std::string_view kind, std::string_view text,
               std::string_view data, const Actor& actor);
  std::string name_of(std::string_view person) const;
  Status add_link(state::Tx& tx, const IncidentRecord& from, const IncidentRecord& to, std::string_view kind,
                  const Actor& actor);
  Result<IncidentRecord> new_from(state::Tx& tx, const IncidentRecord& old, const SplitRequest& request,
                                  const std::vector<IncidentAlert>& moved, const Actor& actor);
  Status name_anew(state::Tx& tx, IncidentRecord& record, const std::vector<IncidentAlert>& moved);
  Status check_split(state::Tx& tx, const IncidentRecord& old, const SplitRequest& request,
                     std::vector<IncidentAlert>* moved);

  Service& desk_;
};

}  // namespace sentinel::incident
