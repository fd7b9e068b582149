// Provider and caller JSON: no crash; an edited request reads back with what was asked for.
#include <cstdint>
#include <cstdlib>

#include "gateway/protocol/info.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel::gateway;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  for (const auto type : {Api::kChat, Api::kCompletion, Api::kEmbedding}) {
    std::string body = bytes;
    if (auto info = read_request(type, body)) {
      std::string edited = edit_request(body, *info, "other", true);
      auto again = read_request(type, edited);
      if (!again || again->model != "other" || again->prompt != info->prompt) std::abort();
    }
    AnswerInfo answer;
    body = bytes;
    (void)read_answer(type, body, answer);
    (void)read_delta(type, bytes, answer);
  }
  (void)read_provider_error(bytes);
  return 0;
}
