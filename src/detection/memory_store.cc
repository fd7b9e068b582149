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
    batch_.push_back({series, sample.t_ms, sample.v, nullptr});
    return {};
  }
  Status append_histogram(tsdb::SeriesRef series, model::HistogramSample sample) override {
    batch_.push_back({series, sample.t_ms, 0, sample.h});
    return {};
  }
  Status append_exemplar(tsdb::SeriesRef, const model::Exemplar&) override { return {}; }
  Status commit() override {
    for (const auto& [ref, t_ms, v, h] : batch_) {
      const model::Labels& labels = store_.series_[static_cast<size_t>(ref) - 1];
      h ? store_.samples_.add(labels, t_ms, h) : store_.samples_.add(labels, t_ms, v);
    }
    batch_.clear();
    return {};
  }

 private:
  struct Entry {
    tsdb::SeriesRef series;
    int64_t t_ms;
    double v;
    model::HistogramPtr h;
  };
  MemoryStore& store_;
  std::vector<Entry> batch_;
};

std::unique_ptr<tsdb::Appender> MemoryStore::appender() { return std::make_unique<BatchAppender>(*this); }

}  // namespace sentinel::detection
