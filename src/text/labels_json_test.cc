#include "text/labels_json.h"

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "base/random.h"

namespace sentinel::text {
namespace {

TEST(LabelsJson, IsAnObjectOfStringsInTheOrderOfNames) {
  const model::Labels labels{{"b", "x \"y\"\n"}, {"a", "1"}};
  EXPECT_EQ(encode_labels(labels), R"({"a":"1","b":"x \"y\"\n"})");
  EXPECT_EQ(encode_labels(model::Labels{}), "{}");
  EXPECT_EQ(boost::json::serialize(labels_object(labels)), encode_labels(labels));
}

TEST(LabelsJson, WhatWasEncodedIsDecodedTheSame) {
  Random random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<model::Label> list;
    for (uint64_t i = random.below(5); i > 0; --i) {
      std::string value;
      for (uint64_t n = 1 + random.below(8); n > 0; --n) value += static_cast<char>(random.below(128));
      list.push_back({"l" + std::to_string(i), value});
    }
    const model::Labels labels(std::move(list));
    const auto back = decode_labels(encode_labels(labels));
    ASSERT_TRUE(back) << encode_labels(labels) << ": " << back.error().to_string();
    EXPECT_EQ(*back, labels);
  }
}

TEST(LabelsJson, WhatIsNotStoredByUsIsAnInternalErrorAndAWrongValueFromOutsideABadArgument) {
  for (const char* text : {"", "[]", "{\"a\":1}", "{\"a\":", "null", "{} {}"}) {
    const auto labels = decode_labels(text);
    ASSERT_FALSE(labels) << text;
    EXPECT_EQ(labels.error().code(), ErrorCode::kInternal) << text;
  }
  struct Case {
    const char* json;
    const char* says;
  };
  for (const Case& c : {Case{"[]", "labels: expected an object of strings, got array"},
                        Case{R"({"a":"x","b":1})", "label \"b\": expected string, got number"},
                        Case{R"({"a":null})", "label \"a\": expected string, got null"}}) {
    const auto labels = labels_from_value(boost::json::parse(c.json));
    ASSERT_FALSE(labels) << c.json;
    EXPECT_EQ(labels.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(labels.error().message(), c.says);
  }
}

}  // namespace
}  // namespace sentinel::text
