#include "analysis/pii.h"

#include <hs/hs.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "analysis/limits.h"
#include "analysis/pii_patterns.h"
#include "analysis/validators.h"
#include "base/strings.h"
#include "base/thread_annotations.h"

namespace sentinel::analysis {
namespace {

struct Candidate {
  size_t begin = 0;
  size_t end = 0;
  uint32_t pattern = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }
bool is_token_char(char c) {
  return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == '+' || c == '/' || c == '=' || c == '~';
}

// In a text that carries escapes ("\\n555-…") the letter of the escape is no part of the word after it.
char char_before(std::string_view text, size_t at) {
  if (at == 0) return ' ';
  const char c = text[at - 1];
  if (at >= 2 && text[at - 2] == '\\' && (c == 'n' || c == 't' || c == 'r')) return ' ';
  return c;
}
char char_after(std::string_view text, size_t at) { return at >= text.size() ? ' ' : text[at]; }

// Whether one of `words` stands in the `reach` bytes before `at`.
template <size_t N>
bool context_has(std::string_view text, size_t at, size_t reach, const std::array<std::string_view, N>& words) {
  const size_t from = at > reach ? at - reach : 0;
  const std::string context = to_lower(text.substr(from, at - from));
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view w) { return context.find(w) != std::string::npos; });
}

constexpr std::array<std::string_view, 12> kOrderWords = {"order",     "invoice", "tracking", "ticket",
                                                          "reference", "parcel",  "serial",   "isbn",
                                                          "version",   "account", "build",    "commit"};
constexpr std::array<std::string_view, 5> kVersionWords = {"version", "release", "build", "firmware", "upgrade"};
constexpr std::array<std::string_view, 10> kBirthWords = {"born",      "birth",      "dob",        "d.o.b",   "geboren",
                                                          "naissance", "nacimiento", "nascimento", "nascita", "né le"};

size_t count_if_char(std::string_view text, bool (*predicate)(char)) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), predicate));
}

// Random-looking: enough different characters, and digits among letters unless the caller has other evidence.
bool random_looking(std::string_view value, double entropy_min) {
  const size_t digits = count_if_char(value, is_digit);
  return digits >= 2 && digits < value.size() && shannon_entropy(value) >= entropy_min;
}

size_t extend_token(std::string_view text, size_t end) {
  while (end < text.size() && is_token_char(text[end])) ++end;
  while (end > 0 && (text[end - 1] == '.' || text[end - 1] == '/')) --end;  // a full stop ends a sentence
  return end;
}

bool digit_boundary(std::string_view text, const Candidate& c) {
  const char before = char_before(text, c.begin);
  const char after = char_after(text, c.end);
  if (is_alnum(before) || is_alnum(after) || before == '_' || after == '_') return false;
  // Part of a longer number: 1.2.3.4.5, 12-345, 3.1415.
  const auto glue = [](char c1) { return c1 == '.' || c1 == '-' || c1 == '/'; };
  if (glue(before) && c.begin >= 2 && is_digit(text[c.begin - 2])) return false;
  if (glue(after) && is_digit(char_after(text, c.end + 1))) return false;
  return true;
}

// The value after a keyword: [rest of the identifier][quote][space][= : => := is][space][quote] VALUE. Returns an empty
// span when no value is assigned.
Span value_after_keyword(std::string_view text, size_t at) {
  const auto skip = [&](std::string_view chars, size_t limit) {
    size_t n = 0;
    while (at < text.size() && n < limit && chars.find(text[at]) != std::string_view::npos) {
      ++at;
      ++n;
    }
    return n;
  };
  size_t identifier = 0;
  while (at < text.size() && identifier < 32 &&
         (is_alnum(text[at]) || text[at] == '_' || text[at] == '-' || text[at] == '.')) {
    ++at;
    ++identifier;
  }
  skip("\"'`)]} \t", 6);
  bool assigned = false;
  if (text.substr(at, 3) == "is " || text.substr(at, 3) == "is:") {
    at += 3;
    assigned = true;
  } else {
    assigned = skip("=:>|?,", 3) > 0;
  }
  if (!assigned) return {};
  skip("\"'`( \t=", 6);
  const std::string_view rest = text.substr(at, 8);
  if (iequals(rest.substr(0, 7), "bearer ")) at += 7;
  const size_t begin = at;
  const auto value_char = [](char c) {
    return is_token_char(c) || c == '%' || c == ':' || c == '!' || c == '@' || c == '$' || c == '#' || c == '*' ||
           c == '&' || c == '^';
  };
  while (at < text.size() && value_char(text[at])) ++at;
  while (at > begin && (text[at - 1] == '.' || text[at - 1] == ':' || text[at - 1] == '!')) --at;
  return {begin, at, ""};
}

bool keyword_value_is_secret(std::string_view keyword, std::string_view value) {
  if (value.size() < 6 || value.size() > 1024) return false;
  if (value[0] == '$' || value[0] == '%' || value[0] == '*' || value.starts_with("http") ||
      value.find("***") != std::string_view::npos) {
    return false;  // a variable, a mask or an address
  }
  const size_t digits = count_if_char(value, is_digit);
  const size_t alphas = count_if_char(value, is_alpha);
  const bool password = keyword.starts_with('p') || keyword.starts_with('P');
  if (password) return digits >= 1 && alphas >= 3 && shannon_entropy(value) >= 2.2;
  if (value.size() < 10) return false;
  if (digits == value.size()) return value.size() >= 16;
  if (digits < 1) return value.size() >= 16 && shannon_entropy(value) >= 3.9;
  // Dates, versions, paths and dotted names are not random.
  return shannon_entropy(value) >= (all_hex(value) ? 2.8 : 3.0) && digits * 20 >= value.size() &&
         std::count(value.begin(), value.end(), '/') <= 3;
}

bool generic_token_is_secret(std::string_view value) {
  const size_t cut = value.find_last_of("_-");
  const std::string_view tail = cut == std::string_view::npos ? value : value.substr(cut + 1);
  const std::string head = to_lower(value.substr(0, cut == std::string_view::npos ? 0 : cut));
  for (std::string_view plain : {"sha", "md5", "uuid", "commit", "build", "digest", "hash", "etag", "request", "trace",
                                 "id", "order", "blob", "urn", "img", "image", "file"}) {
    if (head.starts_with(plain)) return false;
  }
  const size_t digits = count_if_char(tail, is_digit);
  if (digits < 3 || digits + 3 > tail.size()) return false;
  if (all_hex(tail) && cut != std::string_view::npos && value[cut] == '-') return false;
  return shannon_entropy(tail) >= 3.2;
}

class Scanner {
 public:
  Scanner(std::string_view text, std::vector<Span>& out) : text_(text), out_(out) {}

  void consider(Candidate c) {
    const PiiPattern& pattern = pii_patterns()[c.pattern];
    switch (pattern.check) {
      case PiiCheck::kToken: return token(c, pattern);
      case PiiCheck::kGenericToken: return generic(c, pattern);
      case PiiCheck::kKeyword: return keyword(c, pattern);
      case PiiCheck::kBearer: return bearer(c, pattern);
      case PiiCheck::kPrivateKey: return private_key(c, pattern);
      case PiiCheck::kUrlCredentials: return url_credentials(c, pattern);
      case PiiCheck::kJwt: return jwt(c, pattern);
      case PiiCheck::kSlackLegacy: return add(c.begin, extend_token(text_, c.end), pattern.type);
      case PiiCheck::kEmail: return email(c, pattern);
      case PiiCheck::kIban: return iban(c, pattern);
      case PiiCheck::kBase58:
      case PiiCheck::kIpv6:
      case PiiCheck::kMac:
      case PiiCheck::kNino: return bounded(c, pattern);
      default: return number(c, pattern);
    }
  }

 private:
  void add(size_t begin, size_t end, std::string_view type) {
    if (begin < end) out_.push_back({begin, end, std::string(type)});
  }
  std::string_view slice(const Candidate& c) const { return text_.substr(c.begin, c.end - c.begin); }

  // The pattern finds the '@'; the address grows to both sides of it.
  void email(const Candidate& c, const PiiPattern& pattern) {
    const size_t at = c.begin + 1;
    size_t begin = at;
    const auto local = [](char ch) {
      return is_alnum(ch) || ch == '.' || ch == '_' || ch == '%' || ch == '+' || ch == '\'' || ch == '-';
    };
    while (begin > 0 && at - begin < 64 && local(text_[begin - 1])) --begin;
    while (begin < at && !is_alnum(text_[begin])) ++begin;
    size_t end = at + 1;
    size_t last_dot = 0;
    while (end < text_.size() && end - at < 255 && (is_alnum(text_[end]) || text_[end] == '-' || text_[end] == '.')) {
      if (text_[end] == '.') last_dot = end;
      ++end;
    }
    while (end > at + 1 && !is_alnum(text_[end - 1])) --end;
    if (last_dot >= end) last_dot = text_.substr(0, end).rfind('.');
    if (begin >= at || last_dot == std::string_view::npos || last_dot <= at + 1) return;
    const std::string_view top = text_.substr(last_dot + 1, end - last_dot - 1);
    const bool letters = std::all_of(top.begin(), top.end(), is_alpha);
    if (!letters || top.size() < 2 || top.size() > 18 ||
        text_.substr(begin, end - begin).find("..") != std::string_view::npos)
      return;
    add(begin, end, pattern.type);
  }

  // scheme://user:password@host
  void url_credentials(const Candidate& c, const PiiPattern& pattern) {
    size_t begin = c.begin;
    while (begin > 0 && c.begin - begin < 16 && (is_alnum(text_[begin - 1]) || text_[begin - 1] == '+')) --begin;
    size_t colon = 0;
    const size_t start = c.begin + 4;
    for (size_t i = start; i < text_.size() && i - start < 160; ++i) {
      const char ch = text_[i];
      if (ch == ':' && !colon) colon = i;
      if (ch == '@') {
        if (colon && i > colon + 2) add(begin, i, pattern.type);
        return;
      }
      if (ch == '/' || ch == ' ' || ch == '\n' || ch == '"' || ch == '\'' || ch == '<' || ch == '>') return;
    }
  }

  void jwt(const Candidate& c, const PiiPattern& pattern) {
    if (is_alnum(char_before(text_, c.begin))) return;
    const size_t end = extend_token(text_, c.end);
    const std::string_view value = text_.substr(c.begin, end - c.begin);
    if (value.find(".ey") != std::string_view::npos || value.starts_with("eyJrIjoi")) add(c.begin, end, pattern.type);
  }

  void bounded(const Candidate& c, const PiiPattern& pattern) {
    const char before = char_before(text_, c.begin);
    const char after = char_after(text_, c.end);
    if (is_alnum(before) || is_alnum(after) || before == ':' || after == ':' || before == '_') return;
    const std::string_view value = slice(c);
    const bool good = pattern.check == PiiCheck::kNino   ? nino_valid(value)
                      : pattern.check == PiiCheck::kIpv6 ? ipv6_valid(value)
                      : pattern.check == PiiCheck::kMac  ? before != '-' && after != '-'
                                                         : bitcoin_base58_valid(value);
    if (good) add(c.begin, c.end, pattern.type);
  }

  // The pattern may run past the account number into the next word: try each shorter end.
  void iban(const Candidate& c, const PiiPattern& pattern) {
    if (is_alnum(char_before(text_, c.begin))) return;
    for (size_t end = c.end; end >= c.begin + 15; --end) {
      if (text_[end - 1] == ' ' || is_alnum(char_after(text_, end))) continue;
      if (iban_valid(text_.substr(c.begin, end - c.begin))) return add(c.begin, end, pattern.type);
    }
  }

  void number(const Candidate& c, const PiiPattern& pattern) {
    const std::string_view value = slice(c);
    if (!digit_boundary(text_, c)) return;
    bool good = false;
    switch (pattern.check) {
      case PiiCheck::kCard: good = card_valid(value) && !context_has(text_, c.begin, 24, kOrderWords); break;
      case PiiCheck::kSsn: good = ssn_valid(value); break;
      case PiiCheck::kPhone:
        good = phone_valid(value) && char_before(text_, c.begin) != '+' && !follows_digits(c);
        break;
      case PiiCheck::kIpv4:
        good = ipv4_public_shape(value) && char_before(text_, c.begin) != 'v' &&
               !context_has(text_, c.begin, 16, kVersionWords);
        break;
      case PiiCheck::kBirthDate: good = date_valid(value) && context_has(text_, c.begin, 28, kBirthWords); break;
      default: break;
    }
    if (good) add(c.begin, c.end, pattern.type);
  }

  // "…3704 0044 0532": a piece of a longer number in groups.
  bool follows_digits(const Candidate& c) const {
    return c.begin >= 4 && text_[c.begin] != '+' && text_[c.begin - 1] == ' ' && is_digit(text_[c.begin - 2]) &&
           is_digit(text_[c.begin - 3]) && is_digit(text_[c.begin - 4]);
  }

  void token(const Candidate& c, const PiiPattern& pattern) {
    const char before = char_before(text_, c.begin);
    if (is_alnum(before)) return;
    const size_t end = pattern.type == "CRYPTO_ADDRESS" ? c.end : std::max(c.end, extend_token(text_, c.end));
    if (pattern.type == "CRYPTO_ADDRESS" && is_alnum(char_after(text_, end))) return;
    const std::string_view value = text_.substr(c.begin, end - c.begin);
    if (pattern.type.starts_with("SECRET") && shannon_entropy(value) < 2.8) return;  // sk-xxxxxxxxxxxxxxxx
    add(c.begin, end, pattern.type);
  }

  void generic(const Candidate& c, const PiiPattern& pattern) {
    const char before = char_before(text_, c.begin);
    if (is_token_char(before) || before == ':' || before == '@') {
      if (before != '=') return;
    }
    const size_t end = extend_token(text_, c.end);
    if (generic_token_is_secret(text_.substr(c.begin, end - c.begin))) add(c.begin, end, pattern.type);
  }

  void keyword(const Candidate& c, const PiiPattern& pattern) {
    const Span value = value_after_keyword(text_, c.end);
    if (value.begin >= value.end) return;
    if (keyword_value_is_secret(slice(c), text_.substr(value.begin, value.end - value.begin))) {
      add(value.begin, value.end, pattern.type);
    }
  }

  void bearer(const Candidate& c, const PiiPattern& pattern) {
    if (is_alnum(char_before(text_, c.begin))) return;
    const size_t begin = text_.find_first_not_of(' ', text_.find(' ', c.begin));
    const size_t end = extend_token(text_, c.end);
    if (begin < end && random_looking(text_.substr(begin, end - begin), 3.0)) add(begin, end, pattern.type);
  }

  void private_key(const Candidate& c, const PiiPattern& pattern) {
    const size_t footer = text_.find("-----END", c.end);
    size_t end =
        footer == std::string_view::npos ? std::min(text_.size(), c.end + 4096) : text_.find("-----", footer + 8);
    end = end == std::string_view::npos ? text_.size()
                                        : std::min(text_.size(), footer == std::string_view::npos ? end : end + 5);
    add(c.begin, end, pattern.type);
  }

  std::string_view text_;
  std::vector<Span>& out_;
};

// Of overlapping findings the more telling stays: a named secret over a generic one, validated numbers over phones,
// then the longer.
int rank(const Span& span) {
  const std::string_view type = span.type;
  if (type == "SECRET:generic-token" || type == "SECRET:bearer") return 3;
  if (type == "SECRET:keyword") return 4;
  if (type.starts_with("SECRET:private-key") || type.starts_with("SECRET:url")) return 0;
  if (type == "PHONE") return 5;
  if (type == "DATE_OF_BIRTH") return 6;
  if (type.starts_with("SECRET")) return 1;
  return 2;
}

std::vector<Span> resolve_overlaps(std::vector<Span> found) {
  std::sort(found.begin(), found.end(), [](const Span& a, const Span& b) {
    const int ra = rank(a);
    const int rb = rank(b);
    if (ra != rb) return ra < rb;
    if (a.end - a.begin != b.end - b.begin) return a.end - a.begin > b.end - b.begin;
    return a.begin < b.begin;
  });
  std::vector<Span> kept;  // ascending, not overlapping
  for (Span& span : found) {
    const auto next = std::lower_bound(kept.begin(), kept.end(), span,
                                       [](const Span& a, const Span& b) { return a.begin < b.begin; });
    if (next != kept.end() && next->begin < span.end) continue;
    if (next != kept.begin() && std::prev(next)->end > span.begin) continue;
    kept.insert(next, std::move(span));
  }
  return kept;
}

struct HsFree {
  void operator()(hs_database_t* db) const { hs_free_database(db); }
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};
using Database = std::shared_ptr<hs_database_t>;
using Scratch = std::unique_ptr<hs_scratch_t, HsFree>;

class VectorscanDetector final : public PiiDetector {
 public:
  VectorscanDetector(Database db, Scratch scratch) : db_(std::move(db)) { pool_.push_back(std::move(scratch)); }

  std::vector<Span> find(std::string_view text) const override {
    text = text.substr(0, kPiiBytesMax);
    if (text.empty()) return {};
    Scratch scratch = take();
    if (!scratch) return {};
    std::vector<Candidate> candidates;
    const hs_error_t error =
        hs_scan(db_.get(), text.data(), static_cast<unsigned>(text.size()), 0, scratch.get(), on_match, &candidates);
    give_back(std::move(scratch));
    if (error != HS_SUCCESS && error != HS_SCAN_TERMINATED) return {};
    return check(text, std::move(candidates));
  }

 private:
  static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned, void* context) {
    auto& out = *static_cast<std::vector<Candidate>*>(context);
    // Each longer end of the same start is reported: the last is the longest.
    for (size_t back = 1; back <= 8 && back <= out.size(); ++back) {
      Candidate& last = out[out.size() - back];
      if (last.pattern == id && last.begin == from) {
        last.end = to;
        return 0;
      }
    }
    out.push_back({static_cast<size_t>(from), static_cast<size_t>(to), id});
    return out.size() >= kPiiMatchesMax ? 1 : 0;
  }

  static std::vector<Span> check(std::string_view text, std::vector<Candidate> candidates) {
    std::vector<Span> found;
    Scanner scanner(text, found);
    for (const Candidate& candidate : candidates) scanner.consider(candidate);
    return resolve_overlaps(std::move(found));
  }

  Scratch take() const {
    MutexLock lock(mutex_);
    if (pool_.size() > 1) {
      Scratch scratch = std::move(pool_.back());
      pool_.pop_back();
      return scratch;
    }
    hs_scratch_t* clone = nullptr;
    if (hs_clone_scratch(pool_.front().get(), &clone) != HS_SUCCESS) return nullptr;
    return Scratch(clone);
  }
  void give_back(Scratch scratch) const {
    MutexLock lock(mutex_);
    pool_.push_back(std::move(scratch));
  }

  Database db_;
  mutable Mutex mutex_;
  mutable std::vector<Scratch> pool_ GUARDED_BY(mutex_);  // the first is the one to clone and is never lent
};

Result<Database> compile(bool known_makers) {
  std::vector<const char*> regexes;
  std::vector<unsigned> flags;
  std::vector<unsigned> ids;
  unsigned id = 0;
  for (const PiiPattern& pattern : pii_patterns()) {
    const unsigned own = id++;
    const bool by_maker = pattern.type.starts_with("SECRET") && pattern.check != PiiCheck::kKeyword &&
                          pattern.check != PiiCheck::kBearer && pattern.type != "SECRET:generic-token";
    if (by_maker && !known_makers) continue;
    ids.push_back(own);
    regexes.push_back(pattern.regex);
    flags.push_back(HS_FLAG_SOM_LEFTMOST | (pattern.caseless ? HS_FLAG_CASELESS : 0U));
  }
  hs_database_t* raw = nullptr;
  hs_compile_error_t* error = nullptr;
  const hs_error_t compiled = hs_compile_multi(regexes.data(), flags.data(), ids.data(),
                                               static_cast<unsigned>(ids.size()), HS_MODE_BLOCK, nullptr, &raw, &error);
  if (compiled != HS_SUCCESS) {
    const int index = error ? error->expression : -1;
    std::string message =
        "PII pattern " + std::to_string(index) + ": " + (error ? error->message : "cannot be compiled");
    hs_free_compile_error(error);
    return fail(ErrorCode::kInternal, std::move(message));
  }
  return Database(raw, HsFree{});
}

// Compiling takes a quarter of a second of the start: done once for all detectors of the process.
Result<Database> compiled_patterns(bool known_makers) {
  static Mutex mutex;
  static std::array<std::weak_ptr<hs_database_t>, 2> kept;
  MutexLock lock(mutex);
  std::weak_ptr<hs_database_t>& entry = kept[known_makers ? 1 : 0];
  if (Database db = entry.lock()) return db;
  SENTINEL_ASSIGN(auto db, compile(known_makers));
  entry = db;
  return db;
}

}  // namespace

Result<std::unique_ptr<PiiDetector>> make_pii_detector(bool known_makers) {
  SENTINEL_ASSIGN(auto db, compiled_patterns(known_makers));
  hs_scratch_t* scratch = nullptr;
  if (hs_alloc_scratch(db.get(), &scratch) != HS_SUCCESS)
    return fail(ErrorCode::kInternal, "no memory for PII patterns");
  return std::make_unique<VectorscanDetector>(std::move(db), Scratch(scratch));
}

std::string redact(std::string_view text, const std::vector<Span>& spans) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  for (const Span& span : spans) {
    if (span.begin < at || span.end > text.size()) continue;
    out.append(text, at, span.begin - at);
    out += '[';
    out.append(span.type, 0, span.type.find(':'));
    out += ']';
    at = span.end;
  }
  out.append(text, at, std::string::npos);
  return out;
}

std::vector<std::string> pii_types(const std::vector<Span>& spans) {
  std::vector<std::string> types;
  for (const Span& span : spans) {
    std::string type = span.type.substr(0, span.type.find(':'));
    if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(std::move(type));
  }
  return types;
}

}  // namespace sentinel::analysis
