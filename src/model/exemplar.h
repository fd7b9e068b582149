#pragma once
#include <cstdint>

#include "model/labels.h"

namespace sentinel::model {

// One observation that stands for the many a sample counts, usually with the id of its trace.
struct Exemplar {
  Labels labels;
  int64_t t_ms = 0;
  double v = 0;
};

}  // namespace sentinel::model
