#pragma once
// Calls as the spill keeps them: docs/formats/telemetry_spill.md.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/interaction.h"

namespace sentinel::ingest {

struct SpilledCall {
  model::Interaction interaction;
  bool scored = false;  // analysed and measured already; only the store has not got it
};

std::string spill_header();  // magic and version: what every spill file begins with
// Appends one frame. kTooLarge: the call exceeds the frame's limit; `out` is as before.
Status encode_spilled(const SpilledCall& call, std::string& out);

// What is in the bytes of a spill file: calls `visit` with each whole call and the offset behind it, in order, until
// `visit` says false. Returns how many bytes were whole. Safe on any bytes.
uint64_t read_spill(std::string_view file, uint64_t from, const std::function<bool(SpilledCall, uint64_t)>& visit);

}  // namespace sentinel::ingest
