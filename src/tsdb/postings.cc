#include "tsdb/postings.h"

#include <algorithm>
#include <bit>

#include <re2/re2.h>

namespace sentinel::tsdb {
namespace {

constexpr size_t kGallopRatio = 16;  // lists this much shorter than the other are looked up instead of merged
constexpr int kRangePrefixBytes = 32;

// Decides quickly for most values that a matcher cannot match them.
class ValueTest {
 public:
  explicit ValueTest(const model::Matcher& matcher) : matcher_(matcher) {
    const bool positive = matcher.type() == model::MatchType::kRegexp;
    if (positive && matcher.regexp() != nullptr) {
      bounded_ = matcher.regexp()->PossibleMatchRange(&low_, &high_, kRangePrefixBytes);
    }
  }
  bool operator()(std::string_view value) const {
    if (bounded_ && (value < low_ || value > high_)) return false;
    return matcher_.matches(value);
  }

 private:
  const model::Matcher& matcher_;
  bool bounded_ = false;
  std::string low_;
  std::string high_;
};

}  // namespace

std::optional<std::vector<std::string>> literal_alternatives(std::string_view pattern) {
  if (pattern.starts_with("(?:") && pattern.ends_with(")")) {
    pattern = pattern.substr(3, pattern.size() - 4);
  } else if (pattern.starts_with("(") && pattern.ends_with(")")) {
    pattern = pattern.substr(1, pattern.size() - 2);
  }
  if (pattern.find_first_of("\\.+*?()[]{}^$") != std::string_view::npos) return std::nullopt;
  std::vector<std::string> found;
  for (size_t start = 0;;) {
    const size_t bar = pattern.find('|', start);
    found.emplace_back(pattern.substr(start, bar == std::string_view::npos ? bar : bar - start));
    if (bar == std::string_view::npos) break;
    start = bar + 1;
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

SeriesIds intersect(const SeriesIds& a, const SeriesIds& b) {
  const SeriesIds& small = a.size() <= b.size() ? a : b;
  const SeriesIds& large = a.size() <= b.size() ? b : a;
  SeriesIds out;
  out.reserve(small.size());
  if (small.size() * kGallopRatio < large.size()) {
    auto from = large.begin();
    for (const uint32_t id : small) {
      from = std::lower_bound(from, large.end(), id);
      if (from == large.end()) break;
      if (*from == id) out.push_back(id);
    }
  } else {
    std::set_intersection(small.begin(), small.end(), large.begin(), large.end(), std::back_inserter(out));
  }
  return out;
}

SeriesIds unite(const std::vector<PostingsRef>& lists) {
  if (lists.size() == 1) return *lists.front();
  SeriesIds out;
  size_t total = 0;
  uint32_t last = 0;
  for (const PostingsRef& list : lists) {
    total += list->size();
    if (!list->empty()) last = std::max(last, list->back());
  }
  out.reserve(total);
  if (total > last / 64) {  // dense: a bitmap is cheaper than sorting
    std::vector<uint64_t> bits(last / 64 + 1);
    for (const PostingsRef& list : lists) {
      for (const uint32_t id : *list) bits[id / 64] |= uint64_t{1} << (id % 64);
    }
    for (size_t word = 0; word < bits.size(); ++word) {
      for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
        out.push_back(static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(std::countr_zero(rest)));
      }
    }
    return out;
  }
  for (const PostingsRef& list : lists) out.insert(out.end(), list->begin(), list->end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

SeriesIds subtract(const SeriesIds& a, const SeriesIds& b) {
  SeriesIds out;
  out.reserve(a.size());
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

namespace {

// Lists of the values for which the matcher says `wanted`.
std::vector<PostingsRef> matching_lists(const PostingsSource& source, const model::Matcher& matcher, bool wanted) {
  std::vector<PostingsRef> lists;
  const auto look_up = [&](std::string_view value) {
    if (PostingsRef list = source.find_postings(matcher.name(), value)) lists.push_back(std::move(list));
  };
  const bool positive = matcher.type() == model::MatchType::kEqual || matcher.type() == model::MatchType::kRegexp;
  if (positive == wanted) {  // the listed literals are the answer
    if (matcher.regexp() == nullptr) {
      look_up(matcher.value());
      return lists;
    }
    if (const auto literals = literal_alternatives(matcher.value())) {
      for (const std::string& literal : *literals) look_up(literal);
      return lists;
    }
  }
  const ValueTest test(matcher);
  source.collect(matcher.name(), [&](std::string_view value) { return test(value) == wanted; }, lists);
  return lists;
}

void filter(const PostingsSource& source, const model::Matcher& matcher, SeriesIds& candidates) {
  source.filter(matcher.name(), [&](std::string_view value) { return matcher.matches(value); }, candidates);
}

void apply_positive(const PostingsSource& source, const model::Matcher& matcher, std::optional<SeriesIds>& candidates) {
  const size_t values = source.value_count(matcher.name());
  if (values == 0) {
    candidates = SeriesIds();
    return;
  }
  if (candidates && candidates->size() < values) return filter(source, matcher, *candidates);
  const auto lists = matching_lists(source, matcher, true);
  if (!candidates) {
    candidates = unite(lists);
  } else if (lists.size() == 1) {
    candidates = intersect(*candidates, *lists.front());
  } else {
    candidates = intersect(*candidates, unite(lists));
  }
}

void apply_negative(const PostingsSource& source, const model::Matcher& matcher, std::optional<SeriesIds>& candidates) {
  if (!candidates) candidates = source.all();
  const size_t values = source.value_count(matcher.name());
  if (values == 0) return;
  if (candidates->size() < values) return filter(source, matcher, *candidates);
  const auto lists = matching_lists(source, matcher, false);
  if (!lists.empty()) candidates = subtract(*candidates, unite(lists));
}

}  // namespace

SeriesIds resolve(const PostingsSource& source, const model::Matchers& matchers) {
  // Cheap and selective first: equality, then the other matchers that need the label, then those that may do without.
  const auto cost = [](const model::Matcher& m) {
    if (m.matches(std::string_view())) return 3;
    return m.type() == model::MatchType::kEqual ? 0 : 1;
  };
  std::vector<std::pair<int, const model::Matcher*>> order;
  for (const model::Matcher& m : matchers) order.emplace_back(cost(m), &m);
  std::sort(order.begin(), order.end());  // of equal cost: as given
  std::optional<SeriesIds> candidates;
  for (const auto& [rank, matcher] : order) {
    if (rank == 3) {
      apply_negative(source, *matcher, candidates);
    } else {
      apply_positive(source, *matcher, candidates);
    }
    if (candidates->empty()) return {};
  }
  return candidates ? std::move(*candidates) : source.all();
}

}  // namespace sentinel::tsdb
