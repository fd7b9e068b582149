// The state of drift as JSON, for the state store.

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>

#include "analysis/drift.h"
#include "analysis/limits.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace json = boost::json;

namespace {

constexpr int64_t kFormat = 2;
constexpr size_t kScaleNumbers = kDriftMeasures * 2 + 3;

std::string pack(const std::vector<float>& values) {
  return base64_encode(std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
}
std::vector<float> to_floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

std::optional<std::vector<float>> unpack(const json::value* value) {
  if (!value || !value->is_string()) return std::nullopt;
  const std::optional<std::string> bytes = base64_decode(std::string_view(value->get_string()));
  if (!bytes || bytes->size() != kDriftSize * sizeof(float)) return std::nullopt;
  std::vector<float> out(kDriftSize);
  std::memcpy(out.data(), bytes->data(), bytes->size());
  if (!std::all_of(out.begin(), out.end(), [](float x) { return std::isfinite(x); })) return std::nullopt;
  return out;
}

Status bad_state(const std::string& what) { return fail(ErrorCode::kInvalidArgument, "drift state: " + what); }

uint64_t whole(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_int64() && value->get_int64() >= 0 ? static_cast<uint64_t>(value->get_int64()) : 0;
}

double real(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  boost::system::error_code bad;
  const double out = value ? value->to_number<double>(bad) : 0;
  return bad || !std::isfinite(out) ? 0 : out;
}

std::string string_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

class DriftCodec {
 public:
  using State = DriftTracker::State;

  static std::string to_json(const std::string& key, const State& state) {
    std::string out = "{\"key\":" + json_quote(key) + ",\"seen\":" + std::to_string(state.seen) +
                      ",\"next\":" + std::to_string(state.next) + ",\"versions\":{";
    for (const auto& [version, calls] : state.versions)
      out += (out.back() == '{' ? "" : ",") + json_quote(version) + ":" + std::to_string(calls);
    out += "}";
    if (state.reference) {
      out += reference_json(*state.reference) + ",\"version\":" + json_quote(state.reference_version) +
             ",\"windows\":" + std::to_string(state.windows) + ",\"drifted\":" + std::to_string(state.drifted_windows) +
             ",\"calm\":" + std::to_string(state.calm_windows) + ",\"slow\":" + format_double(state.slow_sum) +
             ",\"filled\":" + std::to_string(state.filled) + ",\"sum\":\"" + pack(to_floats(state.window_sum)) + "\"";
    }
    out += ",\"samples\":[";
    for (size_t i = 0; i < state.samples.size(); ++i) out += (i > 0 ? ",\"" : "\"") + pack(state.samples[i]) + "\"";
    return out + "]}";
  }

  static Status from_json(const json::object& object, const DriftSettings& settings, State& state) {
    const json::value* samples = object.if_contains("samples");
    if (!samples || !samples->is_array()) return bad_state("a reference needs samples");
    const size_t count = samples->get_array().size();
    if (count > kDriftReferenceMax) return bad_state("too many samples");
    for (const json::value& sample : samples->get_array()) {
      std::optional<std::vector<float>> values = unpack(&sample);
      if (!values) return bad_state("a sample is damaged");
      state.samples.push_back(std::move(*values));
    }
    state.seen = whole(object, "seen");
    if (const json::value* versions = object.if_contains("versions"); versions && versions->is_object()) {
      for (const auto& entry : versions->get_object()) {
        if (state.versions.size() < kDriftVersionsMax && entry.value().is_int64())
          state.versions[std::string(entry.key())] =
              static_cast<uint64_t>(std::max<int64_t>(0, entry.value().get_int64()));
      }
    }
    // Collected under other settings it may be long enough already: the next call freezes it.
    if (!object.if_contains("mean")) return {};
    if (count == 0) return bad_state("a reference without calls");
    SENTINEL_ASSIGN(state.reference, reference_of(object));
    state.reference_version = string_of(object, "version");
    state.next = whole(object, "next") % count;
    state.recent_sum.assign(kDriftSize, 0);
    for (const auto& sample : state.samples) {
      for (size_t i = 0; i < kDriftSize; ++i) state.recent_sum[i] += static_cast<double>(sample[i]);
    }
    state.windows = whole(object, "windows");
    state.drifted_windows = whole(object, "drifted");
    state.calm_windows = whole(object, "calm");
    state.slow_sum = std::max(0.0, real(object, "slow"));
    const std::optional<std::vector<float>> sum = unpack(object.if_contains("sum"));
    if (!sum) return bad_state("a window is damaged");
    state.window_sum.assign(sum->begin(), sum->end());
    state.filled = std::min<uint64_t>(whole(object, "filled"), settings.window - 1);
    return {};
  }

 private:
  static std::string reference_json(const DriftReference& r) {
    std::string out = ",\"mean\":\"" + pack(to_floats(r.mean_)) + "\",\"variance\":\"" + pack(to_floats(r.variance_)) +
                      "\",\"calls\":" + format_double(r.calls_) + ",\"scales\":[";
    for (const auto& scale : r.scales_) out += format_double(scale.calm) + "," + format_double(scale.alarm) + ",";
    return out + format_double(r.threshold_) + "," + format_double(r.slow_allowance_) + "," +
           format_double(r.slow_limit_) + "]";
  }

  static Result<DriftReference> reference_of(const json::object& object) {
    const auto damaged = [] { return fail(ErrorCode::kInvalidArgument, "drift state: a reference is damaged"); };
    const auto mean = unpack(object.if_contains("mean"));
    const auto variance = unpack(object.if_contains("variance"));
    const json::value* scales = object.if_contains("scales");
    if (!mean || !variance || !scales || !scales->is_array() || scales->get_array().size() != kScaleNumbers)
      return damaged();
    if (*std::min_element(variance->begin(), variance->end()) <= 0) return damaged();
    double numbers[kScaleNumbers];
    for (size_t i = 0; i < kScaleNumbers; ++i) {
      boost::system::error_code bad;
      numbers[i] = scales->get_array()[i].to_number<double>(bad);
      if (bad || !std::isfinite(numbers[i])) return damaged();
    }
    DriftReference out;
    out.mean_.assign(mean->begin(), mean->end());
    out.variance_.assign(variance->begin(), variance->end());
    out.calls_ = std::max(8.0, real(object, "calls"));
    for (size_t m = 0; m < kDriftMeasures; ++m) out.scales_[m] = {numbers[2 * m], numbers[2 * m + 1]};
    out.threshold_ = numbers[kScaleNumbers - 3];
    out.slow_allowance_ = numbers[kScaleNumbers - 2];
    out.slow_limit_ = numbers[kScaleNumbers - 1];
    return out;
  }
};

std::vector<DriftTracker::Document> DriftTracker::changes() const {
  std::vector<Document> out;
  for (const std::string& key : forgotten_) {
    if (!states_.contains(key)) out.push_back({key, ""});
  }
  const std::string head = "{\"format\":" + std::to_string(kFormat) + ",\"references\":[";
  for (const auto& [key, state] : states_) {
    if (state.changed) out.push_back({key, head + DriftCodec::to_json(key, state) + "]}"});
  }
  return out;
}

void DriftTracker::saved() {
  forgotten_.clear();
  for (auto& [key, state] : states_) state.changed = false;
}

Status DriftTracker::load(const std::vector<std::string>& documents) {
  std::map<std::string, State, std::less<>> states;
  for (const std::string& text : documents) {
    if (text.size() > kDriftStateBytesMax) return bad_state("too large");
    boost::system::error_code error;
    const json::value root = json::parse(text, error);
    if (error || !root.is_object()) return bad_state("not a JSON object");
    if (whole(root.get_object(), "format") != kFormat) return bad_state("written by another version");
    const json::value* references = root.get_object().if_contains("references");
    if (!references || !references->is_array()) return bad_state("references must be a list");
    for (const json::value& entry : references->get_array()) {
      const json::object* object = entry.if_object();
      const json::value* key = object ? object->if_contains("key") : nullptr;
      if (!key || !key->is_string()) return bad_state("a reference needs a key");
      if (states.size() >= kDriftKeysMax) return bad_state("too many references");
      State state;
      SENTINEL_TRY(DriftCodec::from_json(*object, settings_, state));
      states.insert_or_assign(std::string(key->get_string()), std::move(state));
    }
  }
  states_ = std::move(states);
  forgotten_.clear();
  count_frozen();
  return {};
}

}  // namespace sentinel::analysis
