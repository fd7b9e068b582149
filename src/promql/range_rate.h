#pragma once
// The functions about counters among those of range_functions.h.
#include "promql/range_functions.h"

namespace sentinel::promql {

MaybePoint range_rate(RangeCall& call, const Window& w);
MaybePoint range_increase(RangeCall& call, const Window& w);
MaybePoint range_delta(RangeCall& call, const Window& w);
MaybePoint range_irate(RangeCall& call, const Window& w);
MaybePoint range_idelta(RangeCall& call, const Window& w);
MaybePoint range_resets(RangeCall& call, const Window& w);
MaybePoint range_changes(RangeCall& call, const Window& w);

}  // namespace sentinel::promql
