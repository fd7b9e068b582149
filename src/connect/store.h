#pragma once
// Rows: what each connection remembers of each incident, and which requests were seen. Private to the module.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/connection.h"
#include "state/database.h"

namespace sentinel::connect {

struct Link {
  std::string connection;
  std::string incident;  // ULID
  Place place;
  Memory memory;
  int64_t wanted = 0;    // version of the incident that is to be said
  int64_t said = 0;      // up to which everything was said, or given up
  int64_t serial = 0;    // messages written to the outbox
  bool pending = false;  // the last of them is on its way
  std::string error;     // of the last call; "": it was good
  TimePoint poll_at;     // when the other side is looked at; zero: never
  TimePoint updated_at;

  std::string message_key() const;  // of the message with this serial
};

Status migrate_links(state::Database& database);
Result<std::optional<Link>> find_link(state::Tx& tx, std::string_view connection, std::string_view incident);
// By what the other side calls it, its alias too; the newest.
Result<std::optional<Link>> find_remote(state::Tx& tx, std::string_view connection, std::string_view remote);
Status put_link(state::Tx& tx, const Link& link);
Result<std::vector<Link>> links_of(state::Tx& tx, std::string_view incident);
// Those with something unsaid, failed, or on its way.
Result<std::vector<Link>> unsettled_links(state::Tx& tx);
Result<std::vector<Link>> links_to_poll(state::Tx& tx, TimePoint now, size_t limit);
Result<std::optional<TimePoint>> next_poll(state::Tx& tx);

// False: it was seen before.
Result<bool> mark_seen(state::Tx& tx, std::string_view connection, std::string_view id, TimePoint now);
Result<bool> was_seen(state::Tx& tx, std::string_view connection, std::string_view id);
Status prune_seen(state::Tx& tx, TimePoint before);

}  // namespace sentinel::connect
