#include "ingest/spill.h"

#include <set>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/varint.h"

namespace sentinel::ingest {
namespace {

SpilledCall call(int number, size_t bytes = 10) {
  SpilledCall c;
  c.interaction.request_id = "r" + std::to_string(number);
  c.interaction.prompt = std::string(bytes, 'x');
  return c;
}

std::vector<SpilledCall> calls(int first, int count, size_t bytes = 10) {
  std::vector<SpilledCall> out;
  for (int i = 0; i < count; ++i) out.push_back(call(first + i, bytes));
  return out;
}

// Reads everything back, in order.
std::vector<std::string> drain(Spill& spill, size_t at_a_time = 7) {
  std::vector<std::string> ids;
  for (;;) {
    bool leftover = false;
    const auto got = spill.peek(at_a_time, &leftover);
    EXPECT_TRUE(got) << got.error().to_string();
    if (!got || got->empty()) return ids;
    for (const SpilledCall& c : *got) ids.push_back(c.interaction.request_id);
    spill.consume();
  }
}

std::vector<std::string> ids(int first, int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) out.push_back("r" + std::to_string(first + i));
  return out;
}

model::Interaction full_interaction() {
  model::Interaction i;
  i.request_id = "req", i.trace_id = "trace", i.timestamp_us = -5, i.service = "s", i.env = "e", i.endpoint = "/qa";
  i.request_type = "chat", i.provider = "p", i.model = "m", i.model_version = "v", i.prompt_id = "pi";
  i.prompt_template = "pt", i.session_id = "si", i.user_hash = "uh", i.prompt = "pr",
  i.response = std::string("a\0b", 3);
  i.finish_reason = "stop", i.stream = true, i.redacted = true, i.status = model::InteractionStatus::kError;
  i.error_type = "provider_timeout", i.http_status = 504, i.retry_count = 2, i.fallback_used = true;
  i.cache_hit = true, i.latency_ms = 1.5, i.ttft_ms = 0.25, i.tokens_input = 1, i.tokens_output = 2;
  i.tokens_cache_write = 7, i.tokens_cache_write_1h = 8, i.tokens_audio_input = 9, i.tokens_audio_output = 10;
  i.tokens_image_input = 11, i.tokens_image_output = 12, i.span_id = "span", i.parent_span_id = "parent";
  i.service_tier = "flex", i.tokens_cached_input = 3, i.tokens_reasoning = 4, i.cost_microusd = 5,
  i.response_length = 6;
  i.safety_label = "PII_LEAK", i.safety_score = 0.1, i.safety_categories = {"PII_LEAK"}, i.pii_types = {"EMAIL", "SSN"};
  i.quality_issues = {"refusal", "language"};
  i.prompt_injection_risk = 0.2, i.token_abuse = true, i.similarity_score = 0.3, i.drift_score = 0.7;
  i.baseline_ready = true, i.semantic_similarity_score = 0.4, i.support_score = 0.5, i.ungrounded = true;
  i.empty_response = true, i.guard_action = "flag", i.simulate_flags = {"drift"}, i.test_mode = true;
  i.tags = {{"team", "a"}};
  i.document_injection_risk = 0.25, i.tool_injection_risk = 0.75, i.explanation = {"PII_LEAK 0.90 in the response"};
  return i;
}

TEST(SpillCodec, EveryFieldButTheContextComesBack) {
  std::string file = spill_header();
  ASSERT_TRUE(encode_spilled({full_interaction(), true}, file));
  ASSERT_TRUE(encode_spilled({model::Interaction{}, false}, file));
  std::vector<SpilledCall> got;
  ASSERT_EQ(read_spill(file, 0, [&](SpilledCall c, uint64_t) { return got.push_back(std::move(c)), true; }),
            file.size());
  ASSERT_EQ(got.size(), 2u);
  EXPECT_TRUE(got[0].scored);
  EXPECT_FALSE(got[1].scored);
  const model::Interaction& i = got[0].interaction;
  EXPECT_EQ(i.request_id, "req");
  EXPECT_EQ(i.timestamp_us, -5);
  EXPECT_EQ(i.response, std::string("a\0b", 3));
  EXPECT_TRUE(i.redacted);
  EXPECT_EQ(i.status, model::InteractionStatus::kError);
  EXPECT_EQ(i.http_status, 504);
  EXPECT_EQ(i.ttft_ms, 0.25);
  EXPECT_EQ(i.cost_microusd, 5);
  EXPECT_EQ(i.tokens_cache_write_1h, 8);
  EXPECT_EQ(i.tokens_audio_output, 10);
  EXPECT_EQ(i.tokens_image_output, 12);
  EXPECT_EQ(i.span_id + i.parent_span_id, "spanparent");
  EXPECT_EQ(i.service_tier, "flex");
  EXPECT_EQ(i.pii_types, (std::vector<std::string>{"EMAIL", "SSN"}));
  EXPECT_EQ(i.quality_issues, (std::vector<std::string>{"refusal", "language"}));
  EXPECT_EQ(i.ungrounded, true);
  EXPECT_EQ(i.tags, (std::vector<std::pair<std::string, std::string>>{{"team", "a"}}));
  EXPECT_EQ(i.document_injection_risk, 0.25);
  EXPECT_EQ(i.tool_injection_risk, 0.75);
  EXPECT_EQ(i.explanation, std::vector<std::string>{"PII_LEAK 0.90 in the response"});
  EXPECT_FALSE(got[1].interaction.tokens_input.has_value());
  // The same bytes again: nothing was lost on the way.
  std::string again = spill_header();
  for (const SpilledCall& c : got) ASSERT_TRUE(encode_spilled(c, again));
  EXPECT_EQ(again, file);
}

TEST(SpillCodec, EveryCutEndsAtTheLastWholeCall) {
  std::string file = spill_header();
  std::vector<uint64_t> whole{file.size()};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(encode_spilled({full_interaction(), i == 1}, file));
    whole.push_back(file.size());
  }
  for (size_t cut = spill_header().size(); cut <= file.size(); ++cut) {
    size_t count = 0;
    const uint64_t good = read_spill(std::string_view(file).substr(0, cut), 0,
                                     [&](const SpilledCall&, uint64_t) { return ++count, true; });
    EXPECT_EQ(good, whole.at(count)) << cut;
    EXPECT_TRUE(count == 3 || cut < whole.at(count + 1)) << cut;
  }
  for (size_t at = spill_header().size(); at < file.size(); ++at) {
    std::string flipped = file;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    size_t count = 0;
    (void)read_spill(flipped, 0, [&](const SpilledCall&, uint64_t) { return ++count, true; });
    EXPECT_LT(count, 3u) << "a changed byte at " << at << " went unnoticed";
  }
}

// A crash of an older program leaves such files to the new one.
TEST(Spill, FilesOfEarlierVersionsAreStillRead) {
  std::string frame;
  SpilledCall call;
  call.interaction.request_id = "r0";
  call.interaction.tokens_input = 7;
  ASSERT_TRUE(encode_spilled(call, frame));
  constexpr size_t kHead = 8;  // length, checksum
  // An empty list; two absent numbers and two empty texts; six absent numbers, an empty text and an empty list.
  constexpr std::pair<char, size_t> kLack[] = {{'\x03', 1}, {'\x02', 1 + 4}, {'\x01', 1 + 4 + 8}};
  for (const auto& [version, lacks] : kLack) {
    std::string payload = frame.substr(kHead);
    payload.resize(payload.size() - lacks);
    std::string file = std::string("SNTLSPL") + version;
    put_fixed(file, static_cast<uint32_t>(payload.size()));
    put_fixed(file, crc32c(payload));
    file += payload;
    size_t count = 0;
    EXPECT_EQ(read_spill(file, 0,
                         [&](const SpilledCall& read, uint64_t) {
                           ++count;
                           EXPECT_EQ(read.interaction.request_id, "r0");
                           EXPECT_EQ(read.interaction.tokens_input, 7);
                           EXPECT_FALSE(read.interaction.tokens_cache_write.has_value());
                           return true;
                         }),
              file.size());
    EXPECT_EQ(count, 1u);
    file[7] = '\x05';
    EXPECT_EQ(read_spill(file, 0, [](const SpilledCall&, uint64_t) { return true; }), 0u) << "of a newer program";
  }
}

TEST(Spill, IsFirstInFirstOutOverFilesAndLeavesNothingBehind) {
  FaultEnv env;
  const auto spill = Spill::open(env, {.dir = "/d", .segment_bytes = 500}).value();
  EXPECT_EQ(spill->append(calls(0, 20)).value(), 20u);
  EXPECT_EQ(spill->append(calls(20, 20)).value(), 20u);
  EXPECT_EQ(spill->stats().calls, 40u);
  bool leftover = true;
  EXPECT_EQ(spill->peek(1, &leftover).value().at(0).interaction.request_id, "r0");
  EXPECT_FALSE(leftover);
  EXPECT_EQ(spill->peek(1, &leftover).value().at(0).interaction.request_id, "r0") << "it stays until consume()";
  EXPECT_EQ(spill->append(calls(40, 5)).value(), 5u);
  EXPECT_EQ(drain(*spill), ids(0, 45));
  EXPECT_EQ(spill->append(calls(45, 1)).value(), 1u);
  EXPECT_EQ(drain(*spill), ids(45, 1));
  EXPECT_EQ(spill->stats().calls, 0u);
  EXPECT_EQ(env.list("/d").value().size(), 0u);
}

TEST(Spill, TakesNoMoreThanItsLimitAndTakesAgainWhenThereIsRoom) {
  FaultEnv env;
  const auto spill = Spill::open(env, {.dir = "/d", .bytes_max = 20'000, .segment_bytes = 2'000}).value();
  size_t taken = 0;
  for (int i = 0; i < 40; ++i) taken += spill->append(calls(i * 10, 10, 200)).value();
  EXPECT_LT(taken, 100u);
  EXPECT_GT(taken, 40u);
  EXPECT_LE(spill->stats().bytes, 20'000u);
  EXPECT_EQ(drain(*spill).size(), taken);
  EXPECT_EQ(spill->append(calls(0, 10, 200)).value(), 10u);
}

TEST(Spill, AFullDiskWritesNoneAndAnEmptierOneGoesOn) {
  FaultEnv env;
  const auto spill = Spill::open(env, {.dir = "/d"}).value();
  EXPECT_EQ(spill->append(calls(0, 3)).value(), 3u);
  env.disk_full(true);
  EXPECT_FALSE(spill->append(calls(100, 3)));
  EXPECT_FALSE(spill->append(calls(100, 3)));
  EXPECT_EQ(spill->stats().calls, 3u);
  env.disk_full(false);
  EXPECT_EQ(spill->append(calls(3, 3)).value(), 3u);
  EXPECT_EQ(drain(*spill), ids(0, 6));
}

// At whatever write the power goes: what append() acknowledged comes back once, in order, and nothing that was not
// given.
TEST(Spill, WhatWasAcknowledgedSurvivesACrashAtAnyWrite) {
  for (uint64_t crash_at = 1; crash_at < 60; ++crash_at) {
    FaultEnv env(crash_at);
    int acknowledged = 0;
    int given = 0;
    int consumed = 0;
    env.crash_after(crash_at);
    if (const auto spill = Spill::open(env, {.dir = "/d", .segment_bytes = 400})) {
      for (int round = 0; round < 12; ++round) {
        const bool ok = (*spill)->append(calls(given, 4)).has_value();
        if (ok && given == acknowledged) acknowledged += 4;
        given += 4;
        bool leftover = false;
        if (round % 3 != 2) continue;
        const auto got = (*spill)->peek(3, &leftover);
        if (got) consumed += static_cast<int>(got->size());
        if (got) (*spill)->consume();
        if (!ok) break;
      }
    }
    env.reopen_after_crash();
    const auto again = Spill::open(env, {.dir = "/d", .segment_bytes = 400});
    ASSERT_TRUE(again) << crash_at << ": " << again.error().to_string();
    const std::vector<std::string> got = drain(**again);
    EXPECT_TRUE(std::is_sorted(got.begin(), got.end(), [](const std::string& a, const std::string& b) {
      return std::pair(a.size(), a) < std::pair(b.size(), b);
    })) << crash_at;
    const std::set<std::string> distinct(got.begin(), got.end());
    EXPECT_EQ(distinct.size(), got.size()) << crash_at;
    for (int i = consumed; i < acknowledged; ++i)
      EXPECT_TRUE(distinct.contains("r" + std::to_string(i))) << "crash at " << crash_at << " lost r" << i;
  }
}

TEST(Spill, WhatIsLeftFromBeforeTheStartIsSaidToBe) {
  FaultEnv env;
  EXPECT_EQ(Spill::open(env, {.dir = "/d"}).value()->append(calls(0, 3)).value(), 3u);
  const auto spill = Spill::open(env, {.dir = "/d"}).value();
  EXPECT_EQ(spill->stats().leftover, 3u);
  EXPECT_EQ(spill->append(calls(3, 2)).value(), 2u);
  bool leftover = false;
  EXPECT_EQ(spill->peek(100, &leftover).value().size(), 3u);
  EXPECT_TRUE(leftover);
  spill->consume();
  EXPECT_EQ(spill->stats().leftover, 0u);
  EXPECT_EQ(spill->peek(100, &leftover).value().size(), 2u);
  EXPECT_FALSE(leftover);
}

TEST(Spill, ATornTailIsCutAndAForeignFileIsLeftAlone) {
  FaultEnv env;
  EXPECT_EQ(Spill::open(env, {.dir = "/d"}).value()->append(calls(0, 3)).value(), 3u);
  const std::string file = "/d/" + env.list("/d").value().at(0);
  const uint64_t whole = env.read_file(file).value().size();
  ASSERT_TRUE(env.open_append(file).value()->append("torn"));
  ASSERT_TRUE(env.write_file_atomic("/d/notes.txt", "mine"));
  const auto spill = Spill::open(env, {.dir = "/d"}).value();
  EXPECT_EQ(spill->stats().cut_bytes, 4u);
  EXPECT_EQ(env.read_file(file).value().size(), whole);
  EXPECT_EQ(drain(*spill), ids(0, 3));
  EXPECT_EQ(env.read_file("/d/notes.txt").value(), "mine");
}

TEST(Spill, CallsTheDiskHasDamagedAreCountedAndTheNextFileIsRead) {
  FaultEnv env;
  const auto spill = Spill::open(env, {.dir = "/d", .segment_bytes = 100}).value();
  EXPECT_EQ(spill->append(calls(0, 5)).value(), 5u);
  EXPECT_EQ(spill->append(calls(5, 5)).value(), 5u);
  const std::string file = "/d/" + env.list("/d").value().at(0);
  std::string content = env.read_file(file).value();
  content[content.size() / 2] ^= 1;
  ASSERT_TRUE(env.write_file_atomic(file, content));
  const std::vector<std::string> got = drain(*spill);
  EXPECT_EQ(spill->stats().damaged + got.size(), 10u);
  EXPECT_GT(spill->stats().damaged, 0u);
  EXPECT_EQ(got.back(), "r9");
}

}  // namespace
}  // namespace sentinel::ingest
