#pragma once
// A secret given in the configuration, or the file that holds it (read again at each use, so that it can be rotated).

#include <string>

#include "base/result.h"

namespace sentinel::receivers {

struct Secret {
  std::string value;
  std::string file;
  bool empty() const { return value.empty() && file.empty(); }
  const Secret& or_else(const Secret& fallback) const { return empty() ? fallback : *this; }
};

// Its value, without the white space around a file's. kTooLarge, kNotFound, kIo: of the file. Blocks on the file.
Result<std::string> read_secret(const Secret& secret);

}  // namespace sentinel::receivers
