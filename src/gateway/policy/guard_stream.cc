#include "gateway/policy/guard_stream.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "gateway/policy/limits.h"

namespace sentinel::gateway {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";
bool is_space(char c) { return kSpaces.find(c) != std::string_view::npos; }

std::string_view trim_right(std::string_view text, std::string_view off) {
  return text.substr(0, text.find_last_not_of(off) + 1);
}

// Whether what stands before this place and after it, white space, are two sentences.
bool ends_sentence(std::string_view before) {
  const std::string_view words = trim_right(before, kSpaces);
  if (std::count(before.begin() + static_cast<ptrdiff_t>(words.size()), before.end(), '\n') > 1) return true;
  const std::string_view said = trim_right(words, "\"')]}*_`");
  return !said.empty() && std::string_view(".!?").find(said.back()) != std::string_view::npos;
}
// "Call 212. 456-7890": three digits before the stop may begin a number.
bool ends_area_code(std::string_view before) {
  const std::string_view words = trim_right(before, kSpaces);
  if (!words.ends_with('.')) return false;
  size_t at = words.size() - 1;
  if (at > 0 && words[at - 1] == ')') --at;
  size_t digits = 0;
  while (digits < at && words[at - 1 - digits] >= '0' && words[at - 1 - digits] <= '9') ++digits;
  return digits == 3;
}
// Of scripts that put no space between sentences.
bool ends_wide_sentence(std::string_view text) {
  return text.ends_with("。") || text.ends_with("！") || text.ends_with("？");
}

// A key in its armour is a secret once its last line is there: where one begins that has not ended.
size_t open_armour(std::string_view text) {
  const size_t begin = text.rfind("-----BEGIN ");
  return begin == std::string_view::npos || text.find("-----END ", begin) != std::string_view::npos ? text.size()
                                                                                                    : begin;
}

bool acts(const GuardRule& rule) { return rule.action != GuardDo::kFlag; }
size_t most(const std::vector<GuardRule>& rules, size_t GuardRule::* bytes) {
  size_t out = 0;
  for (const GuardRule& rule : rules) {
    if (acts(rule)) out = std::max(out, rule.*bytes);
  }
  return out;
}

bool overlaps(const std::vector<TextSpan>& spans, size_t begin, size_t end) {
  return std::any_of(spans.begin(), spans.end(),
                     [=](const TextSpan& span) { return span.begin < end && span.end > begin; });
}
bool covered(const std::vector<TextSpan>& spans, const TextSpan& by) {
  return std::any_of(spans.begin(), spans.end(),
                     [&](const TextSpan& span) { return span.begin <= by.begin && by.end <= span.end; });
}

// What stands at `begin` of its text, without the spans; in their place is their label, where they begin or, of one
// that begins before `from`, there.
std::string without(std::string_view piece, size_t begin, size_t from, const std::vector<TextSpan>& spans) {
  const size_t end = begin + piece.size();
  std::string out;
  size_t at = begin;
  for (const TextSpan& span : spans) {
    if (span.end <= at || span.begin >= end) continue;
    if (span.begin > at) out.append(piece.substr(at - begin, span.begin - at));
    if (std::max(span.begin, from) >= begin) out += "[" + span.label + "]";
    at = std::min(span.end, end);
  }
  if (at < end) out.append(piece.substr(at - begin));
  return out;
}

// Of one text: what several rules ask for is computed once.
class Once final : public TextInspector {
 public:
  explicit Once(const TextInspector& inspector) : inspector_(inspector) {}
  TextRisks risks(std::string_view text) const override {
    if (!risks_) risks_ = inspector_.risks(text);
    return *risks_;
  }
  std::vector<TextSpan> personal_data(std::string_view text) const override {
    if (!personal_data_) personal_data_ = inspector_.personal_data(text);
    return *personal_data_;
  }
  std::vector<float> embed(std::string_view text) const override { return inspector_.embed(text); }

 private:
  const TextInspector& inspector_;
  mutable std::optional<TextRisks> risks_;
  mutable std::optional<std::vector<TextSpan>> personal_data_;
};

// The events of a unit: of a JSON array, its elements without what is before and after them.
struct Events {
  std::string_view head, tail;
  StreamDocument document;

  static Events of(std::string_view raw, bool array) {
    if (!array) return {{}, {}, StreamDocument::parse(raw, false)};
    const size_t begin = std::min(raw.find('{'), raw.size());
    const size_t end = std::max(raw.rfind('}') + 1, begin);
    const std::string elements = "[" + std::string(raw.substr(begin, end - begin)) + "]";
    return {raw.substr(0, begin), raw.substr(end), StreamDocument::parse(elements, true)};
  }
  std::string write(bool array) const {
    std::string body = document.write();
    return array ? std::string(head) + body.substr(1, body.size() - 2) + std::string(tail) : body;
  }
};

}  // namespace

GuardStream::GuardStream(const std::vector<GuardRule>& rules, const TextInspector& inspector, bool array)
    : rules_(rules),
      inspector_(inspector),
      array_(array),
      holds_(std::any_of(rules.begin(), rules.end(), acts)),
      area_codes_(std::any_of(rules.begin(), rules.end(),
                              [](const GuardRule& rule) { return rule.check == GuardCheck::kPii && acts(rule); })),
      over_sentences_(most(rules, &GuardRule::over_sentences)),
      lookahead_(std::max(kGuardLookaheadBytes, most(rules, &GuardRule::longest))) {}

void GuardStream::add(std::string_view events, std::string& out) {
  if (verdict_.blocked || events.empty()) return;
  Unit unit;
  Events parsed = Events::of(events, array_);
  ++units_seen_;
  for (const StreamPiece& piece : pieces_of_stream(parsed.document.documents)) {
    const std::string_view text(piece.text->data(), piece.text->size());
    const size_t part = part_for(piece.part);
    append(part, text);
    unit.pieces.push_back({part, text.size()});
  }
  if (holds_) {
    unit.raw = events;
  } else {
    out += events;
  }
  held_bytes_ += unit.raw.size();
  units_.push_back(std::move(unit));
  if (due()) {
    look(false, out);
  } else if (begun_ && std::none_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.held(); })) {
    release(units_.size(), Spans(parts_.size()), out);
  }
}

void GuardStream::finish(std::string& out) {
  if (verdict_.blocked) return;
  look(true, out);
}

size_t GuardStream::part_for(const std::string& key) {
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (key.empty() ? parts_[i].whole && parts_[i].ends.empty() : parts_[i].key == key) {
      if (key.empty()) parts_[i] = Part{.whole = true};  // its last text has flowed
      return i;
    }
  }
  if (parts_.size() >= kGuardPartsMax) return parts_.size() - 1;
  parts_.push_back({.key = key, .whole = key.empty()});
  return parts_.size() - 1;
}

void GuardStream::append(size_t index, std::string_view text) {
  Part& part = parts_[index];
  part.last_unit = units_seen_;
  const size_t before = part.text.size();
  const auto ends = [&] { return ends_sentence(part.text) && !(area_codes_ && ends_area_code(part.text)); };
  if (!text.empty() && is_space(text.front()) && part.held() && ends()) part.sentence_end = before;
  part.text += text;
  part.ends.push_back(part.text.size());
  if (text.empty()) return;
  if ((is_space(text.back()) && ends()) || ends_wide_sentence(part.text)) part.sentence_end = part.text.size();
}

// Nothing more of it is awaited.
bool GuardStream::ended(const Part& part) const {
  return part.whole || units_seen_ - part.last_unit > kGuardQuietEvents;
}
// A sentence has ended, and what follows is long enough for any finding that goes over its end.
bool GuardStream::sentence_due(const Part& part) const {
  return part.sentence_end > 0 && part.text.size() - part.sentence_end >= over_sentences_;
}
bool GuardStream::overfull(const Part& part) const {
  return part.text.size() - part.flowed > kGuardWindowBytesMax || held_bytes_ > kGuardHeldBytesMax;
}

bool GuardStream::due() const {
  return std::any_of(parts_.begin(), parts_.end(), [this](const Part& part) {
    if (!part.held()) return false;
    const size_t held = part.text.size() - part.flowed;
    const bool more = part.text.size() >= part.looked_at + kGuardStepBytes;
    return ended(part) || sentence_due(part) || held_bytes_ > kGuardHeldBytesMax ||
           (more && held >= lookahead_ + kGuardStepBytes);
  });
}

void GuardStream::look(bool last, std::string& out) {
  std::vector<size_t> cuts(parts_.size());
  Spans redact(parts_.size());
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    cuts[i] = part.held() ? look_at(part, last || ended(part), redact[i]) : part.flowed;
    if (verdict_.blocked) {
      units_.clear();
      held_bytes_ = 0;
      return;
    }
    part.looked_at = part.text.size();
    part.looked_from = part.flowed;
    if (sentence_due(part)) part.sentence_end = 0;
  }
  size_t count = last ? units_.size() : releasable(cuts, redact);
  const auto speaks = [](const Unit& unit) {
    return std::any_of(unit.pieces.begin(), unit.pieces.end(), [](const Piece& piece) { return piece.bytes > 0; });
  };
  // What opens a stream goes out with its first words: until then it can still be refused, or begin anew elsewhere.
  begun_ = begun_ || last || std::any_of(units_.begin(), units_.begin() + static_cast<ptrdiff_t>(count), speaks);
  if (!begun_ && held_bytes_ <= kGuardHeldBytesMax) count = 0;
  release(count, redact, out);
  for (Part& part : parts_) forget(part);
}

// How far a text may flow as far as its words go.
size_t GuardStream::limit_of(const Part& part, bool end) const {
  if (end) return part.text.size();
  size_t limit = std::max(sentence_due(part) ? part.sentence_end : 0, part.flowed);
  for (const size_t at : part.ends) {
    if (part.text.size() - at < lookahead_) break;
    limit = std::max(limit, at);
  }
  return limit == part.flowed && overfull(part) ? part.ends.back() : limit;
}

// How far it may flow after all rules have looked at it; less than that, if only parts of events would.
size_t GuardStream::look_at(const Part& part, bool end, std::vector<TextSpan>& redact) {
  const bool decided = end || overfull(part);
  const std::string_view text = part.text;
  size_t cut = limit_of(part, end);
  if (!decided) cut = std::min(cut, open_armour(text));
  const Once inspector(inspector_);
  std::vector<TextSpan> undecided;
  for (const GuardRule& rule : rules_) {
    if (!has_spans(rule.check)) {
      const size_t last = std::min(text.size(), 4 * kGuardOverlapBytes);
      if (at_risk(rule, inspector.risks(text.substr(text.size() - last)))) return cut;
      continue;
    }
    for (TextSpan& span : find_spans(rule, inspector, text)) {
      if (span.end <= part.flowed || covered(redact, span) || covered(undecided, span)) continue;
      if (span.end == text.size() && !decided) {  // what comes may be more of it, or make it something else
        cut = std::min(cut, span.begin);
        if (rule.action == GuardDo::kRedact) undecided.push_back(std::move(span));
        continue;
      }
      if (act(rule, span.label)) return cut;
      if (rule.action == GuardDo::kRedact) redact.push_back(std::move(span));
    }
  }
  std::sort(redact.begin(), redact.end(), [](const TextSpan& a, const TextSpan& b) { return a.begin < b.begin; });
  return std::max(cut, part.flowed);
}

// True: blocked.
bool GuardStream::at_risk(const GuardRule& rule, const TextRisks& risks) {
  const double risk = rule.check == GuardCheck::kInjection  ? risks.injection
                      : rule.check == GuardCheck::kToxicity ? risks.toxicity
                                                            : risks.risky;
  if (rule.check == GuardCheck::kInjection) verdict_.injection = std::max(verdict_.injection, risk);
  return risk >= rule.threshold && act(rule, {});
}

// True: blocked.
bool GuardStream::act(const GuardRule& rule, std::string_view label) {
  if (std::find(acted_.begin(), acted_.end(), &rule) == acted_.end()) acted_.push_back(&rule);
  verdict_.rule = rule.name;
  auto& labels = verdict_.labels;
  if (!label.empty() && std::find(labels.begin(), labels.end(), label) == labels.end()) labels.emplace_back(label);
  verdict_.flagged = verdict_.flagged || rule.action == GuardDo::kFlag;
  verdict_.redacted = verdict_.redacted || rule.action == GuardDo::kRedact;
  if (rule.action != GuardDo::kBlock) return false;
  verdict_.blocked = true;
  verdict_.message = rule.message.empty() ? "blocked by the rule " + rule.name : rule.message;
  return true;
}

// The events at the front that no text holds back. A finding goes out whole: where events end within one, they wait.
size_t GuardStream::releasable(std::vector<size_t>& cuts, const Spans& redact) const {
  while (true) {
    std::vector<size_t> at(parts_.size());
    for (size_t i = 0; i < at.size(); ++i) at[i] = parts_[i].flowed;
    size_t count = 0;
    for (const Unit& unit : units_) {
      for (const Piece& piece : unit.pieces) at[piece.part] += piece.bytes;
      const bool held = std::any_of(unit.pieces.begin(), unit.pieces.end(),
                                    [&](const Piece& piece) { return at[piece.part] > cuts[piece.part]; });
      if (held) {
        for (const Piece& piece : unit.pieces) at[piece.part] -= piece.bytes;
        break;
      }
      ++count;
    }
    bool within = false;
    for (size_t i = 0; i < parts_.size(); ++i) {
      for (const TextSpan& span : redact[i]) {
        if (at[i] == parts_[i].flowed || span.begin >= at[i] || span.end <= at[i] || overfull(parts_[i])) continue;
        cuts[i] = std::max(span.begin, parts_[i].flowed);
        within = true;
      }
    }
    if (!within) return count;
  }
}

void GuardStream::release(size_t units, const Spans& redact, std::string& out) {
  for (; units > 0; --units) {
    Unit& unit = units_.front();
    held_bytes_ -= unit.raw.size();
    out += holds_ ? rewrite(unit, redact) : std::string();
    for (const Piece& piece : unit.pieces) {
      parts_[piece.part].flowed += piece.bytes;
      parts_[piece.part].ends.pop_front();
    }
    units_.pop_front();
  }
}

// Byte for byte what came, unless something in it is redacted. REQUIRES: the next unit to flow.
std::string GuardStream::rewrite(const Unit& unit, const Spans& redact) const {
  std::vector<size_t> at(parts_.size());
  for (size_t i = 0; i < at.size(); ++i) at[i] = parts_[i].flowed;
  bool changes = false;
  for (const Piece& piece : unit.pieces) {
    changes = changes || overlaps(redact[piece.part], at[piece.part], at[piece.part] + piece.bytes);
    at[piece.part] += piece.bytes;
  }
  if (!changes) return unit.raw;
  for (const Piece& piece : unit.pieces) at[piece.part] = parts_[piece.part].flowed;
  Events events = Events::of(unit.raw, array_);
  const std::vector<StreamPiece> texts = pieces_of_stream(events.document.documents);
  for (size_t i = 0; i < texts.size() && i < unit.pieces.size(); ++i) {
    const auto [part, bytes] = unit.pieces[i];
    const std::string left =
        without({texts[i].text->data(), texts[i].text->size()}, at[part], parts_[part].looked_from, redact[part]);
    texts[i].text->assign(left);
    at[part] += bytes;
  }
  return events.write(array_);
}

// Of what has flowed only the end is looked at again.
void GuardStream::forget(Part& part) {
  if (part.flowed < 2 * kGuardOverlapBytes) return;
  const size_t space = part.text.find_first_of(kSpaces, part.flowed - kGuardOverlapBytes);
  const size_t drop = std::min(space, part.flowed);
  part.text.erase(0, drop);
  part.flowed -= drop;
  part.looked_at -= std::min(drop, part.looked_at);
  for (size_t& end : part.ends) end -= drop;
  part.sentence_end -= std::min(drop, part.sentence_end);
}

}  // namespace sentinel::gateway
