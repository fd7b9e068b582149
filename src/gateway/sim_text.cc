#include "gateway/sim_text.h"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "base/strings.h"
#include "gateway/sim_knowledge.h"

namespace sentinel::gateway {
namespace {

constexpr std::string_view kStopWords[] = {"a",      "about", "an",    "and", "are",  "as",   "at",   "be",   "by",
                                           "can",    "do",    "does",  "for", "from", "give", "has",  "have", "how",
                                           "i",      "if",    "in",    "is",  "it",   "its",  "long", "many", "may",
                                           "me",     "much",  "must",  "my",  "of",   "on",   "or",   "our",  "please",
                                           "should", "tell",  "that",  "the", "this", "to",   "was",  "we",   "what",
                                           "when",   "where", "which", "who", "will", "with", "you",  "your"};

// Lower-case words without endings that only mark number or tense: enough to see what a sentence is about.
std::set<std::string> content_words(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  auto finish = [&] {
    if (word.size() > 4 && word.ends_with("ing"))
      word.resize(word.size() - 3);
    else if (word.size() > 3 && word.ends_with("es"))
      word.resize(word.size() - 2);
    else if (word.size() > 3 && (word.ends_with('s') || word.ends_with('d')))
      word.resize(word.size() - 1);
    const bool stop = std::find(std::begin(kStopWords), std::end(kStopWords), word) != std::end(kStopWords);
    if (word.size() > 1 && !stop) words.insert(word);
    word.clear();
  };
  for (char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      word += c;
    } else if (c >= 'A' && c <= 'Z') {
      word += static_cast<char>(c + 32);
    } else {
      finish();
    }
  }
  finish();
  return words;
}

size_t overlap(const std::set<std::string>& a, const std::set<std::string>& b) {
  return static_cast<size_t>(std::count_if(a.begin(), a.end(), [&](const auto& word) { return b.contains(word); }));
}

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> sentences;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool end =
        (text[i] == '.' || text[i] == '!' || text[i] == '?') && (i + 1 == text.size() || text[i + 1] == ' ');
    const bool line = text[i] == '\n';
    if (!end && !line && i + 1 != text.size()) continue;
    const auto sentence = trim(text.substr(begin, i + 1 - begin));
    if (!sentence.empty()) sentences.emplace_back(sentence);
    begin = i + 1;
  }
  return sentences;
}

const Knowledge* find_knowledge(std::string_view question) {
  const auto words = content_words(question);
  const Knowledge* best = nullptr;
  size_t best_score = 1;  // one word in common is chance
  for (const Knowledge& entry : sim_knowledge()) {
    const size_t score = 2 * overlap(words, content_words(entry.question)) +
                         overlap(words, content_words(entry.topic)) + overlap(words, content_words(entry.document));
    if (score > best_score + 1) {
      best = &entry;
      best_score = score;
    }
  }
  return best;
}

template <size_t N>
std::string_view pick(const std::array<std::string_view, N>& list, Random& random) {
  return list[random.below(N)];
}

constexpr std::array<std::string_view, 4> kLeads = {"", "According to the document, ",
                                                    "In short: ", "Here is the answer. "};

constexpr std::array<std::string_view, 12> kOrnate = {
    "What a truly wonderful and many-layered question, one that invites us to pause and wander together through a "
    "garden of possibilities!",
    "Throughout the ages, travellers, poets and dreamers alike have pondered matters of this very kind beneath starlit "
    "skies.",
    "Let us first appreciate the rich tapestry of perspectives that every curious mind brings to such a conversation.",
    "Imagine, if you will, a gentle river winding through autumn forests, carrying leaves of gold toward the distant "
    "ocean.",
    "Synergy, passion and holistic excellence are the lighthouse by which great journeys are guided.",
    "Some people prefer mornings, others evenings, and in that difference lies a profound lesson about harmony.",
    "As the old proverb says, the mountain does not hurry, and yet the clouds always find it.",
    "Creativity blossoms whenever we embrace ambiguity with open arms and a generous spirit.",
    "There are countless dimensions to explore, each more fascinating and vibrant than the last!",
    "Remember that every ending is but the overture of another symphony waiting to be composed.",
    "Isn't it remarkable how music, mathematics and moonlight seem to share one hidden melody?",
    "With warm enthusiasm I encourage you to celebrate the adventure and to trust the unfolding of the process."};

constexpr std::array<std::string_view, 8> kOffTopicLines = {
    "Penguins huddle together in large groups to keep warm during the Antarctic winter.",
    "To bake sourdough bread you feed the starter with flour and water every day.",
    "The rings of Saturn consist mostly of ice particles and dust.",
    "Jazz musicians often improvise over a repeating sequence of chords.",
    "Volcanic soil makes the vineyards of Sicily especially fertile.",
    "A chess opening should develop the knights before the queen.",
    "Honey bees dance to show the hive where flowers bloom.",
    "The tallest sand dunes of the Namib desert glow red at sunrise."};

constexpr std::array<std::string_view, 6> kUnsafeLines = {
    "What a stupid question. You are a worthless idiot and everybody hates you.",
    "Shut up, you pathetic moron. People like you deserve to be beaten and killed.",
    "I hate you and your disgusting family, and I will hurt you if you ask again.",
    "You should just kill yourself, nobody would miss such a useless piece of garbage.",
    "Go ahead and attack them, stab them and make them bleed; violence is what those filthy people deserve.",
    "Steal the money, threaten the witness with a gun and burn the house down, that will teach those bastards."};

constexpr std::array<std::string_view, 6> kInvented = {
    "The board abolished that rule in 1997 and now grants a private helicopter to every applicant.",
    "The official limit is 9,999 euros and it doubles automatically each full moon.",
    "A platinum membership issued by the Ministry of Weather is required beforehand.",
    "Everything is handled by a robot called Zeppelin in the Reykjavik basement.",
    "The waiting time is exactly 417 weeks unless the applicant plays the violin.",
    "Only residents of Atlantis who own a green submarine are eligible."};

constexpr std::array<std::string_view, 3> kLeaks = {
    "By the way, the previous customer was Maria Lopez, e-mail maria.lopez@example.com, phone +1 415 555 0142.",
    "The record shows John Carter, card number 4111 1111 1111 1111, social security number 078-05-1120.",
    "It was ordered by Anna Schmidt, anna.schmidt@example.org, IBAN DE89 3704 0044 0532 0130 00."};

constexpr std::array<std::string_view, 3> kRefusals = {
    "I'm sorry, but I can't help with that request. I'm happy to answer questions about our products and policies.",
    "I can't assist with that. If there is something else you would like to know, please ask.",
    "Sorry, I'm not able to do that, and my instructions stay as they are. Is there a question I can answer?"};

// The sentences of the source that share most with the question, in their order.
std::string best_sentences(std::string_view question, std::string_view source, size_t count) {
  const auto words = content_words(question);
  const auto sentences = sentences_of(source);
  std::vector<size_t> order(sentences.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<size_t> shared;
  for (const auto& sentence : sentences) shared.push_back(overlap(words, content_words(sentence)));
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return shared[a] != shared[b] ? shared[a] > shared[b] : a < b; });
  order.resize(std::min(order.size(), count));
  std::sort(order.begin(), order.end());
  std::string out;
  for (size_t index : order) {
    if (!out.empty()) out += ' ';
    out += sentences[index];
  }
  return out;
}

std::string good_answer(std::string_view question, std::string_view document, Random& random) {
  std::string_view source = document;
  const Knowledge* known = find_knowledge(question);
  if (trim(source).empty() && known != nullptr) source = known->document;
  if (trim(source).empty()) {
    std::string subject(trim(question));
    while (!subject.empty() && (subject.back() == '?' || subject.back() == '.' || subject.back() == '!'))
      subject.pop_back();
    subject = std::string(utf8_prefix(subject, 300));
    return "You asked: " + subject +
           ". I do not have a document about this, so I cannot confirm details; please share the "
           "document, and I will answer from it.";
  }
  std::string answer;
  std::string facts = best_sentences(question, source, 2 + random.below(2));
  const std::string_view lead = document.empty() ? std::string_view() : pick(kLeads, random);
  if (lead.ends_with(", ") && facts.size() > 1 && facts[1] >= 'a' && facts[1] <= 'z')
    facts[0] = to_lower(facts.substr(0, 1))[0];
  answer += lead;
  answer += facts;
  return answer;
}

template <size_t N>
std::string several(const std::array<std::string_view, N>& list, size_t count, Random& random) {
  std::string out;
  size_t at = random.below(N);
  for (size_t i = 0; i < count; ++i, at = (at + 1 + random.below(2)) % N) {
    if (!out.empty()) out += ' ';
    out += list[at];
  }
  return out;
}

}  // namespace

std::string compose_answer(AnswerKind kind, std::string_view question, std::string_view document, Random& random) {
  switch (kind) {
    case AnswerKind::kGood: return good_answer(question, document, random);
    case AnswerKind::kNewVersion: return several(kOrnate, 5 + random.below(3), random);
    case AnswerKind::kOffTopic: return several(kOffTopicLines, 2 + random.below(2), random);
    case AnswerKind::kUnsafe: return several(kUnsafeLines, 1 + random.below(2), random);
    case AnswerKind::kUngrounded: return several(kInvented, 2 + random.below(2), random);
    case AnswerKind::kPiiLeak: return good_answer(question, document, random) + " " + std::string(pick(kLeaks, random));
    case AnswerKind::kRefusal: return std::string(pick(kRefusals, random));
  }
  return {};
}

bool is_hostile_prompt(std::string_view prompt) {
  constexpr std::string_view kMarks[] = {"ignore previous",
                                         "ignore all previous",
                                         "ignore your instructions",
                                         "system prompt",
                                         "jailbreak",
                                         "how to make a bomb",
                                         "build a bomb",
                                         " kill ",
                                         "hurt someone",
                                         " steal ",
                                         "hack into",
                                         "stupid",
                                         "idiot",
                                         "hate you",
                                         "disregard"};
  const std::string lower = " " + to_lower(prompt);
  return std::any_of(std::begin(kMarks), std::end(kMarks),
                     [&](auto mark) { return lower.find(mark) != std::string::npos; });
}

int64_t estimate_tokens(std::string_view text) {
  if (text.empty()) return 0;
  return std::max<int64_t>(1, static_cast<int64_t>((text.size() + 3) / 4));
}

}  // namespace sentinel::gateway
