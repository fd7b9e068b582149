#pragma once
// What is asked besides answers, between families: vectors (OpenAI and Gemini) and counts of tokens (Anthropic and
// Gemini). Pure functions; errors as of a Codec.

#include <string>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "gateway/protocol/api.h"
#include "gateway/protocol/info.h"

namespace sentinel::gateway {

// REQUIRES: both are embedding APIs. To Gemini always kGeminiBatchEmbed.
Result<boost::json::object> translate_embedding_request(Api from, const boost::json::object& body,
                                                        const std::string& model);
// `asked`: the client's own request, which says in what form it wants the vectors.
Result<boost::json::object> translate_embedding_answer(Api to, const boost::json::object& answer,
                                                       const boost::json::object& asked, const std::string& model,
                                                       const AnswerInfo& info);

// REQUIRES: both count tokens. `vertex`: its countTokens has another form.
Result<boost::json::object> translate_count_request(Api from, const boost::json::object& body, const std::string& model,
                                                    bool vertex);
Result<boost::json::object> translate_count_answer(Api to, const boost::json::object& answer);

}  // namespace sentinel::gateway
