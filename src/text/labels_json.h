#pragma once
// The JSON form of a label set, {"name":"value",...}: in SQL columns, in answers and messages. Thread-safe.

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "model/labels.h"

namespace sentinel::text {

boost::json::object labels_object(const model::Labels& labels);
// From outside: kInvalidArgument names the label whose value is not a string.
Result<model::Labels> labels_from_value(const boost::json::value& value);

// As stored.
std::string encode_labels(const model::Labels& labels);
// kInternal: what is stored was not written by encode_labels().
Result<model::Labels> decode_labels(std::string_view json);

}  // namespace sentinel::text
