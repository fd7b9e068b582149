#pragma once
// JSON as text that people and machines read alike: compact, with numbers as plain decimals. Boost.JSON's own serialize
// writes 3.625E3 and 9.6E-1. Thread-safe.

#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace sentinel::text {

// The shortest decimal that reads back the same, as a JSON number: plain digits for exponents from -5 to 20 (3625,
// 0.96, 0.00015), 1.5e-7 and 1e21 beyond; null for NaN and infinities.
std::string number_text(double v);
// Numbers as above.
std::string serialize(const boost::json::value& value);
std::string serialize(const boost::json::object& object);
std::string serialize(const boost::json::array& array);

}  // namespace sentinel::text
