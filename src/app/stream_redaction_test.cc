// What our own detectors find never leaves a stream, not even its beginning, however it is cut and wherever sentences
// end around it.

#include <gtest/gtest.h>

#include "app/text_inspector.h"
#include "base/random.h"
#include "base/strings.h"
#include "gateway/policy/guard_stream.h"
#include "text/yaml.h"

namespace sentinel::app {
namespace {

using gateway::GuardStream;

// Put together at run time, so that no scanner takes this file for a leak.
std::string key(const char* prefix, const char* rest) { return std::string(prefix) + rest; }

const std::vector<std::string>& findings() {
  static const std::vector<std::string> all = {
      "4111 1111 1111 1111",
      "4111-1111-1111-1111",
      "378282246310005",
      "DE89 3704 0044 0532 0130 00",
      "GB82WEST12345698765432",
      "jane.doe+x@mail.example.co.uk",
      "+49 170 1234567",
      "(212) 456-7890",
      "212. 456-7890",
      "(212). 456-7890",
      "123-45-6789",
      "AB 12 34 56 C",
      "203.0.113.9",
      "2001:db8:0:1:1:1:1:1",
      "00:1a:2b:3c:4d:5e",
      "0x52908400098527886E0F7030069857D2E4169EE7",
      key("AKIA", "IOSFODNN7EXAMPLE"),
      key("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"),
      key("sk-proj-", "a8Kd02mfLq91xZpTb7Yw33Rr"),
      key("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0.c2lnbmF0dXJl"),
      key("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIabc. Def\n\nGhi\n-----END RSA PRIVATE KEY-----"),
      key("SG.", "ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr"),
  };
  return all;
}

std::string event(std::string_view text) {
  return "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":" + json_quote(text) + "}}]}\n\n";
}
std::string said(std::string_view bytes) {
  std::string out;
  for (const auto& one : gateway::StreamDocument::parse(bytes, false).documents)
    out += one.at("choices").at(0).at("delta").at("content").as_string();
  return out;
}

// What the whole text is redacted to.
std::string redacted(const std::vector<gateway::GuardRule>& rules, const gateway::TextInspector& inspector,
                     const std::string& text) {
  boost::json::string piece(text);
  std::vector<gateway::GuardedText> texts(1);
  texts[0].pieces.push_back(&piece);
  (void)gateway::apply_guards(rules, inspector, text, texts, [](const gateway::GuardRule&) {});
  return std::string(piece);
}

class StreamRedaction : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(All, StreamRedaction, testing::Range<size_t>(0, findings().size()));

TEST_P(StreamRedaction, NotEvenTheBeginningOfAFindingLeaves) {
  const std::string& found = findings()[GetParam()];
  const auto inspector = make_text_inspector().value();
  const auto rules = gateway::read_guard_rules(
      *text::parse_yaml("after: [{check: pii, action: redact}, {check: secrets, action: redact}]", "g.yml"));
  ASSERT_TRUE(rules);
  Random random(GetParam() + 1);
  const std::string filler = " and that is all there is to say about it for the next while, or so it seems to be";
  for (const std::string& text : {"Sure! It is " + found + ". Is there more? No.", "Well. " + found + "! Thanks. Bye",
                                  "One.\n\nTwo: " + found + "\n\nThree. ", "这是。" + found + " 。好",
                                  filler + " " + found + filler + ". End."}) {
    const std::string clean = redacted(rules->after, *inspector, text);
    ASSERT_EQ(clean.find(found), std::string::npos) << text;
    for (int round = 0; round < 60; ++round) {
      const size_t most = round == 0 ? 1 : 1 + random.below(round % 2 == 0 ? 6 : 40);
      GuardStream stream(rules->after, *inspector, false);
      std::string out;
      for (size_t at = 0; at < text.size();) {
        const size_t size = 1 + random.below(most);
        // Cut in the middle of a letter the event would be no JSON text.
        size_t end = std::min(at + size, text.size());
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
        stream.add(event(text.substr(at, end - at)), out);
        at = end;
        ASSERT_TRUE(clean.starts_with(said(out))) << "told \"" << said(out) << "\" of \"" << clean << "\"";
      }
      stream.finish(out);
      ASSERT_EQ(said(out), clean);
    }
  }
}

}  // namespace
}  // namespace sentinel::app
