#include "detection/memory_store.h"

namespace sentinel::detection {

class MemoryStore::BatchAppender final : public tsdb::Appender {
 public:
  explicit BatchAppender(MemoryStore& store) : store_(store) {}

  Result<tsdb::SeriesRef> ref(const model::Labels& labels) override {
    auto [it, fresh] = store_.refs_.try_emplace(labels, tsdb::SeriesRef::kNone);
    if (fresh) {
      store_.series_.push_back(labels);
      it->second = static_cast<tsdb::SeriesRef>(store_.series_.size());
    }
    return it->second;
  }
  Status append(tsdb::SeriesRef series, model::Sample sample) override {
    batch_.emplace_back(series, sample);
    return {};
  }
  Status commit() override {
    for (const auto& [ref, sample] : batch_) {
      store_.samples_.add(store_.series_[static_cast<size_t>(ref) - 1], sample.t_ms, sample.v);
    }
    batch_.clear();
    return {};
  }

 private:
  MemoryStore& store_;
  std::vector<std::pair<tsdb::SeriesRef, model::Sample>> batch_;
};

std::unique_ptr<tsdb::Appender> MemoryStore::appender() { return std::make_unique<BatchAppender>(*this); }

}  // namespace sentinel::detection
