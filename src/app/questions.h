#pragma once
// What the demo's users ask: questions with the document that answers them, small talk, and the hostile ones.

#include <span>
#include <string_view>

namespace sentinel::app {

struct Question {
  std::string_view question;
  std::string_view document;
};

std::span<const Question> document_questions();
std::span<const std::string_view> chat_messages();
std::span<const std::string_view> hostile_messages();

}  // namespace sentinel::app
