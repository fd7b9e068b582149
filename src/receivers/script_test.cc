// Runs tests/data/receivers/KIND.test (its README has the language): a configuration and a notification in, the calls
// they make and the judgement of the answers out. SENTINEL_UPDATE=1 writes what came out back into the files.

#include <dirent.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <boost/json.hpp>

#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/test_notification.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

struct Block {
  std::string head;  // the line itself
  std::vector<std::string> body;
  std::string text() const {
    std::string out;
    for (const std::string& line : body) out += line + "\n";
    return out;
  }
};

struct Case {
  Block title;
  Block config{"config", {}};
  std::optional<Block> global;
  std::string alerts = "both";
  std::string reason = "first notification";
  std::string remembered;
  std::vector<Block> answers;
};

bool starts(const std::string& line, std::string_view word) {
  return line == word || line.starts_with(std::string(word) + " ");
}

std::string rest_of(const std::string& line) {
  return line.find(' ') == line.npos ? "" : line.substr(line.find(' ') + 1);
}

std::vector<Block> blocks_of(std::istream& in) {
  std::vector<Block> out;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("  ") && !out.empty()) {
      out.back().body.push_back(line.substr(2));
    } else if (!line.empty()) {
      out.push_back({line, {}});
    }
  }
  return out;
}

std::vector<Case> cases_of(const std::vector<Block>& blocks, std::string& header) {
  std::vector<Case> cases;
  for (const Block& block : blocks) {
    if (starts(block.head, "#") && cases.empty()) header += block.head + "\n";
    if (starts(block.head, "case")) cases.push_back({block, {"config", {}}, {}, "both", "first notification", "", {}});
    if (cases.empty()) continue;
    Case& c = cases.back();
    if (block.head == "config") c.config = block;
    if (block.head == "global") c.global = block;
    if (starts(block.head, "alerts")) c.alerts = rest_of(block.head);
    if (starts(block.head, "reason")) c.reason = rest_of(block.head);
    if (starts(block.head, "remembered")) c.remembered = rest_of(block.head);
    if (starts(block.head, "answer")) c.answers.push_back(block);
  }
  return cases;
}

void print_json(const json::value& value, const std::string& indent, std::string& out) {
  const auto children = [&](const auto& items, char open, char close, const auto& print) {
    if (items.empty()) {
      (out += open) += close;
      return;
    }
    out += open;
    bool first = true;
    for (const auto& item : items) {
      out += (first ? "\n" : ",\n") + indent + "  ";
      first = false;
      print(item);
    }
    (out += "\n" + indent) += close;
  };
  if (value.is_object()) {
    children(value.as_object(), '{', '}', [&](const auto& item) {
      out += json_quote(item.key()) + ": ";
      print_json(item.value(), indent + "  ", out);
    });
  } else if (value.is_array()) {
    children(value.as_array(), '[', ']', [&](const auto& item) { print_json(item, indent + "  ", out); });
  } else {
    out += json::serialize(value);
  }
}

std::string indented(const std::string& text) {
  std::string out;
  for (const std::string_view line : split(text, '\n')) out += line.empty() ? "\n" : "  " + std::string(line) + "\n";
  return out;
}

std::string shown_call(const Receiver& receiver, HttpCall call) {
  if (!call.headers.has("Authorization")) EXPECT_TRUE(authorize(call.headers, receiver.http()));
  std::string out = call.method + " " + call.url + "\n";
  for (const auto& [name, value] : call.headers.all()) out += std::string(name) + ": " + std::string(value) + "\n";
  const auto body = text::parse_json(call.body);
  if (body) {
    print_json(*body, "", out);
  } else {
    out += call.body.empty() ? "(no body)" : replace_all(call.body, "&", "\n&");
  }
  return "call\n" + indented(out);
}

std::string shown_mail(const net::SmtpJob& job) {
  const char* tls = job.tls == net::SmtpTls::kImplicit   ? "from the start"
                    : job.tls == net::SmtpTls::kStartTls ? "STARTTLS"
                                                         : "none";
  std::string out = job.host + ":" + std::to_string(job.port) + " TLS " + tls + ", EHLO " + job.hello + "\n";
  if (!job.username.empty()) {
    out += "auth " + job.username + " password " + job.password + " secret " + job.cram_secret + "\n";
  }
  out += "from " + job.from + " to " + join(job.to, " ") + "\n\n";
  std::string text = replace_all(job.message, "\r\n", "\n");
  if (const size_t at = text.find("Message-Id: <key-1@"); at != text.npos) {
    text.replace(at, text.find('>', at) - at, "Message-Id: <key-1@HOST");
  }
  return "mail\n" + indented(out + text);
}

std::string shown_result(const SendResult& r) {
  using Kind = SendResult::Kind;
  std::string out = r.kind == Kind::kDelivered ? "result delivered"
                    : r.kind == Kind::kRetry   ? "result retry"
                                               : "result failed";
  if (r.retry_after) out += " after " + std::to_string(r.retry_after->count() / 1'000'000) + "s";
  if (!r.error.empty()) out += ": " + r.error;
  if (!r.remember.empty()) out += "\nremember " + r.remember;
  return out + "\n";
}

net::Response response_of(const Block& block) {
  net::Response r;
  const std::vector<std::string_view> words = split(block.head, ' ');
  r.status = static_cast<int>(words.size() > 1 ? parse_int(words[1]).value_or(0) : 200);
  size_t body = 0;
  for (; body < block.body.size(); ++body) {  // headers first: Name: value
    const std::string& line = block.body[body];
    const size_t colon = line.find(": ");
    if (colon == line.npos || line.find_first_of(" {\"") < colon) break;
    r.headers.set(line.substr(0, colon), line.substr(colon + 2));
  }
  for (; body < block.body.size(); ++body) r.body += block.body[body];
  return r;
}

// The case as it should stand in the file.
std::string transcript(const Kind& kind, const Case& c, TokenCache& tokens) {
  std::string out =
      c.title.head + "\nconfig\n" +
      indented(trim(c.config.text()).empty() ? "{}" : c.config.text().substr(0, c.config.text().size() - 1));
  if (c.global) out += "global\n" + indented(c.global->text().substr(0, c.global->text().size() - 1));
  if (c.alerts != "both") out += "alerts " + c.alerts + "\n";
  if (c.reason != "first notification") out += "reason " + c.reason + "\n";
  if (!c.remembered.empty()) out += "remembered " + c.remembered + "\n";
  const auto yaml = [](const Block& b) { return text::parse_yaml(b.text(), "").value_or(text::YamlNode()); };
  const auto globals = read_globals(c.global ? yaml(*c.global) : text::YamlNode(), "");
  if (!globals) return out + "refused " + globals.error().message() + "\n";
  const ReceiverResult receiver = kind.read(yaml(c.config), *globals);
  if (!receiver) return out + "refused " + receiver.error().message() + "\n";
  const FakeClock clock(parse_time("2026-01-01T02:00:00Z").value());
  Notification notification = test_notification(c.alerts);
  notification.reason = c.reason;
  Expander expand(Templates::load({}, clock).value(), notification);
  Attempt attempt{notification, expand, tokens, clock.now(), "key-1", c.remembered};
  Next next = (*receiver)->begin(attempt);
  size_t answered = 0;
  while (next.call) {
    out += shown_call(**receiver, *next.call);
    const Block answer = answered < c.answers.size() ? c.answers[answered] : Block{"answer 200", {}};
    ++answered;
    out += answer.head + "\n";
    for (const std::string& line : answer.body) out += "  " + line + "\n";
    const auto judge = std::move(next.then);
    next = judge(response_of(answer));
  }
  if (next.mail) return out + shown_mail(*next.mail);
  EXPECT_LE(c.answers.size(), answered) << "answers that nobody asked for in: " << c.title.head;
  return out + shown_result(next.result);
}

class Scripts : public testing::TestWithParam<std::string_view> {};

TEST_P(Scripts, calls_and_judgements_are_as_written) {
  const auto kind = std::find_if(kinds().begin(), kinds().end(), [](const Kind& k) { return k.name == GetParam(); });
  ASSERT_NE(kind, kinds().end());
  const std::string path =
      std::string(SENTINEL_SOURCE_DIR) + "/tests/data/receivers/" + std::string(GetParam()) + ".test";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::string header;
  const std::vector<Case> cases = cases_of(blocks_of(file), header);
  ASSERT_FALSE(cases.empty());
  std::string all = header;
  TokenCache tokens;
  for (const Case& c : cases) all += "\n" + transcript(*kind, c, tokens);
  std::ifstream again(path);
  std::ostringstream written;
  written << again.rdbuf();
  if (::getenv("SENTINEL_UPDATE") != nullptr) std::ofstream(path) << all;
  EXPECT_EQ(written.str(), all);
}

std::vector<std::string_view> kind_names() {
  std::vector<std::string_view> names;
  for (const Kind& kind : kinds()) names.push_back(kind.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Kinds, Scripts, testing::ValuesIn(kind_names()),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace sentinel::receivers
