// The SMTP client against a server in this process, over real sockets, with and without TLS.

#include "net/smtp.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "base/strings.h"
#include "net/test_tls.h"

namespace sentinel::net {
namespace {

struct ServerSetup {
  bool implicit_tls = false;
  bool starttls = true;
  std::string auth;             // "PLAIN LOGIN", offered once the connection is encrypted or starttls is off
  std::string auth_before_tls;  // the same before
  std::map<std::string, std::string> answers;  // by the command's first word: said instead of what is right
  bool silent = false;                         // takes the connection and never speaks
};

// One connection; keeps what it was told.
class SmtpServer {
 public:
  explicit SmtpServer(ServerSetup setup)
      : setup_(std::move(setup)),
        key_(EVP_EC_gen("P-256")),
        certificate_(make_certificate(key_.get(), "DNS:localhost")) {
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, certificate_.get());
    SSL_CTX_use_PrivateKey(context_, key_.get());
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd_, 1);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~SmtpServer() {
    finish();
    ::close(fd_);
    SSL_CTX_free(context_);
  }
  void finish() {
    ::shutdown(fd_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }
  uint16_t port() const { return port_; }
  std::string ca_pem() { return pem_of(certificate_.get()); }

  std::vector<std::string> commands;  // read after finish()
  std::string message;
  bool encrypted_at_mail = false;

 private:
  void run() {
    client_ = ::accept(fd_, nullptr, nullptr);
    if (client_ < 0) return;
    if (setup_.implicit_tls && !encrypt()) return close_all();
    if (setup_.silent) {
      char byte = 0;
      (void)::recv(client_, &byte, 1, 0);
      return close_all();
    }
    say("220 test ESMTP");
    for (std::string line; read_line(line);) {
      commands.push_back(line);
      if (!handle(line)) break;
    }
    close_all();
  }

  bool handle(const std::string& line) {
    const std::string word = line.substr(0, line.find_first_of(" :"));
    if (const auto told = setup_.answers.find(word); told != setup_.answers.end()) {
      say(told->second);
      return true;
    }
    if (word == "EHLO") {
      std::string offer = "250-test greets you\r\n";
      if (setup_.starttls && ssl_ == nullptr) offer += "250-STARTTLS\r\n";
      const std::string& auth = ssl_ == nullptr && setup_.starttls ? setup_.auth_before_tls : setup_.auth;
      if (!auth.empty()) offer += "250-AUTH " + auth + "\r\n";
      say(offer + "250 8BITMIME");
    } else if (word == "STARTTLS") {
      say("220 go");
      return encrypt();
    } else if (word == "AUTH") {
      authenticate(line);
    } else if (word == "DATA") {
      say("354 go on");
      for (std::string text; read_line(text) && text != ".";) message += text + "\n";
      say("250 queued");
    } else if (word == "QUIT") {
      say("221 bye");
      return false;
    } else {
      if (word == "MAIL") encrypted_at_mail = ssl_ != nullptr;
      say("250 ok");
    }
    return true;
  }

  void authenticate(const std::string& line) {
    const auto ask = [this](const std::string& challenge) {
      say("334 " + base64_encode(challenge));
      std::string answer;
      read_line(answer);
      commands.push_back(base64_decode(answer).value_or("?"));
    };
    if (line == "AUTH LOGIN") {
      ask("Username:");
      ask("Password:");
    } else if (line == "AUTH CRAM-MD5") {
      ask("<1896.697170952@postoffice.reston.mci.net>");
    }
    say("235 welcome");
  }

  bool encrypt() {
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, client_);
    return SSL_accept(ssl_) == 1;
  }
  void say(const std::string& text) {
    const std::string line = text + "\r\n";
    if (ssl_ != nullptr) {
      SSL_write(ssl_, line.data(), static_cast<int>(line.size()));
    } else {
      (void)::send(client_, line.data(), line.size(), MSG_NOSIGNAL);
    }
  }
  bool read_line(std::string& line) {
    line.clear();
    for (char c = 0;;) {
      const ssize_t got = ssl_ != nullptr ? SSL_read(ssl_, &c, 1) : ::recv(client_, &c, 1, 0);
      if (got <= 0) return false;
      if (c == '\n') return true;
      if (c != '\r') line += c;
    }
  }
  void close_all() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    ::close(client_);
  }

  ServerSetup setup_;
  TestKey key_;
  TestCertificate certificate_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  int fd_ = -1;
  int client_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

Task<void> send_into(SmtpJob job, std::promise<Status>* promise) {
  promise->set_value(co_await send_mail(std::move(job)));
}

Status deliver(SmtpJob job) {
  Runtime runtime({.cores = 1, .blocking_threads = 1});
  std::promise<Status> promise;
  auto future = promise.get_future();
  runtime.spawn(runtime.core(0), "mail", send_into(std::move(job), &promise));
  Status status = future.get();
  runtime.stop();
  return status;
}

SmtpJob job_for(SmtpServer& server) {
  SmtpJob job;
  job.host = "localhost";
  job.port = server.port();
  job.hello = "me.example";
  job.tls_options.ca_pem = server.ca_pem();
  job.from = "a@x.org";
  job.to = {"b@x.org", "c@x.org"};
  job.message = "Subject: s\r\n\r\n.dot\r\nlast";
  job.timeout = std::chrono::seconds(10);
  return job;
}

TEST(Smtp, StartsTlsAndHandsOverTheMail) {
  SmtpServer server({});
  const Status sent = deliver(job_for(server));
  ASSERT_TRUE(sent) << sent.error().to_string();
  server.finish();
  EXPECT_EQ(server.commands,
            (std::vector<std::string>{"EHLO me.example", "STARTTLS", "EHLO me.example", "MAIL FROM:<a@x.org>",
                                      "RCPT TO:<b@x.org>", "RCPT TO:<c@x.org>", "DATA", "QUIT"}));
  EXPECT_EQ(server.message, "Subject: s\n\n..dot\nlast\n");  // the dot is doubled on the way
  EXPECT_TRUE(server.encrypted_at_mail);
}

TEST(Smtp, TlsFromTheStart) {
  SmtpServer server({.implicit_tls = true});
  SmtpJob job = job_for(server);
  job.tls = SmtpTls::kImplicit;
  const Status sent = deliver(job);
  ASSERT_TRUE(sent) << sent.error().to_string();
  server.finish();
  EXPECT_TRUE(server.encrypted_at_mail);
}

TEST(Smtp, NoTlsWhenToldSo) {
  SmtpServer server({});
  SmtpJob job = job_for(server);
  job.tls = SmtpTls::kNone;
  ASSERT_TRUE(deliver(job));
  server.finish();
  EXPECT_FALSE(server.encrypted_at_mail);
}

TEST(Smtp, RefusesToGoOnWithoutTlsOrWithAStranger) {
  SmtpServer plain({.starttls = false});
  const Status no_offer = deliver(job_for(plain));
  ASSERT_FALSE(no_offer);
  EXPECT_NE(no_offer.error().message().find("STARTTLS"), std::string::npos) << no_offer.error().message();
  SmtpServer stranger({});
  SmtpJob job = job_for(stranger);
  job.tls_options.ca_pem.clear();
  const Status unknown = deliver(job);
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message().find("self-signed"), std::string::npos) << unknown.error().message();
  stranger.finish();
  EXPECT_TRUE(stranger.message.empty());
}

struct AuthCase {
  std::string offer;
  std::string password;
  std::string secret;
  std::vector<std::string> commands;  // of AUTH; empty: it fails
};

TEST(Smtp, AuthenticatesInTheFirstWayItCan) {
  const std::string plain = "AUTH PLAIN " + base64_encode(std::string("\0tim\0tanstaaf", 13));
  const AuthCase cases[] = {
      {"PLAIN LOGIN", "tanstaaf", "", {plain}},
      {"LOGIN PLAIN", "tanstaaf", "", {"AUTH LOGIN", "tim", "tanstaaf"}},
      // The example of RFC 2195.
      {"CRAM-MD5 PLAIN", "x", "tanstaaftanstaaf", {"AUTH CRAM-MD5", "tim b913a602c7eda7a495b4e6e7334d3890"}},
      {"CRAM-MD5 PLAIN", "tanstaaf", "", {plain}},
      {"GSSAPI", "tanstaaf", "", {}},
      {"CRAM-MD5", "tanstaaf", "", {}},
  };
  for (const AuthCase& c : cases) {
    SmtpServer server({.auth = c.offer});
    SmtpJob job = job_for(server);
    job.username = "tim";
    job.password = c.password;
    job.cram_secret = c.secret;
    const Status sent = deliver(job);
    EXPECT_EQ(sent.has_value(), !c.commands.empty()) << c.offer;
    server.finish();
    if (c.commands.empty()) continue;
    ASSERT_GE(server.commands.size(), 3 + c.commands.size()) << c.offer;
    const std::vector<std::string> auth(server.commands.begin() + 3,
                                        server.commands.begin() + 3 + static_cast<ptrdiff_t>(c.commands.size()));
    EXPECT_EQ(auth, c.commands) << c.offer;
  }
}

TEST(Smtp, SendsNoPasswordInTheClearToAStrangeHost) {
  SmtpServer server({.starttls = false, .auth = "PLAIN"});
  SmtpJob job = job_for(server);
  job.tls = SmtpTls::kNone;
  job.username = "u";
  job.password = "p";
  EXPECT_TRUE(deliver(job));  // localhost may hear it
  server.finish();
  EXPECT_TRUE(server.commands.at(1).starts_with("AUTH PLAIN"));
}

TEST(Smtp, SaysAtWhichCommandItWasRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"MAIL", "550 not from you"}, {"RCPT", "452 full"}, {"DATA", "554 no"}, {"STARTTLS", "454 not now"}};
  for (const auto& [word, answer] : cases) {
    SmtpServer server({.answers = {{word, answer}}});
    const Status refused = deliver(job_for(server));
    ASSERT_FALSE(refused) << word;
    EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
    EXPECT_NE(refused.error().message().find(std::string(word) + " command: " + answer), std::string::npos)
        << refused.error().message();
  }
}

TEST(Smtp, FallsBackToHelo) {
  SmtpServer server({.answers = {{"EHLO", "502 what?"}}});
  SmtpJob job = job_for(server);
  job.tls = SmtpTls::kNone;
  ASSERT_TRUE(deliver(job));
  server.finish();
  EXPECT_EQ(server.commands.at(1), "HELO me.example");
}

TEST(Smtp, AnswersOfSeveralLinesAndRubbish) {
  SmtpServer many({.answers = {{"MAIL", "250-one\r\n250-two\r\n250 three"}}});
  EXPECT_TRUE(deliver(job_for(many)));
  SmtpServer rubbish({.answers = {{"MAIL", "hello there"}}});
  EXPECT_FALSE(deliver(job_for(rubbish)));
}

TEST(Smtp, LinesOfAnswers) {
  const auto last = parse_smtp_line("250 ok then");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->code, 250);
  EXPECT_TRUE(last->last);
  EXPECT_EQ(last->text, "ok then");
  EXPECT_FALSE(parse_smtp_line("250-more")->last);
  EXPECT_TRUE(parse_smtp_line("250")->last);
  for (const char* bad : {"", "25", "+25 x", "099 x", "600 x", "250x", "abc d"})
    EXPECT_FALSE(parse_smtp_line(bad)) << bad;
}

TEST(Smtp, ASilentServerIsGivenUp) {
  SmtpServer server({.silent = true});
  SmtpJob job = job_for(server);
  job.timeout = Millis(100);
  const Status s = deliver(job);
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), ErrorCode::kTimeout);
}

TEST(Smtp, LineEndsCannotBeSmuggledIn) {
  SmtpJob job;
  job.host = "localhost";
  job.port = 1;
  job.from = "a@x.org>\r\nRCPT TO:<evil@x.org";
  const Status s = deliver(job);
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sentinel::net
