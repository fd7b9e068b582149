#include "analysis/language.h"

#include <gtest/gtest.h>

#include "analysis/normalize.h"

namespace sentinel::analysis {
namespace {

struct Case {
  const char* text;
  const char* language;
};

TEST(Language, IsToldByFunctionWordsAndScript) {
  const Case cases[] = {
      {"The shipment was delayed because of the storm, and we will inform you when it has left the port.", "English"},
      {"Die Sendung wurde wegen des Sturms nicht geliefert, und wir melden uns, wenn sie den Hafen verlässt.",
       "German"},
      {"La livraison est en retard à cause de la tempête et nous vous dirons quand elle quitte le port.", "French"},
      {"El envío se retrasó por la tormenta y le diremos cuando salga del puerto, pero no será antes del lunes.",
       "Spanish"},
      {"La spedizione è in ritardo per la tempesta e non sappiamo quando la nave lascia il porto della città.",
       "Italian"},
      {"O envio está atrasado por causa da tempestade e não sabemos quando o navio sai do porto, mas você será "
       "avisado.",
       "Portuguese"},
      {"De zending is door de storm niet op tijd en wij laten het weten als het schip uit de haven vertrekt.", "Dutch"},
      {"Przesyłka jest opóźniona przez burzę i nie wiemy, kiedy statek wyjdzie z portu, ale damy znać, jak to się "
       "stanie.",
       "Polish"},
      {"Fırtına için gemi gecikti ve ne zaman gelecek belli değil, ama daha sonra haber vereceğiz, bu çok önemli.",
       "Turkish"},
      {"Leveransen är försenad och vi vet inte när fartyget går från hamnen, men vi hör av oss så snart det har "
       "lämnat.",
       "Swedish"},
      {"Груз задерживается из-за шторма, мы сообщим, когда судно выйдет из порта.", "Russian"},
      {"Вантаж затримується через шторм, ми повідомимо, коли судно вийде з порту.", "Ukrainian"},
      {"嵐のため荷物が遅れています。船が港を出たらお知らせしますので、しばらくお待ちください。", "Japanese"},
      {"由于暴风雨，货物延误了。船一离开港口我们就会通知您，请耐心等待几天，谢谢您的理解和支持。", "Chinese"},
      {"폭풍 때문에 배송이 늦어지고 있습니다. 배가 항구를 떠나면 바로 알려 드리겠습니다. 감사합니다.", "Korean"},
  };
  for (const Case& c : cases) EXPECT_EQ(language_of(fold(c.text)), c.language) << c.text;
}

TEST(Language, ShortAndMixedTextsAreLeftOpen) {
  for (const char* text : {"", "Paris", "OK, 42.", "https://example.com/a/b?c=d", "SELECT name FROM users WHERE id = 7",
                           "int main() { return printf(\"%d\", f(x, y)); }"})
    EXPECT_EQ(language_of(fold(text)), "") << text;
}

TEST(Language, AnAnswerInALanguageThatWasAskedForIsNoMismatch) {
  EXPECT_TRUE(names_language(fold("Translate this letter into French, please"), "French"));
  EXPECT_TRUE(names_language(fold("Schreibe das bitte auf Französisch"), "French"));
  EXPECT_FALSE(names_language(fold("Translate this letter into Spanish"), "French"));
}

}  // namespace
}  // namespace sentinel::analysis
