#include "gateway/policy/answer_cache.h"

#include "base/hash.h"

namespace sentinel::gateway {
namespace {

constexpr size_t kEntryOverhead = 512;
constexpr size_t kSweepMax = 2 * kCacheSlots;  // slots looked at to make room for one answer

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return 0;
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return static_cast<double>(sum);
}

}  // namespace

size_t CachedAnswer::bytes() const {
  size_t headers = 0;
  for (const auto& [name, value] : response.headers.all()) headers += name.size() + value.size() + 16;
  return kEntryOverhead + headers + key.size() + response.body.size() + text.size() + scope.size() +
         embedding.size() * sizeof(float);
}

std::string cache_key(std::string_view route, std::string_view tenant, std::string_view api, std::string_view model,
                      std::string_view canonical, std::string_view stream) {
  std::string all;
  for (const std::string_view part : {route, tenant, api, model, stream, canonical}) {
    all += std::to_string(part.size());
    all += ':';
    all += part;
  }
  return sha256(all);
}

AnswerCache::AnswerCache(MetricRegistry& metrics, uint64_t bytes_max)
    : bytes_max_(bytes_max),
      slots_(std::make_unique<Slot[]>(kCacheSlots)),
      scopes_(std::make_unique<std::atomic<Scope*>[]>(kSemanticScopes)),
      bytes_gauge_(metrics.gauge("sentinel_gateway_cache_bytes", "Answers kept to be given again.")),
      evicted_(metrics.counter("sentinel_gateway_cache_evictions_total",
                               "Answers dropped from the cache before their time to make room.")) {}

AnswerCache::~AnswerCache() {
  for (size_t i = 0; i < kSemanticScopes; ++i) delete scopes_[i].load();
}

AnswerCache::Slot* AnswerCache::slots_of(std::string_view key) const {
  const size_t set = static_cast<size_t>(hash64(key)) % (kCacheSlots / kCacheSlotWays);
  return &slots_[set * kCacheSlotWays];
}

std::atomic<AnswerCache::Scope*>& AnswerCache::scope_cell(std::string_view scope) const {
  return scopes_[static_cast<size_t>(hash64(scope)) % kSemanticScopes];
}

std::shared_ptr<const CachedAnswer> AnswerCache::find(std::string_view key, TimePoint now) {
  Slot* const slots = slots_of(key);
  for (size_t way = 0; way < kCacheSlotWays; ++way) {
    auto answer = slots[way].answer.load(std::memory_order_acquire);
    if (!answer || answer->key != key) continue;
    if (answer->expires_at <= now) return nullptr;
    slots[way].used_us.store(to_us(now), std::memory_order_relaxed);
    return answer;
  }
  return nullptr;
}

std::shared_ptr<const CachedAnswer> AnswerCache::find_near(std::string_view scope, const std::vector<float>& embedding,
                                                           double threshold, TimePoint now, double& similarity) {
  const Scope* const near = scope_cell(scope).load(std::memory_order_acquire);
  if (near == nullptr) return nullptr;
  std::shared_ptr<const CachedAnswer> best;
  for (const auto& place : near->near) {
    auto answer = place.load(std::memory_order_acquire).lock();
    if (!answer || answer->scope != scope || answer->expires_at <= now) continue;
    const double nearness = dot(answer->embedding, embedding);
    if (nearness < threshold || (best && nearness <= similarity)) continue;
    similarity = nearness;
    best = std::move(answer);
  }
  return best;
}

void AnswerCache::replace(Slot& slot, std::shared_ptr<const CachedAnswer> answer, TimePoint now) {
  const auto added = answer ? static_cast<int64_t>(answer->bytes()) : 0;
  slot.used_us.store(to_us(now), std::memory_order_relaxed);
  const auto before = slot.answer.exchange(std::move(answer), std::memory_order_acq_rel);
  const int64_t removed = before ? static_cast<int64_t>(before->bytes()) : 0;
  if (before && before->expires_at > now) evicted_.add();
  bytes_gauge_.set(static_cast<double>(bytes_.fetch_add(added - removed, std::memory_order_acq_rel) + added - removed));
}

// Round by round through all slots, the oldest of each set first: near enough to least recently used, without a list
// that cores would have to share.
void AnswerCache::make_room(size_t bytes, TimePoint now) {
  const auto most = static_cast<int64_t>(bytes_max_.load());
  for (size_t looked = 0; looked < kSweepMax; looked += kCacheSlotWays) {
    if (bytes_.load(std::memory_order_acquire) + static_cast<int64_t>(bytes) <= most) return;
    const size_t set = hand_.fetch_add(1, std::memory_order_relaxed) % (kCacheSlots / kCacheSlotWays);
    Slot* oldest = nullptr;
    for (size_t way = 0; way < kCacheSlotWays; ++way) {
      Slot& slot = slots_[set * kCacheSlotWays + way];
      if (!slot.answer.load(std::memory_order_acquire)) continue;
      if (oldest == nullptr || slot.used_us.load() < oldest->used_us.load()) oldest = &slot;
    }
    if (oldest != nullptr) replace(*oldest, nullptr, now);
  }
}

bool AnswerCache::put(std::shared_ptr<const CachedAnswer> answer, TimePoint now) {
  const size_t bytes = answer->bytes();
  if (bytes > kCacheEntryBytesMax || bytes > bytes_max_.load()) return false;
  make_room(bytes, now);
  Slot* const slots = slots_of(answer->key);
  Slot* place = nullptr;
  for (size_t way = 0; way < kCacheSlotWays; ++way) {
    Slot& slot = slots[way];
    const auto there = slot.answer.load(std::memory_order_acquire);
    if (there && there->key == answer->key) {
      place = &slot;
      break;
    }
    const int64_t rank = !there || there->expires_at <= now ? INT64_MIN : slot.used_us.load();
    if (place == nullptr || rank < place->used_us.load()) place = &slot;
    if (rank == INT64_MIN) slot.used_us.store(INT64_MIN);
  }
  if (!answer->scope.empty()) {
    std::atomic<Scope*>& cell = scope_cell(answer->scope);
    Scope* scope = cell.load(std::memory_order_acquire);
    if (scope == nullptr) {
      auto fresh = std::make_unique<Scope>();
      if (cell.compare_exchange_strong(scope, fresh.get(), std::memory_order_acq_rel)) scope = fresh.release();
    }
    scope->near[scope->next.fetch_add(1) % kSemanticEntriesPerScope].store(answer, std::memory_order_release);
  }
  replace(*place, std::move(answer), now);
  return true;
}

}  // namespace sentinel::gateway
