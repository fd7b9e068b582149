#include <gtest/gtest.h>

#include "connect/config.h"
#include "connect/mail_message.h"
#include "text/yaml.h"

namespace sentinel::connect {
namespace {

TEST(MailMessage, TheTextPartIsFoundAndDecoded) {
  struct Case {
    std::string_view mail, text;
  };
  for (const Case& c : {
           Case{"Subject: Re: x\r\nTo: a@b\r\n\r\nack\r\n", "ack\r\n"},
           Case{"From x\nSubject: folded\n  over lines\n\nplain", "plain"},
           Case{"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
                "K=C3=A4se =\nis cold=3D=ZZ",
                "Käse is cold==ZZ"},
           Case{"Content-Transfer-Encoding: BASE64\n\nYWNr\r\nIG5vdw==\r\n", "ack now"},
           Case{"Content-Type: multipart/alternative; boundary=\"b 1\"\n\npreamble\n--b 1\nContent-Type: "
                "text/plain\n\nack\n"
                "--b 1\nContent-Type: text/html\n\n<p>other</p>\n--b 1--\n",
                "ack"},
           Case{"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n"
                "--i\nContent-Type: text/html\n\n<b>in</b>\n--i--\n--o\nContent-Disposition: attachment\n\nfile\n--o--",
                " in "},
           Case{"Content-Type: multipart/mixed\n\nno boundary", ""},
           Case{"Content-Type: multipart/mixed; boundary=x\n\n--x", ""},
           Case{"Content-Type: text/html\n\n<p>resolve</p>", " resolve "},
       }) {
    const auto mail = parse_mail(c.mail);
    ASSERT_TRUE(mail) << c.mail;
    EXPECT_EQ(mail->text, c.text) << c.mail;
  }
  EXPECT_FALSE(parse_mail(""));
  EXPECT_FALSE(parse_mail("no headers at all"));
  std::string deep = "Content-Type: multipart/mixed; boundary=b\n\n";
  for (int i = 0; i < 1000; ++i) deep += "--b\nContent-Type: multipart/mixed; boundary=b\n\n";
  EXPECT_TRUE(parse_mail(deep));
}

TEST(MailMessage, WhatWasWrittenIsAboveWhatIsQuoted) {
  struct Case {
    std::string_view text, written;
  };
  for (const Case& c : {
           Case{"ack\n\n> quoted\n", "ack"},
           Case{"ack, on it\r\n\r\nOn Sat, Nov 21, 2026, Sentinel wrote:\r\n> x", "ack, on it"},
           Case{"look\n\nOn Sat, Nov 21, 2026 at 9:00 AM Sentinel <s@example.org>\nwrote:\n\n> x", "look"},
           Case{"schaue\n\nAm 21.11.2026 schrieb Sentinel:\n> x", "schaue"},
           Case{"a\nb\n-- \nAda Lovelace\nEngines", "a\nb"},
           Case{"a\n-----Original Message-----\nFrom: x", "a"},
           Case{"On it, twenty minutes", "On it, twenty minutes"},
           Case{"> only quoted", ""},
           Case{"", ""},
       }) {
    EXPECT_EQ(written_part(c.text), c.written) << c.text;
  }
}

TEST(MailMessage, TheTokenStandsInTheAddress) {
  struct Case {
    std::string_view header, token;
  };
  for (const Case& c : {
           Case{"reply+17.AbC-_@in.example.org", "17.AbC-_"},
           Case{"Sentinel <REPLY+17.AbC@IN.example.org>", "17.AbC"},
           Case{"bob@x.org, \"S\" <reply+1.a@in.example.org>; z@y", "1.a"},
           Case{"noreply+1.a@in.example.org", ""},
           Case{"reply+1.a@in.example.org.evil.org", ""},
           Case{"reply+1.a@example.org", ""},
           Case{"reply@in.example.org", ""},
           Case{"reply+1.a", ""},
           Case{"", ""},
       }) {
    EXPECT_EQ(token_in(c.header, "reply@in.example.org"), c.token) << c.header;
  }
  EXPECT_EQ(address_with("reply@in.example.org", "1.a"), "reply+1.a@in.example.org");
}

class MailRequest : public testing::Test {
 protected:
  // "acknowledge |rest", "nothing", "error: ..."
  std::string asks(std::string_view body, std::string_view type = "message/rfc822") {
    const auto config =
        parse_integrations(text::parse_yaml("- {kind: mail, address: reply@in.example.org}", "f.yml").value(), "");
    net::Request request;
    request.headers.set("Content-Type", type);
    request.body = std::string(body);
    const auto received = config->connections.front()->receive(request, TimePoint{});
    if (!received) return "error: " + received.error().message();
    if (received->answer) return "nothing";
    const Command& c = received->commands.front();
    const std::string verb = c.verb == Verb::kAcknowledge ? "acknowledge"
                             : c.verb == Verb::kResolve   ? "resolve"
                             : c.verb == Verb::kEscalate  ? "escalate"
                                                          : "note";
    return received->page_token + " " + verb + " |" + c.text;
  }
  const std::string to = "To: reply+1.a@in.example.org\n";
};

TEST_F(MailRequest, AnAnswerIsACommandOrANote) {
  EXPECT_EQ(asks(to + "\nAck\n> quoted"), "1.a acknowledge |");
  EXPECT_EQ(asks(to + "\nack, on my way"), "1.a acknowledge |on my way");
  EXPECT_EQ(asks(to + "\nresolved: rolled back"), "1.a resolve |rolled back");
  EXPECT_EQ(asks(to + "\nescalate"), "1.a escalate |");
  EXPECT_EQ(asks(to + "\nacknowledging is hard"), "1.a note |acknowledging is hard");
  EXPECT_EQ(asks("Delivered-To: reply+1.a@in.example.org\n\nlook here"), "1.a note |look here");
  EXPECT_EQ(asks(R"({"OriginalRecipient":"reply+1.a@in.example.org","StrippedTextReply":"ack","MessageID":"m"})",
                 "application/json"),
            "1.a acknowledge |");
}

TEST_F(MailRequest, ProgramsAndEmptyMailsDoNothing) {
  for (const char* header :
       {"Auto-Submitted: auto-replied", "Precedence: bulk", "X-Autoreply: yes", "List-Id: <x>", "Return-Path: <>"}) {
    EXPECT_EQ(asks(to + header + "\n\nack"), "nothing") << header;
  }
  EXPECT_EQ(asks(to + "Auto-Submitted: no\n\nack"), "1.a acknowledge |");
  EXPECT_EQ(asks(to + "\n> only quoted"), "nothing");
  EXPECT_EQ(
      asks(
          R"({"To":"reply+1.a@in.example.org","TextBody":"ack","Headers":[{"Name":"Auto-Submitted","Value":"auto-replied"}]})",
          "application/json"),
      "nothing");
  EXPECT_EQ(asks("To: other@in.example.org\n\nack"), "error: the mail did not go to an address of a page");
}

}  // namespace
}  // namespace sentinel::connect
