#pragma once
// How alerting's values look in SQL columns; labels are text/labels_json.h's.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sentinel::alerting {

using Fingerprints = std::set<uint64_t>;

std::string fingerprint_text(uint64_t fingerprint);                // 16 hex digits
std::string encode_fingerprints(const Fingerprints& set);          // hex, separated by spaces
Fingerprints decode_fingerprints(std::string_view text);           // what is no fingerprint is left out
std::string encode_strings(const std::vector<std::string>& list);  // a JSON array
Result<std::vector<std::string>> decode_strings(std::string_view json);

// SQL has signed integers only.
inline int64_t sql_fingerprint(uint64_t fingerprint) { return static_cast<int64_t>(fingerprint); }

}  // namespace sentinel::alerting
