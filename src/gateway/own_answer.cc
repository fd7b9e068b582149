#include "gateway/own_answer.h"

#include "gateway/hop.h"
#include "gateway/protocol/codec.h"
#include "gateway/protocol/protocol.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

constexpr std::string_view kModel = "sentinel-last-resort";

std::string write_stream(const Codec& codec, StreamFacts facts, std::string text) {
  std::string out;
  const std::string id = facts.id;
  const auto writer = codec.piece_writer(std::move(facts));
  writer->write({.kind = Piece::Kind::kStart, .id = id, .name = std::string(kModel)}, out);
  writer->write({.kind = Piece::Kind::kText, .text = std::move(text)}, out);
  writer->write({.kind = Piece::Kind::kUsage, .usage = {.input = 0, .output = 0}}, out);
  writer->write({.kind = Piece::Kind::kFinish}, out);
  writer->finish(out);
  return out;
}

}  // namespace

Result<net::Response> make_own_answer(const CallState& call, std::string text) {
  const Codec* const codec = protocol_of(call.asked.api).codec();
  if (codec == nullptr) return fail(ErrorCode::kUnprocessable, "this API has no answers in words");
  StreamFacts facts;
  facts.id = answer_id(call.asked.api, call.interaction.request_id);
  facts.model = kModel;
  facts.created_s = call.interaction.timestamp_us / 1'000'000;
  facts.include_usage = call.info.include_usage;
  facts.json_array = call.asked.json_array;
  net::Response response;
  if (call.info.stream) {
    const bool events = !call.asked.json_array;
    response.headers.add("content-type", events ? "text/event-stream; charset=utf-8" : "application/json");
    response.body = write_stream(*codec, std::move(facts), std::move(text));
    return response;
  }
  Answer answer;
  answer.id = facts.id;
  answer.model = kModel;
  answer.parts.push_back({.kind = PartKind::kText, .text = std::move(text)});
  answer.usage = {.input = 0, .output = 0};
  response.headers.add("content-type", "application/json");
  response.body = text::serialize(codec->write_answer(answer, facts));
  return response;
}

}  // namespace sentinel::gateway
