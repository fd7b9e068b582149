#pragma once
// Internal to gateway: what the application says of a call in x-sentinel-* and traceparent headers, ids, and which
// headers go on to the provider and back.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "gateway/plan.h"
#include "model/interaction.h"
#include "net/http.h"

namespace sentinel::gateway {

// Fills endpoint, service, env, prompt_id, ..., simulate_flags, test_mode, tags and trace_id.
void read_attributes(const net::Headers& headers, model::Interaction& interaction);

// What tells one caller's credentials from another's, without being one: 16 hex digits, or empty when it shows none.
std::string key_hash(const net::Request& request);
// The network of "192.0.2.7:5123" or "[2001:db8::1]:5123": its /24 or /48. Empty when it is no address.
std::string network_of(std::string_view peer);

// The trace id of a W3C traceparent, or empty when it is malformed.
std::string_view parse_traceparent(std::string_view text);
// The span id of one; empty when it is malformed.
std::string_view parse_parent_span(std::string_view text);
std::string make_span_id(Random& random);
// What providers are told: our span of the call is the parent of theirs.
std::string make_traceparent(const model::Interaction& interaction, Random& random);
std::string make_trace_id(Random& random);
// A ULID from the core's own generator: no system call.
std::string make_request_id(TimePoint now, Random& random);

// Headers for the provider: the caller's without hop-by-hop, x-sentinel-*, cookies and what asks for compression; the
// caller's credentials only when the provider has no key of its own. `key`: the provider's, or empty.
net::Headers upstream_headers(const net::Headers& caller, const Provider& provider, std::string_view key,
                              const model::Interaction& interaction, Random& random);
// Headers for the caller: the provider's without hop-by-hop, cookies and its request id (kept as
// x-sentinel-upstream-request-id), with ours added.
net::Headers downstream_headers(const net::Headers& provider_headers, const model::Interaction& interaction);
// Those of `ours`, in the place of others with the same name.
void set_headers(net::Headers& headers, const net::Headers& ours);
void add_own_headers(net::Headers& headers, const model::Interaction& interaction, std::string_view model);

}  // namespace sentinel::gateway
