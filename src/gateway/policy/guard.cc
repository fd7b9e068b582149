#include "gateway/policy/guard.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/strings.h"
#include "gateway/policy/limits.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

namespace json = boost::json;

constexpr std::string_view kTextKeys[] = {
    "content",   "text",  "input",        "prompt",   "system",  "instructions",      "output",
    "arguments", "delta", "partial_json", "thinking", "refusal", "reasoning_content", "systemInstruction"};
// Objects in which every text is the caller's or the model's: the arguments and results of tools.
constexpr std::string_view kFreeKeys[] = {"input", "args", "arguments", "response"};
constexpr std::string_view kSkippedKeys[] = {"tools",
                                             "tool_choice",
                                             "response_format",
                                             "metadata",
                                             "model",
                                             "image_url",
                                             "input_audio",
                                             "audio",
                                             "file",
                                             "source",
                                             "inlineData",
                                             "inline_data",
                                             "fileData",
                                             "file_data",
                                             "usage",
                                             "logprobs",
                                             "id",
                                             "type",
                                             "role",
                                             "name",
                                             "signature",
                                             "stop",
                                             "call_id",
                                             "encrypted_content",
                                             "usageMetadata",
                                             "generationConfig",
                                             "safetySettings",
                                             "toolConfig"};

template <size_t N>
bool is_one_of(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

// Calls fn(path, string) for each text, without recursion deeper than the parser allowed.
template <class F>
void walk(json::value& value, const std::string& path, bool is_text, bool is_free, F& fn) {
  if (auto* text = value.if_string()) {
    if (is_text) fn(path, *text);
  } else if (auto* list = value.if_array()) {
    for (size_t i = 0; i < list->size(); ++i) {
      json::value& item = (*list)[i];
      const json::object* object = item.if_object();
      const json::value* index = object != nullptr ? object->if_contains("index") : nullptr;
      const std::string place =
          index != nullptr && index->is_int64() ? std::to_string(index->get_int64()) : std::to_string(i);
      walk(item, path + "/" + place, is_text, is_free, fn);
    }
  } else if (auto* object = value.if_object()) {
    for (auto& field : *object) {
      const std::string_view key = field.key();
      if (!is_free && is_one_of(kSkippedKeys, key)) continue;
      const bool free = is_free || (field.value().is_object() && is_one_of(kFreeKeys, key) && !path.empty());
      walk(field.value(), path + "/" + std::string(key), is_free || free || is_one_of(kTextKeys, key), free, fn);
    }
  }
}

// Whole texts come again at the end of some streams; they are texts of their own.
bool repeats_whole(const json::object& event) {
  const json::value* type = event.if_contains("type");
  if (type == nullptr || !type->is_string()) return false;
  const std::string_view word = type->get_string();
  return word.ends_with(".done") || word.ends_with(".completed") || word.ends_with(".incomplete");
}

std::string stream_part(const json::object& event) {
  std::string part;
  for (const std::string_view key : {"type", "output_index", "content_index", "index", "item_id"}) {
    const json::value* value = event.if_contains(key);
    if (value == nullptr) continue;
    part += '|';
    part += value->is_string() ? std::string_view(value->get_string()) : std::string_view();
    if (value->is_int64()) part += std::to_string(value->get_int64());
  }
  return part;
}

bool is_secret(const TextSpan& span) { return span.label == "SECRET"; }

std::vector<TextSpan> all_matches(const GuardRule& rule, std::string_view text) {
  std::vector<TextSpan> spans;
  const std::string label =
      rule.name == guard_check_name(rule.check) ? std::string("REDACTED") : replace_all(rule.name, "]", "");
  size_t at = 0;
  re2::StringPiece found;
  const re2::StringPiece piece(text.data(), text.size());
  while (at <= text.size() && rule.pattern->Match(piece, at, text.size(), RE2::UNANCHORED, &found, 1)) {
    const auto begin = static_cast<size_t>(found.data() - text.data());
    if (!found.empty()) spans.push_back({begin, begin + found.size(), label});
    at = found.empty() ? begin + 1 : begin + found.size();
  }
  return spans;
}

// What the rules of one call share: nothing is computed that no rule asks for.
class Texts {
 public:
  Texts(const TextInspector& inspector, std::string_view subject, std::vector<GuardedText>& texts)
      : inspector_(inspector), subject_(subject.substr(0, kGuardTextBytesMax)), texts_(texts) {}

  double risk(GuardCheck check) {
    if (!risks_) risks_ = inspector_.risks(subject_);
    return check == GuardCheck::kInjection  ? risks_->injection
           : check == GuardCheck::kToxicity ? risks_->toxicity
                                            : risks_->risky;
  }

  // The spans of a rule in each text; true when there are any.
  bool find(const GuardRule& rule, std::vector<std::vector<TextSpan>>& spans) {
    bool any = false;
    size_t looked_at = 0;
    for (const GuardedText& text : texts_) {
      const std::string whole = text.whole();
      if (looked_at > kGuardTextBytesMax) break;
      looked_at += whole.size();
      spans.push_back(find_spans(rule, inspector_, whole));
      any = any || !spans.back().empty();
    }
    return any;
  }

 private:
  const TextInspector& inspector_;
  const std::string_view subject_;
  std::vector<GuardedText>& texts_;
  std::optional<TextRisks> risks_;
};

void note(GuardVerdict& verdict, const GuardRule& rule, const std::vector<std::vector<TextSpan>>& spans) {
  verdict.rule = rule.name;
  for (const auto& list : spans) {
    for (const TextSpan& span : list) {
      if (std::find(verdict.labels.begin(), verdict.labels.end(), span.label) == verdict.labels.end())
        verdict.labels.push_back(span.label);
    }
  }
}

}  // namespace

std::vector<TextSpan> find_spans(const GuardRule& rule, const TextInspector& inspector, std::string_view text) {
  if (rule.pattern) return all_matches(rule, text);
  std::vector<TextSpan> spans = inspector.personal_data(text);
  const bool secrets = rule.check == GuardCheck::kSecrets;
  std::erase_if(spans, [secrets](const TextSpan& span) { return is_secret(span) != secrets; });
  return spans;
}

std::string GuardedText::whole() const {
  std::string out;
  for (const json::string* piece : pieces) out.append(piece->data(), piece->size());
  return out;
}

void GuardedText::replace(const std::vector<TextSpan>& spans) {
  size_t piece_begin = 0;
  for (json::string* piece : pieces) {
    const size_t piece_end = piece_begin + piece->size();
    std::string out;
    size_t at = piece_begin;
    for (const TextSpan& span : spans) {
      if (span.end <= piece_begin || span.begin >= piece_end) continue;
      if (span.begin > at) out.append(piece->data() + (at - piece_begin), span.begin - at);
      if (span.begin >= piece_begin) out += "[" + span.label + "]";
      at = std::min(span.end, piece_end);
    }
    if (at < piece_end) out.append(piece->data() + (at - piece_begin), piece_end - at);
    if (out != std::string_view(piece->data(), piece->size())) *piece = out;
    piece_begin = piece_end;
  }
}

GuardVerdict apply_guards(const std::vector<GuardRule>& rules, const TextInspector& inspector, std::string_view subject,
                          std::vector<GuardedText>& texts, const std::function<void(const GuardRule&)>& acted) {
  GuardVerdict verdict;
  Texts look(inspector, subject, texts);
  for (const GuardRule& rule : rules) {
    std::vector<std::vector<TextSpan>> spans;
    if (has_spans(rule.check)) {
      if (!look.find(rule, spans)) continue;
    } else {
      const double risk = look.risk(rule.check);
      if (rule.check == GuardCheck::kInjection) verdict.injection = risk;
      if (risk < rule.threshold) continue;
    }
    note(verdict, rule, spans);
    if (acted) acted(rule);
    if (rule.action == GuardDo::kBlock) {
      verdict.blocked = true;
      verdict.message = rule.message.empty() ? "blocked by the rule " + rule.name : rule.message;
      return verdict;
    }
    if (rule.action == GuardDo::kFlag) {
      verdict.flagged = true;
      continue;
    }
    verdict.redacted = true;
    for (size_t i = 0; i < spans.size(); ++i) texts[i].replace(spans[i]);
  }
  return verdict;
}

std::vector<GuardedText> texts_of(json::value& body) {
  std::vector<GuardedText> out;
  auto add = [&](const std::string&, json::string& text) { out.push_back({{&text}}); };
  walk(body, "", false, false, add);
  return out;
}

std::vector<StreamPiece> pieces_of_stream(std::vector<json::value>& events) {
  std::vector<StreamPiece> out;
  for (json::value& value : events) {
    json::object* const event = value.if_object();
    if (event == nullptr) continue;
    const bool whole = repeats_whole(*event);
    const std::string part = whole ? "" : stream_part(*event);
    auto add = [&](const std::string& path, json::string& text) { out.push_back({whole ? "" : part + path, &text}); };
    walk(value, "", false, false, add);
  }
  return out;
}

std::vector<GuardedText> texts_of_stream(std::vector<json::value>& events) {
  std::vector<GuardedText> out;
  std::map<std::string, size_t, std::less<>> by_part;
  for (const StreamPiece& piece : pieces_of_stream(events)) {
    const size_t fresh = out.size();
    const size_t at = piece.part.empty() ? fresh : by_part.emplace(piece.part, fresh).first->second;
    if (at == fresh) out.emplace_back();
    out[at].pieces.push_back(piece.text);
  }
  return out;
}

StreamDocument StreamDocument::parse(std::string_view bytes, bool array) {
  StreamDocument out;
  out.array = array;
  if (array) {
    auto value = text::parse_json(bytes);
    if (value && value->is_array()) {
      for (json::value& item : value->get_array()) {
        out.events.push_back({"", "", out.documents.size()});
        out.documents.push_back(std::move(item));
      }
      return out;
    }
    out.events.push_back({"", std::string(bytes), kNone});
    return out;
  }
  for (size_t at = 0; at < bytes.size();) {
    size_t end = bytes.find("\n\n", at);
    const size_t crlf = bytes.find("\r\n\r\n", at);
    size_t after = end == std::string_view::npos ? bytes.size() : end + 2;
    if (crlf < end) {
      end = crlf;
      after = crlf + 4;
    }
    const std::string_view raw = bytes.substr(at, after - at);
    at = after;
    Event event{"", std::string(raw), kNone};
    const size_t data = raw.starts_with("data:") ? 0 : raw.find("\ndata:") + 1;
    if (raw.starts_with("data:") || data != 0) {
      const std::string_view payload = trim(raw.substr(data + 5));
      if (auto value = text::parse_json(payload); value && value->is_object()) {
        event.head = std::string(raw.substr(0, data));
        event.json = out.documents.size();
        out.documents.push_back(std::move(*value));
      }
    }
    out.events.push_back(std::move(event));
  }
  return out;
}

std::string StreamDocument::write() const {
  std::string out;
  if (array && events.size() == documents.size()) {
    for (const Event& event : events) {
      out += out.empty() ? "[" : ",\r\n";
      out += text::serialize(documents[event.json]);
    }
    return out.empty() ? "[]" : out + "]";
  }
  for (const Event& event : events) {
    if (event.json == kNone) {
      out += event.raw;
    } else {
      out += event.head + "data: " + text::serialize(documents[event.json]) + "\n\n";
    }
  }
  return out;
}

}  // namespace sentinel::gateway
