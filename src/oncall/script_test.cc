// tests/data/oncall/*.test: a configuration, what happens at which time, and the pages that come of it. Each script
// runs twice: as it is, and with a restart after every line, which must change nothing. SENTINEL_UPDATE_GOLDEN=1
// rewrites the expectations; the diff is for review. The language is in tests/data/oncall/README.md.

#include <dirent.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <sstream>

#include "base/duration.h"
#include "base/strings.h"
#include "oncall/test_world.h"
#include "text/json.h"

namespace sentinel::oncall {
namespace {

const std::string kFolder = std::string(SENTINEL_SOURCE_DIR) + "/tests/data/oncall";

std::vector<std::string> script_names() {
  std::vector<std::string> names;
  if (DIR* dir = ::opendir(kFolder.c_str())) {
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name.ends_with(".test")) names.push_back(name.substr(0, name.size() - 5));
    }
    ::closedir(dir);
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Words {
  std::vector<std::string> plain;
  std::map<std::string, std::string> options;
  std::string option(const std::string& name, std::string fallback) const {
    const auto it = options.find(name);
    return it == options.end() ? fallback : it->second;
  }
};

Words words_of(std::string_view line) {
  Words out;
  for (const std::string_view word : split(line, ' ')) {
    const size_t equals = word.find('=');
    if (word.empty()) continue;
    if (equals == std::string_view::npos) {
      out.plain.emplace_back(word);
    } else {
      out.options.emplace(word.substr(0, equals), word.substr(equals + 1));
    }
  }
  return out;
}

// Runs one script. The result is the script with the expectations as they came out.
class ScriptRun {
 public:
  ScriptRun(const std::string& text, bool restart_everywhere) : restart_everywhere_(restart_everywhere), in_(text) {}

  std::string run() {
    std::string line;
    while (std::getline(in_, line)) {
      if (line.starts_with("  ")) continue;  // of the expectation before
      out_ += line + "\n";
      if (line.empty() || line.front() == '#') continue;
      step(line);
      if (::testing::Test::HasFatalFailure()) break;
      if (restart_everywhere_ && world_) world_->restart();
    }
    return out_;
  }

 private:
  void step(const std::string& line) {
    words_ = words_of(line);
    const std::string verb = words_.plain.front();
    if (verb == "start") {
      start_ = parse_time(words_.plain.at(1)).value();
    } else if (verb == "config" || verb == "reload") {
      const std::string text = block();
      if (verb == "reload") {
        done(world_->reload(text));
      } else {
        world_ = std::make_unique<World>(text, start_);
      }
    } else if (verb == "at") {
      world_->scheduler.run_until(start_ + Micros(parse_duration(words_.plain.at(1)).value()));
    } else if (verb == "restart") {
      world_->restart(parse_duration(words_.option("down", "0s")).value());
      world_->scheduler.run_ready();
    } else if (!act(verb) && !show(verb)) {
      FAIL() << "unknown line: " << line;
    }
  }

  bool act(const std::string& verb) {
    Escalations& e = *world_->escalations;
    const std::string key = words_.plain.size() > 1 ? words_.plain[1] : "";
    const std::string by = words_.option("by", "");
    if (verb == "trigger") {
      const auto r = e.trigger(
          {key, words_.option("policy", "p"), words_.option("title", key), words_.option("urgent", "yes") == "yes"});
      done(r ? Status() : fail(r.error()));
    } else if (verb == "ack") {
      done(e.acknowledge(key, by));
    } else if (verb == "resolve") {
      const auto r = e.resolve(key, by);
      done(r ? Status() : fail(r.error()));
    } else if (verb == "escalate") {
      done(e.escalate(key, by));
    } else if (verb == "reopen") {
      done(write([&](state::Tx& tx) {
        return e.restart_in(tx, {key, words_.option("policy", "p"), key, words_.option("urgent", "yes") == "yes"}, by);
      }));
    } else if (verb == "change") {
      done(write([&](state::Tx& tx) {
        return e.change_in(tx, {key, words_.option("policy", "p"), key, words_.option("urgent", "yes") == "yes"}, by);
      }));
    } else if (verb == "delivered" || verb == "undelivered") {
      const std::string page = newest_to(key);
      done(write([&](state::Tx& tx) {
        return verb == "delivered" ? e.delivered_in(tx, page)
                                   : e.undelivered_in(tx, page, words_.option("error", "refused"));
      }));
    } else if (verb == "reassign") {
      done(e.reassign(key, words_.option("policy", ""), by));
    } else {
      return false;
    }
    return true;
  }

  Status write(const std::function<Status(state::Tx&)>& fn) {
    const Status written = world_->database->write(fn);
    written ? world_->escalations->committed() : world_->escalations->rolled_back();
    return written;
  }

  std::string newest_to(const std::string& receiver) {
    std::string key;
    for (const state::OutboxMessage& m : world_->outbox()) {
      if (m.receiver == receiver) key = m.key;
    }
    return key;
  }

  // `bad` at the end of a line: it must be refused.
  void done(const Status& status) {
    const bool bad = words_.plain.back() == "bad";
    EXPECT_EQ(status.has_value(), !bad) << out_ << (status ? "" : status.error().to_string());
    if (!status) say(status.error().to_string());
  }

  bool show(const std::string& verb) {
    if (verb == "expect") {
      for (const state::OutboxMessage& m : world_->outbox()) {
        if (m.id <= seen_) continue;
        seen_ = m.id;
        const auto page = text::parse_json_object(m.payload).value();
        say(since(m.created_at) + " " + m.receiver + " " + text::json_string(page, "level").value() + " " +
            text::json_string(page, "escalation").value());
      }
    } else if (verb == "wanted") {
      for (const state::OutboxMessage& m : world_->outbox()) {
        if (world_->wanted(m)) say(m.key);
      }
    } else if (verb == "status") {
      const auto all = world_->escalations->list(true, 1000).value();
      for (const Escalation& e : all) {
        say(e.key + " " + std::string(escalation_state_name(e.state)) + (e.level_id.empty() ? "" : " " + e.level_id) +
            " cycle " + std::to_string(e.cycle) + (e.due_at ? " due " + since(*e.due_at) : "") +
            (e.waiting.empty() ? "" : " waiting for " + e.waiting));
      }
    } else if (verb == "pages") {
      const auto all = world_->escalations->pages(words_.plain.at(1), 1000).value();
      for (const PageRecord& p : all) {
        say(since(p.at) + " " + p.user + "/" + p.channel + " " + p.level_id + " " +
            (p.outcome.empty() ? "under way" : p.outcome) + (p.error.empty() ? "" : ": " + p.error));
      }
    } else if (verb == "events") {
      const auto all = world_->escalations->events(words_.plain.at(1), 1000).value();
      for (const EscalationEvent& e : all) {
        std::string text = since(e.at) + " " + e.kind;
        for (const std::string& part : {e.level, e.user, e.detail}) text += part.empty() ? "" : " " + part;
        say(text);
      }
    } else {
      return false;
    }
    return true;
  }

  std::string block() {
    std::string text;
    std::string line;
    while (std::getline(in_, line)) {
      out_ += line + "\n";
      if (line == "end") break;
      text += line + "\n";
    }
    return text;
  }

  std::string since(TimePoint t) const { return format_duration(std::chrono::floor<Millis>(t - start_)); }
  void say(const std::string& text) { out_ += "  " + text + "\n"; }

  const bool restart_everywhere_;
  std::istringstream in_;
  std::string out_;
  Words words_;
  TimePoint start_ = FakeClock().now();
  int64_t seen_ = 0;
  std::unique_ptr<World> world_;
};

class OncallScript : public ::testing::TestWithParam<std::string> {};

TEST_P(OncallScript, comes_out_as_written) {
  const std::string path = kFolder + "/" + GetParam() + ".test";
  const std::string text = posix_env().read_file(path).value();
  const std::string plain = ScriptRun(text, false).run();
  EXPECT_EQ(ScriptRun(text, true).run(), plain) << "with a restart after every line";
  if (::getenv("SENTINEL_UPDATE_GOLDEN") != nullptr) {
    EXPECT_TRUE(posix_env().write_file_atomic(path, plain));
  } else {
    EXPECT_EQ(plain, text);
  }
}
INSTANTIATE_TEST_SUITE_P(Files, OncallScript, ::testing::ValuesIn(script_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace sentinel::oncall
