#include "detection/arrival_index.h"

#include <algorithm>
#include <limits>

#include "detection/limits.h"

namespace sentinel::detection {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

const model::Matcher* equality(const model::Matchers& selector, bool metric_name) {
  for (const model::Matcher& m : selector) {
    if (m.type() == model::MatchType::kEqual && !m.value().empty() &&
        (m.name() == model::kMetricNameLabel) == metric_name)
      return &m;
  }
  return nullptr;
}

absl::string_view key(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void SelectorIndex::add(const model::Matchers& selector, RuleNumber rule) {
  const model::Matcher* name = equality(selector, true);
  const model::Matcher* label = equality(selector, false);
  Entries* place = &nameless_;
  if (name) {
    Metric& metric = metrics_[name->value()];
    place = label ? &metric.by_label[label->name()][label->value()] : &metric.rest;
  }
  place->push_back({selector, rule});
}

std::vector<RuleNumber> SelectorIndex::readers(const model::Labels& series) const {
  std::vector<RuleNumber> out;
  const auto collect = [&](const Entries& entries) {
    for (const Entry& entry : entries) {
      if (model::matches_all(entry.selector, series)) out.push_back(entry.rule);
    }
  };
  collect(nameless_);
  if (const auto metric = metrics_.find(key(series.get(model::kMetricNameLabel))); metric != metrics_.end()) {
    collect(metric->second.rest);
    for (const auto& [label, by_value] : metric->second.by_label) {
      const auto found = by_value.find(key(series.get(label)));
      if (found != by_value.end()) collect(found->second);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void SeriesNumbers::set(tsdb::SeriesRef series, uint32_t number) {
  const auto at = static_cast<uint64_t>(series);
  const uint64_t page = at / kPageSeries;
  if (page >= kSeriesPagesMax) return;
  if (page >= pages_.size()) pages_.resize(page + 1);
  if (!pages_[page]) {
    if ((pages_used_ + 1) * kPageSeries > kWatchedSeriesMax) {  // of series long gone, most of it
      clear();
      pages_.resize(page + 1);
    }
    pages_[page] = std::make_unique<Page>();
    pages_[page]->fill(kNone);
    ++pages_used_;
  }
  (*pages_[page])[at % kPageSeries] = number;
}

void SeriesNumbers::clear() {
  pages_.clear();
  pages_used_ = 0;
}

void ArrivalIndex::set_rules(const std::vector<std::vector<model::Matchers>>& selectors) {
  SelectorIndex index;
  for (size_t rule = 0; rule < selectors.size(); ++rule) {
    for (const model::Matchers& selector : selectors[rule]) index.add(selector, static_cast<RuleNumber>(rule));
  }
  MutexLock lock(mutex_);
  selectors_ = std::move(index);
  rules_ = selectors.size();
  set_of_series_.clear();
  sets_.assign(1, {});
  set_numbers_ = {{{}, 0}};
  seen_in_.assign(1, 0);
  dirty_.assign(rules_, false);
  newest_ms_.assign(rules_, kNever);
  queue_.clear();
}

uint32_t ArrivalIndex::readers_of(tsdb::SeriesRef series) {
  const uint32_t known = set_of_series_.find(series);
  if (known != SeriesNumbers::kNone) return known;
  std::vector<RuleNumber> readers = selectors_.readers(store_.labels(series));
  const auto [number, fresh] = set_numbers_.try_emplace(readers, static_cast<uint32_t>(sets_.size()));
  if (fresh) {
    sets_.push_back(std::move(readers));
    seen_in_.push_back(0);
  }
  set_of_series_.set(series, number->second);
  return number->second;
}

void ArrivalIndex::committed(std::span<const tsdb::SeriesRef> series, int64_t newest_ms) {
  MutexLock lock(mutex_);
  if (rules_ == 0) return;
  const bool asleep = queue_.empty();
  ++commits_;
  for (const tsdb::SeriesRef ref : series) {
    const uint32_t set = readers_of(ref);
    if (set == 0 || seen_in_[set] == commits_) continue;
    seen_in_[set] = commits_;
    for (const RuleNumber rule : sets_[set]) {
      newest_ms_[rule] = std::max(newest_ms_[rule], newest_ms);
      if (dirty_[rule]) continue;
      dirty_[rule] = true;
      queue_.push_back(rule);
    }
  }
  if (asleep && !queue_.empty()) wake_();
}

std::vector<RuleNumber> ArrivalIndex::take() {
  MutexLock lock(mutex_);
  for (const RuleNumber rule : queue_) dirty_[rule] = false;
  return std::exchange(queue_, {});
}

int64_t ArrivalIndex::newest_ms(RuleNumber rule) const {
  MutexLock lock(mutex_);
  return rule < newest_ms_.size() ? newest_ms_[rule] : kNever;
}

}  // namespace sentinel::detection
