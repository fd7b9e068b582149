// A service account's key becomes access tokens: signed, exchanged, kept, renewed.
#include "gateway/vertex_token.h"

#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include <unistd.h>

#include <fstream>

#include "base/strings.h"
#include "gateway/gateway_fixture.h"
#include "net/test_tls.h"
#include "text/json.h"

namespace sentinel::gateway {
namespace {

const net::TestKey& test_key() {
  static const net::TestKey key(EVP_RSA_gen(2048));
  return key;
}

ServiceAccount account_of(const std::string& token_url) {
  return {"robot@p.iam.gserviceaccount.com", "our-project", "key-1", net::pem_of(test_key().get()), token_url};
}

TEST(ServiceAccountFile, IsReadAndSaysWhatIsMissing) {
  const auto account = parse_service_account(
      R"({"type":"service_account","project_id":"p","private_key_id":"k","private_key":"PEM","client_email":"e"})");
  ASSERT_TRUE(account);
  EXPECT_EQ(account->email + account->project + account->key_id + account->private_key, "epkPEM");
  EXPECT_EQ(account->token_url, "https://oauth2.googleapis.com/token");
  EXPECT_FALSE(parse_service_account("{}"));
  EXPECT_FALSE(parse_service_account("no JSON"));
  EXPECT_FALSE(make_assertion(*account, TimePoint{})) << "PEM is no key";
}

TEST(Assertion, IsSignedWithTheKeyAndGoodForAnHour) {
  const auto assertion = make_assertion(account_of("https://t/token"), time_from_us(1'767'225'600'000'000));
  ASSERT_TRUE(assertion) << assertion.error().to_string();
  const auto parts = split(*assertion, '.');
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(base64_decode(parts[0]), R"({"alg":"RS256","typ":"JWT","kid":"key-1"})");
  EXPECT_EQ(base64_decode(parts[1]),
            R"({"iss":"robot@p.iam.gserviceaccount.com","scope":"https://www.googleapis.com/auth/cloud-platform",)"
            R"("aud":"https://t/token","iat":1767225600,"exp":1767229200})");
  const std::string signature = base64_decode(parts[2]).value_or("");
  const std::string text = assertion->substr(0, assertion->rfind('.'));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  ASSERT_EQ(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, test_key().get()), 1);
  EXPECT_EQ(EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                             reinterpret_cast<const unsigned char*>(text.data()), text.size()),
            1);
}

// `a` is Vertex AI, `b` the token endpoint.
class VertexTest : public GatewayTest {
 protected:
  VertexTest() {
    const ServiceAccount account = account_of(b_.url() + "/token");
    const std::string file = testing::TempDir() + "/account-" + std::to_string(::getpid()) + ".json";
    std::ofstream(file) << "{\"client_email\":" << json_quote(account.email)
                        << ",\"project_id\":" << json_quote(account.project)
                        << ",\"private_key\":" << json_quote(account.private_key)
                        << ",\"token_uri\":" << json_quote(account.token_url) << "}";
    ProviderConfig& provider = config_.providers[0];
    provider = {};
    provider.name = "a";
    provider.kind = ProviderKind::kVertex;
    provider.base_url = a_.url();
    provider.service_account_file = file;
    route().retries.attempts = 2;
    a_.add({.body = R"({"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]})"});
  }
  std::string seen(size_t index) { return std::string(a_.request(index).headers.get("authorization")); }
};

TEST_F(VertexTest, ATokenIsFetchedOnceAndRenewedBeforeItEnds) {
  b_.add({.body = R"({"access_token":"first","expires_in":3600,"token_type":"Bearer"})"});
  b_.add({.body = R"({"access_token":"second","expires_in":3600,"token_type":"Bearer"})"});
  start();
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(b_.requests(), 1U);
  EXPECT_EQ(a_.request(0).path,
            "/v1/projects/our-project/locations/us-central1/publishers/google/models/m:generateContent");
  EXPECT_EQ(seen(0), "Bearer first");
  const auto asked = net::Params::parse(b_.request(0).body);
  EXPECT_EQ(asked.get("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
  EXPECT_EQ(split(asked.get("assertion"), '.').size(), 3U);
  clock_.advance(std::chrono::minutes(56));
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(seen(2), "Bearer second");
  EXPECT_EQ(b_.requests(), 2U);
}

TEST_F(VertexTest, ARenewalThatFailsLeavesTheTokenThatIsStillGood) {
  b_.add({.body = R"({"access_token":"first","expires_in":3600})"});
  b_.add({.status = 503, .body = "{}"});
  start();
  EXPECT_EQ(ok(chat()).status, 200);
  clock_.advance(std::chrono::minutes(57));
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(seen(1), "Bearer first");
  clock_.advance(std::chrono::minutes(4));
  EXPECT_EQ(ok(chat()).status, 502) << "now it has ended";
}

TEST_F(VertexTest, ARefusedTokenIsForgotten) {
  b_.add({.body = R"({"access_token":"first","expires_in":3600})"});
  b_.add({.body = R"({"access_token":"second","expires_in":3600})"});
  a_.drop_first();
  a_.add({.status = 401, .body = R"({"error":{"code":401,"message":"bad token","status":"UNAUTHENTICATED"}})"});
  a_.add({.body = R"({"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]})"});
  start();
  EXPECT_EQ(ok(chat()).status, 502);
  EXPECT_EQ(sink_.at(0).error_type, "provider_auth_failed");
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(seen(1), "Bearer second");
}

TEST_F(VertexTest, AnAccountThatIsRefusedIsTheProvidersFault) {
  b_.add({.status = 400, .body = R"({"error":"invalid_grant","error_description":"account not found"})"});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 502);
  EXPECT_EQ(got.body.find("account not found"), std::string::npos) << "not the caller's to see";
  EXPECT_EQ(a_.requests(), 0U);
  EXPECT_EQ(sink_.at(0).error_type, "provider_auth_failed");
}

}  // namespace
}  // namespace sentinel::gateway
