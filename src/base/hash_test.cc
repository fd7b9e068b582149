#include "base/hash.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/strings.h"

namespace sentinel {
namespace {

TEST(Crc32c, MatchesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(Crc32c, InstructionAndTableAgreeForEveryLengthAndCut) {
  Random random(5);
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += static_cast<char>(random.below(256));
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::string_view text = std::string_view(bytes).substr(0, size);
    ASSERT_EQ(crc32c(text), internal::crc32c_portable(text, 0)) << size;
    const size_t cut = random.below(size + 1);
    ASSERT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text)) << size << " " << cut;
  }
}

TEST(Hash64, StaysTheSameBecauseItIsStored) {
  EXPECT_EQ(hash64(""), 0x2d06800538d394c2ULL);
  EXPECT_NE(hash64("a"), hash64("b"));
  EXPECT_NE(hash64("a", 1), hash64("a", 2));
}

TEST(Sha256, MatchesFips180) {
  EXPECT_EQ(hex_encode(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_encode(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(HmacSha256, MatchesRfc4231) {
  EXPECT_EQ(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256("", "").size(), 32u);
}

TEST(ConstantTimeEquals, ComparesContentAndLength) {
  EXPECT_TRUE(constant_time_equals("", ""));
  EXPECT_TRUE(constant_time_equals("secret", "secret"));
  EXPECT_FALSE(constant_time_equals("secret", "secreT"));
  EXPECT_FALSE(constant_time_equals("secret", "secre"));
}

}  // namespace
}  // namespace sentinel
