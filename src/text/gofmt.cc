#include "text/gofmt.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "base/strings.h"
#include "text/go_time.h"
#include "text/limits.h"
#include "text/unicode.h"

namespace sentinel::text {
namespace {

struct Flags {
  bool plus = false, minus = false, sharp = false, space = false, zero = false;
  bool plus_v = false, sharp_v = false;
  int width = -1;
  int precision = -1;
};

bool is_string_verb(char verb) { return verb == 'v' || verb == 's' || verb == 'x' || verb == 'X' || verb == 'q'; }

// strconv.Quote and QuoteToASCII.
std::string quote(std::string_view text, bool ascii) {
  std::string out = "\"";
  static constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\\"";
  static constexpr std::string_view kNames = "abfnrtv\\\"";
  for (size_t at = 0; at < text.size();) {
    const Rune rune = decode_rune(text.substr(at));
    const std::string_view bytes = text.substr(at, static_cast<size_t>(rune.bytes));
    at += bytes.size();
    if (size_t i = bytes.size() == 1 ? kSpecial.find(bytes[0]) : std::string_view::npos; i != std::string_view::npos) {
      out += '\\';
      out += kNames[i];
    } else if (!rune.valid || (rune.code < 0x80 && !is_printable(rune.code))) {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(bytes[0]));
    } else if (is_printable(rune.code) && (!ascii || rune.code < 0x80)) {
      out += bytes;
    } else {
      out += rune.code < 0x10000 ? fmt::format("\\u{:04x}", rune.code) : fmt::format("\\U{:08x}", rune.code);
    }
  }
  return out + "\"";
}

// One directive (or the whole of Sprint) at work. Stops growing at kTemplateOutputBytesMax; the caller refuses it then.
class Printer {
 public:
  explicit Printer(std::string& out) : out_(out) {}
  Flags flags;

  void print(const Value& value, char verb, int depth = 0);

 private:
  void pad(std::string_view text);
  void bad_verb(const Value& value, char verb);
  void print_bool(const Value& value, bool v, char verb);
  void print_int(const Value& value, int64_t v, char verb);
  void digits(int64_t v, unsigned base, char verb);
  void print_float(const Value& value, double v, char verb);
  void number_float(double v, char verb, int precision);
  void print_string(const Value& value, std::string_view v, char verb);
  void hex(std::string_view v, bool upper);
  void print_list(const Value& value, char verb, int depth);
  void print_map(const Value& value, char verb, int depth);
  void print_struct(const Value& value, char verb, int depth);
  void element(const Value& value, const std::string& declared, char verb, int depth);
  std::optional<std::string> stringer(const Value& value) const;
  bool full() const { return out_.size() > kTemplateOutputBytesMax; }

  std::string& out_;
};

void Printer::pad(std::string_view text) {
  const size_t have = rune_count(text);
  const size_t want = flags.width > 0 ? static_cast<size_t>(flags.width) : 0;
  const size_t fill = want > have ? want - have : 0;
  if (!flags.minus) out_.append(fill, flags.zero ? '0' : ' ');
  out_ += text;
  if (flags.minus) out_.append(fill, ' ');
}

void Printer::bad_verb(const Value& value, char verb) {
  out_ += fmt::format("%!{}(", verb);
  if (value.is_nil()) {
    out_ += "<nil>";
  } else {
    out_ += value.type_name() + "=";
    Printer plain(out_);
    plain.print(value, 'v');
  }
  out_ += ')';
}

void Printer::print_bool(const Value& value, bool v, char verb) {
  if (verb != 't' && verb != 'v') return bad_verb(value, verb);
  pad(v ? "true" : "false");
}

void Printer::digits(int64_t v, unsigned base, char verb) {
  const bool negative = v < 0;
  uint64_t magnitude = negative ? uint64_t{0} - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  int least = 0;
  if (flags.precision >= 0) {
    least = flags.precision;
    if (least == 0 && v == 0) {
      out_.append(flags.width > 0 ? static_cast<size_t>(flags.width) : 0, ' ');
      return;
    }
  } else if (flags.zero && flags.width > 0) {
    least = flags.width - (negative || flags.plus || flags.space ? 1 : 0);
  }
  std::string text;
  do {
    text.push_back((verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[magnitude % base]);
    magnitude /= base;
  } while (magnitude > 0);
  while (static_cast<int>(text.size()) < least) text.push_back('0');
  if (flags.sharp) {
    if (base == 2) text += "b0";
    if (base == 8 && text.back() != '0') text += '0';
    if (base == 16) text += verb == 'X' ? "X0" : "x0";
  }
  if (verb == 'O') text += "o0";
  if (negative)
    text += '-';
  else if (flags.plus)
    text += '+';
  else if (flags.space)
    text += ' ';
  std::reverse(text.begin(), text.end());
  const bool zero = std::exchange(flags.zero, false);
  pad(text);
  flags.zero = zero;
}

void Printer::print_int(const Value& value, int64_t v, char verb) {
  switch (verb) {
    case 'v':
    case 'd': return digits(v, 10, verb);
    case 'b': return digits(v, 2, verb);
    case 'o':
    case 'O': return digits(v, 8, verb);
    case 'x':
    case 'X': return digits(v, 16, verb);
    case 'c': {
      std::string rune;
      append_utf8(rune, v < 0 || v > 0x10FFFF ? 0xFFFD : static_cast<uint32_t>(v));
      return pad(rune);
    }
    case 'q': {
      std::string rune;
      append_utf8(rune, v < 0 || v > 0x10FFFF ? 0xFFFD : static_cast<uint32_t>(v));
      std::string quoted = go_quote(rune);
      std::string body = quoted.substr(1, quoted.size() - 2);
      if (rune == "\"") body = "\"";
      if (rune == "'") body = "\\'";
      return pad("'" + body + "'");
    }
    case 'U': {
      std::string text = fmt::format("U+{:04X}", static_cast<uint64_t>(v));
      if (flags.sharp && v >= 0 && v <= 0x10FFFF && is_printable(static_cast<uint32_t>(v))) {
        text += " '";
        append_utf8(text, static_cast<uint32_t>(v));
        text += "'";
      }
      return pad(text);
    }
    default: return bad_verb(value, verb);
  }
}

std::string float_hex(double v, int precision, bool upper) {
  std::string text = precision < 0 ? fmt::format("{:a}", v) : fmt::format("{:.{}a}", v, precision);
  size_t p = text.find('p');
  if (p != std::string::npos && p + 2 < text.size() && text.size() - p - 2 < 2) text.insert(p + 2, "0");
  if (upper)
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

std::string float_binary(double v) {
  int exponent = 0;
  double mantissa = std::frexp(v, &exponent);
  return fmt::format("{}p{:+}", static_cast<int64_t>(std::ldexp(mantissa, 53)), v == 0 ? -1074 : exponent - 53);
}

void Printer::number_float(double v, char verb, int precision) {
  if (flags.precision >= 0) precision = flags.precision;
  std::string text;
  if (!std::isfinite(v))
    text = go_format_float(v, 'g', -1);
  else if (verb == 'b')
    text = float_binary(v);
  else if (verb == 'x' || verb == 'X')
    text = float_hex(v, precision, verb == 'X');
  else if (flags.sharp && verb != 'v')
    text = fmt::format(fmt::runtime(fmt::format("{{:#.{{}}{}}}", verb)), v, precision < 0 ? 6 : precision);
  else
    text = go_format_float(v, verb, precision);
  if (text[0] != '+' && text[0] != '-') text.insert(0, "+");
  if (flags.space && text[0] == '+' && !flags.plus) text[0] = ' ';
  const bool zero = flags.zero;
  if (!std::isfinite(v)) {
    flags.zero = false;
    if (text[1] == 'N' && !flags.space && !flags.plus) text = "+NaN";
  }
  // +Inf keeps its sign only when asked for; Go prints "+Inf" always.
  if (std::isinf(v) && v > 0 && !flags.space) {
    pad("+Inf");
  } else if (flags.plus || text[0] != '+') {
    if (flags.zero && flags.width > static_cast<int>(text.size())) {
      out_ += text[0];
      out_.append(static_cast<size_t>(flags.width) - text.size(), '0');
      out_ += text.substr(1);
    } else {
      pad(text);
    }
  } else {
    pad(std::string_view(text).substr(1));
  }
  flags.zero = zero;
}

void Printer::print_float(const Value& value, double v, char verb) {
  switch (verb) {
    case 'v': return number_float(v, 'g', -1);
    case 'b':
    case 'g':
    case 'G':
    case 'x':
    case 'X': return number_float(v, verb, -1);
    case 'f':
    case 'F': return number_float(v, 'f', 6);
    case 'e':
    case 'E': return number_float(v, verb, 6);
    default: return bad_verb(value, verb);
  }
}

std::string_view first_runes(std::string_view text, int count) {
  size_t at = 0;
  for (int i = 0; i < count && at < text.size(); ++i) at += static_cast<size_t>(decode_rune(text.substr(at)).bytes);
  return text.substr(0, at);
}

void Printer::hex(std::string_view v, bool upper) {
  if (flags.precision >= 0 && static_cast<size_t>(flags.precision) < v.size())
    v = v.substr(0, static_cast<size_t>(flags.precision));
  std::string text;
  const std::string prefix = flags.sharp ? (upper ? "0X" : "0x") : "";
  for (size_t i = 0; i < v.size(); ++i) {
    if (flags.space && i > 0) text += " ";
    if (i == 0 || flags.space) text += prefix;
    const auto byte = static_cast<uint8_t>(v[i]);
    text += upper ? fmt::format("{:02X}", byte) : fmt::format("{:02x}", byte);
  }
  pad(text);
}

void Printer::print_string(const Value& value, std::string_view v, char verb) {
  switch (verb) {
    case 'v':
      if (flags.sharp_v) return pad(go_quote(v));
      [[fallthrough]];
    case 's': return pad(flags.precision >= 0 ? first_runes(v, flags.precision) : v);
    case 'x': return hex(v, false);
    case 'X': return hex(v, true);
    case 'q': {
      if (flags.precision >= 0) v = first_runes(v, flags.precision);
      const bool raw = flags.sharp && v.find('`') == std::string_view::npos &&
                       std::none_of(v.begin(), v.end(),
                                    [](char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == 0x7f; });
      return pad(raw ? "`" + std::string(v) + "`" : quote(v, flags.plus));
    }
    default: return bad_verb(value, verb);
  }
}

// Values inside a container: %#v names the type of a nil in an interface.
void Printer::element(const Value& value, const std::string& declared, char verb, int depth) {
  if (full()) return;
  if (value.is_nil()) {
    out_ += flags.sharp_v                ? declared + "(nil)"
            : verb == 'v' || verb == 's' ? (verb == 'v' ? "<nil>" : "%!s(<nil>)")
                                         : fmt::format("%!{}(<nil>)", verb);
    return;
  }
  print(value, verb, depth + 1);
}

void Printer::print_list(const Value& value, char verb, int depth) {
  out_ += flags.sharp_v ? value.type_name() + "{" : "[";
  bool first = true;
  for (const Value& item : value.as_list()) {
    if (!first) out_ += flags.sharp_v ? ", " : " ";
    first = false;
    element(item, value.type()->element, verb, depth);
  }
  out_ += flags.sharp_v ? "}" : "]";
}

void Printer::print_map(const Value& value, char verb, int depth) {
  out_ += flags.sharp_v ? value.type_name() + "{" : "map[";
  bool first = true;
  for (const auto& [key, item] : value.as_map()) {
    if (!first) out_ += flags.sharp_v ? ", " : " ";
    first = false;
    print(Value(key), verb, depth + 1);
    out_ += ':';
    element(item, value.type()->element, verb, depth);
  }
  out_ += flags.sharp_v ? "}" : "]";
}

void Printer::print_struct(const Value& value, char verb, int depth) {
  std::string name = value.type_name();
  if (name.starts_with('*')) {  // Go prints a pointer to a struct with an ampersand at the top only
    if (depth == 0) out_ += '&';
    name.erase(0, 1);
  }
  out_ += flags.sharp_v ? name + "{" : "{";
  bool first = true;
  for (const auto& [field, item] : value.as_struct()) {
    if (!first) out_ += flags.sharp_v ? ", " : " ";
    first = false;
    if (flags.plus_v || flags.sharp_v) out_ += field + ":";
    element(item, "interface {}", verb, depth);
  }
  out_ += '}';
}

std::optional<std::string> Printer::stringer(const Value& value) const {
  if (flags.sharp_v) return std::nullopt;
  if (value.kind() == Kind::kTime) return go_time_string(value.as_time());
  if (value.kind() == Kind::kDuration) return format_go_duration(value.as_duration().ns);
  if (value.type() && value.type()->to_string) return value.type()->to_string(value);
  return std::nullopt;
}

void Printer::print(const Value& value, char verb, int depth) {
  if (full() || depth > kValueDepthMax) return;
  if (verb == 'T') return pad(value.type_name());
  if (value.is_nil()) return verb == 'v' ? pad("<nil>") : bad_verb(value, verb);
  if (is_string_verb(verb)) {
    if (auto text = stringer(value)) return print_string(value, *text, verb);
  }
  switch (value.kind()) {
    case Kind::kNil: return;
    case Kind::kBool: return print_bool(value, value.as_bool(), verb);
    case Kind::kInt: return print_int(value, value.as_int(), verb);
    case Kind::kFloat: return print_float(value, value.as_float(), verb);
    case Kind::kString: return print_string(value, value.as_string(), verb);
    case Kind::kTime: return print_string(value, go_time_string(value.as_time()), verb);
    case Kind::kDuration: return print_int(value, value.as_duration().ns, verb);
    case Kind::kList: return print_list(value, verb, depth);
    case Kind::kMap: return print_map(value, verb, depth);
    case Kind::kStruct: return print_struct(value, verb, depth);
  }
}

// Walks a format string, one directive after the other.
class Formatter {
 public:
  Formatter(std::string_view format, std::span<const Value> args) : format_(format), args_(args) {}
  std::string run();

 private:
  void directive();
  void read_flags(Flags& flags);
  void read_index();
  int read_number();  // -1: none
  int star();         // a width or precision from the arguments; -1 when it is bad
  void verb(Flags flags);

  std::string_view format_;
  std::span<const Value> args_;
  std::string out_;
  size_t at_ = 0;
  size_t next_ = 0;
  bool good_index_ = true;
  bool reordered_ = false;
  bool after_index_ = false;
};

int Formatter::read_number() {
  int number = -1;
  while (at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9') {
    number = std::min((number < 0 ? 0 : number) * 10 + (format_[at_] - '0'), kFormatWidthMax + 1);
    ++at_;
  }
  return number;
}

void Formatter::read_index() {
  if (at_ >= format_.size() || format_[at_] != '[') return;
  reordered_ = true;
  size_t close = format_.find(']', at_);
  if (close == std::string_view::npos) {
    good_index_ = false;
    ++at_;
    return;
  }
  auto number = parse_int(format_.substr(at_ + 1, close - at_ - 1));
  at_ = close + 1;
  if (!number || *number < 1 || static_cast<uint64_t>(*number) > args_.size()) {
    good_index_ = false;
    return;
  }
  next_ = static_cast<size_t>(*number - 1);
  after_index_ = true;
}

int Formatter::star() {
  ++at_;
  after_index_ = false;
  if (next_ >= args_.size()) return -1;
  const Value& arg = args_[next_++];
  if (arg.kind() != Kind::kInt) return kFormatWidthMax + 1;
  const int64_t n = arg.as_int();
  return n > kFormatWidthMax || n < -kFormatWidthMax ? kFormatWidthMax + 1 : static_cast<int>(n);
}

void Formatter::read_flags(Flags& flags) {
  for (; at_ < format_.size(); ++at_) {
    switch (format_[at_]) {
      case '#': flags.sharp = true; break;
      case '0': flags.zero = !flags.minus; break;
      case '+': flags.plus = true; break;
      case '-':
        flags.minus = true;
        flags.zero = false;
        break;
      case ' ': flags.space = true; break;
      default: return;
    }
  }
}

void Formatter::directive() {
  Flags flags;
  good_index_ = true;
  after_index_ = false;
  read_flags(flags);
  read_index();
  if (at_ < format_.size() && format_[at_] == '*') {
    int width = star();
    if (width > kFormatWidthMax || width == -1)
      out_ += "%!(BADWIDTH)";
    else {
      flags.width = width < 0 ? -width : width;
      if (width < 0) {
        flags.minus = true;
        flags.zero = false;
      }
    }
  } else {
    flags.width = read_number();
    if (after_index_ && flags.width >= 0) good_index_ = false;  // "%[3]2d"
    if (flags.width > kFormatWidthMax) flags.width = -1;
  }
  if (at_ < format_.size() && format_[at_] == '.') {
    ++at_;
    if (after_index_) good_index_ = false;  // "%[3].2d"
    read_index();
    if (at_ < format_.size() && format_[at_] == '*') {
      int precision = star();
      if (precision < 0 || precision > kFormatWidthMax)
        out_ += "%!(BADPREC)";
      else
        flags.precision = precision;
    } else {
      int precision = read_number();
      flags.precision = precision < 0 ? 0 : precision > kFormatWidthMax ? -1 : precision;
    }
  }
  if (!after_index_) read_index();
  verb(flags);
}

void Formatter::verb(Flags flags) {
  if (at_ >= format_.size()) {
    out_ += "%!(NOVERB)";
    return;
  }
  const Rune rune = decode_rune(format_.substr(at_));
  const std::string_view name = format_.substr(at_, static_cast<size_t>(rune.bytes));
  at_ += static_cast<size_t>(rune.bytes);
  if (name == "%") {
    out_ += '%';
  } else if (!good_index_) {
    out_ += fmt::format("%!{}(BADINDEX)", name);
  } else if (next_ >= args_.size()) {
    out_ += fmt::format("%!{}(MISSING)", name);
  } else {
    const char letter = name[0];
    if (letter == 'w' || name.size() > 1) {  // %w wraps errors in Errorf only
      out_ += fmt::format("%!{}(", name);
      out_ += args_[next_].is_nil() ? "<nil>)" : args_[next_].type_name() + "=" + go_string(args_[next_]) + ")";
      ++next_;
      return;
    }
    if (letter == 'v') {
      flags.sharp_v = std::exchange(flags.sharp, false);
      flags.plus_v = std::exchange(flags.plus, false);
    }
    Printer printer(out_);
    printer.flags = flags;
    printer.print(args_[next_++], letter);
  }
}

std::string Formatter::run() {
  while (at_ < format_.size() && out_.size() <= kTemplateOutputBytesMax) {
    size_t percent = format_.find('%', at_);
    out_ += format_.substr(at_, percent == std::string_view::npos ? percent : percent - at_);
    if (percent == std::string_view::npos) break;
    at_ = percent + 1;
    directive();
  }
  if (!reordered_ && next_ < args_.size()) {
    out_ += "%!(EXTRA ";
    for (size_t i = next_; i < args_.size(); ++i) {
      if (i > next_) out_ += ", ";
      out_ += args_[i].is_nil() ? "<nil>" : args_[i].type_name() + "=" + go_string(args_[i]);
    }
    out_ += ')';
  }
  return std::move(out_);
}

// The bytes of one escape after the backslash; appends what it means. False when it is malformed.
bool unescape(std::string_view text, size_t& at, char quote, std::string& out) {
  const char c = text[at++];
  static constexpr std::string_view kNames = "abfnrtv\\";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
  if (size_t i = kNames.find(c); i != std::string_view::npos) {
    out += kMeanings[i];
    return true;
  }
  if (c == quote) {
    out += c;
    return true;
  }
  size_t length = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : c >= '0' && c <= '7' ? 3 : 0;
  const unsigned base = length == 3 ? 8 : 16;
  if (length == 3) --at;
  if (length == 0 || at + length > text.size()) return false;
  uint32_t code = 0;
  auto [end, error] = std::from_chars(text.data() + at, text.data() + at + length, code, static_cast<int>(base));
  if (error != std::errc() || end != text.data() + at + length) return false;
  at += length;
  if (c == 'u' || c == 'U') {
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    append_utf8(out, code);
    return true;
  }
  if (code > 255) return false;
  out += static_cast<char>(code);
  return true;
}

}  // namespace

std::string go_sprint(std::span<const Value> args) {
  std::string out;
  Printer printer(out);
  for (size_t i = 0; i < args.size(); ++i) {
    if (i > 0 && args[i].kind() != Kind::kString && args[i - 1].kind() != Kind::kString) out += ' ';
    printer.print(args[i], 'v');
  }
  return out;
}

std::string go_sprintln(std::span<const Value> args) {
  std::string out;
  Printer printer(out);
  for (size_t i = 0; i < args.size(); ++i) {
    if (i > 0) out += ' ';
    printer.print(args[i], 'v');
  }
  return out + "\n";
}

std::string go_sprintf(std::string_view format, std::span<const Value> args) { return Formatter(format, args).run(); }

std::string go_string(const Value& value) {
  std::string out;
  Printer(out).print(value, 'v');
  return out;
}

std::string go_format_float(double v, char verb, int precision) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  if (precision >= 0) return fmt::format(fmt::runtime(fmt::format("{{:.{{}}{}}}", verb)), v, precision);
  if (verb == 'f' || verb == 'F') {
    char buffer[400];
    auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::fixed);
    return error == std::errc() ? std::string(buffer, end) : std::string();
  }
  char buffer[40];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific);
  std::string text(buffer, end);
  if (verb == 'g' || verb == 'G') {
    const int exponent = static_cast<int>(
        parse_int(text.substr(text.find('e') + (text[text.find('e') + 1] == '+' ? 2 : 1))).value_or(0));
    // strconv's rule for the shortest form: %e below 1e-4 and from 1e6 on.
    if (exponent >= -4 && exponent < 6) return go_format_float(v, 'f', -1);
  }
  if (verb == 'E' || verb == 'G') std::replace(text.begin(), text.end(), 'e', 'E');
  return text;
}

std::string go_quote(std::string_view text) { return quote(text, false); }

Result<std::string> go_unquote(std::string_view literal) {
  const auto bad = [] { return fail(ErrorCode::kInvalidArgument, "invalid syntax"); };
  if (literal.size() < 2 || literal.front() != literal.back()) return bad();
  std::string_view body = literal.substr(1, literal.size() - 2);
  if (literal.front() == '`') {
    if (body.find('`') != std::string_view::npos) return bad();
    std::string out;
    for (char c : body) {
      if (c != '\r') out += c;
    }
    return out;
  }
  if (literal.front() != '"') return bad();
  std::string out;
  for (size_t at = 0; at < body.size();) {
    const char c = body[at++];
    if (c == '"' || c == '\n') return bad();
    if (c != '\\') {
      out += c;
    } else if (at >= body.size() || !unescape(body, at, '"', out)) {
      return bad();
    }
  }
  return out;
}

Result<int64_t> go_unquote_char(std::string_view literal) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument, fmt::format("malformed character constant: {}", literal));
  };
  if (literal.size() < 3) return fail(ErrorCode::kInvalidArgument, "invalid syntax");
  std::string_view body = literal.substr(1, literal.size() - 2);
  if (body[0] != '\\') {
    Rune rune = decode_rune(body);
    if (static_cast<size_t>(rune.bytes) != body.size()) return bad();
    return int64_t{rune.code};
  }
  std::string bytes;
  size_t at = 1;
  if (body.size() < 2 || !unescape(body, at, '\'', bytes)) return fail(ErrorCode::kInvalidArgument, "invalid syntax");
  if (at != body.size()) return bad();
  if (body[1] == 'u' || body[1] == 'U') return int64_t{decode_rune(bytes).code};
  return int64_t{static_cast<uint8_t>(bytes[0])};
}

}  // namespace sentinel::text
