// What one family says, written for every other: no crash, and always JSON. The input is a request, an answer and the
// events of a stream (one a line) alike.
#include <cstdint>
#include <cstdlib>

#include "base/strings.h"
#include "gateway/protocol/codec.h"
#include "gateway/protocol/embeddings.h"
#include "text/json.h"
#include "text/json_text.h"

namespace {

using namespace sentinel;
using namespace sentinel::gateway;

const Codec* const kCodecs[] = {&chat_codec(), &responses_codec(), &messages_codec(), &gemini_codec()};

void check_json(const boost::json::object& written) {
  if (!text::parse_json_object(text::serialize(written))) std::abort();
}

void translate(const boost::json::object& body) {
  const StreamFacts facts{.id = "id", .model = "m"};
  for (const Codec* from : kCodecs) {
    if (const auto ask = from->read_ask(body)) {
      for (const Codec* to : kCodecs) {
        if (const auto written = to->write_ask(*ask)) check_json(*written);
      }
    }
    if (const auto answer = from->read_answer(body)) {
      for (const Codec* to : kCodecs) check_json(to->write_answer(*answer, facts));
    }
  }
  for (const Api from : {Api::kEmbedding, Api::kGeminiEmbed, Api::kGeminiBatchEmbed}) {
    (void)translate_embedding_request(from, body, "m");
    (void)translate_embedding_answer(from, body, body, "m", {});
  }
  for (const Api from : {Api::kCountTokens, Api::kGeminiCount}) {
    (void)translate_count_request(from, body, "m", false);
    (void)translate_count_answer(from, body);
  }
}

void stream(std::string_view bytes) {
  for (const Codec* from : kCodecs) {
    const auto reader = from->piece_reader();
    if (reader == nullptr) continue;
    std::vector<Piece> pieces;
    for (const std::string_view line : split(bytes, '\n')) reader->read(line, pieces);
    for (const Codec* to : kCodecs) {
      std::string out;
      const auto writer = to->piece_writer({.id = "id", .model = "m", .json_array = true});
      for (const Piece& piece : pieces) writer->write(piece, out);
      writer->finish(out);
      if (to == &gemini_codec() && !text::parse_json(out, {.bytes_max = out.size()})) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto body = text::parse_json_object(bytes)) translate(*body);
  stream(bytes);
  return 0;
}
