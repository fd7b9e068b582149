#include "api/feedback.h"

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace sentinel::api {
namespace {

Result<ingest::FeedbackRequest> parsed(std::string_view text) {
  return feedback_from_json(boost::json::parse(text).as_object());
}

TEST(FeedbackBody, ThumbsAndStarsAreOneScale) {
  const std::pair<const char*, double> cases[] = {{"\"up\"", 1}, {"\"down\"", 0}, {"1", 0},
                                                  {"2", 0.25},   {"3", 0.5},      {"5", 1}};
  for (const auto& [rating, score] : cases) {
    const auto request = parsed(std::string(R"({"request_id":"r","rating":)") + rating + "}");
    ASSERT_TRUE(request) << rating;
    EXPECT_EQ(request->rating, score) << rating;
    EXPECT_FALSE(request->label);
    EXPECT_FALSE(request->converted);
  }
  const auto all = parsed(R"({"request_id":"r","rating":null,"label":"unsafe","conversion":true})");
  ASSERT_TRUE(all);
  EXPECT_FALSE(all->rating);
  EXPECT_EQ(all->label, ingest::AnswerLabel::kUnsafe);
  EXPECT_TRUE(all->converted);
}

TEST(FeedbackBody, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"rating":"up"})", "request_id"},
      {R"({"request_id":7})", "request_id"},
      {R"({"request_id":"r","rating":0})", "rating"},
      {R"({"request_id":"r","rating":6})", "rating"},
      {R"({"request_id":"r","rating":4.5})", "rating"},
      {R"({"request_id":"r","rating":"sideways"})", "rating"},
      {R"({"request_id":"r","rating":true})", "rating"},
      {R"({"request_id":"r","label":"nice"})", "nice"},
      {R"({"request_id":"r","label":1})", "label"},
      {R"({"request_id":"r","conversion":false})", "conversion"},
      {R"({"request_id":"r","conversion":"yes"})", "conversion"},
  };
  for (const auto& [body, word] : cases) {
    const auto request = parsed(body);
    ASSERT_FALSE(request) << body;
    EXPECT_EQ(request.error().code(), ErrorCode::kInvalidArgument) << body;
    EXPECT_NE(request.error().message().find(word), std::string::npos) << request.error().message();
  }
}

}  // namespace
}  // namespace sentinel::api
