#include "analysis/language.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <vector>

#include "analysis/normalize.h"
#include "analysis/quality.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

struct Language {
  std::string_view name;
  std::string_view called;  // beginnings of its name in several languages, folded
  std::string_view words;   // function words, folded
};
constexpr Language kLanguages[] = {
    {"English", "english englisch anglais ingles inglese engels angiels ingiliz",
     "the and of to is are was were that this it with for you your not have has had be been by from they their there "
     "which what when where who how would could should will can can't don't its an or but if about into than then my "
     "we our he she his her i'm it's as at on do does"},
    {"German", "german deutsch allemand aleman tedesco alemao duits niemiec alman",
     "der die das und ist sind war ein eine einen einem einer nicht ich du er sie es wir ihr mit fur auf aus bei nach "
     "von zu zum zur im den dem des dass wie was wo wer wenn aber oder auch noch nur kann konnen wird werden haben hat "
     "sich mein meine ihre als uber unter durch bitte mir mich"},
    {"French", "french francais franzosisch frances francese frans francus fransiz",
     "le la les un une des du de et est sont dans pour que qui ne pas je tu il elle nous vous ils avec sur ce cette "
     "ces "
     "mon ma mes votre vos au aux ou mais plus par comme j'ai c'est d'un d'une l'on n'est qu'il etre avoir fait peut "
     "comment pouvez merci sans"},
    {"Spanish", "spanish espanol castellano spanisch espagnol spagnolo spaans hiszpan ispanyol",
     "el la los las un una de del y es son en por para que no se su sus con lo como mas pero o este esta mi tu yo ha "
     "han hay muy cuando donde quien puede puedo ser estar fue al le les ya si porque sobre entre"},
    {"Italian", "italian italienisch italien italiano wloski ital",
     "il lo la i gli le un una uno di del della dei delle e è che non per con sono si su come più ma o questo questa "
     "nel nella al alla dal dalla mio tuo anche ha hanno essere quando dove chi puo posso ci era se perche tra"},
    {"Portuguese", "portugu",
     "o a os as um uma de do da dos das e não que para por com se em no na nos nas mais mas ou como seu sua meu minha "
     "ele ela eu você isso este esta são foi ser estar ao aos pelo pela quando onde quem pode tem muito também"},
    {"Dutch", "dutch niederland hollandisch neerland holandes olandese nederlands hollanda",
     "de het een en van is zijn was dat die niet ik je jij hij zij we wij met voor op aan uit bij naar te om er maar "
     "of "
     "ook nog als kan kunnen wordt worden heeft hebben mijn haar deze dit over door wat waar wie hoe"},
    {"Polish", "polish polnisch polonais polaco polacco pools polski",
     "i w we na z ze do nie jest są to że się jak co ale lub czy od po dla przez przy o a tak tego ten ta być był była "
     "mam ma może można mnie jego jej ich oraz który która które już tylko gdzie kiedy"},
    {"Turkish", "turkish turkisch turc turco turks turecki turk",
     "ve bir bu şu o için ile de da ne mi mu değil var yok çok daha en gibi ama veya ben sen biz siz onlar benim senin "
     "olarak olan nasıl nerede kim kadar sonra önce her şey ki bana lütfen"},
    {"Swedish", "swedish schwedisch suedois sueco svensk",
     "och att det är en ett som på av för med inte den jag du han hon vi de har var till om men eller från kan ska vad "
     "hur när där min din sig så också mycket efter"},
    {"Danish", "danish danisch danois danes dansk",
     "og at det er en et som på af for med ikke den jeg du han hun vi de har var til om men eller fra kan skal hvad "
     "hvordan hvor når min din sig så også meget efter"},
    {"Czech", "czech tschechisch tcheque checo cesk",
     "a v ve na z ze do je jsou to že se si jak co ale nebo od po pro při o tak ten ta být byl byla mám má může lze mě "
     "jeho její jejich který která které už jen kde kdy není"},
    {"Romanian", "romanian rumanisch roumain rumano roman",
     "și în de la cu pe nu este sunt un o că se ce care din pentru mai dar sau ca al a ai ale lui ei eu tu el ea noi "
     "fi "
     "fost cum unde când foarte după"},
    {"Indonesian", "indonesian indonesi bahasa",
     "dan yang di ke dari ini itu untuk dengan tidak adalah pada saya anda kamu dia kami mereka akan bisa dapat ada "
     "atau tetapi juga sudah belum lebih apa bagaimana dimana siapa karena oleh"},
    {"Finnish", "finnish finnisch finnois suomi",
     "ja on ei se että en hän minä sinä me te he oli ovat kun niin mutta tai jos vain myös kuin mitä missä miten joka "
     "tämä ne sen olen voi ole"},
};
constexpr size_t kBytesMax = 4096;
constexpr double kHitsMin = 3.0;
constexpr double kShareMin = 0.12;  // of the words
constexpr double kLead = 1.4;       // over the second best

using Owners = std::vector<uint8_t>;  // into kLanguages

const absl::flat_hash_map<std::string_view, Owners>& function_words() {
  static const auto kTable = [] {
    static std::deque<std::string> folded;  // the keys
    absl::flat_hash_map<std::string_view, Owners> table;
    for (uint8_t i = 0; i < std::size(kLanguages); ++i) {
      for (std::string_view word : split(kLanguages[i].words, ' ')) {
        Owners& owners = table[folded.emplace_back(fold(word))];
        if (owners.empty() || owners.back() != i) owners.push_back(i);
      }
    }
    return table;
  }();
  return kTable;
}

std::string_view by_function_words(std::string_view text) {
  const auto& table = function_words();
  std::array<double, std::size(kLanguages)> hits{};
  double words = 0;
  const auto part_of_word = [&](size_t at) {
    const auto c = static_cast<unsigned char>(text[at]);
    return (c >= 'a' && c <= 'z') || c >= 0x80 || c == '\'';
  };
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && part_of_word(end)) ++end;
    if (end == i) {
      ++i;
      continue;
    }
    words += 1;
    const auto it = table.find(text.substr(i, end - i));
    // A word that several languages have says little of any.
    if (it != table.end()) {
      for (const uint8_t owner : it->second) hits[owner] += 1.0 / static_cast<double>(it->second.size());
    }
    i = end;
  }
  const auto best = static_cast<size_t>(std::max_element(hits.begin(), hits.end()) - hits.begin());
  double second = 0;
  for (size_t i = 0; i < hits.size(); ++i) second = i == best ? second : std::max(second, hits[i]);
  const bool sure = hits[best] >= kHitsMin && hits[best] >= kShareMin * words && hits[best] >= kLead * second;
  return sure ? kLanguages[best].name : "";
}

}  // namespace

std::string_view language_of(std::string_view folded) {
  const std::string_view text = utf8_prefix(folded, kBytesMax);
  const std::string_view script = script_of(text);
  if (script == "Latin") return by_function_words(text);
  if (script == "Cyrillic") {
    const bool ukrainian = text.find("і") != text.npos || text.find("ї") != text.npos || text.find("є") != text.npos;
    return ukrainian ? "Ukrainian" : "Russian";
  }
  if (script == "Chinese or Japanese") {
    const bool kana = text.find("の") != text.npos || text.find("は") != text.npos || text.find("を") != text.npos ||
                      text.find("て") != text.npos;
    return kana ? "Japanese" : "Chinese";
  }
  return script;  // Greek, Arabic, Hebrew, Korean, Indic: as far as letters tell
}

bool names_language(std::string_view folded, std::string_view language) {
  for (const Language& known : kLanguages) {
    if (known.name != language) continue;
    for (std::string_view name : split(known.called, ' ')) {
      if (folded.find(name) != folded.npos) return true;
    }
  }
  return false;
}

}  // namespace sentinel::analysis
