// Amazon SNS: Publish to a topic, an endpoint or a phone number, signed with SigV4. Credentials come from the
// configuration, from a profile of the shared credentials file, or from the environment; with role_arn they are
// exchanged for temporary ones at STS.

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "base/hash.h"
#include "base/strings.h"
#include "net/url.h"
#include "receivers/kinds.h"
#include "receivers/payload.h"
#include "receivers/sigv4.h"

namespace sentinel::receivers {
namespace {

constexpr size_t kMessageBytesMax = 256 * 1024;
constexpr size_t kTextMessageBytesMax = 1600;
constexpr Micros kRoleKept = std::chrono::minutes(50);  // STS gives an hour

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// One key of one section of an INI file such as ~/.aws/credentials.
std::string ini_value(std::string_view text, std::string_view section, std::string_view key) {
  bool inside = false;
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trim(raw);
    if (line.starts_with('[')) {
      inside = line == "[" + std::string(section) + "]";
    } else if (const size_t equals = line.find('='); inside && equals != std::string_view::npos) {
      if (trim(line.substr(0, equals)) == key) return std::string(trim(line.substr(equals + 1)));
    }
  }
  return "";
}

// The text of the first <tag>; AWS writes no attributes there.
std::string xml_text(std::string_view xml, const std::string& tag) {
  const size_t begin = xml.find("<" + tag + ">");
  const size_t end = xml.find("</" + tag + ">");
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return "";
  return std::string(xml.substr(begin + tag.size() + 2, end - begin - tag.size() - 2));
}

// A mistake the AWS library of Alertmanager calls by its message.
std::string details_of(const net::Response& response) {
  const std::string message = xml_text(response.body, "Message");
  return message.empty() ? shown_body(response.body) : message;
}

class Sns final : public Receiver {
 public:
  Sns() : Receiver(true) {}
  Status configure(const text::YamlNode& node, const Globals& globals);
  Next begin(Attempt& attempt) const override;

 private:
  Result<AwsCredentials> base_credentials() const;
  std::string region() const;
  Result<StringMap> publish_form(Attempt& attempt) const;
  Next assume_role(Attempt* attempt, const AwsCredentials& credentials) const;
  Next publish(Attempt* attempt, const AwsCredentials& credentials) const;
  static HttpCall signed_call(const std::string& url, const StringMap& form, const AwsCredentials& credentials,
                              const std::string& region, std::string_view service, TimePoint now);

  std::string api_url_;
  std::string region_;
  std::string access_key_;
  std::string secret_key_;
  std::string profile_;
  std::string role_arn_;
  std::string external_id_;
  bool fips_ = false;
  std::string topic_arn_;
  std::string phone_number_;
  std::string target_arn_;
  std::string subject_ = R"({{ template "sns.default.subject" . }})";
  std::string message_ = R"({{ template "sns.default.message" . }})";
  StringMap attributes_;
};

Status Sns::configure(const text::YamlNode& node, const Globals& globals) {
  const auto sigv4 = [this](const text::YamlNode& n) {
    return read_fields(n, "sigv4",
                       {{"region", &region_},
                        {"access_key", &access_key_},
                        {"secret_key", &secret_key_},
                        {"profile", &profile_},
                        {"role_arn", &role_arn_},
                        {"external_id", &external_id_},
                        {"use_fips_sts_endpoint", &fips_}});
  };
  SENTINEL_TRY(read(node, "sns_configs", globals,
                    {{"api_url", &api_url_},
                     {"sigv4", ReadNode(sigv4)},
                     {"topic_arn", &topic_arn_},
                     {"phone_number", &phone_number_},
                     {"target_arn", &target_arn_},
                     {"subject", &subject_},
                     {"message", &message_},
                     {"attributes", &attributes_},
                     {"use_aws_http_client", Ignored{}}}));
  if (access_key_.empty() != secret_key_.empty()) {
    return fail(node.get("sigv4").error("access_key and secret_key must be given together"));
  }
  // Alertmanager's own condition, which also lets all three pass.
  if (((target_arn_.empty() != topic_arn_.empty()) != phone_number_.empty())) {
    return fail(node.error("one of target_arn, topic_arn or phone_number must be configured"));
  }
  return {};
}

Result<AwsCredentials> Sns::base_credentials() const {
  if (!access_key_.empty()) return AwsCredentials{access_key_, secret_key_, ""};
  if (profile_.empty() && !environment("AWS_ACCESS_KEY_ID").empty()) {
    return AwsCredentials{environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
                          environment("AWS_SESSION_TOKEN")};
  }
  std::string file = environment("AWS_SHARED_CREDENTIALS_FILE");
  if (file.empty()) file = environment("HOME") + "/.aws/credentials";
  std::string section = profile_.empty() ? environment("AWS_PROFILE") : profile_;
  if (section.empty()) section = "default";
  const Result<std::string> text = posix_env().read_file(file);
  const AwsCredentials found = {ini_value(text.value_or(""), section, "aws_access_key_id"),
                                ini_value(text.value_or(""), section, "aws_secret_access_key"),
                                ini_value(text.value_or(""), section, "aws_session_token")};
  if (!found.access_key.empty()) return found;
  return fail(
      ErrorCode::kUnauthenticated,
      "no AWS credentials: expected sigv4.access_key, AWS_ACCESS_KEY_ID, or profile " + section + " in " + file);
}

std::string Sns::region() const {
  if (!region_.empty()) return region_;
  const std::string region = environment("AWS_REGION");
  return region.empty() ? environment("AWS_DEFAULT_REGION") : region;
}

HttpCall Sns::signed_call(const std::string& url, const StringMap& form, const AwsCredentials& credentials,
                          const std::string& region, std::string_view service, TimePoint now) {
  HttpCall call{url, form_encode(form)};
  call.headers.set("Content-Type", "application/x-www-form-urlencoded");
  const Result<net::Url> parsed = net::parse_url(url);
  SigV4Request request{"POST", parsed ? parsed->authority() : "", "/", "", call.body};
  if (parsed) {
    const size_t question = std::min(parsed->target.find('?'), parsed->target.size());
    request.path = parsed->target.substr(0, question);
    request.query = question < parsed->target.size() ? parsed->target.substr(question + 1) : "";
  }
  sign_v4(request, credentials, region, service, now, call.headers);
  return call;
}

Next Sns::begin(Attempt& attempt) const {
  const Result<AwsCredentials> credentials = base_credentials();
  if (!credentials) return retry(credentials.error().to_string());
  if (region().empty()) return retry("no AWS region: expected sigv4.region or AWS_REGION");
  return role_arn_.empty() ? publish(&attempt, *credentials) : assume_role(&attempt, *credentials);
}

Next Sns::assume_role(Attempt* attempt, const AwsCredentials& credentials) const {
  const std::string key = "sts " + role_arn_ + " " + hex_encode(sha256(credentials.secret_key + external_id_));
  if (const auto kept = attempt->tokens.find(key, attempt->now)) {
    const std::vector<std::string_view> parts = split(*kept, '\n');
    return publish(attempt, {std::string(parts[0]), std::string(parts[1]), std::string(parts[2])});
  }
  StringMap form = {{"Action", "AssumeRole"},
                    {"Version", "2011-06-15"},
                    {"RoleArn", role_arn_},
                    {"RoleSessionName", "sentinel-" + std::to_string(to_us(attempt->now))},
                    {"DurationSeconds", "3600"}};
  if (!external_id_.empty()) form["ExternalId"] = external_id_;
  const std::string url = std::string(fips_ ? "https://sts-fips." : "https://sts.") + region() + ".amazonaws.com/";
  return ask(signed_call(url, form, credentials, region(), "sts", attempt->now), [this, attempt,
                                                                                  key](const net::Response& response) {
    SendResult result = judge_status(response, attempt->now, 0, details_of(response));
    if (result.kind != SendResult::Kind::kDelivered) return done(std::move(result));
    const AwsCredentials role = {xml_text(response.body, "AccessKeyId"), xml_text(response.body, "SecretAccessKey"),
                                 xml_text(response.body, "SessionToken")};
    if (role.access_key.empty()) return retry("STS gave no credentials for " + role_arn_);
    attempt->tokens.put(key, role.access_key + "\n" + role.secret_key + "\n" + role.session_token,
                        attempt->now + kRoleKept);
    return publish(attempt, role);
  });
}

Result<StringMap> Sns::publish_form(Attempt& attempt) const {
  Expander& expand = attempt.expand;
  StringMap form = {{"Action", "Publish"}, {"Version", "2010-03-31"}};
  StringMap attributes;
  for (const auto& [name, value] : attributes_) attributes[expand(name)] = expand(value);
  if (!topic_arn_.empty()) {
    form["TopicArn"] = expand(topic_arn_);
    if (form["TopicArn"].ends_with(".fifo")) {
      form["MessageDeduplicationId"] = form["MessageGroupId"] = group_hash(attempt.notification);
    }
  }
  if (!phone_number_.empty()) form["PhoneNumber"] = expand(phone_number_);
  if (!target_arn_.empty()) form["TargetArn"] = expand(target_arn_);
  std::string message = expand(message_);
  if (!is_valid_utf8(message)) return fail(ErrorCode::kUnprocessable, "the message is not UTF-8");
  const size_t limit = phone_number_.empty() ? kMessageBytesMax : kTextMessageBytesMax;
  if (message.size() > limit) {
    message = std::string(utf8_prefix(message, limit));
    attributes["truncated"] = "true";
  }
  form["Message"] = std::move(message);
  if (!subject_.empty()) form["Subject"] = expand(subject_);
  size_t index = 0;
  for (const auto& [name, value] : attributes) {
    const std::string entry = "MessageAttributes.entry." + std::to_string(++index);
    form[entry + ".Name"] = name;
    form[entry + ".Value.DataType"] = "String";
    form[entry + ".Value.StringValue"] = value;
  }
  if (expand.error()) return fail(expand.error()->with_context("SNS message"));
  return form;
}

Next Sns::publish(Attempt* attempt, const AwsCredentials& credentials) const {
  std::string url = attempt->expand(api_url_);
  if (url.empty()) url = "https://sns." + region() + ".amazonaws.com/";
  const Result<StringMap> form = publish_form(*attempt);
  if (!form) return failed(form.error());
  return ask(signed_call(url, *form, credentials, region(), "sns", attempt->now),
             [now = attempt->now](const net::Response& response) {
               return done(judge_status(response, now, 0, details_of(response)));
             });
}

}  // namespace

ReceiverResult read_sns(const text::YamlNode& entry, const Globals& globals) { return read_as<Sns>(entry, globals); }

}  // namespace sentinel::receivers
