// Mail: an answer to a page acknowledges, resolves, escalates or is a note. A mail server hands over the message, or a
// provider posts it as JSON; the address it went to has a token that is good for that one page.

#include <algorithm>

#include <boost/json.hpp>

#include "base/strings.h"
#include "connect/kinds.h"
#include "connect/mail_message.h"
#include "text/json.h"

namespace sentinel::connect {
namespace {

namespace json = boost::json;

Received nothing() {
  Received out;
  out.answer = net::json_response(200, R"({"ok":true})");
  return out;
}

// The form of Postmark, which others can be told to send.
Result<Mail> mail_of_json(std::string_view text) {
  SENTINEL_ASSIGN(const json::object body, text::parse_json_object(text));
  Mail out;
  if (const json::value* list = body.if_contains("Headers"); list != nullptr && list->is_array()) {
    for (const json::value& h : list->get_array())
      out.headers.emplace_back(to_lower(string_at(h, {"Name"})), string_at(h, {"Value"}));
  }
  for (const char* name : {"OriginalRecipient", "To", "Cc"}) out.headers.emplace_back("to", string_at(body, {name}));
  if (out.header("message-id").empty()) out.headers.emplace_back("message-id", string_at(body, {"MessageID"}));
  out.text = string_at(body, {"StrippedTextReply"});
  if (trim(out.text).empty()) out.text = string_at(body, {"TextBody"});
  return out;
}

Command command_of(std::string_view written) {
  const size_t end = std::min(written.find_first_of(" \t\r\n.,:!"), written.size());
  const std::string word = to_lower(written.substr(0, end));
  std::string_view rest = written.substr(end);
  while (!rest.empty() && std::string_view(" \t\r\n.,:!").find(rest.front()) != std::string_view::npos)
    rest.remove_prefix(1);
  Command out;
  out.text = std::string(rest);
  if (word == "ack" || word == "acknowledge" || word == "acknowledged") {
    out.verb = Verb::kAcknowledge;
  } else if (word == "resolve" || word == "resolved") {
    out.verb = Verb::kResolve;
  } else if (word == "escalate") {
    out.verb = Verb::kEscalate;
  } else {
    out.verb = Verb::kNote;
    out.text = std::string(written);
  }
  return out;
}

class MailIn final : public Connection {
 public:
  MailIn() : Connection("mail", false) {}
  Status configure(const text::YamlNode& node, const std::string& folder) {
    SENTINEL_TRY(read(node, folder, {{"address", &address_}}));
    const size_t at = address_.find('@');
    if (at == std::string::npos || at == 0 || at + 1 == address_.size() ||
        address_.find_first_of("+<> ,") != std::string::npos)
      return fail(node.get("address").error("expected the address that answers go to, such as reply@example.org"));
    return {};
  }
  bool speaks() const override { return false; }
  std::string reply_address() const override { return address_; }
  std::optional<Step> next(const View&, const Memory&, bool) const override { return std::nullopt; }
  receivers::SendResult heard(const Step&, const net::Response&, TimePoint, Memory&,
                              std::vector<Command>&) const override {
    return {};
  }
  Place place(const Memory&) const override { return {}; }

  // A mail that cannot be used is taken all the same: its server would try for days, or send it back to a list.
  Result<Received> receive(const net::Request& request, TimePoint) const override {
    const bool is_json = request.headers.get("Content-Type").starts_with("application/json");
    SENTINEL_ASSIGN(const Mail mail, is_json ? mail_of_json(request.body) : parse_mail(request.body));
    if (is_automatic(mail)) return nothing();
    Received out;
    for (const auto& [name, value] : mail.headers) {
      if (name != "to" && name != "cc" && name != "delivered-to" && name != "x-original-to") continue;
      if (out.page_token.empty()) out.page_token = token_in(value, address_);
    }
    if (out.page_token.empty()) return fail(ErrorCode::kUnauthenticated, "the mail did not go to an address of a page");
    const std::string written = written_part(mail.text);
    if (written.empty()) return nothing();
    out.id = std::string(mail.header("message-id"));
    out.commands.push_back(command_of(written));
    return out;
  }

 private:
  std::string address_;
};

}  // namespace

ConnectionResult read_mail(const text::YamlNode& node, const std::string& folder) {
  return read_as<MailIn>(node, folder);
}

}  // namespace sentinel::connect
