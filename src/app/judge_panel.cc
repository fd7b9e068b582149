#include "app/judge_panel.h"

#include "base/log.h"

namespace sentinel::app {
namespace {

constexpr size_t kRunningMax = 32;  // questions on their way, to all judges
constexpr size_t kAnswerBytesMax = 4 * 1024 * 1024;
constexpr Millis kAnswerWithin = std::chrono::seconds(30);

const std::vector<state::Migration>& migrations() {
  static const std::vector<state::Migration> list{{1, R"sql(
CREATE TABLE judgements (
  request_id TEXT NOT NULL, judge TEXT NOT NULL, score INTEGER NOT NULL, own REAL NOT NULL, value REAL NOT NULL,
  label TEXT NOT NULL, cost_microusd INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (request_id, judge));
CREATE INDEX judgements_by_time ON judgements(at);
)sql"}};
  return list;
}

}  // namespace

// One question on its way; owned by its task.
struct JudgePanel::Errand {
  std::shared_ptr<const Plan> plan;
  const JudgeConfig* judge = nullptr;  // of the plan
  JudgeQuestion question;
  Judgement judgement;
  int64_t expected_microusd = 0;
};

Status JudgePanel::migrate(state::Database& database) { return database.migrate("judgements", migrations()); }

JudgePanel::JudgePanel(net::Runtime& runtime, net::HttpClient& client, state::Database& database, const Clock& clock,
                       MetricRegistry& metrics)
    : runtime_(runtime),
      client_(client),
      database_(database),
      clock_(clock),
      metrics_(metrics),
      random_(static_cast<uint64_t>(to_us(clock.now()))) {}

Status JudgePanel::restore() {
  constexpr int64_t kDayUs = 86'400'000'000;
  const TimePoint now = clock_.now();
  return database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const state::Rows rows,
                    tx.query("SELECT judge, SUM(cost_microusd) FROM judgements WHERE at >= ? GROUP BY judge",
                             {to_us(now) / kDayUs * kDayUs}));
    MutexLock lock(mutex_);
    for (const state::Row& row : rows) budgets_[row.text(0)].correct(now, 0, row.integer(1));
    return {};
  });
}

void JudgePanel::install(std::vector<JudgeConfig> judges, std::shared_ptr<const analysis::PriceTable> prices) {
  auto plan = std::make_shared<Plan>();
  plan->judges = std::move(judges);
  plan->prices = std::move(prices);
  MutexLock lock(mutex_);
  plan_ = std::move(plan);
}

void JudgePanel::offer(const model::Interaction& call) {
  if (call.test_mode || call.status != model::InteractionStatus::kOk) return;
  std::shared_ptr<const Plan> plan;
  {
    MutexLock lock(mutex_);
    plan = plan_;
  }
  for (const JudgeConfig& judge : plan->judges) consider(plan, judge, call);
}

void JudgePanel::consider(const std::shared_ptr<const Plan>& plan, const JudgeConfig& judge,
                          const model::Interaction& call) {
  const std::optional<double> own = own_score(judge.score, call);
  if (!own || *own < judge.band_from || *own > judge.band_to) return;
  {
    MutexLock lock(mutex_);
    if (!random_.chance(judge.sample)) return skip(judge.name, "sample");
    if (running_ >= kRunningMax) return skip(judge.name, "busy");
    switch (
        budgets_[judge.name].take(clock_.now(), judge.per_minute, judge.microusd_per_day, judge.microusd_per_call)) {
      case JudgeBudget::Verdict::kGo: break;
      case JudgeBudget::Verdict::kRate: return skip(judge.name, "rate");
      case JudgeBudget::Verdict::kMoney: return skip(judge.name, "budget");
    }
    ++running_;
  }
  auto errand = std::make_shared<Errand>();
  errand->plan = plan;
  errand->judge = &judge;
  errand->question = ask_judge(judge, call);
  errand->expected_microusd = judge.microusd_per_call;
  errand->judgement.request_id = call.request_id;
  errand->judgement.judge = judge.name;
  errand->judgement.score = judge.score;
  errand->judgement.own = *own;
  runtime_.spawn(runtime_.any_core(), "judge", ask(std::move(errand)));
}

net::Task<void> JudgePanel::ask(std::shared_ptr<Errand> errand) {
  Result<Judgement> heard = co_await hear(errand.get());
  const std::string& name = errand->judge->name;
  {
    MutexLock lock(mutex_);
    --running_;
    if (heard) budgets_[name].correct(clock_.now(), errand->expected_microusd, heard->cost_microusd);
  }
  metrics_
      .counter("llm_judge_calls_total", "Questions to outside judges.",
               {{"judge", name}, {"result", heard ? "ok" : "error"}})
      .add();
  if (!heard) {
    log_warn("judge", "no judgement", {{"judge", name}, {"error", heard.error().message()}});
    co_return;
  }
  metrics_.counter("llm_judge_cost_usd_total", "What outside judges cost.", {{"judge", name}})
      .add(static_cast<double>(heard->cost_microusd) / 1e6);
  metrics_
      .counter("llm_judge_verdicts_total", "Whether an outside judge stands on the same side of 0.5 as the own score.",
               {{"judge", name},
                {"score", std::string(judged_score_name(heard->score))},
                {"verdict", heard->confirms() ? "confirms" : "contradicts"}})
      .add();
  const Status stored =
      co_await net::blocking(&runtime_, [this, judgement = std::move(*heard)] { return store(judgement); });
  if (!stored) log_warn("judge", "a judgement was not stored", {{"error", stored.error().to_string()}});
}

net::Task<Result<Judgement>> JudgePanel::hear(Errand* errand) {
  const JudgeConfig& judge = *errand->judge;
  net::ClientRequest request;
  request.method = "POST";
  request.url = judge.base_url + errand->question.path;
  request.headers.set("Content-Type", "application/json");
  request.headers.set("User-Agent", "Sentinel");
  if (!judge.api_key.empty()) request.headers.set("Authorization", "Bearer " + judge.api_key);
  request.body = std::move(errand->question.body);
  request.body_bytes_max = kAnswerBytesMax;
  request.timeouts.total = request.timeouts.first_byte = request.timeouts.idle = kAnswerWithin;
  SENTINEL_CO_ASSIGN(const net::Response response, co_await client_.fetch(std::move(request)));
  if (response.status != 200) co_return fail(ErrorCode::kUnavailable, "status " + std::to_string(response.status));
  SENTINEL_CO_ASSIGN(const JudgeAnswer answer, read_judge(judge, response.body));
  Judgement out = errand->judgement;
  out.value = answer.value;
  out.label = answer.label;
  out.at = clock_.now();
  model::Interaction priced;
  priced.model = judge.model;
  priced.tokens_input = answer.tokens_input;
  priced.tokens_output = answer.tokens_output;
  out.cost_microusd = errand->plan->prices->cost_microusd(priced).value_or(errand->expected_microusd);
  co_return out;
}

void JudgePanel::skip(const std::string& judge, const char* reason) {
  metrics_
      .counter("llm_judge_skipped_total", "Uncertain calls that a judge was not asked about.",
               {{"judge", judge}, {"reason", reason}})
      .add();
}

Status JudgePanel::store(const Judgement& j) {
  return database_.write([&](state::Tx& tx) {
    return tx.exec(
        "INSERT INTO judgements(request_id, judge, score, own, value, label, cost_microusd, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(request_id, judge) DO UPDATE SET value = excluded.value, "
        "label = excluded.label, cost_microusd = excluded.cost_microusd, at = excluded.at",
        {j.request_id, j.judge, static_cast<int64_t>(j.score), j.own, j.value, j.label, j.cost_microusd, to_us(j.at)});
  });
}

Result<std::vector<Judgement>> JudgePanel::of_call(const std::string& request_id) {
  std::vector<Judgement> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const state::Rows rows,
                    tx.query("SELECT judge, score, own, value, label, cost_microusd, at FROM judgements "
                             "WHERE request_id = ? ORDER BY judge",
                             {request_id}));
    for (const state::Row& row : rows) {
      out.push_back({request_id, row.text(0), static_cast<JudgedScore>(row.integer(1)), row.real(2), row.real(3),
                     row.text(4), row.integer(5), time_from_us(row.integer(6))});
    }
    return {};
  }));
  return out;
}

Status JudgePanel::prune(TimePoint before) {
  return database_.write(
      [&](state::Tx& tx) { return tx.exec("DELETE FROM judgements WHERE at < ?", {to_us(before)}); });
}

}  // namespace sentinel::app
