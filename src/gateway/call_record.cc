// The last stage of a call: its failure told to the client, and its Interaction.
#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "gateway/attributes.h"
#include "gateway/call.h"
#include "gateway/last_resort.h"
#include "gateway/limits.h"
#include "gateway/protocol/usage.h"

namespace sentinel::gateway {

using net::Task;

Task<void> Call::answer_failure(Failure* failure) {
  if (failure->sent) co_return;
  model::Interaction& row = state_.interaction;
  if (failure->type == ErrorType::kCallerDisconnected) {
    row.http_status = error_info(failure->type).http_status;
    state_.exchange->abort();
    co_return;
  }
  net::Response response;
  std::unique_ptr<net::Response> instead;
  if (state_.route != nullptr && state_.route->config.conduct.last_resort.on()) instead = last_resort(state_, *failure);
  if (instead != nullptr) {
    response = std::move(*instead);
  } else if (failure->answer && !state_.translated) {
    response.status = failure->answer->status;
    response.headers = downstream_headers(failure->answer->headers, row);
    response.body = std::move(failure->answer->body);
  } else {
    // What a provider of another family says is told in the caller's words, with the provider's status.
    response.status = failure->answer ? failure->answer->status : error_info(failure->type).http_status;
    response.headers.add("content-type", "application/json");
    response.body = error_body(api_family(state_.asked.api), failure->type, failure->message, response.status);
    if (failure->retry_after) {
      response.headers.add("retry-after", std::to_string((failure->retry_after->count() + 999) / 1000));
    }
  }
  add_own_headers(response.headers, row, state_.served_model);
  set_headers(response.headers, state_.own_headers);
  row.http_status = response.status;
  (void)co_await state_.exchange->respond(std::move(response));
}

void Call::fill_row(const Outcome& outcome) {
  model::Interaction& row = state_.interaction;
  AnswerInfo& answer = state_.answer;
  row.latency_ms = state_.elapsed_ms();
  row.status = outcome ? model::InteractionStatus::kError : model::InteractionStatus::kOk;
  if (outcome) row.error_type = error_name(outcome->type);
  row.prompt = std::move(state_.info.prompt);
  row.context = std::move(state_.info.context);
  row.tool_output = std::move(state_.info.tool_output);
  row.response = std::move(answer.text);
  row.finish_reason = std::move(answer.finish_reason);
  row.model_version = std::string(utf8_prefix(answer.model, kAttributeBytesMax));
  fill_usage(answer, row);
  row.response_length = std::count_if(row.response.begin(), row.response.end(),
                                      [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  row.empty_response =
      !outcome && api_info(state_.asked.api).answers_text && answer.tool_names.empty() && trim(row.response).empty();
  if (answer.refusal) row.tags.emplace_back("refusal", "true");
  if (!answer.tool_names.empty()) row.tags.emplace_back("tool_calls", join(answer.tool_names, ","));
}

void Call::record(const Outcome& outcome) {
  Gateway::Impl& gateway = *state_.gateway;
  if (state_.route != nullptr) {
    for (CallStage* const stage : gateway.stages) stage->after(state_, outcome);
  }
  fill_row(outcome);
  model::Interaction& row = state_.interaction;
  if (!row.test_mode) {  // no rule may page for a test
    gateway.count(state_.core, state_.asked.api, row.http_status, row.latency_ms / 1000.0);
    if (outcome) gateway.count_error(state_.asked.api, outcome->type);
  }
  log_call();
  gateway.sink.record(std::move(row));
}

// No prompt, no answer, no header: what correlates it, and how it went.
void Call::log_call() const {
  if (!state_.gateway->log_calls) return;
  const model::Interaction& row = state_.interaction;
  log_debug("gateway", "call",
            {{"request_id", row.request_id},
             {"trace_id", row.trace_id},
             {"endpoint", row.endpoint},
             {"provider", row.provider},
             {"model", row.model},
             {"http_status", row.http_status},
             {"error_type", row.error_type},
             {"latency_ms", row.latency_ms},
             {"retries", row.retry_count},
             {"stream", row.stream}});
}

}  // namespace sentinel::gateway
