#include "ingest/spill_codec.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/varint.h"
#include "ingest/limits.h"

namespace sentinel::ingest {
namespace {

using model::Interaction;

constexpr std::string_view kMagic("SNTLSPL\x04", 8);  // the last byte is the version
constexpr int kVersion = 4;
constexpr size_t kFrameHeadBytes = 8;  // length, checksum
constexpr uint8_t kScored = 1;

// All fields, in the order they have on disk. A new one goes to the end, with a new version in kMagic.
template <class Call, class F>
void visit_fields(Call& c, F&& f, int version = kVersion) {
  f(c.request_id), f(c.trace_id), f(c.timestamp_us), f(c.service), f(c.env), f(c.endpoint), f(c.request_type);
  f(c.provider), f(c.model), f(c.model_version), f(c.prompt_id), f(c.prompt_template), f(c.session_id);
  f(c.user_hash), f(c.prompt), f(c.response), f(c.finish_reason), f(c.stream), f(c.redacted), f(c.status);
  f(c.error_type), f(c.http_status), f(c.retry_count), f(c.fallback_used), f(c.cache_hit), f(c.latency_ms);
  f(c.ttft_ms), f(c.tokens_input), f(c.tokens_output), f(c.tokens_cached_input), f(c.tokens_reasoning);
  f(c.cost_microusd), f(c.response_length), f(c.safety_label), f(c.safety_score), f(c.safety_categories);
  f(c.pii_types), f(c.prompt_injection_risk), f(c.token_abuse), f(c.similarity_score), f(c.drift_score);
  f(c.baseline_ready), f(c.semantic_similarity_score), f(c.support_score), f(c.ungrounded), f(c.empty_response);
  f(c.guard_action), f(c.simulate_flags), f(c.test_mode), f(c.tags);
  if (version < 2) return;
  f(c.tokens_cache_write), f(c.tokens_cache_write_1h), f(c.tokens_audio_input), f(c.tokens_audio_output);
  f(c.service_tier), f(c.document_injection_risk), f(c.tool_injection_risk), f(c.explanation);
  if (version < 3) return;
  f(c.tokens_image_input), f(c.tokens_image_output), f(c.span_id), f(c.parent_span_id);
  if (version < 4) return;
  f(c.quality_issues);
}
// `context`, `tool_output`, `key_hash`, `network` and `chunk_gaps` are not kept. When this fails a field was added:
// give it its place above, and kMagic a new version.
static_assert(sizeof(void*) != 8 || sizeof(Interaction) == 1496);

struct Writer {
  std::string& out;
  void operator()(const std::string& v) { put_text(out, v); }
  void operator()(bool v) { out.push_back(v ? '\1' : '\0'); }
  void operator()(int64_t v) { put_zigzag(out, v); }
  void operator()(int v) { put_zigzag(out, v); }
  void operator()(double v) { put_fixed(out, v); }
  void operator()(model::InteractionStatus v) { out.push_back(static_cast<char>(v)); }
  template <class T>
  void operator()(const std::optional<T>& v) {
    (*this)(v.has_value());
    if (v) (*this)(*v);
  }
  template <class A, class B>
  void operator()(const std::pair<A, B>& v) {
    (*this)(v.first);
    (*this)(v.second);
  }
  template <class T>
  void operator()(const std::vector<T>& v) {
    put_varint(out, v.size());
    for (const T& item : v) (*this)(item);
  }
};

struct Reader {
  ByteReader in;
  bool good = true;
  void operator()(std::string& v) { v = std::string(in.text()); }
  void operator()(bool& v) {
    const auto byte = in.fixed<uint8_t>();
    good = good && byte <= 1;
    v = byte == 1;
  }
  void operator()(int64_t& v) { v = in.zigzag(); }
  void operator()(int& v) {
    const int64_t wide = in.zigzag();
    good = good && std::in_range<int>(wide);
    v = static_cast<int>(wide);
  }
  void operator()(double& v) { v = in.fixed<double>(); }
  void operator()(model::InteractionStatus& v) {
    bool error = false;
    (*this)(error);
    v = error ? model::InteractionStatus::kError : model::InteractionStatus::kOk;
  }
  template <class T>
  void operator()(std::optional<T>& v) {
    bool there = false;
    (*this)(there);
    if (there && good) (*this)(v.emplace());
  }
  template <class A, class B>
  void operator()(std::pair<A, B>& v) {
    (*this)(v.first);
    (*this)(v.second);
  }
  template <class T>
  void operator()(std::vector<T>& v) {
    const uint64_t count = in.varint();
    good = good && count <= kSpillListMax;
    for (uint64_t i = 0; i < count && good && in.ok(); ++i) (*this)(v.emplace_back());
  }
};

// Of a file of this or an earlier version of the program; 0: of none.
int version_of(std::string_view file) {
  constexpr size_t kName = kMagic.size() - 1;
  if (file.size() < kMagic.size() || file.substr(0, kName) != kMagic.substr(0, kName)) return 0;
  const int version = file[kName];
  return version >= 1 && version <= kVersion ? version : 0;
}

bool decode(std::string_view payload, int version, SpilledCall& out) {
  Reader reader{ByteReader(payload)};
  const auto flags = reader.in.fixed<uint8_t>();
  out.scored = (flags & kScored) != 0;
  visit_fields(out.interaction, reader, version);
  return flags <= kScored && reader.good && reader.in.ok() && reader.in.empty();
}

}  // namespace

std::string spill_header() { return std::string(kMagic); }

Status encode_spilled(const SpilledCall& call, std::string& out) {
  std::string payload(1, static_cast<char>(call.scored ? kScored : 0));
  visit_fields(call.interaction, Writer{payload});
  const Interaction& i = call.interaction;
  for (const size_t count :
       {i.safety_categories.size(), i.pii_types.size(), i.simulate_flags.size(), i.tags.size(), size_t{0}}) {
    if (count > kSpillListMax) return fail(ErrorCode::kTooLarge, "a list of the call exceeds the spill's limit");
  }
  if (payload.size() > kSpillFrameBytesMax) return fail(ErrorCode::kTooLarge, "the call exceeds the spill's limit");
  put_fixed(out, static_cast<uint32_t>(payload.size()));
  put_fixed(out, crc32c(payload));
  out += payload;
  return {};
}

uint64_t read_spill(std::string_view file, uint64_t from, const std::function<bool(SpilledCall, uint64_t)>& visit) {
  const int version = version_of(file);
  if (version == 0) return 0;
  uint64_t good = std::max<uint64_t>(from, kMagic.size());
  while (good < file.size()) {
    ByteReader in(file.substr(good));
    const auto length = in.fixed<uint32_t>();
    const auto checksum = in.fixed<uint32_t>();
    const std::string_view payload = in.bytes(length);
    SpilledCall call;
    if (!in.ok() || length > kSpillFrameBytesMax || crc32c(payload) != checksum || !decode(payload, version, call))
      break;
    good += kFrameHeadBytes + length;
    if (!visit(std::move(call), good)) break;
  }
  return good;
}

}  // namespace sentinel::ingest
