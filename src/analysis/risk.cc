#include "analysis/risk.h"

#include <algorithm>
#include <cmath>

#include "analysis/features.h"
#include "analysis/lexicon.h"
#include "analysis/limits.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

constexpr size_t kEvidenceBytesMax = 120;

using ClassCounts = std::array<int, kLexiconClasses>;

bool is_reflexive(std::string_view word) {
  static constexpr std::string_view kWords[] = {"myself",  "yourself",   "urself",     "himself",
                                                "herself", "themselves", "yourselves", "oneself"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

ClassCounts count_classes(std::string_view text) {
  ClassCounts counts{};
  uint8_t before = kNoClass;
  for (size_t i = 0; i < text.size();) {
    const auto word_byte = [&](size_t at) {
      const auto c = static_cast<unsigned char>(text[at]);
      return (c >= 'a' && c <= 'z') || c >= 0x80 || (c >= '0' && c <= '9');
    };
    if (!word_byte(i)) {
      ++i;
      continue;
    }
    size_t j = i;
    while (j < text.size() && word_byte(j)) ++j;
    const std::string_view word = text.substr(i, j - i);
    const uint8_t cls = lexicon_class(word);
    ++counts[cls];
    // "kill yourself", "hurting myself": what is done to oneself is self-harm, whatever the verb.
    if (before == kViolence && is_reflexive(word)) {
      --counts[kViolence];
      ++counts[kSelfHarm];
    }
    before = cls;
    i = j;
  }
  return counts;
}

std::string snippet(std::string_view text, const HeadScores::PerHead& head) {
  if (head.best_end <= head.best_begin || head.best_end > text.size()) return "";
  return std::string(utf8_prefix(text.substr(head.best_begin, head.best_end - head.best_begin), kEvidenceBytesMax));
}

void explain_obfuscation(uint32_t bits, std::vector<std::string>& evidence) {
  struct Note {
    uint32_t bit;
    const char* text;
  };
  static constexpr Note kNotes[] = {{kInvisible, "invisible characters"}, {kHomoglyph, "look-alike letters"},
                                    {kSpacedOut, "spaced-out letters"},   {kBase64, "hidden in base64"},
                                    {kHex, "hidden in hexadecimal"},      {kRot13, "hidden by rot13"},
                                    {kReversed, "written backwards"}};
  for (const Note& note : kNotes) {
    if ((bits & note.bit) && evidence.size() < kEvidenceMax) evidence.emplace_back(note.text);
  }
}

void explain_classes(const ClassCounts& counts, std::initializer_list<LexiconClass> classes,
                     std::vector<std::string>& evidence) {
  for (LexiconClass cls : classes) {
    if (counts[cls] > 0 && evidence.size() < kEvidenceMax)
      evidence.push_back("words: " + std::string(lexicon_class_name(cls)));
  }
}

std::string all_text(const Normalized& normalized) {
  std::string text = normalized.text;
  for (const std::string& part : normalized.decoded) text += "\n" + part;
  return text;
}

// Names the kind of harm by the words present; `fallback` when none decides.
std::string harm_category(const ClassCounts& counts, bool toxic) {
  struct Vote {
    const char* name;
    int weight;
  };
  const int identity = counts[kIdentity];
  const Vote votes[] = {{"SELF_HARM", 3 * counts[kSelfHarm]},
                        {"SEXUAL", 2 * counts[kSexual]},
                        {"HATE", toxic ? 2 * identity : 0},
                        {"VIOLENCE", 2 * counts[kViolence] + (toxic ? 0 : counts[kWeapon])},
                        {"HARASSMENT", toxic && counts[kSecondPerson] > 0 ? counts[kInsult] + 1 : 0}};
  const Vote* best = std::max_element(std::begin(votes), std::end(votes),
                                      [](const Vote& a, const Vote& b) { return a.weight < b.weight; });
  if (best->weight > 1) return best->name;
  return toxic ? "TOXIC" : "RISKY";
}

class HeadInjectionDetector final : public InjectionDetector {
 public:
  explicit HeadInjectionDetector(const HeadModel& model) : model_(model) {}
  TextRisk score(std::string_view text) const override { return injection_risk(model_, assess(model_, text)); }

 private:
  const HeadModel& model_;
};

class HeadSafetyDetector final : public SafetyDetector {
 public:
  explicit HeadSafetyDetector(const HeadModel& model) : model_(model) {}
  TextRisk score(std::string_view text) const override { return safety_risk(model_, assess(model_, text)); }

 private:
  const HeadModel& model_;
};

}  // namespace

TextAssessment assess(const HeadModel& model, std::string_view text) {
  TextAssessment out;
  out.normalized = normalize(text);
  out.risk = text_risks(model, out.normalized, &out.scores);
  return out;
}

double centered_risk(const SecondStage& stage, double probability) {
  const auto logit = [](double p) {
    return std::log(std::clamp(p, 1e-9, 1.0 - 1e-9) / (1.0 - std::clamp(p, 1e-9, 1.0 - 1e-9)));
  };
  return 1.0 / (1.0 + std::exp(logit(stage.threshold) - logit(probability)));
}

TextRisk injection_risk(const HeadModel& model, const TextAssessment& assessment) {
  const SecondStage& stage = model.stage(kInjectionTask);
  TextRisk out;
  out.risk = centered_risk(stage, assessment.risk[kInjectionTask]);
  if (assessment.risk[kInjectionTask] <= stage.threshold) return out;
  const ClassCounts counts = count_classes(all_text(assessment.normalized));
  const int jailbreak =
      3 * counts[kUnrestricted] + counts[kPretend] + counts[kPersona] + counts[kRefusal] + counts[kMode];
  const int injection =
      2 * counts[kIgnore] + counts[kPrior] + counts[kInstruction] + counts[kReveal] + counts[kHidden] + counts[kSend];
  out.label = jailbreak > injection ? "JAILBREAK" : "PROMPT_INJECTION";
  out.categories = {out.label};
  std::string where = snippet(assessment.normalized.text, assessment.scores.head[kInjectionHead]);
  if (!where.empty()) out.evidence.push_back(std::move(where));
  explain_obfuscation(assessment.normalized.obfuscation, out.evidence);
  explain_classes(counts,
                  {kIgnore, kPrior, kInstruction, kReveal, kHidden, kUnrestricted, kPretend, kCredential, kSend},
                  out.evidence);
  return out;
}

TextRisk safety_risk(const HeadModel& model, const TextAssessment& assessment) {
  TextRisk out;
  const double toxic = centered_risk(model.stage(kToxicityTask), assessment.risk[kToxicityTask]);
  const double risky = centered_risk(model.stage(kRiskyTask), assessment.risk[kRiskyTask]);
  out.risk = std::max(toxic, risky);
  if (out.risk <= 0.5) return out;
  const ClassCounts counts = count_classes(all_text(assessment.normalized));
  if (toxic > 0.5) out.categories.push_back(harm_category(counts, true));
  if (risky > 0.5) out.categories.push_back(harm_category(counts, false));
  if (out.categories.size() == 2 && (risky > toxic)) std::swap(out.categories[0], out.categories[1]);
  if (out.categories.size() == 2 && out.categories[0] == out.categories[1]) out.categories.pop_back();
  out.label = out.categories.front();
  std::string where =
      snippet(assessment.normalized.text, assessment.scores.head[toxic > risky ? kToxicityHead : kRiskyHead]);
  if (!where.empty()) out.evidence.push_back(std::move(where));
  explain_obfuscation(assessment.normalized.obfuscation, out.evidence);
  explain_classes(counts,
                  {kViolence, kSelfHarm, kSexual, kWeapon, kDrug, kCrime, kHacking, kDeception, kIdentity, kInsult},
                  out.evidence);
  return out;
}

std::unique_ptr<InjectionDetector> make_injection_detector(const HeadModel& model) {
  return std::make_unique<HeadInjectionDetector>(model);
}
std::unique_ptr<SafetyDetector> make_safety_detector(const HeadModel& model) {
  return std::make_unique<HeadSafetyDetector>(model);
}

}  // namespace sentinel::analysis
