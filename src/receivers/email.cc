// E-mail: HTML and text alternatives over SMTP (net/smtp.h). Messages of one group can be made one thread.

#include <unistd.h>

#include "base/hash.h"
#include "base/strings.h"
#include "receivers/kinds.h"
#include "receivers/limits.h"
#include "receivers/mime.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost.localdomain";
}

class Email final : public Receiver {
 public:
  Email() : Receiver(false) {}
  Status configure(const text::YamlNode& node, const Globals& globals);
  bool digestible() const override {
    return !threading_ && fixed({to_, from_, smarthost_}) &&
           std::all_of(headers_.begin(), headers_.end(),
                       [](const auto& header) { return header.first == "Subject" || fixed({header.second}); });
  }
  Next begin(Attempt& attempt) const override;

 private:
  Status take_globals(const text::YamlNode& node, const Globals& globals);
  Status read_mail_headers(const text::YamlNode& node);
  Status read_threading(const text::YamlNode& node);
  Result<net::SmtpJob> session() const;
  Result<std::string> message(Attempt& attempt) const;

  std::string to_;
  std::string from_;
  std::string hello_;
  std::string smarthost_;
  std::string username_;
  Secret password_;
  Secret secret_;
  std::string identity_;
  StringMap headers_;  // canonical names; values are templates
  std::string html_ = R"({{ template "email.default.html" . }})";
  std::string text_;
  std::optional<bool> require_tls_;
  std::optional<bool> implicit_tls_;
  TlsConfig tls_;
  bool threading_ = false;
  std::string thread_by_date_;
};

Status Email::configure(const text::YamlNode& node, const Globals& globals) {
  tls_ = globals.smtp_tls;
  const auto tls = [&](const text::YamlNode& n) -> Status {
    SENTINEL_ASSIGN(tls_, read_tls_config(n, globals.folder));
    return {};
  };
  SENTINEL_TRY(read(node, "email_configs", globals,
                    {{"to", &to_},
                     {"from", &from_},
                     {"hello", &hello_},
                     {"smarthost", HostPortField{&smarthost_}},
                     {"auth_username", &username_},
                     {"auth_password", &password_},
                     {"auth_secret", &secret_},
                     {"auth_identity", &identity_},
                     {"headers", ReadNode([this](const text::YamlNode& n) { return read_mail_headers(n); })},
                     {"html", &html_},
                     {"text", &text_},
                     {"require_tls", &require_tls_},
                     {"tls_config", ReadNode(tls)},
                     {"force_implicit_tls", &implicit_tls_},
                     {"threading", ReadNode([this](const text::YamlNode& n) { return read_threading(n); })}}));
  if (!node.get("http_config").is_null()) return fail(node.get("http_config").error("e-mail has no http_config"));
  if (to_.empty()) return fail(node.error("missing to address in email configuration"));
  if (threading_ && (headers_.contains("References") || headers_.contains("In-Reply-To"))) {
    return fail(node.get("headers").error("threading sets References and In-Reply-To itself"));
  }
  SENTINEL_TRY(take_globals(node, globals));
  headers_.try_emplace("Subject", R"({{ template "email.default.subject" . }})");
  headers_.try_emplace("To", to_);
  headers_.try_emplace("From", from_);
  return {};
}

Status Email::take_globals(const text::YamlNode& node, const Globals& g) {
  if (smarthost_.empty()) smarthost_ = g.smtp_smarthost;
  if (smarthost_.empty()) return fail(node.error("no smarthost, neither here nor smtp_smarthost in global"));
  if (from_.empty()) from_ = g.smtp_from;
  if (from_.empty()) return fail(node.error("no from address, neither here nor smtp_from in global"));
  if (hello_.empty()) hello_ = g.smtp_hello;
  if (username_.empty()) username_ = g.smtp_auth_username;
  if (identity_.empty()) identity_ = g.smtp_auth_identity;
  password_ = password_.or_else(g.smtp_auth_password);
  secret_ = secret_.or_else(g.smtp_auth_secret);
  if (!require_tls_) require_tls_ = g.smtp_require_tls;
  if (!implicit_tls_) implicit_tls_ = g.smtp_force_implicit_tls;
  return {};
}

Status Email::read_mail_headers(const text::YamlNode& node) {
  if (!node.is_map()) return fail(node.error("headers must be a map"));
  for (const text::YamlNode::Entry& entry : node.entries()) {
    const std::string name = canonical_header(entry.name());
    SENTINEL_ASSIGN(std::string value, entry.value.is_null() ? Result<std::string>("") : entry.value.string());
    if (!headers_.emplace(name, std::move(value)).second) {
      return fail(entry.key.error("duplicate header \"" + name + "\" in email configuration"));
    }
  }
  return {};
}

Status Email::read_threading(const text::YamlNode& node) {
  SENTINEL_TRY(read_fields(node, "threading", {{"enabled", &threading_}, {"thread_by_date", &thread_by_date_}}));
  if (threading_ && thread_by_date_ != "none" && thread_by_date_ != "daily") {
    return fail(node.error("thread_by_date must be none or daily"));
  }
  return {};
}

Result<net::SmtpJob> Email::session() const {
  net::SmtpJob job;
  const size_t colon = smarthost_.rfind(':');
  job.host = smarthost_.substr(0, colon);
  if (job.host.starts_with('[')) job.host = job.host.substr(1, job.host.size() - 2);
  const std::string port = smarthost_.substr(colon + 1);
  const auto number = parse_int(port);
  if (!number || *number < 1 || *number > 65535) return fail(ErrorCode::kInvalidArgument, "no such port: " + port);
  job.port = static_cast<uint16_t>(*number);
  job.hello = hello_.empty() ? "localhost" : hello_;
  job.tls = implicit_tls_.value_or(job.port == 465) ? net::SmtpTls::kImplicit
            : *require_tls_                         ? net::SmtpTls::kStartTls
                                                    : net::SmtpTls::kNone;
  SENTINEL_ASSIGN(job.tls_options, transport_options(tls_, {}, ""));
  job.username = username_;
  job.identity = identity_;
  job.timeout = kSendTimeout;
  if (username_.empty()) return job;
  SENTINEL_ASSIGN(job.password, read_secret(password_));
  SENTINEL_ASSIGN(job.cram_secret, read_secret(secret_));
  return job;
}

Result<std::string> Email::message(Attempt& attempt) const {
  std::string out;
  for (const auto& [name, value] : headers_) {
    const std::string text = q_encode_header(attempt.expand(value));
    if (text.empty() && name == "Reply-To") continue;  // an empty one is no address
    out += name + ": " + text + "\r\n";
  }
  const std::string boundary = hex_encode(sha256("boundary " + attempt.key)).substr(0, 60);
  if (!headers_.contains("Message-Id")) {
    // The same for every attempt of the same news, so that mailboxes can fold what arrives twice.
    out += "Message-Id: <" + attempt.key + "@" + host_name() + ">\r\n";
  }
  if (threading_) {
    // The root is no message that was ever sent: clients make an empty place for it and gather below.
    const std::string day = thread_by_date_ == "none" ? "" : format_rfc3339(attempt.now).substr(0, 10);
    const std::string root = "<alert-" + group_hash(attempt.notification).substr(0, 16) + "-" + day + "@alertmanager>";
    out += "References: " + root + "\r\nIn-Reply-To: " + root + "\r\n";
  }
  out += "Date: " + mail_date(attempt.now) + "\r\n";
  out += "Content-Type: multipart/alternative;  boundary=" + boundary + "\r\nMIME-Version: 1.0\r\n\r\n";
  // The preferred alternative comes last.
  const auto part = [&](const char* type, const std::string& body) {
    out += "--" + boundary + "\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: " + type +
           "; charset=UTF-8\r\n\r\n" + quoted_printable(body) + "\r\n";
  };
  if (!text_.empty()) part("text/plain", attempt.expand(text_));
  if (!html_.empty()) part("text/html", attempt.expand.html(html_));
  out += "--" + boundary + "--\r\n";
  if (attempt.expand.error()) return fail(attempt.expand.error()->with_context("e-mail"));
  return out;
}

Next Email::begin(Attempt& attempt) const {
  Result<net::SmtpJob> job = session();
  if (!job) return failed(job.error());
  const auto from = parse_address_list(attempt.expand(from_));
  const auto to = parse_address_list(attempt.expand(to_));
  if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("e-mail"));
  if (!from) return failed(from.error().with_context("'from' addresses"));
  if (from->size() != 1) return failed({ErrorCode::kInvalidArgument, "there must be exactly one 'from' address"});
  if (!to) return failed(to.error().with_context("'to' addresses"));
  Result<std::string> text = message(attempt);
  if (!text) return failed(text.error());
  job->from = from->front();
  job->to = *to;
  job->message = std::move(*text);
  Next next;
  next.mail = std::move(*job);
  return next;
}

}  // namespace

ReceiverResult read_email(const text::YamlNode& entry, const Globals& globals) {
  return read_as<Email>(entry, globals);
}

}  // namespace sentinel::receivers
