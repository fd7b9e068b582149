#include "analysis/lexicon.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>

#include "base/strings.h"

namespace sentinel::analysis {
namespace {

struct Group {
  LexiconClass cls;
  std::string_view name;
  std::string_view words;  // folded, separated by spaces; English, German, French, Spanish, Italian, Portuguese, Dutch,
                           // Polish, Russian, Turkish where the verb or noun differs
};

constexpr Group kGroups[] = {
    {kIgnore, "ignore",
     "ignore ignoring ignored disregard disregarding forget forgetting neglect override overrule overwrite discard "
     "drop dismiss "
     "skip erase abandon ignoriere ignorieren ignorier vergiss vergessen missachte uberspringe ignorez ignorer oublie "
     "oubliez oublier ignora ignorar ignore olvida olvidar olvide descarta ignori ignorare dimentica dimenticare "
     "tralascia esqueca esquecer desconsidere negeer negeren vergeet vergeten zignoruj zapomnij pomin игнорируи "
     "игнорировать игнорируите забудь забудьте yoksay unut gormezden 無視 忘記 忽略 忽视 忘记 무시 무시하고 무시해"},
    {kPrior, "earlier",
     "previous prior above earlier preceding foregoing aforementioned before initial original former vorherigen "
     "vorherige vorigen obigen bisherigen fruheren precedentes precedente precedents precedent anteriores anterior "
     "previas previos previo precedenti precedente anteriori vorige eerdere bovenstaande poprzednie poprzednich "
     "wczesniejsze предыдущие предыдущих прежние onceki yukaridaki 前 之前 以上 以前 이전"},
    {kInstruction, "instructions",
     "instruction instructions rule rules guideline guidelines directive directives command commands order orders "
     "prompt prompts constraints constraint policy policies guardrails programming configuration anweisung "
     "anweisungen regeln befehle vorgaben anleitung instrucciones instruccion reglas ordenes indicaciones consignes "
     "regles directives istruzioni regole comandi instrucoes regras ordens comandos instructies regels opdrachten "
     "instrukcje polecenia zasady instrukcji инструкции правила указания команды talimatlari talimatlar kurallari "
     "指示 指令 规则 命令 지시 명령"},
    {kReveal, "reveal",
     "reveal show print display output repeat echo recite disclose divulge expose leak dump verbatim zeige zeig "
     "verrate "
     "ausgeben wiederhole montre montrez revele revelez affiche muestra revela imprime repite mostra rivela stampa "
     "ripeti mostre revele imprima repita toon onthul herhaal pokaz ujawnij powtorz покажи раскрои выведи повтори "
     "goster yazdir 显示 打印 输出 重复 보여줘 출력"},
    {kHidden, "system or hidden",
     "system hidden secret confidential internal private concealed geheim geheimen geheime versteckte systemprompt "
     "secrete cache oculto oculta secreto secreta sistema segreto nascosto segredo geheime verborgen ukryte tajne "
     "системныи секретныи скрытыи gizli sistem 系统 秘密 隐藏 시스템 비밀"},
    {kPretend, "pretend",
     "pretend act acting roleplay role simulate simulating imagine behave impersonate emulate hypothetical fictional "
     "character persona tu stell simuliere spiele agis imagine simule pretends finge actua simula imagina fingi "
     "immagina comportati finja aja simule imagine doe stel gedraag udawaj wyobraz притворись представь rol davran "
     "扮演 假装 假裝 가정"},
    {kUnrestricted, "unrestricted",
     "unrestricted unfiltered uncensored unlimited unbound unbounded limitless jailbreak jailbroken jailbreaking dan "
     "restrictions restriction limitations limitation filters filter censorship censored amoral immoral unethical "
     "freed liberated freely einschrankungen ungefiltert unzensiert restricciones limites filtros restrictions "
     "limitazioni restrizioni restricoes beperkingen ograniczen ограничении sinirsiz"},
    {kRefusal, "refusal",
     "refuse refusal refusing apologize apologise apologies disclaimer disclaimers warn warning warnings decline "
     "moralize lecture sorry cannot unable ethical ethics moral morals morality legality"},
    {kBypass, "bypass",
     "bypass circumvent evade disable deactivate unlock break escape avoid sidestep workaround subvert umgehe "
     "deaktiviere contourne desactive evita desactiva aggira disattiva contorne desative omzeil wylacz обоиди отключи"},
    {kMode, "mode",
     "mode modus developer dev debug sudo admin administrator root god maintenance diagnostic override "
     "opposite evil enabled activated"},
    {kCredential, "credential",
     "password passwords passcode passphrase credential credentials token tokens key keys apikey login pin passwort "
     "kennwort motdepasse contrasena clave senha wachtwoord haslo пароль sifre 密码 비밀번호"},
    {kSend, "send",
     "send sends forward email mail upload post transmit exfiltrate append attach include insert link url click "
     "visit download sende schicke envoie envoyez envia manda invia envie stuur wyslij отправь gonder 发送"},
    {kInstead, "instead",
     "instead rather stattdessen sondern plutot lugar invece vez plaats zamiast вместо yerine only simply"},
    {kAssistant, "assistant",
     "ai assistant chatbot bot gpt chatgpt llm model claude gemini openai assistent ki ia asistente modelo"},
    {kNow, "from now on",
     "now henceforth onwards jetzt nun maintenant desormais ahora adesso agora nu teraz теперь simdi 现在"},
    {kTask, "task",
     "task tasks new following next aufgabe neue tache nouvelle tarea nueva compito nuovo tarefa taak zadanie задача "
     "gorev"},
    {kPersona, "persona",
     "stan dude aim mongo omega ucar maximum cooper niccolo machiavelli grandma grandmother rick villain tom"},
    {kViolence, "violence",
     "kill killing killed murder murdering shoot shooting stab stabbing torture beat strangle behead massacre "
     "slaughter "
     "assassinate execute attack attacks attacking bombing terrorist terrorism genocide lynch burn hurt harm violence "
     "violent blood gore mutilate maim assault rape raping"},
    {kSelfHarm, "self-harm",
     "suicide suicidal overdose cutting self-harm selfharm anorexia anorexic starve noose hang hanging bulimia purge"},
    {kSexual, "sexual",
     "sex sexual sexually porn pornographic pornography nude nudes naked erotic erotica orgasm explicit masturbate "
     "genitals penis vagina breasts nipples fetish incest horny seduce moan thrust intercourse"},
    {kWeapon, "weapon",
     "bomb bombs explosive explosives weapon weapons gun guns grenade molotov ammunition firearm firearms silencer "
     "nuclear anthrax ricin sarin nerve poison poisonous toxin detonator dynamite napalm pipe"},
    {kDrug, "drug",
     "drug drugs meth methamphetamine cocaine heroin fentanyl lsd mdma ghb crack narcotics opioids opium ecstasy"},
    {kCrime, "crime",
     "steal stealing robbery rob burglary shoplift kidnap abduct launder laundering smuggle smuggling traffick "
     "trafficking counterfeit forge fraud scam scams blackmail extort bribe evade hitman illegal illegally undetected "
     "embezzle insider stalk stalking arson vandalize ransom"},
    {kHacking, "hacking",
     "hack hacking hacker malware ransomware virus keylogger trojan rootkit worm botnet ddos phishing exploit exploits "
     "backdoor spyware crack cracking breach intercept spoof spoofing sqli injection"},
    {kDeception, "deception",
     "fake misinformation disinformation propaganda defame defamatory libel conspiracy hoax manipulate manipulation "
     "deceive impersonate rumor rumors falsified"},
    {kIdentity, "identity",
     "muslim muslims islam jew jews jewish christian christians black blacks white whites asian asians chinese mexican "
     "mexicans immigrant immigrants refugees gay gays lesbian lesbians trans transgender bisexual women woman girls "
     "disabled autistic indian indians arab arabs african africans latino latinos homosexual homosexuals queer"},
    {kInsult, "insult",
     "idiot idiots stupid moron morons dumb scum trash garbage filth filthy disgusting vermin parasites worthless "
     "subhuman loser losers pathetic ugly inferior bastard crap damn shit fuck fucking bitch bitches asshole whore "
     "slut"},
    {kMinor, "minor", "child children kid kids teen teens minor minors underage toddler teenager teenagers"},
    {kSelf, "self", "myself mich moi me ich"},
    {kSecondPerson, "you",
     "you your yourself du dein deine sie ihr vous tu votre ton usted tus sus sua seu jij je ty ты вы sen"},
    {kMake, "make",
     "make build create construct develop write provide give explain teach describe manufacture produce cook "
     "synthesize "
     "generate draft tutorial guide step steps recipe how"},
};

}  // namespace

uint8_t lexicon_class(std::string_view word) {
  static const auto kTable = [] {
    absl::flat_hash_map<std::string_view, uint8_t> table;
    for (const Group& group : kGroups) {
      for (std::string_view entry : split(group.words, ' ')) {
        if (!entry.empty()) table.try_emplace(entry, group.cls);
      }
    }
    return table;
  }();
  const auto it = kTable.find(word);
  return it == kTable.end() ? uint8_t{0} : it->second;
}

bool is_attack_pair(uint8_t a, uint8_t b) {
  static constexpr LexiconClass kPairs[][2] = {
      {kIgnore, kPrior},         {kIgnore, kInstruction},       {kIgnore, kRefusal},
      {kReveal, kHidden},        {kReveal, kCredential},        {kReveal, kPrior},
      {kPretend, kUnrestricted}, {kAssistant, kUnrestricted},   {kBypass, kInstruction},
      {kBypass, kUnrestricted},  {kSend, kCredential},          {kSend, kHidden},
      {kMode, kUnrestricted},    {kInstruction, kUnrestricted}, {kHidden, kInstruction},
      {kNow, kPretend},          {kNow, kUnrestricted},         {kRefusal, kUnrestricted},
      {kReveal, kInstruction}};
  return std::any_of(std::begin(kPairs), std::end(kPairs), [&](const auto& pair) {
    return (pair[0] == a && pair[1] == b) || (pair[0] == b && pair[1] == a);
  });
}

std::string_view lexicon_class_name(uint8_t cls) {
  for (const Group& group : kGroups) {
    if (group.cls == cls) return group.name;
  }
  return "";
}

}  // namespace sentinel::analysis
