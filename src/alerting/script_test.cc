// tests/data/alerting/*.test: a configuration, a timed stream of alerts, and the notifications that come of it.
// Each script runs twice: as it is, and with a restart after every line, which must change nothing.
// SENTINEL_UPDATE_GOLDEN=1 rewrites the expectations; the diff is for review. The language is in
// tests/data/alerting/README.md.

#include <dirent.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "alerting/matcher_parser.h"
#include "alerting/test_world.h"
#include "base/duration.h"
#include "base/strings.h"

namespace sentinel::alerting {
namespace {

const std::string kFolder = std::string(SENTINEL_SOURCE_DIR) + "/tests/data/alerting";

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

model::Labels labels_of(std::string_view text) {
  const auto matchers = parse_matchers(text);
  EXPECT_TRUE(matchers) << text;
  model::Labels labels;
  if (matchers) {
    for (const model::Matcher& m : *matchers) labels.set(m.name(), m.value());
  }
  return labels;
}

Micros duration_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  const auto d = parse_duration(negative ? text.substr(1) : text);
  EXPECT_TRUE(d) << text;
  return d ? (negative ? -Micros(*d) : Micros(*d)) : Micros(0);
}

// Runs one script. `out` gets the script with the expectations as they came out.
class ScriptRun {
 public:
  ScriptRun(const std::string& text, bool restart_everywhere) : restart_everywhere_(restart_everywhere), in_(text) {}

  std::string run() {
    std::string line;
    while (std::getline(in_, line)) {
      out_ << line << "\n";
      const std::string_view command = trim(line);
      if (command.empty() || command.starts_with('#')) continue;
      execute(command);
      if (::testing::Test::HasFatalFailure()) break;
      if (restart_everywhere_ && world_) world_->restart();
    }
    if (world_) {
      EXPECT_EQ(shown_, world_->sender.sent.size()) << "notifications after the last \"expect\"";
    }
    return out_.str();
  }

 private:
  std::string block() {
    std::string text;
    std::string line;
    while (std::getline(in_, line)) {
      out_ << line << "\n";
      if (trim(line) == "end") break;
      text += line + "\n";
    }
    return text;
  }

  // "verb {labels} key=value key=value": the words after the labels.
  struct Words {
    std::string verb;
    std::string labels;
    std::map<std::string, std::string> options;
    std::vector<std::string> plain;
  };
  static Words words_of(std::string_view command) {
    Words words;
    const size_t open = command.find('{');
    const size_t close = command.rfind('}');
    std::string rest(command);
    if (open != std::string_view::npos && close != std::string_view::npos) {
      words.labels = std::string(command.substr(open, close - open + 1));
      rest = std::string(command.substr(0, open)) + std::string(command.substr(close + 1));
    }
    for (const std::string_view part : split(rest, ' ')) {
      if (part.empty()) continue;
      const size_t equals = part.find('=');
      if (words.verb.empty()) {
        words.verb = part;
      } else if (equals != std::string_view::npos) {
        words.options[std::string(part.substr(0, equals))] = part.substr(equals + 1);
      } else {
        words.plain.emplace_back(part);
      }
    }
    return words;
  }

  void execute(std::string_view command) {
    const Words w = words_of(command);
    if (w.verb == "config") return start(block());
    ASSERT_TRUE(world_) << "a script begins with config";
    if (w.verb == "at") return world_->scheduler.run_until(world_->start() + duration_of(w.plain.at(0)));
    if (w.verb == "put" || w.verb == "resolve") return put(w);
    if (w.verb == "silence") return silence(w);
    if (w.verb == "unsilence") {
      EXPECT_TRUE(world_->alerting->expire_silence(silences_.at(w.plain.at(0)), {"ada", "cli", "127.0.0.1:1"}));
      return;
    }
    if (w.verb == "acknowledge" || w.verb == "unacknowledge") return acknowledge(w);
    if (w.verb == "restart")
      return world_->restart(w.options.contains("down") ? duration_of(w.options.at("down")) : Micros(0));
    if (w.verb == "reload") {
      const Status s = world_->reload(block());
      EXPECT_EQ(s.has_value(), w.plain.empty()) << (s ? "" : s.error().to_string());
      return;
    }
    if (w.verb == "hold") {
      world_->sender.held[w.plain.at(0)] = world_->scheduler.now() + duration_of(w.plain.at(1));
      return;
    }
    if (w.verb == "digests") {
      world_->sender.refuses_digests = w.plain.at(0) == "refused";
      return;
    }
    if (w.verb == "fail") return fail_receiver(w);
    if (w.verb == "alerts") return show_block(alert_lines(w));
    if (w.verb == "recurring") return recurring(w);
    if (w.verb == "unrecurring") {
      EXPECT_TRUE(world_->alerting->remove_recurring_silence(silences_.at(w.plain.at(0))));
      return;
    }
    if (w.verb == "instances") return show_block(instance_lines(silences_.at(w.plain.at(0))));
    if (w.verb == "audit") return show_block(audit_lines());
    if (w.verb == "ending") return show_block(ending_lines(duration_of(w.plain.at(0))));
    if (w.verb == "silences") return show_block(silence_lines());
    if (w.verb == "heard") return show_block(heard_lines());
    if (w.verb == "history") return show_block(history_lines());
    if (w.verb == "expect") return show_block(notification_lines());
    FAIL() << "unknown command: " << command;
  }

  void start(const std::string& config) { world_ = std::make_unique<World>(config); }

  void put(const Words& w) {
    const TimePoint now = world_->scheduler.now();
    model::Alert alert;
    alert.labels = labels_of(w.labels);
    if (w.options.contains("note")) alert.annotations.set("summary", w.options.at("note"));
    if (w.options.contains("flap")) {
      const auto words = split(w.options.at("flap"), '/');
      std::string text = std::string(words.at(0)) + " in " + std::string(words.at(1));
      if (words.size() > 2) text += ", calm at " + std::string(words[2]);
      alert.annotations.set(kFlapAnnotation, text);
    }
    if (w.options.contains("starts")) alert.starts_at = now + duration_of(w.options.at("starts"));
    if (w.options.contains("ends")) alert.ends_at = now + duration_of(w.options.at("ends"));
    if (w.verb == "resolve") {
      alert.ends_at = now;
      if (!w.options.contains("starts")) alert.starts_at = std::min(now, world_->start());
    }
    const Status s = world_->alerting->put({alert});
    EXPECT_EQ(s.has_value(), w.plain.empty()) << (s ? "expected an error" : s.error().to_string());
  }

  void silence(const Words& w) {
    Silence s;
    s.matcher_sets.push_back(parse_matchers(w.labels).value());
    s.starts_at = world_->scheduler.now() + (w.options.contains("in") ? duration_of(w.options.at("in")) : Micros(0));
    s.ends_at = s.starts_at + duration_of(w.options.at("for"));
    s.created_by = "test";
    for (const char* name : {"remind_before", "remind_receiver"}) {
      if (w.options.contains(name)) s.annotations.set(name, w.options.at(name));
    }
    if (w.options.contains("by")) s.created_by = w.options.at("by");
    if (w.options.contains("until_resolved")) s.annotations.set("until_resolved", w.options.at("until_resolved"));
    if (w.options.contains("change")) s.id = silences_.at(w.options.at("change"));
    const auto id = world_->alerting->set_silence(s, {"ada", "cli", "127.0.0.1:1"});
    if (!w.plain.empty()) {
      EXPECT_FALSE(id) << "expected an error";
      return;
    }
    ASSERT_TRUE(id) << id.error().to_string();
    silences_[w.options.at("as")] = *id;
  }

  // recurring {matchers} times=22:00-06:00 … as=NAME
  void recurring(const Words& w) {
    std::string schedule = "[{";
    for (const char* name : {"weekdays", "days_of_month", "months", "years"}) {
      if (w.options.contains(name)) schedule += std::string(name) + ": ['" + w.options.at(name) + "'], ";
    }
    if (w.options.contains("times")) {
      const auto times = split(w.options.at("times"), '-');
      schedule +=
          "times: [{start_time: '" + std::string(times.at(0)) + "', end_time: '" + std::string(times.at(1)) + "'}], ";
    }
    if (w.options.contains("location")) schedule += "location: " + w.options.at("location");
    RecurringSilence r;
    r.schedule_text = schedule + "}]";
    r.instance.matcher_sets.push_back(parse_matchers(w.labels).value());
    r.instance.created_by = "test";
    if (w.options.contains("until")) r.ends_at = world_->start() + duration_of(w.options.at("until"));
    const auto added = world_->alerting->add_recurring_silence(r, {"ada", "cli", "127.0.0.1:1"});
    EXPECT_EQ(added.has_value(), w.plain.empty()) << (added ? "expected an error" : added.error().to_string());
    if (added) silences_[w.options.at("as")] = added->id;
  }

  std::vector<std::string> instance_lines(const std::string& id) {
    std::vector<Silence> list;
    for (Silence& s : world_->alerting->silences()) {
      if (s.annotations.get(kRecurringAnnotation) == id) list.push_back(std::move(s));
    }
    std::sort(list.begin(), list.end(), [](const Silence& a, const Silence& b) { return a.starts_at < b.starts_at; });
    std::vector<std::string> lines;
    for (const Silence& s : list) {
      lines.push_back(std::string(silence_state_name(s.state(world_->scheduler.now()))) + " " +
                      format_rfc3339(s.starts_at) + " to " + format_rfc3339(s.ends_at));
    }
    return lines;
  }

  // acknowledge {labels} [group=RECEIVER] [by=NAME] [note=text] [for=1h] [bad]
  void acknowledge(const Words& w) {
    AlertSelection which;
    if (w.options.contains("group")) {
      which.group = {w.options.at("group"), labels_of(w.labels)};
    } else {
      model::Alert alert;
      alert.labels = labels_of(w.labels);
      which.fingerprints.push_back(alert.fingerprint());
    }
    AlertAction action{{w.options.contains("by") ? w.options.at("by") : "ada", "cli", "127.0.0.1:1"}};
    if (w.options.contains("note")) action.note = w.options.at("note");
    if (w.options.contains("for")) action.until = world_->scheduler.now() + duration_of(w.options.at("for"));
    const auto done = w.verb == "acknowledge" ? world_->alerting->acknowledge(which, action)
                                              : world_->alerting->unacknowledge(which, action);
    EXPECT_EQ(done.has_value(), w.plain.empty()) << (done ? "expected an error" : done.error().to_string());
  }

  void fail_receiver(const Words& w) {
    using Kind = receivers::SendResult::Kind;
    const std::string how = w.plain.at(1);
    const int times = w.plain.size() > 2 ? static_cast<int>(parse_int(w.plain.at(2)).value()) : -1;
    world_->sender.failing[w.plain.at(0)] = {how == "refuse" ? Kind::kFailed : Kind::kRetry,
                                             how == "never" ? 0 : times};
  }

  std::string since_start(TimePoint t) const {
    return format_duration(std::chrono::floor<Millis>(t - world_->start()));
  }

  std::vector<std::string> notification_lines() {
    using Kind = receivers::SendResult::Kind;
    std::vector<std::string> lines;
    for (; shown_ < world_->sender.sent.size(); ++shown_) {
      const Sent& s = world_->sender.sent[shown_];
      std::string line = since_start(s.at) + " " + s.integration;
      if (s.result != Kind::kDelivered) line += s.result == Kind::kRetry ? " (try again)" : " (refused)";
      if (const std::string_view digest = s.notification.group_labels.get(receivers::kDigestLabel); !digest.empty())
        line += " digest of " + std::string(digest);
      for (const bool resolved : {false, true}) {
        std::string list;
        for (const receivers::NotifiedAlert& a : s.notification.alerts) {
          if (a.resolved != resolved) continue;
          list += " " + a.alert.labels.to_string();
          if (a.alert.annotations.has("flapping")) list += " flapping";
        }
        if (!list.empty()) line += (resolved ? " resolved" : " firing") + list;
      }
      if (const std::string_view note = s.notification.alerts.front().alert.annotations.get("summary");
          s.notification.alerts.front().alert.name() == kReminderAlertName)
        line += " \"" + std::string(note) + "\"";
      lines.push_back(scripted(std::move(line)));
    }
    return lines;
  }

  std::vector<std::string> alert_lines(const Words& w) {
    AlertQuery query;
    if (!w.labels.empty()) query.matchers = parse_matchers(w.labels).value();
    std::vector<std::string> lines;
    for (const AlertView& v : world_->alerting->alerts(query)) {
      std::string line = v.alert.labels.to_string() + (v.state == AlertVisibility::kActive ? " active" : " suppressed");
      if (!v.silenced_by.empty()) line += " silenced";
      if (!v.inhibited_by.empty()) line += " inhibited";
      for (const std::string& name : v.muted_by) line += " muted:" + name;
      if (v.flapping) line += " flapping";
      if (v.acknowledged) line += " acknowledged:" + v.acknowledged->by.name;
      for (const std::string& name : v.receivers) line += " >" + name;
      lines.push_back(line);
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  std::vector<std::string> audit_lines() {
    std::vector<std::string> lines;
    const auto entries = world_->alerting->audit({});
    EXPECT_TRUE(entries);
    for (const AuditEntry& e : *entries) {
      std::string line = since_start(e.at) + " " + e.by.name + " (" + e.by.source + " " + e.by.address + ") " +
                         e.action + " " + e.target + " " + (e.before.empty() ? "nothing" : e.before) + " -> " +
                         (e.after.empty() ? "nothing" : e.after);
      lines.insert(lines.begin(), scripted(std::move(line)));
    }
    return lines;
  }

  std::vector<std::string> silence_lines() {
    std::vector<std::string> lines;
    for (const auto& [name, id] : silences_) {
      const auto s = world_->alerting->silence(id);  // a recurring one is none itself
      if (!s) continue;
      lines.push_back(name + " " + std::string(silence_state_name(s->state(world_->scheduler.now()))) + " " +
                      since_start(s->starts_at) + " to " + since_start(s->ends_at));
    }
    return lines;
  }

  std::vector<std::string> ending_lines(Micros within) {
    std::vector<std::string> lines;
    for (const EndingSilence& e : world_->alerting->ending_silences(within)) {
      std::string line = since_start(e.silence.ends_at) + " " + e.silence.id + " mutes " + std::to_string(e.firing);
      if (e.remind_at) line += ", " + since_start(*e.remind_at) + " to " + e.receiver + (e.reminded ? " told" : "");
      lines.push_back(scripted(std::move(line)));
    }
    return lines;
  }

  // Ids are random: silences are shown by their script names.
  std::string scripted(std::string line) const {
    for (const auto& [name, id] : silences_) line = replace_all(std::move(line), id, name);
    return line;
  }

  // What listeners (incidents) heard since the last time.
  std::vector<std::string> heard_lines() {
    std::vector<std::string> lines;
    for (const AlertChange& c : std::exchange(world_->listener.all, {}))
      lines.push_back(since_start(c.at) + " " + std::string(alert_change_name(c.kind)) + " " +
                      c.alert.labels.to_string());
    return lines;
  }

  std::vector<std::string> history_lines() {
    std::vector<std::string> lines;
    const auto events = world_->alerting->history({});
    EXPECT_TRUE(events);
    for (const AlertEvent& e : *events) {
      std::string line =
          since_start(e.at) + " " + std::string(alert_change_name(e.kind)) + " " + e.alert.labels.to_string();
      if (e.action) {
        line += " by " + e.action->by.name + " (" + e.action->by.source + " " + e.action->by.address + ")";
        if (!e.action->note.empty()) line += " \"" + e.action->note + "\"";
        if (e.action->until) line += " until " + since_start(*e.action->until);
      }
      lines.insert(lines.begin(), line);
    }
    return lines;
  }

  // The following indented lines are what `lines` should be.
  void show_block(const std::vector<std::string>& lines) {
    std::vector<std::string> expected;
    std::string line;
    while (in_.peek() == ' ' && std::getline(in_, line)) expected.emplace_back(trim(line));
    for (const std::string& actual : lines) out_ << "  " << actual << "\n";
    EXPECT_EQ(join(lines, "\n"), join(expected, "\n")) << "at " << since_start(world_->scheduler.now());
  }

  const bool restart_everywhere_;
  std::istringstream in_;
  std::ostringstream out_;
  std::unique_ptr<World> world_;
  std::map<std::string, std::string> silences_;
  size_t shown_ = 0;
};

class AlertingScript : public ::testing::TestWithParam<std::string> {
 protected:
  std::string path() const { return kFolder + "/" + GetParam() + ".test"; }
  std::string text() const {
    std::ifstream file(path());
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
  }
};

TEST_P(AlertingScript, runs) {
  const std::string actual = ScriptRun(text(), false).run();
  if (::getenv("SENTINEL_UPDATE_GOLDEN") != nullptr) std::ofstream(path()) << actual;
}

TEST_P(AlertingScript, runs_the_same_with_a_restart_after_every_line) { ScriptRun(text(), true).run(); }

INSTANTIATE_TEST_SUITE_P(Files, AlertingScript, ::testing::ValuesIn(script_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace sentinel::alerting
