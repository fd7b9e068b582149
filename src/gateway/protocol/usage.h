#pragma once
// What an answer used, on the row of its call.

#include "gateway/protocol/info.h"
#include "model/interaction.h"

namespace sentinel::gateway {

inline void fill_usage(const AnswerInfo& answer, model::Interaction& row) {
  row.tokens_input = answer.tokens_input;
  row.tokens_output = answer.tokens_output;
  row.tokens_cached_input = answer.tokens_cached;
  row.tokens_reasoning = answer.tokens_reasoning;
  row.tokens_cache_write = answer.tokens_cache_write;
  row.tokens_cache_write_1h = answer.tokens_cache_write_1h;
  row.tokens_audio_input = answer.tokens_audio_input;
  row.tokens_audio_output = answer.tokens_audio_output;
  row.tokens_image_input = answer.tokens_image_input;
  row.tokens_image_output = answer.tokens_image_output;
  row.service_tier = answer.service_tier;
}

}  // namespace sentinel::gateway
