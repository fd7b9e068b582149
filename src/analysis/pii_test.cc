#include "analysis/pii.h"

#include <gtest/gtest.h>

#include "analysis/validators.h"

namespace sentinel::analysis {
namespace {

// Keys are put together at run time, so that no scanner takes this file for a leak.
std::string key(const char* prefix, const char* rest) { return std::string(prefix) + rest; }

class PiiTest : public testing::Test {
 protected:
  std::string redacted(const std::string& text) const { return redact(text, detector_->find(text)); }
  std::unique_ptr<PiiDetector> detector_ = make_pii_detector().value();
};

TEST_F(PiiTest, RedactsWhatItFinds) {
  const std::pair<std::string, std::string> cases[] = {
      {"mail jane.doe+x@mail.example.co.uk now", "mail [EMAIL] now"},
      {"Write to o'neil@example.org.", "Write to [EMAIL]."},
      {"call +49 170 1234567 or (212) 456-7890", "call [PHONE] or [PHONE]"},
      {"a\\n305-862-1803 office", "a\\n[PHONE] office"},
      {"card 4111 1111 1111 1111 ok", "card [CREDIT_CARD] ok"},
      {"amex 378282246310005", "amex [CREDIT_CARD]"},
      {"IBAN DE89 3704 0044 0532 0130 00, thanks", "IBAN [IBAN], thanks"},
      {"ssn 123-45-6789", "ssn [US_SSN]"},
      {"NINO AB 12 34 56 C", "NINO [UK_NINO]"},
      {"from 203.0.113.9 and 2001:db8:0:1:1:1:1:1", "from [IP_ADDRESS] and [IP_ADDRESS]"},
      {"mac 00:1a:2b:3c:4d:5e", "mac [MAC_ADDRESS]"},
      {"born on 12.03.1984 in Graz", "born on [DATE_OF_BIRTH] in Graz"},
      {"to 0x52908400098527886E0F7030069857D2E4169EE7", "to [CRYPTO_ADDRESS]"},
      {"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "[CRYPTO_ADDRESS]"},
      {"use " + key("AKIA", "IOSFODNN7EXAMPLE") + ".", "use [SECRET]."},
      {key("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"), "[SECRET]"},
      {key("sk-proj-", "a8Kd02mfLq91xZpTb7Yw33Rr"), "[SECRET]"},
      {"Authorization: Bearer " + key("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
       "Authorization: Bearer [SECRET]"},
      {"export DB_PASSWORD=hunter2secret9", "export DB_PASSWORD=[SECRET]"},
      {"\"client_secret\": \"" + key("9f8a7b6c5d4e", "3f2a1b0c9d8e7f6a5b4c") + "\"", "\"client_secret\": \"[SECRET]\""},
      {"postgres://app:S3cr3tPw@db.internal/x", "[SECRET]@db.internal/x"},
      {key("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----") + " end", "[SECRET] end"},
      {key("acme_live_", "4f9Kq2Lm8Zx7Pw3Rt6Vb1Nc5"), "[SECRET]"},
  };
  for (const auto& [text, want] : cases) EXPECT_EQ(redacted(text), want) << text;
}

TEST_F(PiiTest, LeavesWhatOnlyLooksAlike) {
  for (const std::string text : {"Your order number is 4111111111111111.",
                                 "card 4111 1111 1111 1112",
                                 "Version 8.38.1 fixes issue #888.",
                                 "release 1.2.3.4 is out",
                                 "The server listens on 127.0.0.1:8080 and 0.0.0.0.",
                                 "The request id was 8a61f6ce-1a67-b963-8546-33bf79b895a6.",
                                 "sha256:f965954750b79118b2aa77d169279a2c82a22c508cb4da2072c082cb8e441d95",
                                 "commit a5c3e36d3d0ef6add9e67a349ef72f1edee3ee0f",
                                 "Coordinates: 48.8584, 2.2945; altitude 330 m.",
                                 "Meeting on 2019-03-15 at 14:30, room 4.12.",
                                 "Set the password in the environment variable DB_PASSWORD and never commit it.",
                                 "password: $DB_PASSWORD",
                                 "the total is 4,556.00 and tax is 19%",
                                 "DE89 3704 0044 0532 0130 01",
                                 "ssn 666-12-3456 or 000-12-3456",
                                 "token: ********************",
                                 "key: value",
                                 "The secret of success is hard work.",
                                 "user@localhost",
                                 "a @ b",
                                 "api_key = os.environ['API_KEY']"}) {
    EXPECT_EQ(redacted(text), text);
  }
}

TEST_F(PiiTest, SpansAscendAndDoNotOverlap) {
  const std::string text = "x@y.example +1 305 862 1803 password=ab12cd34ef56 192.0.2.7 x@y.example";
  const std::vector<Span> spans = detector_->find(text);
  ASSERT_EQ(spans.size(), 5U);
  for (size_t i = 1; i < spans.size(); ++i) EXPECT_LE(spans[i - 1].end, spans[i].begin);
  EXPECT_EQ(pii_types(spans), (std::vector<std::string>{"EMAIL", "PHONE", "SECRET", "IP_ADDRESS"}));
}

TEST_F(PiiTest, KeysOfUnknownMakersAreFoundByKeyword) {
  const auto unknown = make_pii_detector(false).value();
  EXPECT_EQ(unknown->find("zorblax_token = \"k3j9x8w2m5n7p1q4r6t0\"").size(), 1U);
  EXPECT_TRUE(unknown->find(key("AKIA", "IOSFODNN7EXAMPLE")).empty());
}

TEST(Redact, IgnoresSpansOutsideTheText) { EXPECT_EQ(redact("abc", {{1, 9, "EMAIL"}}), "abc"); }

TEST(Validators, AcceptAndRefuse) {
  EXPECT_TRUE(iban_valid("GB82 WEST 1234 5698 7654 32"));
  EXPECT_FALSE(iban_valid("GB82 WEST 1234 5698 7654 33"));
  EXPECT_TRUE(luhn_valid("79927398713"));
  EXPECT_FALSE(luhn_valid("79927398710"));
  EXPECT_TRUE(nino_valid("QQ123456C") == false);
  EXPECT_FALSE(bitcoin_base58_valid("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"));
  EXPECT_TRUE(ipv6_valid("2001:db8::8a2e:370:7334"));
  EXPECT_FALSE(ipv6_valid("12:30:45"));
  EXPECT_FALSE(date_valid("31.31.2000"));
  EXPECT_GT(shannon_entropy("a8Kd02mfLq91xZpT"), 3.5);
  EXPECT_EQ(shannon_entropy("aaaa"), 0);
}

}  // namespace
}  // namespace sentinel::analysis
