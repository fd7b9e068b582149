#pragma once
// SEV1..SEV4 = P1..P4 = critical, high, medium, low. All spellings are read everywhere ("warning", "info", "error"
// too).

#include <optional>
#include <string_view>

namespace sentinel::model {

enum class Severity { kSev1 = 1, kSev2 = 2, kSev3 = 3, kSev4 = 4 };

enum class SeverityStyle { kSev, kPriority, kWord };  // SEV1 | P1 | critical

std::optional<Severity> parse_severity(std::string_view text);  // any case
std::string_view severity_name(Severity severity, SeverityStyle style = SeverityStyle::kSev);

}  // namespace sentinel::model
