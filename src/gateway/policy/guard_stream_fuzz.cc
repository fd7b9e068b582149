// Any bytes as the events of a stream, cut anywhere: no crash, bounded memory, and what rules leave alone comes out
// byte for byte.
#include <algorithm>
#include <cstdlib>

#include "gateway/policy/guard_stream.h"
#include "gateway/policy/limits.h"
#include "text/yaml.h"

namespace {

using namespace sentinel;           // NOLINT(google-build-using-namespace)
using namespace sentinel::gateway;  // NOLINT(google-build-using-namespace)

class Inspector final : public TextInspector {
 public:
  TextRisks risks(std::string_view) const override { return {}; }
  std::vector<TextSpan> personal_data(std::string_view text) const override {
    std::vector<TextSpan> spans;
    for (size_t at = text.find('@'); at != std::string_view::npos; at = text.find('@', at + 1)) {
      const size_t begin =
          spans.empty() ? at - std::min<size_t>(at, 2) : std::max(at - std::min<size_t>(at, 2), spans.back().end);
      if (begin <= at) spans.push_back({begin, std::min(at + 2, text.size()), "EMAIL"});
    }
    return spans;
  }
  std::vector<float> embed(std::string_view) const override { return {}; }
};

GuardRules rules(const char* yaml) { return *read_guard_rules(*text::parse_yaml(yaml, "f.yml")); }

std::string run(const GuardRules& with, std::string_view bytes, size_t step, bool array) {
  static const Inspector inspector;
  GuardStream stream(with.after, inspector, array);
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += step) {
    stream.add(bytes.substr(at, step), out);
    if (stream.held_bytes() > kGuardHeldBytesMax + step) std::abort();
  }
  stream.finish(out);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const GuardRules redact = rules("after: [{check: pii, action: redact}]");
  static const GuardRules nothing = rules("after: [{check: pattern, pattern: '\\x00never\\x00', action: redact}]");
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t step = 1 + data[0];
  const bool array = (data[1] & 1) != 0;
  run(redact, bytes, step, array);
  if (run(nothing, bytes, step, array) != bytes) std::abort();
  return 0;
}
