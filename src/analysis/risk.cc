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
constexpr size_t kEvidenceWords = 4;
constexpr double kFindingAbove = 0.5;  // of a centred risk

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

// The place and the words that weighed most, and how the text was hidden.
void explain_text(const HeadModel& model, const TextAssessment& assessment, HeadIndex head,
                  std::vector<std::string>& evidence) {
  std::string where = snippet(assessment.normalized.text, assessment.scores.head[head]);
  if (!where.empty()) evidence.push_back(std::move(where));
  std::string words;
  const FeatureDoc doc(assessment.normalized.text);
  for (const auto& [word, weight] : model.heaviest_words(doc, assessment.normalized.text, head, kEvidenceWords))
    words += (words.empty() ? "weigh most: " : ", ") + word;
  if (!words.empty()) evidence.push_back(std::move(words));
  explain_obfuscation(assessment.normalized.obfuscation, evidence);
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

double shown_risk(const HeadModel& model, const TextAssessment& assessment, Task task,
                  std::optional<double> threshold) {
  return centered_risk(threshold.value_or(static_cast<double>(model.stage(task).threshold)), assessment.risk[task]);
}

TextRisk harm_risk(const HeadModel& model, const TextAssessment& assessment, Task task,
                   std::optional<double> threshold) {
  TextRisk out;
  out.risk = shown_risk(model, assessment, task, threshold);
  if (out.risk <= kFindingAbove) return out;
  const ClassCounts counts = count_classes(all_text(assessment.normalized));
  out.label = harm_category(counts, task == kToxicityTask);
  out.categories = {out.label};
  explain_text(model, assessment, task == kToxicityTask ? kToxicityHead : kRiskyHead, out.evidence);
  explain_classes(counts,
                  {kViolence, kSelfHarm, kSexual, kWeapon, kDrug, kCrime, kHacking, kDeception, kIdentity, kInsult},
                  out.evidence);
  return out;
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

double centered_risk(double threshold, double probability) {
  if (probability <= threshold) return threshold > 0 ? 0.5 * probability / threshold : 0.5;
  return 0.5 + 0.5 * (probability - threshold) / (1.0 - threshold);
}

TextRisk injection_risk(const HeadModel& model, const TextAssessment& assessment, std::optional<double> threshold) {
  TextRisk out;
  out.risk = shown_risk(model, assessment, kInjectionTask, threshold);
  if (out.risk <= kFindingAbove) return out;
  const ClassCounts counts = count_classes(all_text(assessment.normalized));
  const int jailbreak =
      3 * counts[kUnrestricted] + counts[kPretend] + counts[kPersona] + counts[kRefusal] + counts[kMode];
  const int injection =
      2 * counts[kIgnore] + counts[kPrior] + counts[kInstruction] + counts[kReveal] + counts[kHidden] + counts[kSend];
  out.label = jailbreak > injection ? "JAILBREAK" : "PROMPT_INJECTION";
  out.categories = {out.label};
  explain_text(model, assessment, kInjectionHead, out.evidence);
  explain_classes(counts,
                  {kIgnore, kPrior, kInstruction, kReveal, kHidden, kUnrestricted, kPretend, kCredential, kSend},
                  out.evidence);
  return out;
}

TextRisk toxicity_risk(const HeadModel& model, const TextAssessment& assessment, std::optional<double> threshold) {
  return harm_risk(model, assessment, kToxicityTask, threshold);
}
TextRisk risky_risk(const HeadModel& model, const TextAssessment& assessment, std::optional<double> threshold) {
  return harm_risk(model, assessment, kRiskyTask, threshold);
}

TextRisk safety_risk(const HeadModel& model, const TextAssessment& assessment) {
  TextRisk worse = toxicity_risk(model, assessment);
  TextRisk other = risky_risk(model, assessment);
  if (other.risk > worse.risk) std::swap(worse, other);
  if (other.label != "SAFE" && other.label != worse.label) worse.categories.push_back(other.label);
  return worse;
}

std::unique_ptr<InjectionDetector> make_injection_detector(const HeadModel& model) {
  return std::make_unique<HeadInjectionDetector>(model);
}
std::unique_ptr<SafetyDetector> make_safety_detector(const HeadModel& model) {
  return std::make_unique<HeadSafetyDetector>(model);
}

}  // namespace sentinel::analysis
