#include "incident/attachments.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "incident/limits.h"

namespace sentinel::incident {
namespace {

constexpr size_t kHashHexBytes = 64;

struct Signature {
  std::string_view type;
  std::string_view begin;
};
// Of the types that a browser or a viewer would act on: a page that calls itself a picture is refused.
constexpr std::array<Signature, 7> kSignatures{{{"image/png", "\x89PNG\r\n\x1a\n"},
                                                {"image/jpeg", "\xff\xd8\xff"},
                                                {"image/gif", "GIF8"},
                                                {"image/webp", "RIFF"},
                                                {"application/pdf", "%PDF-"},
                                                {"application/gzip", "\x1f\x8b"},
                                                {"application/zip", "PK"}}};

bool is_text(std::string_view type) {
  return type.starts_with("text/") || type == "application/json" || type == "application/x-ndjson";
}

bool is_hash(std::string_view name) {
  return name.size() == kHashHexBytes && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<std::string> check_attachment(const AttachmentLimits& limits, std::string_view given, std::string_view content) {
  if (content.empty()) return fail(ErrorCode::kInvalidArgument, "the file is empty");
  if (content.size() > limits.bytes_max) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("the file has {} bytes; at most {} are taken", content.size(), limits.bytes_max));
  }
  const std::string type = to_lower(trim(given.substr(0, given.find(';'))));
  if (!limits.types.contains(type)) {
    const std::vector<std::string> known(limits.types.begin(), limits.types.end());
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("files of type \"{}\" are not taken; expected one of {}", type, join(known, ", ")));
  }
  for (const Signature& s : kSignatures) {
    if (s.type == type && !content.starts_with(s.begin))
      return fail(ErrorCode::kInvalidArgument, fmt::format("the content is not {}", type));
  }
  if (is_text(type) && (!is_valid_utf8(content) || content.find('\0') != std::string_view::npos))
    return fail(ErrorCode::kInvalidArgument, fmt::format("the content is not UTF-8, as {} must be", type));
  return type;
}

std::string safe_file_name(std::string_view name) {
  const std::string valid = to_valid_utf8(name);
  std::string out(utf8_prefix(valid, kFileNameBytesMax));
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '/' || c == '\\' || c == '"') c = '_';
  }
  while (!out.empty() && (out.front() == '.' || out.front() == ' ')) out.erase(0, 1);
  return out.empty() ? "file" : out;
}

std::string disposition_of(std::string_view name) {
  const std::string safe = safe_file_name(name);
  std::string ascii = safe;
  std::replace_if(ascii.begin(), ascii.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '_');
  return fmt::format("attachment; filename=\"{}\"; filename*=UTF-8''{}", ascii, url_encode(safe));
}

Result<std::string> AttachmentFolder::put(std::string_view content) {
  std::string name = hex_encode(sha256(content));
  if (env_.exists(path_of(name))) return name;
  SENTINEL_TRY(env_.make_dirs(dir_));
  SENTINEL_TRY(env_.write_file_atomic(path_of(name), content));
  return name;
}

Result<std::string> AttachmentFolder::get(std::string_view name) {
  if (!is_hash(name)) return fail(ErrorCode::kInternal, "this is not the name of a content");
  SENTINEL_ASSIGN(std::string content, env_.read_file(path_of(name)));
  if (hex_encode(sha256(content)) != name)
    return fail(ErrorCode::kInternal, fmt::format("the content {} is damaged", name));
  return content;
}

Status AttachmentFolder::sweep(const std::function<Result<bool>(const std::string&)>& wanted) {
  if (!env_.exists(dir_)) return {};
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(dir_));
  for (const std::string& name : names) {
    if (is_hash(name)) {
      SENTINEL_ASSIGN(const bool keep, wanted(name));
      if (keep) continue;
    }
    SENTINEL_TRY(env_.remove(dir_ + "/" + name));
  }
  return {};
}

}  // namespace sentinel::incident
