#include "tsdb/queryable.h"

namespace sentinel::tsdb {
namespace {

class SelectionInMemory final : public Selection {
 public:
  explicit SelectionInMemory(std::vector<SeriesData> all) : all_(std::move(all)) {}
  size_t size() const override { return all_.size(); }
  Result<bool> read(size_t i, SeriesData& out) override {
    out = std::move(all_[i]);
    return true;
  }

 private:
  std::vector<SeriesData> all_;
};

}  // namespace

Result<std::unique_ptr<Selection>> Queryable::begin_select(const model::Matchers& matchers, int64_t min_ms,
                                                           int64_t max_ms, const SelectLimits& limits,
                                                           WantedLabels /*wanted*/) const {
  SENTINEL_ASSIGN(std::vector<SeriesData> all, select(matchers, min_ms, max_ms, limits));
  return std::make_unique<SelectionInMemory>(std::move(all));
}

}  // namespace sentinel::tsdb
