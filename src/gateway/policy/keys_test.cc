#include "gateway/policy/keys.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <filesystem>

#include "base/strings.h"
#include "gateway/policy/policy_store.h"

namespace sentinel::gateway {
namespace {

constexpr const char* kFull = R"({"name": "shop", "user": "ada", "team": "checkout", "tags": {"cost_center": "42"},
  "expires_in": "1d", "models": ["gpt-4o", "sim-*"], "routes": ["chat"],
  "limits": [{"requests": 100, "per": "1m"}, {"tokens": 20000, "per": "1h"}, {"usd": 0.5, "per": "1d"}],
  "budgets": [{"usd": 25, "per": "month"}]})";

TEST(Keys, ASpecIsReadAndWrittenAlike) {
  const TimePoint now = FakeClock().now();
  const auto spec = parse_key_spec(kFull, now);
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(spec->name, "shop");
  EXPECT_EQ(spec->user, "ada");
  EXPECT_EQ(spec->team, "checkout");
  EXPECT_EQ(spec->tags.at(0), (std::pair<std::string, std::string>("cost_center", "42")));
  EXPECT_EQ(spec->expires_at, now + std::chrono::hours(24));
  ASSERT_EQ(spec->limits.size(), 3U);
  EXPECT_EQ(spec->limits[1].limit.unit, LimitUnit::kTokens);
  EXPECT_EQ(spec->limits[2].limit.amount, 500'000);
  EXPECT_EQ(spec->limits[0].by, CountBy::kKey);
  EXPECT_EQ(spec->budgets.at(0).period, BudgetPeriod::kMonth);
  const std::string json = key_spec_json(*spec);
  const auto again = parse_key_spec(json, TimePoint());
  ASSERT_TRUE(again) << again.error().to_string() << json;
  EXPECT_EQ(key_spec_json(*again), json);
}

TEST(Keys, WhatIsWrongIsSaidWithItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "key needs a field \"name\""},
      {R"({"name": " "})", "1:10: name must not be empty"},
      {R"({"name": "a", "expire": "1d"})", "unknown field \"expire\""},
      {R"({"name": "a", "expires_at": "tomorrow"})", "expires_at must be a time"},
      {R"({"name": "a", "expires_at": "2026-01-02T00:00:00Z", "expires_in": "1d"})", "not both"},
      {R"({"name": "a", "limits": [{"requests": 0, "per": "1m"}]})", "requests must be a whole number from 1"},
      {R"({"name": "a", "limits": [{"requests": 5, "tokens": 5, "per": "1m"}]})", "exactly one of"},
      {R"({"name": "a", "limits": [{"requests": 5}]})", "needs a field \"per\""},
      {R"({"name": "a", "limits": [{"requests": 5, "per": "1m", "by": "user"}]})", "unknown field \"by\""},
      {R"({"name": "a", "budgets": [{"usd": -1}]})", "dollars above 0"},
      {R"({"name": "a", "budgets": [{"usd": 1, "per": "week"}]})", "per must be day or month"},
      {R"({"name": "a", "models": "gpt"})", "list"},
      {R"({"name": "a", "tags": ["x"]})", "tags must be a map"},
      {R"({"name": )", ""},
  };
  for (const auto& [json, expected] : cases) {
    const auto spec = parse_key_spec(json, TimePoint());
    ASSERT_FALSE(spec) << json;
    EXPECT_NE(spec.error().to_string().find(expected), std::string::npos) << spec.error().to_string();
  }
}

TEST(Keys, AllowWhatTheyName) {
  VirtualKey key;
  EXPECT_TRUE(key.allows_model("anything"));
  EXPECT_TRUE(key.allows_route("any"));
  key.spec = *parse_key_spec(kFull, TimePoint());
  EXPECT_TRUE(key.allows_model("gpt-4o"));
  EXPECT_TRUE(key.allows_model("sim-large"));
  EXPECT_FALSE(key.allows_model("gpt-4o-mini"));
  EXPECT_TRUE(key.allows_route("chat"));
  EXPECT_FALSE(key.allows_route("other"));
}

TEST(Keys, AreFoundWhereverClientsShowThemAndGoNoFurther) {
  const std::string secret = new_key_secret();
  EXPECT_EQ(secret.size(), kKeyPrefix.size() + 43);
  EXPECT_NE(secret, new_key_secret());
  const std::pair<const char*, std::string> cases[] = {{"Authorization", "Bearer " + secret},
                                                       {"authorization", "bearer  " + secret},
                                                       {"X-Api-Key", secret},
                                                       {"api-key", secret},
                                                       {"x-goog-api-key", secret}};
  for (const auto& [name, value] : cases) {
    net::Request request;
    request.headers.add(name, value);
    EXPECT_EQ(shown_key(request), secret) << name;
    remove_shown_key(request);
    EXPECT_EQ(request.headers.size(), 0U) << name;
  }
  net::Request query;
  query.query.add("key", secret);
  query.query.add("alt", "sse");
  EXPECT_EQ(shown_key(query), secret);
  remove_shown_key(query);
  EXPECT_FALSE(query.query.has("key"));
  EXPECT_EQ(query.query.get("alt"), "sse");
  net::Request other;
  other.headers.add("authorization", "Bearer sk-proj-1");
  EXPECT_EQ(shown_key(other), "");
  remove_shown_key(other);
  EXPECT_TRUE(other.headers.has("authorization")) << "a provider's own key is the caller's to send";
}

class PolicyStoreTest : public testing::Test {
 protected:
  PolicyStoreTest() : dir_(testing::TempDir() + "/policy-store-" + std::to_string(getpid())) {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
    reopen();
  }
  ~PolicyStoreTest() override {
    store_.reset();
    database_.reset();
    std::filesystem::remove_all(dir_);
  }
  void reopen() {
    store_.reset();
    database_.reset();
    database_ = *state::open_sqlite(dir_ + "/state.db", metrics_);
    ASSERT_TRUE(PolicyStore::migrate(*database_));
    store_ = *PolicyStore::open(*database_, clock_, keys_, switches_);
  }
  Result<PolicyStore::Made> create(const char* json) {
    return store_->create_key(*parse_key_spec(json, clock_.now()), "ada", nullptr);
  }

  const std::string dir_;
  MetricRegistry metrics_;
  FakeClock clock_;
  Published<VirtualKeys> keys_;
  Published<RouteSwitches> switches_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<PolicyStore> store_;
};

TEST_F(PolicyStoreTest, AKeyIsKeptByItsHashAloneAndFoundByEveryCore) {
  Published<VirtualKeys>::Copy core;
  EXPECT_EQ(keys_.get(core).all().size(), 0U);
  const auto made = create(kFull);
  ASSERT_TRUE(made) << made.error().to_string();
  const auto found = keys_.get(core).find(made->secret);
  ASSERT_NE(found, nullptr) << "at once";
  EXPECT_EQ(found->id, made->key->id);
  EXPECT_EQ(found->created_by, "ada");
  EXPECT_TRUE(made->secret.ends_with(found->hint));
  EXPECT_EQ(keys_.get(core).find(made->secret + "x"), nullptr);
  EXPECT_EQ(keys_.get(core).find(""), nullptr);

  reopen();
  const auto again = keys_.get(core).find(made->secret);
  ASSERT_NE(again, nullptr) << "and after a restart";
  EXPECT_EQ(key_spec_json(again->spec), key_spec_json(found->spec));
  std::string everything;
  ASSERT_TRUE(database_->read([&](state::Tx& tx) -> Status {
    const auto rows = *tx.query("SELECT id || hash || hint || spec || created_by FROM gateway_keys");
    everything = rows.at(0).text(0);
    return {};
  }));
  EXPECT_EQ(everything.find(made->secret.substr(kKeyPrefix.size())), std::string::npos);
}

TEST_F(PolicyStoreTest, NamesAreUniqueAmongTheKeysInForce) {
  const auto first = create(R"({"name": "a", "expires_in": "1h"})");
  ASSERT_TRUE(first);
  EXPECT_EQ(create(R"({"name": "a"})").error().code(), ErrorCode::kConflict);
  clock_.advance(std::chrono::hours(1));
  EXPECT_TRUE(first->key->expired(clock_.now()));
  const auto second = create(R"({"name": "a"})");
  ASSERT_TRUE(second) << "the first has expired";
  EXPECT_EQ((*store_->revoke_key("a", nullptr))->id, second->key->id);
  EXPECT_TRUE(create(R"({"name": "a"})")) << "the second is revoked";
}

TEST_F(PolicyStoreTest, ARevokedKeyStaysKnownAsSuch) {
  const auto made = create(R"({"name": "a"})");
  ASSERT_TRUE(store_->revoke_key(made->key->id, nullptr));
  EXPECT_EQ(keys_.get()->find(made->secret)->revoked_at, clock_.now());
  EXPECT_EQ(store_->revoke_key(made->key->id, nullptr).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(store_->revoke_key("nobody", nullptr).error().code(), ErrorCode::kNotFound);
  reopen();
  EXPECT_EQ(keys_.get()->find(made->secret)->revoked_at, clock_.now());
}

TEST_F(PolicyStoreTest, WhatCannotBeAuditedDoesNotHappen) {
  const auto refused = store_->create_key(*parse_key_spec(R"({"name": "a"})", clock_.now()), "ada",
                                          [](state::Tx&, const VirtualKey&) { return fail(ErrorCode::kIo, "full"); });
  EXPECT_FALSE(refused);
  EXPECT_EQ(keys_.get()->all().size(), 0U);
  reopen();
  EXPECT_EQ(keys_.get()->all().size(), 0U);
}

TEST_F(PolicyStoreTest, SwitchesAreKeptUntilTheyAreSetBack) {
  ASSERT_TRUE(store_->set_switch({"chat", "costs too much", "bo", clock_.now()}, true, nullptr));
  reopen();
  const RouteSwitch* off = switches_.get()->find("chat");
  ASSERT_NE(off, nullptr);
  EXPECT_EQ(off->reason, "costs too much");
  EXPECT_EQ(off->by, "bo");
  EXPECT_EQ(switches_.get()->find("other"), nullptr);
  ASSERT_TRUE(store_->set_switch({"chat", "", "bo", clock_.now()}, false, nullptr));
  reopen();
  EXPECT_EQ(switches_.get()->find("chat"), nullptr);
}

TEST_F(PolicyStoreTest, SpendingIsKeptForTwoMonths) {
  const TimePoint today = period_begin(BudgetPeriod::kDay, clock_.now());
  ASSERT_TRUE(store_->save_spending({{"key/a/day", today, 5}, {"key/b/day", today - std::chrono::hours(24 * 70), 7}}));
  ASSERT_TRUE(store_->save_spending({{"key/a/day", today, 6}}));
  reopen();
  const auto kept = store_->load_spending();
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->size(), 1U);
  EXPECT_EQ(kept->at(0).subject, "key/a/day");
  EXPECT_EQ(kept->at(0).spent_microusd, 6);
}

}  // namespace
}  // namespace sentinel::gateway
