#include "connect/connection.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/hash.h"
#include "base/strings.h"
#include "connect/limits.h"

namespace sentinel::connect {
namespace {

constexpr size_t kNameBytesMax = 40;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

receivers::ReadNode severities_into(std::set<model::Severity>* out) {
  return [out](const text::YamlNode& node) -> Status {
    if (!node.is_list()) return fail(node.error("expected a list of severities"));
    for (const text::YamlNode& item : node.items()) {
      SENTINEL_ASSIGN(const std::string word, item.string());
      const auto severity = model::parse_severity(word);
      if (!severity) return fail(item.error(fmt::format("unknown severity \"{}\"; expected SEV1..SEV4", word)));
      out->insert(*severity);
    }
    return {};
  };
}

}  // namespace

Status Connection::read(const text::YamlNode& node, const std::string& folder, receivers::Fields fields) {
  folder_ = folder;
  std::string kind;
  std::string strangers;
  fields.push_back({"name", &name_});
  fields.push_back({"kind", &kind});
  fields.push_back({"severities", severities_into(&severities_)});
  fields.push_back({"match", &match_});
  fields.push_back({"people", &people_});
  fields.push_back({"unknown_people", &strangers});
  fields.push_back({"http_config", receivers::ReadNode([&](const text::YamlNode& n) -> Status {
                      SENTINEL_ASSIGN(http_, receivers::read_http_config(n, folder, http_));
                      return {};
                    })});
  SENTINEL_TRY(receivers::read_fields(node, fmt::format("integration of kind {}", kind_), fields));
  if (name_.empty()) name_ = std::string(kind_);
  if (!is_name(name_)) return fail(node.get("name").error("expected small letters, digits, - and _, at most 40"));
  if (!strangers.empty() && strangers != "allow" && strangers != "refuse")
    return fail(node.get("unknown_people").error("expected allow or refuse"));
  if (!strangers.empty()) takes_strangers_ = strangers == "allow";
  return {};
}

void Connection::locate(receivers::Secret& secret) const {
  if (!secret.file.empty() && !secret.file.starts_with('/') && !folder_.empty()) secret.file = folder_ + secret.file;
}

bool Connection::wants(const model::Incident& incident) const {
  if (!speaks() || incident.test_mode || incident.status == model::IncidentStatus::kResolved) return false;
  if (!severities_.empty() && !severities_.contains(incident.severity)) return false;
  return std::all_of(match_.begin(), match_.end(),
                     [&](const auto& wanted) { return incident.labels.get(wanted.first) == wanted.second; });
}

std::string Connection::user_of(std::string_view person) const {
  const auto found = people_.find(std::string(person));
  return person.empty() || found == people_.end() ? "" : found->second;
}

std::string Connection::person_of(std::string_view user) const {
  for (const auto& [person, known] : people_) {
    if (known == user) return person;
  }
  return "";
}

net::Response Connection::reply(const Received&, const std::vector<Spoken>&) const {
  return net::json_response(200, R"({"ok":true})");
}

std::string headline_of(const model::Incident& incident) {
  return fmt::format("[{}] INC-{}: {}", model::severity_name(incident.severity), incident.number, incident.title);
}

std::string print_of(std::string_view text) { return fmt::format("{:016x}", hash64(text)); }

std::string memory_text(const Memory& memory, std::string_view key) {
  const boost::json::value* value = memory.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

int64_t memory_int(const Memory& memory, std::string_view key) {
  const boost::json::value* value = memory.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

bool memory_flag(const Memory& memory, std::string_view key) {
  const boost::json::value* value = memory.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string string_at(const boost::json::object& object, std::initializer_list<std::string_view> path) {
  const boost::json::object* in = &object;
  const boost::json::value* at = nullptr;
  for (const std::string_view key : path) {
    if (in == nullptr) return "";
    at = in->if_contains(key);
    if (at == nullptr) return "";
    in = at->if_object();
  }
  return at != nullptr && at->is_string() ? std::string(at->get_string()) : "";
}

std::string string_at(const boost::json::value& value, std::initializer_list<std::string_view> path) {
  return value.is_object() ? string_at(value.get_object(), path) : "";
}

receivers::HttpCall json_call(std::string method, std::string url, const boost::json::value& body) {
  receivers::HttpCall call{std::move(url), body.is_null() ? "" : boost::json::serialize(body), std::move(method)};
  if (!call.body.empty()) call.headers.set("Content-Type", "application/json; charset=utf-8");
  return call;
}

News news_after(const View& view, int64_t told, std::string_view own_source, const std::set<std::string>& kinds) {
  News out;
  out.last = told;
  size_t bytes = 0;
  for (const model::TimelineEntry& entry : view.timeline) {
    if (entry.sequence <= told) continue;
    const bool said_there = entry.kind == "note" && entry.source == own_source;
    if (kinds.contains(entry.kind) && !said_there) {
      bytes += std::min(entry.text.size(), kMessageBytesMax) + entry.actor.size();
      if (!out.entries.empty() && (bytes > kMessageBytesMax || out.entries.size() == kEntriesPerMessageMax)) return out;
      out.entries.push_back(&entry);
    }
    out.last = entry.sequence;
  }
  return out;
}

std::string line_of(const model::TimelineEntry& entry) {
  const bool said = entry.kind == "note" || entry.kind == "update";
  return said ? fmt::format("{}: {}", entry.actor, entry.text) : entry.text;
}

receivers::SendResult retry_later(std::string why) {
  return {receivers::SendResult::Kind::kRetry, std::move(why), std::nullopt};
}

receivers::SendResult never(std::string why) {
  return {receivers::SendResult::Kind::kFailed, std::move(why), std::nullopt};
}

}  // namespace sentinel::connect
