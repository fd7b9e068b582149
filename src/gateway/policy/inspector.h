#pragma once
// What guards and the semantic cache ask of a text. Implemented by app over the analysis module.

#include <string>
#include <string_view>
#include <vector>

namespace sentinel::gateway {

struct TextRisks {
  double injection = 0, toxicity = 0, risky = 0;  // 0..1; above 0.5 is what analysis reports
};

struct TextSpan {
  size_t begin = 0, end = 0;  // bytes
  std::string label;          // EMAIL, CREDIT_CARD, ...; SECRET for what opens something
};

// Thread-safe: called on every core.
class TextInspector {
 public:
  virtual ~TextInspector() = default;
  virtual TextRisks risks(std::string_view text) const = 0;
  // Ascending, not overlapping.
  virtual std::vector<TextSpan> personal_data(std::string_view text) const = 0;
  // Unit length; all zero for an empty text.
  virtual std::vector<float> embed(std::string_view text) const = 0;
};

}  // namespace sentinel::gateway
