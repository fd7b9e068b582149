#pragma once
// What makes two requests the same: their JSON with sorted keys, without white space and without what does not change
// the answer (user, metadata and the like).

#include <string>
#include <string_view>

#include "base/result.h"

namespace sentinel::gateway {

// kInvalidArgument: not a JSON object. Texts keep their
// bytes; numbers that are equal are written alike (1.0 and 1).
Result<std::string> canonical_request(std::string_view body);

// The same without its last message of the user: what must be equal for one answer to do for another question. `text`
// gets that message. kUnprocessable: a body without messages of a form that is known, or with other things than text in
// the last one.
Result<std::string> canonical_setting(std::string_view body, std::string& text);

}  // namespace sentinel::gateway
