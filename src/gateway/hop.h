#pragma once
// Internal to gateway: how one call is put to one target: in which API the provider is asked, where and with which
// headers, and how its answer becomes the client's. What Call decides (who, how often, how long) is not here.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "gateway/errors.h"
#include "gateway/plan.h"
#include "gateway/protocol/codec.h"
#include "gateway/protocol/info.h"
#include "model/interaction.h"
#include "net/http.h"

namespace sentinel::gateway {

struct Hop {
  const Provider* provider = nullptr;
  Api client = Api::kChat;
  Api upstream = Api::kChat;
  std::string model;                 // asked of the provider
  bool add_usage = false;            // its stream is asked for usage that the client did not ask for
  const std::string* key = nullptr;  // as the provider's header takes it; null: the provider's only one, if it has one
  std::optional<std::string> body;   // what the provider gets instead of the client's own bytes

  bool translated() const { return client != upstream; }
  const std::string& key_shown() const { return key != nullptr ? *key : provider->key; }
};

// The API in which a provider can be asked what a client asks; nullopt: it has none that could say it.
std::optional<Api> upstream_api(Api client, const ProviderConfig& provider);

// kUnprocessable: this provider cannot be asked for that; kInvalidArgument: the request is not what its API allows.
// `body` is the client's, which `info` was read from.
Result<Hop> plan_hop(const Asked& asked, const RequestInfo& info, const std::string& body, const Target& target);

std::string hop_url(const Hop& hop, const Asked& asked, const net::Request& original);
net::Headers hop_headers(const Hop& hop, const net::Request& original, const model::Interaction& interaction,
                         Random& random);
// REQUIRES: translated.
net::Headers hop_answer_headers(const net::Headers& provider_headers, std::string_view content_type);

// The provider's answer as the client's API writes it. REQUIRES: translated; `info` was read from it.
Result<std::string> translate_answer(const Hop& hop, std::string_view answer, const std::string& request_body,
                                     const AnswerInfo& info, const StreamFacts& facts);

// A name for an answer whose provider gave none, as its API would.
std::string answer_id(Api client, std::string_view request_id);

// The provider's events as the client reads them.
class StreamRelay {
 public:
  StreamRelay(const Hop& hop, const Asked& asked, StreamFacts facts);
  // `raw` is one whole event, `data` its data ("" for a comment).
  void event(std::string_view raw, std::string_view data, std::string& out);
  // After the last event. `terminated`: the provider's own API wrote its end.
  void end(bool terminated, std::string& out);
  // A whole answer to who asked for a stream. REQUIRES: translated.
  Status whole(std::string_view answer, std::string& out);
  // What tells the client, within its stream, that the rest will not come.
  std::string failure(ErrorType type, std::string_view message);
  std::string_view content_type() const {
    return json_array_ ? "application/json" : "text/event-stream; charset=utf-8";
  }
  // False: the client gets the provider's events byte for byte.
  bool rewrites() const { return writer_ != nullptr || json_array_; }

 private:
  void write_pieces(std::string& out);

  const Api client_;
  const Codec* const upstream_codec_;
  const bool json_array_;
  bool first_ = true;  // of the array
  bool begun_ = false;
  std::vector<Piece> pieces_;
  std::unique_ptr<PieceReader> reader_;  // null when not translated
  std::unique_ptr<PieceWriter> writer_;
};

}  // namespace sentinel::gateway
