#include "gateway/policy/guard_stream.h"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include "base/random.h"
#include "base/strings.h"
#include "gateway/policy/limits.h"
#include "text/json.h"
#include "text/json_text.h"
#include "text/yaml.h"

namespace sentinel::gateway {
namespace {

// Letters around an @ are personal data, digits in groups a secret; "idiot" is a risk.
class FakeInspector final : public TextInspector {
 public:
  TextRisks risks(std::string_view text) const override {
    return {0.1, text.find("idiot") != std::string_view::npos ? 0.8 : 0.0, 0};
  }
  std::vector<TextSpan> personal_data(std::string_view text) const override {
    static const re2::RE2 kFind(
        R"((\w+@\w+(?:\.\w+)*)|(\d{4}(?: \d{4}){3}|-----BEGIN KEY-----[^-]*-----END KEY-----))");
    std::vector<TextSpan> spans;
    re2::StringPiece groups[3];
    size_t at = 0;
    while (kFind.Match(text, at, text.size(), re2::RE2::UNANCHORED, groups, 3)) {
      const auto begin = static_cast<size_t>(groups[0].data() - text.data());
      at = begin + groups[0].size();
      spans.push_back({begin, at, groups[1].data() != nullptr ? "EMAIL" : "SECRET"});
    }
    return spans;
  }
  std::vector<float> embed(std::string_view) const override { return {}; }
};

std::string chat_event(std::string_view text, int choice = 0) {
  return "data: {\"choices\":[{\"index\":" + std::to_string(choice) + ",\"delta\":{\"content\":" + json_quote(text) +
         "}}]}\n\n";
}

// What a client has been told, of one choice.
std::string said(std::string_view bytes, int choice = 0) {
  std::string out;
  StreamDocument document = StreamDocument::parse(bytes, false);
  for (const auto& event : document.documents) {
    if (!event.as_object().contains("choices")) continue;
    const auto& first = event.at("choices").at(0);
    if (first.at("index").as_int64() == choice) out += first.at("delta").at("content").as_string();
  }
  return out;
}

struct Guarded {
  explicit Guarded(const char* yaml, bool array = false)
      : rules(*read_guard_rules(*text::parse_yaml("after: " + std::string(yaml), "g.yml"))),
        stream(rules.after, inspector, array) {}
  Guarded& add(std::string_view events) {
    stream.add(events, out);
    return *this;
  }
  Guarded& say(const std::vector<std::string>& words) {
    for (const std::string& word : words) add(chat_event(word));
    return *this;
  }
  std::string finish() {
    add("data: [DONE]\n\n");
    stream.finish(out);
    return said(out);
  }
  FakeInspector inspector;
  GuardRules rules;
  GuardStream stream;
  std::string out;
};

TEST(GuardStream, ASentenceFlowsWhenTheNextOneBegins) {
  Guarded g("[{check: pii, action: redact}]");
  g.say({"The", " sky", " is blue", "."});
  EXPECT_EQ(said(g.out), "") << "2.5 is no sentence's end";
  g.say({" And"});
  EXPECT_EQ(said(g.out), "The sky is blue.");
  g.say({" green?\n"});
  EXPECT_EQ(said(g.out), "The sky is blue. And green?\n");
  g.say({"空は青い。"});
  EXPECT_TRUE(said(g.out).ends_with("空は青い。"));
  EXPECT_EQ(g.finish(), "The sky is blue. And green?\n空は青い。");
  EXPECT_TRUE(g.out.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(g.stream.verdict().action(), "none");
}

TEST(GuardStream, WhatIsNotChangedGoesOutByteForByte) {
  const std::string odd =
      ": keep-alive\n\n"
      "data:   {\"id\":\"x\",  \"choices\":[{\"index\":0,\"delta\":{\"content\":\"One. \"}}],\"later\":1.50}\n\n"
      "data: not json\n\n"
      "event: x\r\ndata: {\"choices\":[]}\r\n\r\n";
  Guarded g("[{check: pii, action: redact}]");
  g.add(odd);
  EXPECT_EQ(g.out, odd);
  EXPECT_EQ(g.stream.held_bytes(), 0U);
}

TEST(GuardStream, WhatOpensAStreamGoesOutWithItsFirstWords) {
  const std::string opening =
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
  Guarded g("[{check: pii, action: redact}]");
  g.add(opening).say({"Well"});
  EXPECT_EQ(g.out, "") << "it can still be refused";
  g.say({". ", "Then"});
  EXPECT_TRUE(g.out.starts_with(opening));
  EXPECT_EQ(said(g.out), "Well. ");
  Guarded silent("[{check: pii, action: redact}]");
  silent.add(opening);
  silent.finish();
  EXPECT_EQ(silent.out, opening + "data: [DONE]\n\n");
}

TEST(GuardStream, NothingOfAFindingLeavesHoweverItIsCut) {
  const std::string text =
      "Mail ada@example.com. Or b@c, d@e.f! My card is 1234 5678 9012 3456. Thank you: x@y.zz and a long sentence that "
      "has "
      "no end for quite a while, so that it is looked at although nobody knows how it will go on, until last@one.org";
  const std::string clean =
      "Mail [EMAIL]. Or [EMAIL], [EMAIL]! My card is [SECRET]. Thank you: [EMAIL] and a long sentence that has "
      "no end for quite a while, so that it is looked at although nobody knows how it will go on, until [EMAIL]";
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    const size_t most = round % 3 == 0 ? 3 : round % 3 == 1 ? 12 : 80;
    Guarded g("[{check: pii, action: redact}, {check: secrets, action: redact}]");
    std::string seen;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + random.below(most);
      g.add(chat_event(text.substr(at, size)));
      at += size;
      seen = said(g.out);
      ASSERT_TRUE(clean.starts_with(seen)) << seen;
    }
    ASSERT_EQ(g.finish(), clean) << "round " << round;
    ASSERT_EQ(g.stream.verdict().labels.size(), 2U);
    ASSERT_EQ(g.stream.acted().size(), 2U) << "each rule is told once";
  }
}

TEST(GuardStream, ABlockEndsTheStreamAndWhatWasNotLookedAtIsNeverSent) {
  Guarded g("[{check: secrets, action: block, message: no keys}]");
  g.say({"Sure. ", "It is ", "1234 ", "5678 ", "9012 ", "3456"});
  EXPECT_FALSE(g.stream.verdict().blocked) << "more digits would make it something else";
  EXPECT_EQ(said(g.out), "Sure. ");
  g.say({", as I said. "});
  EXPECT_TRUE(g.stream.verdict().blocked);
  EXPECT_EQ(g.stream.verdict().message, "no keys");
  EXPECT_EQ(said(g.out), "Sure. ");
  EXPECT_EQ(g.finish(), "Sure. ") << "not even its end";
  EXPECT_EQ(g.out.find("DONE"), std::string::npos);
}

TEST(GuardStream, AFindingOverTheEndOfASentenceIsHeldFromItsBeginning) {
  Guarded block("[{check: pattern, pattern: 'open\\. sesame', action: block}]");
  block.say({"Say open", ".", " sesame", " now."});
  block.finish();
  EXPECT_TRUE(block.stream.verdict().blocked);
  EXPECT_EQ(said(block.out), "");
  for (const char* rules : {"[{check: pattern, pattern: 'open\\. sesame', action: redact, name: SPELL}]",
                            "[{check: pattern, pattern: '(?i)OPEN.{1,3}SESAME', action: redact, name: SPELL}]",
                            "[{check: keyword, words: [Open. Sesame, ah], action: redact, name: SPELL}]"}) {
    for (const char* text : {"Say open. sesame now. And go.", "Ho! Say open. sesame"}) {
      const std::string all = text;
      const size_t spell = all.find("open");
      const std::string clean = all.substr(0, spell) + "[SPELL]" + all.substr(spell + 12);
      for (size_t cut = 1; cut < all.size(); ++cut) {
        Guarded redact(rules);
        redact.say({all.substr(0, cut), all.substr(cut)});
        ASSERT_EQ(redact.finish(), clean) << rules << cut;
      }
      Guarded letters(rules);
      for (const char c : all) {
        letters.say({std::string(1, c)});
        ASSERT_TRUE(clean.starts_with(said(letters.out))) << rules << said(letters.out);
      }
    }
  }
}

TEST(GuardStream, SentencesFlowAtOnceForRulesThatStayWithinOne) {
  const auto flows = [](const char* rules) {
    Guarded g(rules);
    g.say({"All is well. ", "It", " is"});
    return said(g.out) == "All is well. ";
  };
  EXPECT_TRUE(flows("[{check: pattern, pattern: 'sk-[A-Za-z0-9_]{20,}\\b', action: redact}]"));
  EXPECT_TRUE(flows("[{check: keyword, words: [big secret, e.g.], action: redact}]"));
  EXPECT_TRUE(flows("[{check: pii, action: block}, {check: pattern, pattern: 'a. b', action: flag}]"));
  for (const char* crossing : {"a b", "a.b", "a\\sb", "[^x]a", "a\\Wb", "\\x20a", "[[:space:]]a", "。", "\\pZa"}) {
    EXPECT_FALSE(flows(("[{check: pattern, pattern: '" + std::string(crossing) + "', action: redact}]").c_str()))
        << crossing;
  }
}

TEST(GuardStream, ARuleMaySayHowLongItsFindingsAre) {
  const std::string secret = "<think>" + std::string(200, 'x') + ". " + std::string(200, 'y') + "</think>";
  const std::string text = "Hm. " + secret + "Yes. It is so.";
  Guarded g("[{check: pattern, pattern: '<think>[^<]*</think>', longest: 500, action: redact, name: THOUGHT}]");
  for (const char c : text) {
    g.say({std::string(1, c)});
    ASSERT_EQ(said(g.out).find("<think"), std::string::npos);
  }
  EXPECT_EQ(g.finish(), "Hm. [THOUGHT]Yes. It is so.");
  std::string all;
  Guarded bound("[{check: pattern, pattern: '<think>[^<]*</think>', longest: 500, action: redact}]");
  for (int i = 0; i < 1000; ++i) {
    all += i % 9 == 8 ? "end. " : "word ";
    bound.say({all.substr(all.size() - 5)});
    ASSERT_LE(all.size() - said(bound.out).size(), 500 + kGuardStepBytes + 5) << i;
  }
  EXPECT_EQ(bound.finish(), all);
}

TEST(GuardStream, AnAreaCodeEndsNoSentence) {
  Guarded g("[{check: pii, action: redact}]");
  g.say({"Call us. ", "Call (212). "});
  EXPECT_EQ(said(g.out), "Call us. ");
  g.say({"Or not. "});
  EXPECT_EQ(said(g.out), "Call us. Call (212). Or not. ");
  g.say({"It was in 1984. "});
  EXPECT_TRUE(said(g.out).ends_with("1984. "));
}

TEST(GuardStream, AFindingAcrossTheWindowsEdgeIsFound) {
  // Longer than what is held back: the beginning has flowed when the end makes it one.
  const std::string long_one = "open " + std::string(kGuardOverlapBytes / 2, '.') + " sesame";
  Guarded redact("[{check: pattern, pattern: 'open \\.+ sesame', action: redact, name: SPELL}]");
  for (const char c : "Say " + long_one + " now.") redact.say({std::string(1, c)});
  EXPECT_TRUE(redact.finish().starts_with("Say open ..."));
  EXPECT_TRUE(said(redact.out).ends_with("[SPELL] now.")) << "what had not flowed yet";
  Guarded block("[{check: pattern, pattern: 'open \\.+ sesame', action: block}]");
  for (const char c : "Say " + long_one + " now.") block.say({std::string(1, c)});
  block.finish();
  EXPECT_TRUE(block.stream.verdict().blocked);
}

TEST(GuardStream, ARiskIsThatOfASentenceWithWhatWentBefore) {
  Guarded g("[{check: toxicity, action: block}]");
  g.say({"You are kind. ", "You idi", "ot. ", "Bye."});
  EXPECT_TRUE(g.stream.verdict().blocked);
  EXPECT_EQ(said(g.out), "You are kind. ");
}

TEST(GuardStream, AKeyInItsArmourIsHeldUntilItsLastLine) {
  Guarded g("[{check: secrets, action: redact}]");
  g.say({"Here. ", "-----BEGIN KEY-----\n"});
  for (int line = 0; line < 40; ++line) g.say({std::string(64, 'A') + "\n"});
  EXPECT_EQ(said(g.out), "Here. ");
  g.say({"-----END KEY-----", "\nThat was it.", " Really."});
  EXPECT_EQ(g.finish(), "Here. [SECRET]\nThat was it. Really.");
}

TEST(GuardStream, ALongSentenceIsHeldBackNoFurtherThanItsLastWords) {
  Guarded g("[{check: pii, action: redact}]");
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    all += "word ";
    g.say({"word "});
    ASSERT_LE(all.size() - said(g.out).size(), kGuardLookaheadBytes + kGuardStepBytes + 5) << i;
  }
  EXPECT_EQ(g.finish(), all);
}

TEST(GuardStream, WhatCouldBeAFindingWithoutEndIsHeldWithinBounds) {
  Guarded g("[{check: pattern, pattern: '(?s)x+', action: redact, name: X}]");
  size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    g.say({"xx"});
    most = std::max(most, g.stream.held_bytes());
    g.out.clear();
  }
  EXPECT_LE(most, kGuardHeldBytesMax + 100);
  g.finish();
  EXPECT_EQ(said(g.out).find('x'), std::string::npos);
  // The same for one event that is larger than the window.
  Guarded large("[{check: pattern, pattern: '(?s)x+', action: redact, name: X}]");
  large.say({std::string(2 * kGuardWindowBytesMax, 'x')});
  EXPECT_EQ(said(large.out), "[X]");
}

TEST(GuardStream, TextsAreToldApartAndOneThatIsOverDoesNotHoldUpTheNext) {
  Guarded g("[{check: pii, action: redact}]");
  g.add(chat_event("ada", 1)).add(chat_event("I am a@", 0)).add(chat_event("@b no", 1)).add(chat_event("b.", 0));
  g.finish();
  EXPECT_EQ(said(g.out, 0), "I am [EMAIL].");
  EXPECT_EQ(said(g.out, 1), "[EMAIL] no");
  // A thought without a full stop, then the answer.
  Guarded next("[{check: pii, action: redact}]");
  next.add("data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"so 42\",\"content\":\"\"}}]}\n\n");
  for (size_t i = 0; i <= kGuardQuietEvents; ++i) next.say({i % 2 == 0 ? "Yes. " : "No. "});
  EXPECT_NE(next.out.find("so 42"), std::string::npos);
  EXPECT_TRUE(said(next.out).starts_with("Yes. No. Yes."));
}

TEST(GuardStream, TextsThatComeAgainWholeAreLookedAtOnTheirOwn) {
  Guarded g("[{check: pii, action: redact}]");
  g.add("data: {\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"delta\":\"a@\"}\n\n");
  g.add("data: {\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"delta\":\"b ok\"}\n\n");
  g.add("data: {\"type\":\"response.output_text.done\",\"item_id\":\"i\",\"text\":\"a@b ok\"}\n\n");
  g.stream.finish(g.out);
  EXPECT_EQ(g.out,
            "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"delta\":\"[EMAIL]\"}\n\n"
            "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"delta\":\" ok\"}\n\n"
            "data: {\"type\":\"response.output_text.done\",\"item_id\":\"i\",\"text\":\"[EMAIL] ok\"}\n\n");
}

TEST(GuardStream, AJsonArrayStaysOne) {
  Guarded g("[{check: pii, action: redact}]", true);
  const auto element = [](const char* text) {
    return R"({"candidates":[{"content":{"parts":[{"text":")" + std::string(text) + R"("}]}}]})";
  };
  g.add("[" + element("a@")).add(",\r\n" + element("b. ") + ",\r\n" + element("Bye")).add("]");
  g.stream.finish(g.out);
  EXPECT_EQ(g.out, "[" + element("[EMAIL]") + ",\r\n" + element(". ") + ",\r\n" + element("Bye") + "]");
}

TEST(GuardStream, FlagsHoldNothingBack) {
  Guarded g("[{check: pii, action: flag}, {check: toxicity, action: flag}]");
  const std::string event = chat_event("ada@b.c is an idiot. ");
  g.add(event);
  EXPECT_EQ(g.out, event);
  EXPECT_EQ(g.stream.verdict().action(), "flag");
  EXPECT_EQ(g.stream.acted().size(), 2U);
  EXPECT_EQ(g.stream.held_bytes(), 0U);
}

TEST(GuardStream, AnEarlierRulesRedactionHidesWhatALaterOneWouldFind) {
  Guarded g("[{check: pii, action: redact}, {check: pattern, pattern: 'ada', action: block}]");
  g.say({"I am ada@b.c. ", "Who?"});
  EXPECT_EQ(g.finish(), "I am [EMAIL]. Who?");
  Guarded growing("[{check: pii, action: redact}, {check: pattern, pattern: 'ada', action: block}]");
  growing.say({"So? ", "I am ada@b", ".c", " it is. "});
  EXPECT_EQ(growing.finish(), "So? I am [EMAIL] it is. ");
  Guarded other("[{check: pii, action: redact}, {check: pattern, pattern: 'ada', action: block}]");
  other.say({"I am ada. ", "Who?"});
  EXPECT_TRUE(other.stream.verdict().blocked);
}

}  // namespace
}  // namespace sentinel::gateway
