#pragma once
// Hands one mail to an SMTP server (RFC 5321): EHLO, STARTTLS or TLS from the start, AUTH, one message. A connection
// serves one mail: notifications are too rare for more.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/task.h"
#include "net/transport.h"

namespace sentinel::net {

enum class SmtpTls {
  kNone,      // STARTTLS is not used even when it is offered
  kStartTls,  // required: without the offer nothing is sent
  kImplicit,  // from the first byte
};

struct SmtpJob {
  std::string host;
  uint16_t port = 25;
  std::string hello = "localhost";
  SmtpTls tls = SmtpTls::kStartTls;
  TransportOptions tls_options;  // the proxy is not used
  // "": no authentication. Otherwise the first mechanism the server offers for which there is a secret: PLAIN (only
  // over TLS or to this host), LOGIN with `password`, CRAM-MD5 with `cram_secret`. A server that offers no AUTH gets
  // none.
  std::string username;
  std::string password;
  std::string cram_secret;
  std::string identity;  // of PLAIN
  std::string from;      // addresses alone, without names
  std::vector<std::string> to;
  std::string message;                        // headers and body, lines end in CRLF
  Millis timeout = std::chrono::seconds(30);  // for all of it
};

// Ok: the server has taken the mail for every recipient. kIo, kTimeout: the connection, or an answer that is not the
// wanted one; the message says at which command. kInvalidArgument: an address or name with a line end in it, or a
// certificate that cannot be used. Runs on the calling core.
Task<Status> send_mail(SmtpJob job);

// One line of an answer, without its line end. nullopt: not SMTP.
struct SmtpLine {
  int code = 0;  // 100..599
  bool last = true;
  std::string text;
};
std::optional<SmtpLine> parse_smtp_line(std::string_view line);

// HMAC-MD5 of RFC 2195: the answer to a CRAM-MD5 challenge (both unencoded).
std::string cram_md5_answer(std::string_view username, std::string_view secret, std::string_view challenge);

}  // namespace sentinel::net
