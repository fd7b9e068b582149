#include "gateway/policy/policy_stage.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "gateway/policy/canonical.h"
#include "gateway/policy/guard.h"
#include "gateway/policy/guard_stream.h"
#include "gateway/protocol/asked_tokens.h"
#include "gateway/protocol/usage.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

namespace json = boost::json;

PolicyCall& remember(CallState& call) {
  if (!call.policy) call.policy = std::make_shared<PolicyCall>();
  return *call.policy;
}

// What a client may say of the cache, as HTTP has it.
struct CacheWish {
  bool read = true, write = true;
  std::optional<std::chrono::seconds> age_max;
};
CacheWish cache_wish(const net::Headers& headers) {
  CacheWish wish;
  for (const std::string_view part : split(headers.get("cache-control"), ',')) {
    const std::string_view word = trim(part);
    if (iequals(word, "no-store")) wish.read = wish.write = false;
    if (iequals(word, "no-cache")) wish.read = false;
    if (word.size() > 8 && iequals(word.substr(0, 8), "max-age=")) {
      if (const auto seconds = parse_int(word.substr(8)); seconds && *seconds >= 0 && *seconds < 1'000'000'000)
        wish.age_max = std::chrono::seconds(*seconds);
    }
  }
  return wish;
}

bool is_cacheable(Api api) { return api != Api::kCountTokens && api != Api::kGeminiCount; }

int64_t input_estimate(const CallState& call) { return call.info.prompt_chars / kCharsPerToken + 1; }

GuardVerdict guard_answer(const GuardRules& rules, const TextInspector& inspector, std::string& body, bool stream,
                          bool array, const std::function<void(const GuardRule&)>& acted) {
  StreamDocument document;
  if (stream) {
    document = StreamDocument::parse(body, array);
  } else if (auto value = text::parse_json(body)) {
    document.documents.push_back(std::move(*value));
  }
  std::vector<GuardedText> texts =
      stream ? texts_of_stream(document.documents)
             : (document.documents.empty() ? std::vector<GuardedText>() : texts_of(document.documents.front()));
  std::string subject;
  for (const GuardedText& text : texts) {
    if (subject.size() > kGuardTextBytesMax) break;
    if (!subject.empty()) subject += '\n';
    subject += text.whole();
  }
  GuardVerdict verdict = apply_guards(rules.after, inspector, subject, texts, acted);
  if (verdict.redacted) body = stream ? document.write() : text::serialize(document.documents.front());
  return verdict;
}

}  // namespace

PolicyStage::PolicyStage(Policies& policies, const Clock& clock)
    : policies_(policies),
      clock_(clock),
      exact_(lookups(policies.metrics, "exact")),
      semantic_(lookups(policies.metrics, "semantic")) {}

PolicyStage::Lookups PolicyStage::lookups(MetricRegistry& metrics, const char* cache) {
  const auto counter = [&](const char* result) {
    return &metrics.counter("sentinel_gateway_cache_requests_total", "Calls of routes with a cache.",
                            {{"cache", cache}, {"result", result}});
  };
  return {counter("hit"), counter("miss"), counter("bypass"), counter("too_large")};
}

void PolicyStage::count_refusal(std::string_view policy, const CallState& call) {
  policies_.metrics
      .counter("sentinel_gateway_policy_refusals_total", "Calls refused, by the policy that did.",
               {{"policy", std::string(policy)}, {"route", call.route == nullptr ? "" : call.route->config.name}})
      .add();
}

void PolicyStage::count_guard(const GuardRule& rule, std::string_view when) {
  policies_.metrics
      .counter("sentinel_gateway_guard_actions_total", "Times a guard rule acted.",
               {{"rule", rule.name}, {"action", std::string(guard_do_name(rule.action))}, {"when", std::string(when)}})
      .add();
}

// ---- who asks ----

Outcome PolicyStage::identify(const Plan& plan, CoreState& core, net::Request& request,
                              std::shared_ptr<const VirtualKey>* key) const {
  const VirtualKeys& known = policies_.keys.get(core.keys);
  if (known.all().empty() && !plan.config.policy.require_key) return std::nullopt;  // nobody uses them
  const std::string_view shown = shown_key(request);
  if (shown.empty()) {
    if (!plan.config.policy.require_key) return std::nullopt;
    return make_failure(ErrorType::kCallerUnauthorized, "a Sentinel API key is needed (sk-sentinel-...)");
  }
  *key = known.find(shown);
  if (*key == nullptr) return make_failure(ErrorType::kCallerUnauthorized, "the API key is not known");
  if ((*key)->revoked_at) return make_failure(ErrorType::kCallerUnauthorized, "the API key has been revoked");
  if ((*key)->expired(clock_.now())) {
    return make_failure(ErrorType::kCallerUnauthorized,
                        "the API key expired at " + format_rfc3339(*(*key)->spec.expires_at));
  }
  remove_shown_key(request);
  return std::nullopt;
}

Outcome PolicyStage::identify(CallState& call) {
  std::shared_ptr<const VirtualKey> key;
  if (Outcome refused = identify(*call.plan, call.core, call.exchange->request(), &key)) {
    count_refusal("key", call);
    return refused;
  }
  if (key == nullptr) return std::nullopt;
  model::Interaction& row = call.interaction;
  row.key_hash = key->id;
  for (const auto& [name, value] : key->spec.tags) row.tags.emplace_back(name, value);
  row.tags.emplace_back("key", key->spec.name);
  if (!key->spec.team.empty()) row.tags.emplace_back("team", key->spec.team);
  if (!key->spec.user.empty()) row.user_hash = hex_encode(sha256(key->spec.user).substr(0, 8));
  remember(call).key = std::move(key);
  return std::nullopt;
}

// ---- before ----

CallStage::Verdict PolicyStage::before(CallState& call) {
  Verdict verdict;
  using Check = Outcome (PolicyStage::*)(CallState&);
  for (const Check check : {&PolicyStage::check_switch, &PolicyStage::check_key, &PolicyStage::check_size,
                            &PolicyStage::meter, &PolicyStage::guard_prompt}) {
    verdict.refusal = (this->*check)(call);
    if (verdict.refusal) return verdict;
  }
  verdict.answer = look_up(call);
  return verdict;
}

Outcome PolicyStage::check_switch(CallState& call) {
  const RouteSwitch* off = policies_.switches.get(call.core.switches).find(call.route->config.name);
  if (off == nullptr) return std::nullopt;
  count_refusal("switch", call);
  return make_failure(ErrorType::kPolicyRouteDisabled, off->reason.empty()
                                                           ? std::string("this model is switched off at the moment")
                                                           : "this model is switched off: " + off->reason);
}

Outcome PolicyStage::check_key(CallState& call) {
  if (!call.policy || !call.policy->key) return std::nullopt;
  const VirtualKey& key = *call.policy->key;
  std::string why;
  if (!key.allows_model(call.info.model)) why = "this API key may not use the model `" + call.interaction.model + "`";
  if (why.empty() && !key.allows_route(call.route->config.name)) why = "this API key may not use this route";
  if (why.empty()) return std::nullopt;
  count_refusal("key", call);
  return make_failure(ErrorType::kPolicyNotAllowed, why);
}

Outcome PolicyStage::check_size(CallState& call) {
  const int64_t most = call.route->config.policy.prompt_tokens_max;
  if (most == 0 || input_estimate(call) <= most) return std::nullopt;
  count_refusal("prompt", call);
  return make_failure(ErrorType::kPolicyPromptTooLong, "the prompt has about " + std::to_string(input_estimate(call)) +
                                                           " tokens; at most " + std::to_string(most) + " are allowed");
}

Outcome PolicyStage::meter(CallState& call) {
  const GatewayPolicy& all = call.plan->config.policy;
  const RoutePolicy& route = call.route->config.policy;
  const VirtualKey* key = call.policy ? call.policy->key.get() : nullptr;
  const bool key_counts = key != nullptr && !(key->spec.limits.empty() && key->spec.budgets.empty());
  if (all.limits.empty() && all.budgets.empty() && !route.counts() && !key_counts) return std::nullopt;
  PolicyCall& mine = remember(call);
  const model::Interaction& row = call.interaction;
  mine.metering.emplace(policies_, Caller{mine.key, row.key_hash, row.user_hash, call.route->config.name});
  Metering& metering = *mine.metering;
  metering.add("gateway", all.limits, all.budgets);
  metering.add("route:" + call.route->config.name, route.limits, route.budgets);
  if (key_counts) metering.add("key:" + key->id, key->spec.limits, key->spec.budgets);
  Consumption estimate;
  if (metering.needs_estimate()) {
    const int64_t output = asked_output_tokens(call.exchange->request().body).value_or(kOutputTokensGuess);
    estimate.tokens_least = input_estimate(call);
    estimate.tokens = estimate.tokens_least + output;
    if (policies_.cost_of) {
      model::Interaction likely;
      likely.model = row.model;
      likely.tokens_input = input_estimate(call);
      likely.tokens_output = output;
      estimate.cost_microusd = policies_.cost_of(likely).value_or(0);
    }
  }
  Outcome refused = metering.take(estimate, api_family(call.asked.api), clock_.now(), call.own_headers);
  if (refused) count_refusal(refused->type == ErrorType::kPolicyBudgetExceeded ? "budget" : "rate_limit", call);
  return refused;
}

Outcome PolicyStage::guard_prompt(CallState& call) {
  const auto& rules = call.route->config.policy.guards.before;
  if (rules.empty() || policies_.inspector == nullptr) return std::nullopt;
  std::string& body = call.exchange->request().body;
  std::vector<GuardedText> texts;
  Result<json::value> value = json::value(nullptr);
  if (std::any_of(rules.begin(), rules.end(), [](const GuardRule& rule) { return has_spans(rule.check); })) {
    value = text::parse_json(body);
    if (!value) return make_failure(ErrorType::kCallerInvalidRequest, value.error().message());
    texts = texts_of(*value);
  }
  const GuardVerdict verdict = apply_guards(rules, *policies_.inspector, call.info.prompt, texts,
                                            [this](const GuardRule& rule) { count_guard(rule, "before"); });
  model::Interaction& row = call.interaction;
  if (verdict.injection >= 0) row.prompt_injection_risk = verdict.injection;
  if (!verdict.rule.empty()) {
    row.guard_action = verdict.action();
    row.tags.emplace_back("guard", verdict.rule);
  }
  if (verdict.blocked) {
    count_refusal("guard", call);
    return make_failure(ErrorType::kPolicyPromptBlocked, "the prompt was refused: " + verdict.message);
  }
  if (!verdict.redacted) return std::nullopt;
  body = text::serialize(*value);
  auto info = read_request(call.asked.api, body);
  if (!info) return make_failure(ErrorType::kGatewayInternal, "the redacted request cannot be read");
  info->model = call.info.model;
  info->stream = call.info.stream;
  info->simulate_flags = std::move(call.info.simulate_flags);
  call.info = std::move(*info);
  return std::nullopt;
}

// ---- the cache ----

std::unique_ptr<net::Response> PolicyStage::look_up(CallState& call) {
  const CacheConfig& config = call.route->config.policy.cache;
  if (!config.exact && !config.semantic) return nullptr;
  const net::Request& request = call.exchange->request();
  const model::Interaction& row = call.interaction;
  if (!is_cacheable(call.asked.api) || !row.simulate_flags.empty()) return nullptr;
  const CacheWish wish = cache_wish(request.headers);
  const auto canonical = canonical_request(request.body);
  if (!canonical || !(wish.read || wish.write)) {
    exact_.bypass->add();
    return nullptr;
  }
  const std::string_view stream = !call.info.stream ? "" : call.asked.json_array ? "array" : "events";
  const std::string key = cache_key(call.route->config.name, row.key_hash, api_endpoint(call.asked.api),
                                    call.info.model, *canonical, stream);
  const TimePoint now = clock_.now();
  const auto young = [&](const CachedAnswer& answer) { return !wish.age_max || now - answer.made_at <= *wish.age_max; };
  if (config.exact && wish.read) {
    if (const auto answer = policies_.cache.find(key, now); answer && young(*answer))
      return replay(call, *answer, exact_);
  }
  PolicyCall& mine = remember(call);
  std::string question;
  if (config.semantic && policies_.inspector != nullptr) {
    if (const auto setting = canonical_setting(request.body, question)) {
      mine.cache_scope = cache_key(call.route->config.name, row.key_hash, api_endpoint(call.asked.api), call.info.model,
                                   *setting, stream);
      mine.embedding = policies_.inspector->embed(question);
      double similarity = 0;
      if (wish.read) {
        const auto near =
            policies_.cache.find_near(mine.cache_scope, mine.embedding, config.threshold, now, similarity);
        if (near && young(*near)) {
          call.own_headers.set("x-sentinel-cache-similarity", format_double(std::round(similarity * 1e4) / 1e4));
          return replay(call, *near, semantic_);
        }
      }
    }
  }
  const Lookups& counts = config.exact ? exact_ : semantic_;
  (wish.read ? counts.miss : counts.bypass)->add();
  call.own_headers.set("x-sentinel-cache", "miss");
  if (wish.write) {
    mine.cache_key = key;
    call.keep_answer = true;
  }
  return nullptr;
}

std::unique_ptr<net::Response> PolicyStage::replay(CallState& call, const CachedAnswer& answer, const Lookups& counts) {
  counts.hit->add();
  model::Interaction& row = call.interaction;
  row.cache_hit = true;
  row.provider = answer.provider;
  call.served_model = answer.served_model;
  call.answer.text = answer.text;
  call.answer.model = answer.model_version;
  call.answer.finish_reason = answer.finish_reason;
  call.answer.complete = true;
  call.answer.tokens_input = call.answer.tokens_output = 0;  // nobody was asked, nothing is billed
  if (call.info.stream) row.ttft_ms = call.elapsed_ms();
  auto response = std::make_unique<net::Response>(answer.response);
  call.own_headers.set("x-sentinel-cache", "hit");
  const auto age = std::chrono::floor<std::chrono::seconds>(clock_.now() - answer.made_at).count();
  call.own_headers.set("age", std::to_string(std::max<int64_t>(age, 0)));
  return response;
}

void PolicyStage::keep(CallState& call) {
  PolicyCall& mine = *call.policy;
  const AnswerInfo& info = call.answer;
  // Half an answer, or the refusal of one, is not what the next one who asks should get.
  if (call.kept->status != 200 || info.finish_reason == "length" || info.finish_reason == "content_filter") return;
  auto answer = std::make_shared<CachedAnswer>();
  answer->key = std::move(mine.cache_key);
  answer->response.status = call.kept->status;
  answer->response.headers.set("content-type", call.kept->headers.get("content-type"));
  answer->response.body = std::move(call.kept->body);
  answer->made_at = clock_.now();
  answer->expires_at = answer->made_at + call.route->config.policy.cache.ttl;
  answer->provider = call.interaction.provider;
  answer->served_model = call.served_model;
  answer->model_version = info.model;
  answer->text = info.text;
  answer->finish_reason = info.finish_reason;
  answer->scope = std::move(mine.cache_scope);
  answer->embedding = std::move(mine.embedding);
  if (!policies_.cache.put(std::move(answer), clock_.now())) exact_.too_large->add();
}

// ---- after ----

Outcome PolicyStage::on_answer(CallState& call, net::Response& response) {
  const GuardRules& rules = call.route->config.policy.guards;
  if (rules.after.empty() || policies_.inspector == nullptr) return std::nullopt;
  const GuardVerdict verdict =
      guard_answer(rules, *policies_.inspector, response.body, call.info.stream, call.asked.json_array,
                   [this](const GuardRule& rule) { count_guard(rule, "after"); });
  if (!verdict.rule.empty()) {
    call.interaction.guard_action = verdict.action();
    call.interaction.tags.emplace_back("guard", verdict.rule);
  }
  if (!verdict.blocked) return std::nullopt;
  count_refusal("guard", call);
  return make_failure(ErrorType::kPolicyAnswerBlocked, "the answer was withheld: " + verdict.message);
}

// Rules of the route's on an answer's stream.
class PolicyStage::Guarded final : public StreamGuard {
 public:
  Guarded(PolicyStage& stage, const std::vector<GuardRule>& rules, bool array)
      : stage_(stage), rules_(rules, *stage.policies_.inspector, array) {}

  Outcome add(std::string_view events, std::string& out) override {
    rules_.add(events, out);
    return outcome();
  }
  Outcome finish(std::string& out) override {
    rules_.finish(out);
    return outcome();
  }
  void tell(CallState& call) override {
    const auto& acted = rules_.acted();
    for (; told_ < acted.size(); ++told_) {
      stage_.count_guard(*acted[told_], "after");
      auto& tags = call.interaction.tags;
      const auto own = std::find_if(tags.rbegin(), tags.rend(), [](const auto& tag) { return tag.first == "guard"; });
      if (told_ > 0 && own != tags.rend()) {
        own->second = acted[told_]->name;  // the last that acted, as of whole answers
      } else {
        tags.emplace_back("guard", acted[told_]->name);
      }
      call.interaction.guard_action = rules_.verdict().action();
      if (acted[told_]->action == GuardDo::kBlock) stage_.count_refusal("guard", call);
    }
  }

 private:
  Outcome outcome() const {
    if (!rules_.verdict().blocked) return std::nullopt;
    return make_failure(ErrorType::kPolicyAnswerBlocked, "the answer was withheld: " + rules_.verdict().message);
  }

  PolicyStage& stage_;
  GuardStream rules_;
  size_t told_ = 0;
};

std::unique_ptr<StreamGuard> PolicyStage::guard_stream(CallState& call) {
  const GuardRules& rules = call.route->config.policy.guards;
  if (rules.after.empty() || policies_.inspector == nullptr) return nullptr;
  return std::make_unique<Guarded>(*this, rules.after, call.asked.json_array);
}

Consumption PolicyStage::used(const CallState& call) const {
  Consumption usage;
  const AnswerInfo& answer = call.answer;
  if (call.interaction.cache_hit) return usage;
  model::Interaction served;
  served.model = call.interaction.model;
  served.model_version = answer.model;
  fill_usage(answer, served);
  if (!served.tokens_input && !served.tokens_output && !answer.text.empty()) {  // broken off before it was told
    served.tokens_input = input_estimate(call);
    served.tokens_output = static_cast<int64_t>(answer.text.size()) / kCharsPerToken + 1;
  }
  usage.tokens = served.tokens_input.value_or(0) + served.tokens_output.value_or(0);
  if (!policies_.cost_of) return usage;
  usage.cost_microusd = policies_.cost_of(served).value_or(0);
  return usage;
}

void PolicyStage::after(CallState& call, const Outcome& outcome) {
  if (!call.policy) return;
  PolicyCall& mine = *call.policy;
  if (mine.metering) mine.metering->settle(used(call), clock_.now());
  if (!outcome && call.kept && !mine.cache_key.empty()) keep(call);
}

}  // namespace sentinel::gateway
