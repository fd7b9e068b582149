// Provider and caller JSON of every API, and the data of its events: no crash; an edited request reads back with what
// was asked for.
#include <cstdint>
#include <cstdlib>

#include "gateway/protocol/info.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::gateway;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  for (size_t i = 0; i < kApis; ++i) {
    const Api api = static_cast<Api>(i);
    std::string body = bytes;
    const auto info = read_request(api, body);
    if (info && api_family(api) != Family::kGemini) {
      const bool usage = api == Api::kChat || api == Api::kCompletion;
      std::string edited = edit_request(body, *info, "other", usage);
      const auto again = read_request(api, edited);
      if (!again || again->model != "other" || again->prompt != info->prompt) std::abort();
    }
    AnswerInfo answer;
    body = bytes;
    (void)read_answer(api, body, answer);
    (void)read_delta(api, bytes, answer);
  }
  (void)read_provider_error(bytes).kind();
  (void)parse_gemini_action(bytes, true);
  return 0;
}
