#include "gateway/judge.h"

#include "base/strings.h"

namespace sentinel::gateway {
namespace {

// Where our providers are is nobody's business out there: URLs leave a message that goes to a client.
std::string without_addresses(std::string_view message) {
  if (message.starts_with("cannot resolve ")) return "its name cannot be resolved";
  std::string out;
  for (const std::string_view word : split(message, ' ')) {
    if (!out.empty()) out += ' ';
    if (word.find("://") == std::string_view::npos) {
      out += word;
    } else {
      out += word.ends_with(':') ? "it:" : "it";
    }
  }
  return out;
}

void judge_timeout(Failure& failure, std::string_view why, Stage stage, bool streams, const Route& route) {
  if (why.starts_with("connect")) {
    failure.retry = route.retry_connect;
  } else if (stage == Stage::kSent) {
    failure.type = why.starts_with("total") ? ErrorType::kProviderTimeout : ErrorType::kProviderStreamStalled;
  } else {
    // A silent route stays silent: the next one is asked at once, this one is not asked again.
    const bool first_token = streams && !why.starts_with("total");
    failure.type = first_token ? ErrorType::kProviderFirstTokenTimeout : ErrorType::kProviderTimeout;
  }
}

void judge_broken(Failure& failure, std::string_view why, Stage stage, const Route& route) {
  if (why.find("not HTTP") != std::string_view::npos || why.starts_with("malformed")) {
    failure.type = ErrorType::kProviderBadResponse;
    failure.retry = route.retry_5xx;
  } else if (stage != Stage::kNothing) {
    failure.type = ErrorType::kProviderStreamCut;
    failure.retry = route.retry_cut;
  } else {
    failure.retry = route.retry_connect;
  }
}

}  // namespace

Failure judge_transport(const Error& error, Stage stage, bool streams, const Route& route, std::string_view provider) {
  Failure failure = make_failure(ErrorType::kProviderUnreachable, "");
  failure.next = failure.unhealthy = true;
  const std::string& why = error.message();
  switch (error.code()) {
    case ErrorCode::kTimeout: judge_timeout(failure, why, stage, streams, route); break;
    case ErrorCode::kTooLarge:
      failure.type = ErrorType::kProviderBadResponse;
      failure.unhealthy = failure.next = false;
      break;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kInternal:
      failure.type = ErrorType::kGatewayMisconfigured;
      failure.unhealthy = false;
      break;
    default: judge_broken(failure, why, stage, route); break;
  }
  failure.message = "provider " + std::string(provider) + ": " + without_addresses(why);
  return failure;
}

Failure judge_refusal(int status, const net::Headers& headers, std::string body, const Route& route,
                      const Provider& provider, TimePoint now) {
  const std::string& name = provider.config.name;
  const ProviderError said = read_provider_error(body);
  Failure failure = make_failure(ErrorType::kCallerInvalidRequest, said.message);
  if (failure.message.empty()) failure.message = "provider " + name + " answered " + std::to_string(status);
  bool pass_on = true;
  if (status == 429) {
    failure.type = ErrorType::kProviderRateLimited;
    failure.next = true;
    failure.key_spent = said.code == "insufficient_quota";
    failure.retry = route.retry_429 && !failure.key_spent;
  } else if (status >= 500 || status == 408) {
    failure.type = ErrorType::kProviderError;
    failure.next = failure.unhealthy = true;
    failure.retry = route.retry_5xx && status != 501;
  } else if (status == 401 || status == 403) {
    const bool our_key = provider.has_key();
    failure.type = our_key ? ErrorType::kProviderAuthFailed : ErrorType::kCallerUnauthorized;
    failure.next = our_key;
    // What a provider says of a refused key may quote the key: it is not the caller's to see.
    if (our_key) failure.message = "provider " + name + " refused the credentials";
    pass_on = !our_key;
  } else if (status < 400) {
    failure.type = ErrorType::kProviderBadResponse;
    failure.next = failure.unhealthy = true;
    pass_on = false;
  } else if (said.kind() == ProviderError::Kind::kContentFilter) {
    failure.type = ErrorType::kPolicyContentFilter;
  } else if (said.kind() == ProviderError::Kind::kContextTooLong) {
    failure.type = ErrorType::kCallerContextTooLong;
  }
  if (failure.retry || failure.next) {
    failure.retry_after = parse_retry_after(headers.get("retry-after"), headers.get("retry-after-ms"), now);
  }
  if (pass_on && !body.empty()) {
    failure.answer = std::make_unique<net::Response>();
    failure.answer->status = status;
    failure.answer->headers = headers;
    failure.answer->body = std::move(body);
  }
  return failure;
}

Failure judge_unusable(bool readable, const AnswerInfo& answer, const Route& route, std::string_view name) {
  const std::string provider = "provider " + std::string(name);
  Failure failure =
      readable && answer.error
          ? make_failure(ErrorType::kProviderError,
                         provider + ": " + (answer.error->empty() ? "an error without a message" : *answer.error))
          : make_failure(ErrorType::kProviderBadResponse,
                         provider + (readable ? " answered 200 without an answer: no choices or data are in it"
                                              : " answered 200 with something that is not JSON"));
  failure.next = failure.unhealthy = true;
  failure.retry = route.retry_5xx;
  return failure;
}

}  // namespace sentinel::gateway
