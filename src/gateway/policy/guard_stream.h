#pragma once
// Guard rules over the answer's stream, as it comes: what has been looked at flows, the rest is held back.
//
// A text is looked at when a sentence ends, or when enough of it has come, together with the end of what has flowed
// before. Only whole events go out, and only what no later words can make part of a finding: up to the end of a
// sentence (where findings of a rule may go over one, when as many bytes as such a finding may have follow), else up to
// kGuardLookaheadBytes before the last word. What may be the beginning of a finding is held back from its first letter,
// up to kGuardWindowBytesMax.

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/policy/guard.h"
#include "gateway/policy/guard_rules.h"
#include "gateway/policy/inspector.h"

namespace sentinel::gateway {

// One object a stream; on one core. REQUIRES: rules and inspector outlive it.
class GuardStream {
 public:
  // `array`: Gemini's stream as one JSON array.
  GuardStream(const std::vector<GuardRule>& rules, const TextInspector& inspector, bool array);

  // Whole events, as the client's API writes them; what may go out now is appended to `out`. Once a rule has blocked,
  // nothing does any more.
  void add(std::string_view events, std::string& out);
  // The stream has come to its end.
  void finish(std::string& out);

  // So far.
  const GuardVerdict& verdict() const { return verdict_; }
  // Each rule that found something once, in the order of time.
  const std::vector<const GuardRule*>& acted() const { return acted_; }
  size_t held_bytes() const { return held_bytes_; }

 private:
  struct Piece {
    size_t part;
    size_t bytes;
  };
  struct Unit {
    std::string raw;
    std::vector<Piece> pieces;
  };
  // A text that comes in pieces. Offsets are into `text`, which begins with what is kept of what has flowed.
  struct Part {
    std::string key;
    bool whole = false;  // nothing more will come
    std::string text;
    size_t flowed = 0;
    size_t looked_from = 0;   // what had flowed when it was last looked at
    std::deque<size_t> ends;  // of the pieces held
    size_t sentence_end = 0;  // the last of those that ends a sentence, until it was looked at so; 0: none
    size_t looked_at = 0;     // the text's length when it was last looked at
    size_t last_unit = 0;
    bool held() const { return text.size() > flowed; }
  };
  using Spans = std::vector<std::vector<TextSpan>>;  // to be redacted, of each part

  size_t part_for(const std::string& key);
  void append(size_t index, std::string_view text);
  bool ended(const Part& part) const;
  bool sentence_due(const Part& part) const;
  bool overfull(const Part& part) const;
  bool due() const;
  void look(bool last, std::string& out);
  size_t look_at(const Part& part, bool end, std::vector<TextSpan>& redact);
  size_t limit_of(const Part& part, bool end) const;
  bool at_risk(const GuardRule& rule, const TextRisks& risks);
  bool act(const GuardRule& rule, std::string_view label);
  size_t releasable(std::vector<size_t>& cuts, const Spans& redact) const;
  void release(size_t units, const Spans& redact, std::string& out);
  std::string rewrite(const Unit& unit, const Spans& redact) const;
  static void forget(Part& part);

  const std::vector<GuardRule>& rules_;
  const TextInspector& inspector_;
  const bool array_;
  const bool holds_;             // some rule may change or end the answer
  const bool area_codes_;        // "(212). " may be the beginning of a number
  const size_t over_sentences_;  // bytes that wait behind the end of a sentence
  const size_t lookahead_;       // and where none ends
  std::deque<Unit> units_;
  size_t units_seen_ = 0;
  bool begun_ = false;  // words have flowed
  std::vector<Part> parts_;
  size_t held_bytes_ = 0;
  GuardVerdict verdict_;
  std::vector<const GuardRule*> acted_;
};

}  // namespace sentinel::gateway
