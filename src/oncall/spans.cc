#include "oncall/spans.h"

#include <algorithm>
#include <tuple>

namespace sentinel::oncall {

Span intersect(const Span& a, const Span& b) { return {std::max(a.start, b.start), std::min(a.end, b.end)}; }

std::vector<Span> join_spans(std::vector<Span> spans) {
  std::erase_if(spans, [](const Span& s) { return s.empty(); });
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return std::tie(a.start, a.end) < std::tie(b.start, b.end); });
  std::vector<Span> out;
  for (const Span& s : spans) {
    if (!out.empty() && s.start <= out.back().end) {
      out.back().end = std::max(out.back().end, s.end);
    } else {
      out.push_back(s);
    }
  }
  return out;
}

std::vector<Span> subtract(const Span& span, const std::vector<Span>& holes) {
  std::vector<Span> out;
  Span rest = span;
  auto hole =
      std::lower_bound(holes.begin(), holes.end(), span.start, [](const Span& h, TimePoint t) { return h.end <= t; });
  for (; hole != holes.end() && hole->start < span.end && !rest.empty(); ++hole) {
    if (hole->start > rest.start) out.push_back({rest.start, hole->start});
    rest.start = std::max(rest.start, hole->end);
  }
  if (!rest.empty()) out.push_back(rest);
  return out;
}

void sort_shifts(std::vector<Shift>& shifts) {
  std::sort(shifts.begin(), shifts.end(), [](const Shift& a, const Shift& b) {
    return std::tie(a.span.start, a.user, a.span.end, a.source) < std::tie(b.span.start, b.user, b.span.end, b.source);
  });
}

std::vector<Span> covered(const std::vector<Shift>& shifts) {
  std::vector<Span> out;
  for (const Shift& s : shifts) {
    if (!s.user.empty()) out.push_back(s.span);
  }
  return join_spans(std::move(out));
}

std::vector<Shift> cut_out(const std::vector<Shift>& shifts, const std::vector<Span>& holes) {
  std::vector<Shift> out;
  for (const Shift& s : shifts) {
    for (const Span& part : subtract(s.span, holes)) out.push_back({part, s.user, s.source});
  }
  return out;
}

}  // namespace sentinel::oncall
