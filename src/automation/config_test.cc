#include "automation/config.h"

#include <gtest/gtest.h>

namespace sentinel::automation {
namespace {

std::string error_of(const std::string& fields) {
  const auto parsed = Catalogue::parse("automations:\n- id: a\n  argv: [/bin/true]\n" + fields, "a.yml");
  return parsed ? "no error" : parsed.error().to_string();
}

TEST(Catalogue, ReadsEveryField) {
  const auto parsed = Catalogue::parse(R"(
automations:
- id: restart-worker
  description: Restarts it
  argv: [/usr/bin/systemctl, restart, worker]
  parameters:
    service: {pattern: '[a-z]+', default: shop, from_label: service, description: which}
  environment: {MODE: fast}
  secrets: {TOKEN: /run/secrets/token}
  limits: {network: true, read: [/srv], write: [/var/tmp/x], timeout: 2m, grace: 3s, output: 10KB, memory: 1GB, processes: 5, files: 2MB}
  approval: {role: lead, within: 5m}
  idempotent: true
  retries: 3
  retry_after: 20s
  rollback: undo
  triggers: [{match: {alertname: A, severity: critical}, at_most: 2, per: 30m}]
- {id: undo, argv: [/bin/true]}
)",
                                       "a.yml");
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  const Automation* a = (*parsed)->find("restart-worker");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->argv.size(), 3u);
  EXPECT_EQ(a->parameters.at(0).fallback, "shop");
  EXPECT_EQ(a->environment.at("MODE"), "fast");
  EXPECT_EQ(a->secret_files.at("TOKEN"), "/run/secrets/token");
  EXPECT_TRUE(a->limits.network);
  EXPECT_EQ(a->limits.timeout, std::chrono::minutes(2));
  EXPECT_EQ(a->limits.output_bytes_max, 10u * 1024);
  EXPECT_EQ(a->limits.processes_max, 5u);
  EXPECT_EQ(a->approval->within, std::chrono::minutes(5));
  EXPECT_EQ(a->retries, 3);
  EXPECT_EQ(a->rollback, "undo");
  EXPECT_EQ(a->triggers.at(0).at_most, 2);
  EXPECT_EQ((*parsed)->find("nothing"), nullptr);
}

TEST(Catalogue, WhatIsWrongHasItsPlace) {
  struct {
    const char* fields;
    const char* part;
  } const cases[] = {
      {"  shell: x\n", "a.yml:4:3: unknown field \"shell\""},
      {"  parameters: {Service: {pattern: x}}\n", "a parameter's name"},
      {"  parameters: {s: {}}\n", "needs a field \"pattern\""},
      {"  parameters: {s: {pattern: '['}}\n", "not a regular expression"},
      {"  parameters: {s: {pattern: '[a-z]+', default: '1'}}\n", "does not match the pattern"},
      {"  environment: {path: x}\n", "A-Z"},
      {"  environment: {LD_PRELOAD: x}\n", "not for the taking"},
      {"  environment: {SENTINEL_INCIDENT: x}\n", "not for the taking"},
      {"  secrets: {TOKEN: token}\n", "absolute path"},
      {"  limits: {read: [etc]}\n", "absolute path"},
      {"  limits: {write: [/]}\n", "must not be in a sandbox"},
      {"  limits: {read: [/srv/../root]}\n", "absolute path"},
      {"  limits: {read: [/var/run/docker.sock]}\n", "must not be in a sandbox"},
      {"  limits: {timeout: 2h}\n", "at most 1h"},
      {"  limits: {output: 1GB}\n", "at most 1MB"},
      {"  limits: {processes: 0}\n", "1 to 4096"},
      {"  retries: 1\n", "idempotent"},
      {"  rollback: nothing\n", "there is no automation \"nothing\""},
      {"  approval: {within: 1m}\n", "needs a field \"role\""},
      {"  triggers: [{match: {}}]\n", "at least one label"},
      {"- {id: a, argv: [/bin/true]}\n", "there twice"},
      {"- {id: b, argv: [true]}\n", "absolute path of a program"},
      {"- {id: b, argv: []}\n", "absolute path of a program"},
      {"- {id: B, argv: [/bin/true]}\n", "an id is"},
  };
  for (const auto& c : cases) EXPECT_NE(error_of(c.fields).find(c.part), std::string::npos) << error_of(c.fields);
}

TEST(Parameters, AreGivenOrTakenOrDefault) {
  const auto parsed = Catalogue::parse(
      "automations:\n- id: a\n  argv: [/bin/true]\n  parameters:\n    s: {pattern: '[a-z]+', default: d, from_label: "
      "service}\n",
      "a.yml");
  ASSERT_TRUE(parsed);
  const Automation& a = (*parsed)->all().at(0);
  EXPECT_EQ(resolve_parameters(a, {}, {})->at("s"), "d");
  EXPECT_EQ(resolve_parameters(a, {}, {{"service", "label"}})->at("s"), "label");
  EXPECT_EQ(resolve_parameters(a, {{"s", "given"}}, {{"service", "label"}})->at("s"), "given");
  EXPECT_FALSE(resolve_parameters(a, {}, {{"service", "$(rm)"}})) << "labels are checked too";
  EXPECT_FALSE(resolve_parameters(a, {{"s", "a\nb"}}, {}));
  EXPECT_FALSE(resolve_parameters(a, {{"s", std::string("a\0b", 3)}}, {}));
}

}  // namespace
}  // namespace sentinel::automation
