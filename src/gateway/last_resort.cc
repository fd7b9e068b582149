#include "gateway/last_resort.h"

#include "base/hash.h"
#include "gateway/attributes.h"
#include "gateway/own_answer.h"

namespace sentinel::gateway {
namespace {

std::unique_ptr<net::Response> marked(CallState& call, std::unique_ptr<net::Response> response, std::string_view how) {
  call.answer = AnswerInfo();  // what the last target said of tokens is of no answer that anybody got
  response->headers.set("x-sentinel-last-resort", how);
  call.interaction.tags.emplace_back("last_resort", how);
  return response;
}

}  // namespace

void prepare_last_resort(CallState& call) {
  if (!call.route->config.conduct.last_resort.cached) return;
  const net::Request& request = call.exchange->request();
  std::string material = request.target + '\n' + call.interaction.key_hash + '\n';
  material += request.body;
  call.last_answer_key = sha256(material);
  call.keep_answer = true;
}

void keep_for_last_resort(CallState& call) {
  if (call.last_answer_key.empty() || call.kept == nullptr) return;
  net::Response kept = *call.kept;
  for (const std::string_view own : {"x-request-id", "x-sentinel-provider", "x-sentinel-model", "x-sentinel-retries"})
    kept.headers.remove(own);
  call.gateway->last_answers.put(call.last_answer_key, std::move(kept), call.gateway->clock.now());
}

std::unique_ptr<net::Response> last_resort(CallState& call, const Failure& failure) {
  const LastResortConfig& config = call.route->config.conduct.last_resort;
  if (failure.sent || !error_name(failure.type).starts_with("provider_")) return nullptr;
  if (!call.last_answer_key.empty()) {
    const TimePoint oldest = call.gateway->clock.now() - config.cached_max_age;
    if (auto kept = call.gateway->last_answers.get(call.last_answer_key, oldest))
      return marked(call, std::move(kept), "cached");
  }
  if (config.answer.empty()) return nullptr;
  auto own = make_own_answer(call, config.answer);
  if (!own) return nullptr;
  auto response = marked(call, std::make_unique<net::Response>(std::move(*own)), "configured");
  call.answer.text = config.answer;
  return response;
}

}  // namespace sentinel::gateway
