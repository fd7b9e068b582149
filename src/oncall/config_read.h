#pragma once
// Readers that the two halves of the configuration share.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "oncall/config.h"

namespace sentinel::oncall {

// Items of an optional list field, at most `max`.
Result<std::vector<text::YamlNode>> list_of(const text::YamlNode& map, std::string_view key, size_t max);
// A field "id" of letters, digits and _ . - that is not in `seen` yet.
Result<std::string> read_id(const text::YamlNode& node, std::string_view what, std::set<std::string>& seen);
Result<Zone> read_zone(const text::YamlNode& map, const Zone& fallback);
Result<Restriction> read_restriction(const text::YamlNode& node);
// RFC 3339 names an instant; a clock time is that of the zone.
Result<TimePoint> read_instant(const text::YamlNode& node, const Zone& zone, bool is_end);
// {from, to} or {from, duration}; times are RFC 3339, or clock times of the zone.
Result<Span> read_span(const text::YamlNode& node, std::string_view what, const Zone& zone);

// `calendars` of a schedule.
Result<std::vector<Subscription>> read_calendars(const text::YamlNode& schedule, const std::string& id);
using Channels = std::map<std::string, receivers::Integration, std::less<>>;
Result<Channels> read_channels(const text::YamlNode& root);
// page_for, urgent_for, routes and default_policy.
Result<Routing> read_routing(const text::YamlNode& root, const std::map<std::string, Policy, std::less<>>& policies);

// `synthetic_page`, and which channels are marked as a test. REQUIRES: everything else was read.
Status read_synthetic(const text::YamlNode& root, Config& config);

// Puts the node's position into an error that has none.
template <class T>
Result<T> placed(const text::YamlNode& node, Result<T> result) {
  if (result) return result;
  return fail(node.error(result.error().message()));
}

}  // namespace sentinel::oncall
