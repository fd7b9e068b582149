// What administrators ask of the store: exemplars, cardinality, deletion, snapshots.

#include "tsdb/store_impl.h"

namespace sentinel::tsdb {

Result<std::vector<SeriesExemplars>> StoreImpl::exemplars(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                          int64_t max_ms) const {
  return exemplars_.select(sets, {min_ms, max_ms});
}

Cardinality StoreImpl::cardinality(size_t) const { return {}; }
Status StoreImpl::delete_series(const std::vector<model::Matchers>&, int64_t, int64_t) {
  return fail(ErrorCode::kUnavailable, "not yet");
}
Status StoreImpl::clean_tombstones() { return fail(ErrorCode::kUnavailable, "not yet"); }
Result<std::string> StoreImpl::snapshot(bool) { return fail(ErrorCode::kUnavailable, "not yet"); }

}  // namespace sentinel::tsdb
