#pragma once
// What is asked of an outside judge, and what it said: OpenAI's moderations, embeddings and chat completions, which
// other servers speak as well. Pure functions; any bytes may come back.

#include <optional>
#include <string>
#include <string_view>

#include "app/judge_config.h"
#include "model/interaction.h"

namespace sentinel::app {

struct JudgeQuestion {
  std::string path;  // after base_url
  std::string body;
};

struct JudgeAnswer {
  double value = 0;   // in the terms of the judged score, 0..1
  std::string label;  // the category, or the judge's word; may be empty
  std::optional<int64_t> tokens_input;
  std::optional<int64_t> tokens_output;
};

// Of a call that was analysed: its texts are redacted.
JudgeQuestion ask_judge(const JudgeConfig& judge, const model::Interaction& call);
Result<JudgeAnswer> read_judge(const JudgeConfig& judge, std::string_view body);

// The score of ours that is put to the judge; no value: the call has none.
std::optional<double> own_score(JudgedScore score, const model::Interaction& call);

}  // namespace sentinel::app
