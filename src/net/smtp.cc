#include "net/smtp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <memory>

#include "base/strings.h"
#include "net/address.h"
#include "net/deadline.h"
#include "net/limits.h"
#include "net/socket.h"
#include "net/transport_impl.h"

namespace sentinel::net {
namespace {

using asio::ip::tcp;
using SmtpTlsStream = asio::ssl::stream<TcpSocket&>;

struct Reply {
  int code = 0;
  std::vector<std::string> lines;  // without the code
  std::string text() const { return std::to_string(code) + " " + join(lines, " "); }
};

// One session. Its deadline closes the socket, so that whatever waits on it ends.
class Session final : private Deadline {
 public:
  Session(asio::io_context& core, const SmtpJob* job)
      : Deadline(DeadlineWheel::of(core)),
        job_(*job),
        resolver_(core.get_executor()),
        socket_(core.get_executor()),
        context_(asio::ssl::context::tls_client) {
    arm(job_.timeout);
  }
  ~Session() override {
    SysError ignored;
    socket_.close(ignored);
  }

  Task<Status> run();

 private:
  Task<Status> connect();
  Task<Status> handshake();
  Task<Status> greet();
  Task<Status> authenticate();
  Task<Status> plain();
  Task<Status> login();
  Task<Status> cram_md5();
  Task<Status> deliver();
  Task<Result<Reply>> read_reply();
  // Sends a line and demands an answer of class `want` (2 or 3). `shown` stands in errors instead of what is sent.
  Task<Result<Reply>> command(std::string line, int want, std::string shown);
  Task<Status> write(std::string bytes);
  Error broken(std::string_view doing, const SysError& error) const;
  const std::string* extension(std::string_view name) const;
  void on_deadline() override {
    timed_out_ = true;
    resolver_.cancel();
    SysError ignored;
    socket_.close(ignored);
  }

  const SmtpJob& job_;
  asio::ip::basic_resolver<tcp, Executor> resolver_;
  TcpSocket socket_;
  asio::ssl::context context_;
  std::unique_ptr<SmtpTlsStream> tls_;
  std::string in_;
  std::vector<std::string> extensions_;  // upper-case keyword and parameters
  bool timed_out_ = false;
};

Error Session::broken(std::string_view doing, const SysError& error) const {
  if (timed_out_) return {ErrorCode::kTimeout, "SMTP timeout at " + std::string(doing)};
  return {ErrorCode::kIo, "SMTP connection broken at " + std::string(doing) + ": " + error.message()};
}

Task<Status> Session::connect() {
  auto [failed, found] = co_await resolver_.async_resolve(job_.host, std::to_string(job_.port), use_tuple);
  if (failed) co_return fail(broken("resolving " + job_.host, failed));
  SysError last = asio::error::host_not_found;
  for (const auto& entry : found) {
    SysError ignored;
    if (socket_.is_open()) socket_.close(ignored);
    auto [error] = co_await socket_.async_connect(entry.endpoint(), use_tuple);
    last = error;
    if (!error || timed_out_) break;
  }
  if (last || timed_out_) co_return fail(broken("connecting", last));
  co_return Status();
}

Task<Status> Session::handshake() {
  SENTINEL_CO_TRY(apply_tls_options(context_, job_.tls_options));
  const std::string& name = job_.tls_options.server_name.empty() ? job_.host : job_.tls_options.server_name;
  tls_ = std::make_unique<SmtpTlsStream>(socket_, context_);
  SysError error;
  const bool is_ip = !asio::ip::make_address(name, error).is_unspecified() && !error;
  if (!is_ip && SSL_set_tlsext_host_name(tls_->native_handle(), name.c_str()) != 1) {
    co_return fail(ErrorCode::kIo, "cannot set the TLS server name");
  }
  tls_->set_verify_callback(asio::ssl::host_name_verification(name), error);
  in_.clear();  // what was said before the handshake was not said by whom we trust
  auto [failed] = co_await tls_->async_handshake(SmtpTlsStream::client, use_tuple);
  if (!failed) co_return Status();
  const long verdict = SSL_get_verify_result(tls_->native_handle());
  Error why = broken("the TLS handshake", failed);
  if (verdict == X509_V_OK) co_return fail(std::move(why));
  co_return fail(ErrorCode::kIo, why.message() + " (" + X509_verify_cert_error_string(verdict) + ")");
}

Task<Status> Session::write(std::string bytes) {
  if (tls_) {
    auto [error, count] = co_await asio::async_write(*tls_, asio::buffer(bytes), use_tuple);
    if (error) co_return fail(broken("writing", error));
  } else {
    auto [error, count] = co_await asio::async_write(socket_, asio::buffer(bytes), use_tuple);
    if (error) co_return fail(broken("writing", error));
  }
  co_return Status();
}

Task<Result<Reply>> Session::read_reply() {
  Reply reply;
  while (true) {
    const size_t end = in_.find('\n');
    if (end == std::string::npos) {
      if (in_.size() > kSmtpLineBytesMax) co_return fail(ErrorCode::kIo, "the SMTP server's answer is too long");
      char block[2048];
      SysError error;
      size_t count = 0;
      if (tls_) {
        std::tie(error, count) = co_await tls_->async_read_some(asio::buffer(block), use_tuple);
      } else {
        std::tie(error, count) = co_await socket_.async_read_some(asio::buffer(block), use_tuple);
      }
      if (error) co_return fail(broken("reading", error));
      in_.append(block, count);
      continue;
    }
    const std::string line(trim(std::string_view(in_).substr(0, end)));
    in_.erase(0, end + 1);
    std::optional<SmtpLine> parsed = parse_smtp_line(line);
    if (!parsed) co_return fail(ErrorCode::kIo, "the server does not speak SMTP");
    reply.code = parsed->code;
    reply.lines.push_back(std::move(parsed->text));
    if (reply.lines.size() > kSmtpReplyLinesMax) co_return fail(ErrorCode::kIo, "the SMTP server's answer is too long");
    if (parsed->last) co_return reply;
  }
}

Task<Result<Reply>> Session::command(std::string line, int want, std::string shown) {
  SENTINEL_CO_TRY(co_await write(line + "\r\n"));
  Result<Reply> reply = co_await read_reply();
  if (!reply) co_return fail(reply.error());
  if (reply->code / 100 != want) {
    co_return fail(ErrorCode::kIo, shown + " command: " + std::string(utf8_prefix(reply->text(), 300)));
  }
  co_return reply;
}

Task<Status> Session::greet() {
  Result<Reply> reply = co_await command("EHLO " + job_.hello, 2, "EHLO");
  if (!reply) {
    // A server of before 1995 has no extensions.
    reply = co_await command("HELO " + job_.hello, 2, "HELO");
    if (!reply) co_return fail(reply.error());
    co_return Status();
  }
  extensions_.clear();
  for (size_t i = 1; i < reply->lines.size(); ++i) extensions_.push_back(reply->lines[i]);
  co_return Status();
}

const std::string* Session::extension(std::string_view name) const {
  for (const std::string& line : extensions_) {
    if (iequals(std::string_view(line).substr(0, line.find(' ')), name)) return &line;
  }
  return nullptr;
}

Task<Status> Session::plain() {
  const bool local = job_.host == "localhost" || is_loopback_address(job_.host);
  if (!tls_ && !local) co_return fail(ErrorCode::kIo, "PLAIN auth: the connection is not encrypted");
  const std::string secret =
      job_.identity + std::string(1, '\0') + job_.username + std::string(1, '\0') + job_.password;
  const Result<Reply> reply = co_await command("AUTH PLAIN " + base64_encode(secret), 2, "AUTH PLAIN");
  co_return reply ? Status() : fail(reply.error());
}

Task<Status> Session::login() {
  Result<Reply> reply = co_await command("AUTH LOGIN", 3, "AUTH LOGIN");
  if (reply) reply = co_await command(base64_encode(job_.username), 3, "AUTH LOGIN");
  if (reply) reply = co_await command(base64_encode(job_.password), 2, "AUTH LOGIN");
  co_return reply ? Status() : fail(reply.error());
}

Task<Status> Session::cram_md5() {
  Result<Reply> reply = co_await command("AUTH CRAM-MD5", 3, "AUTH CRAM-MD5");
  if (!reply) co_return fail(reply.error());
  const auto challenge = base64_decode(join(reply->lines, ""));
  if (!challenge) co_return fail(ErrorCode::kIo, "AUTH CRAM-MD5: the challenge is malformed");
  const std::string answer = base64_encode(cram_md5_answer(job_.username, job_.cram_secret, *challenge));
  reply = co_await command(answer, 2, "AUTH CRAM-MD5");
  co_return reply ? Status() : fail(reply.error());
}

Task<Status> Session::authenticate() {
  const std::string* offer = extension("AUTH");
  if (offer == nullptr || job_.username.empty()) co_return Status();
  for (const std::string_view mechanism : split(*offer, ' ')) {
    if (iequals(mechanism, "CRAM-MD5") && !job_.cram_secret.empty()) co_return co_await cram_md5();
    if (iequals(mechanism, "PLAIN") && !job_.password.empty()) co_return co_await plain();
    if (iequals(mechanism, "LOGIN") && !job_.password.empty()) co_return co_await login();
  }
  co_return fail(ErrorCode::kIo, "no way to authenticate: the server offers \"" + *offer +
                                     "\", and there is no password or secret for any of them");
}

// RFC 5321, 4.5.2: a line that starts with a dot gets another, and the end is a line with nothing else.
std::string dot_stuffed(const std::string& message) {
  std::string out;
  out.reserve(message.size() + 16);
  bool line_start = true;
  for (const char c : message) {
    if (line_start && c == '.') out += '.';
    out += c;
    line_start = c == '\n';
  }
  if (!line_start) out += "\r\n";
  return out + ".";
}

Task<Status> Session::deliver() {
  Result<Reply> reply = co_await command("MAIL FROM:<" + job_.from + ">", 2, "MAIL");
  if (!reply) co_return fail(reply.error());
  for (const std::string& address : job_.to) {
    reply = co_await command("RCPT TO:<" + address + ">", 2, "RCPT");
    if (!reply) co_return fail(reply.error());
  }
  reply = co_await command("DATA", 3, "DATA");
  if (!reply) co_return fail(reply.error());
  reply = co_await command(dot_stuffed(job_.message), 2, "delivery after DATA");
  co_return reply ? Status() : fail(reply.error());
}

Task<Status> Session::run() {
  SENTINEL_CO_TRY(co_await connect());
  if (job_.tls == SmtpTls::kImplicit) SENTINEL_CO_TRY(co_await handshake());
  Result<Reply> greeting = co_await read_reply();
  if (!greeting) co_return fail(greeting.error());
  if (greeting->code != 220) co_return fail(ErrorCode::kIo, "the SMTP server greets with " + greeting->text());
  SENTINEL_CO_TRY(co_await greet());
  if (job_.tls == SmtpTls::kStartTls) {
    if (extension("STARTTLS") == nullptr) {
      co_return fail(ErrorCode::kIo, "TLS is required (require_tls), but the SMTP server does not offer STARTTLS");
    }
    const Result<Reply> go = co_await command("STARTTLS", 2, "STARTTLS");
    if (!go) co_return fail(go.error());
    SENTINEL_CO_TRY(co_await handshake());
    SENTINEL_CO_TRY(co_await greet());
  }
  SENTINEL_CO_TRY(co_await authenticate());
  SENTINEL_CO_TRY(co_await deliver());
  // The mail is theirs now, whatever comes of the farewell.
  (void)co_await command("QUIT", 2, "QUIT");
  co_return Status();
}

bool has_line_end(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos; }

}  // namespace

std::optional<SmtpLine> parse_smtp_line(std::string_view line) {
  const auto code = parse_int(line.substr(0, std::min<size_t>(3, line.size())));
  if (!code || *code < 100 || *code > 599) return std::nullopt;
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return std::nullopt;
  return SmtpLine{static_cast<int>(*code), line.size() <= 3 || line[3] == ' ',
                  std::string(line.size() > 4 ? line.substr(4) : "")};
}

std::string cram_md5_answer(std::string_view username, std::string_view secret, std::string_view challenge) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_md5(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(challenge.data()), challenge.size(), digest, &size);
  return std::string(username) + " " + hex_encode({reinterpret_cast<const char*>(digest), size});
}

Task<Status> send_mail(SmtpJob job) {
  bool clean = !has_line_end(job.hello) && !has_line_end(job.from);
  for (const std::string& address : job.to) clean = clean && !has_line_end(address);
  if (!clean) co_return fail(ErrorCode::kInvalidArgument, "a mail address or host name holds a line end");
  auto& core = static_cast<asio::io_context&>((co_await asio::this_coro::executor).context());
  Session session(core, &job);
  co_return co_await session.run();
}

}  // namespace sentinel::net
