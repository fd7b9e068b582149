#pragma once
// One API's JSON to neutral values (value.h) and back. Stateless but for the streams it makes. What a codec cannot say
// in its API is refused (kUnprocessable) where it would change the answer, and dropped where it is a hint; the table of
// both is in docs/gateway.md. kInvalidArgument: not what the API allows.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "gateway/protocol/value.h"

namespace sentinel::gateway {

// Reads a provider's stream. One object a stream.
class PieceReader {
 public:
  virtual ~PieceReader() = default;
  // The data of one event; [DONE] and its like give nothing. Malformed parts give nothing either: the Protocol has
  // looked at the event before.
  virtual void read(std::string_view data, std::vector<Piece>& pieces) = 0;
};

// Writes a stream for the client. One object a stream. `out` gets whole events, with their framing.
class PieceWriter {
 public:
  virtual ~PieceWriter() = default;
  virtual void write(const Piece& piece, std::string& out) = 0;
  // After the last piece: what closes the stream.
  virtual void finish(std::string& out) = 0;
};

// What a client's stream needs to know besides its pieces.
struct StreamFacts {
  std::string id;     // of an answer whose provider gives none
  std::string model;  // as asked for, until the provider says
  int64_t created_s = 0;
  bool include_usage = false;  // OpenAI chat: the client asked for it
  bool json_array = false;     // Gemini: not server-sent events
};

// Plain functions: an API's codec has no state of its own.
struct Codec {
  Result<Ask> (*read_ask)(const boost::json::object& body);
  Result<boost::json::object> (*write_ask)(const Ask& ask);
  Result<Answer> (*read_answer)(const boost::json::object& body);
  boost::json::object (*write_answer)(const Answer& answer, const StreamFacts& facts);
  std::unique_ptr<PieceReader> (*piece_reader)();
  std::unique_ptr<PieceWriter> (*piece_writer)(StreamFacts facts);
};

template <class Reader>
std::unique_ptr<PieceReader> make_piece_reader() {
  return std::make_unique<Reader>();
}
template <class Writer>
std::unique_ptr<PieceWriter> make_piece_writer(StreamFacts facts) {
  return std::make_unique<Writer>(std::move(facts));
}

const Codec& chat_codec();
const Codec& responses_codec();  // for clients only: no provider is asked in it by translation
const Codec& messages_codec();
const Codec& gemini_codec();

}  // namespace sentinel::gateway
