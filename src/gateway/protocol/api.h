#pragma once
// The provider APIs the gateway speaks: what a client may ask in, and what a provider may be asked in.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sentinel::gateway {

// Who invented an API: it has its own headers, its own errors and its own way to stream.
enum class Family { kOpenAi, kAnthropic, kGemini };

enum class Api {
  kChat,
  kCompletion,
  kEmbedding,
  kResponses,
  kModeration,
  kMessages,
  kCountTokens,
  kGenerate,
  kGeminiCount,
  kGeminiEmbed,
  kGeminiBatchEmbed,
};
inline constexpr size_t kApis = 11;

struct ApiInfo {
  Api api;
  Family family;
  std::string_view request_type;  // of the Interaction
  std::string_view endpoint;      // where it is served, and the label of metrics
  bool answers_text;              // an answer without text or tool call is an empty one
};

const ApiInfo& api_info(Api api);
inline Family api_family(Api api) { return api_info(api).family; }
inline std::string_view api_request_type(Api api) { return api_info(api).request_type; }
inline std::string_view api_endpoint(Api api) { return api_info(api).endpoint; }

// What the request line says of a call. Gemini's names the model and whether to stream; the others' only the API.
struct Asked {
  Api api = Api::kChat;
  std::string model;        // Gemini only
  bool stream = false;      // of the others it is known once their body has been read
  bool json_array = false;  // Gemini's stream without ?alt=sse: one JSON array
};

// Of what follows "/v1beta/models/": "gemini-2.5-pro:streamGenerateContent". Empty: no action the gateway knows.
std::optional<Asked> parse_gemini_action(std::string_view tail, bool alt_sse);

}  // namespace sentinel::gateway
