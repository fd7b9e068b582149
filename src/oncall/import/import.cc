#include "oncall/import/import.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "oncall/config_text.h"
#include "oncall/import/kit.h"
#include "text/json.h"

namespace sentinel::oncall {
namespace {

// By what the channel is reached once its account is filled in.
constexpr std::pair<std::string_view, std::string_view> kChannels[] = {
    {"email", "{kind: email, smarthost: 'localhost:25', from: sentinel@example.org}"},
    {"slack", "{kind: slack, app_token_file: /etc/sentinel/slack-token}"},
    {"sms", "{kind: twilio_sms, account_sid: FILL-IN, auth_token_file: /etc/sentinel/twilio-token, from: '+15550100'}"},
    {"voice",
     "{kind: twilio_call, account_sid: FILL-IN, auth_token_file: /etc/sentinel/twilio-token, from: '+15550100'}"},
};

std::string comment(std::string text) {
  // A line break in a name must not end the comment.
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return "# " + to_valid_utf8(text) + "\n";
}

std::string channels_text(const Config& config) {
  std::string out;
  for (const auto& [channel, yaml] : kChannels) {
    bool used = false;
    for (const auto& [id, user] : config.users) used = used || user.contacts.contains(std::string(channel));
    if (used) out += fmt::format("  {}: {}\n", channel, yaml);
  }
  return out.empty() ? "" : "channels:\n" + out + "\n";
}

// The calendars of each schedule, put where its section ends.
std::string with_calendar_lines(const std::string& text, const std::vector<Subscription>& calendars) {
  std::string out = text;
  for (const Subscription& s : calendars) {
    const std::string head = fmt::format("- id: {}\n", yaml_scalar(s.schedule));
    const size_t schedules = out.find("\nschedules:\n");
    const size_t at = schedules == std::string::npos ? schedules : out.find(head, schedules);
    if (at == std::string::npos) continue;
    out.insert(at + head.size(), fmt::format("  calendars: [{{id: {}, url: {}, every: 15m}}]\n", yaml_scalar(s.id),
                                             json_quote(to_valid_utf8(s.url))));
  }
  return out;
}

void choose_default(import::Draft& draft) {
  const auto& policies = draft.out.config.policies;
  if (policies.size() == 1) {
    draft.out.config.routing.default_policy = policies.begin()->first;
  } else if (!policies.contains("default")) {
    draft.note(
        "routes",
        "which policy an incident is told by is not known: write routes and default_policy, until then nobody is told");
  } else {
    draft.out.config.routing.default_policy = "default";
  }
}

}  // namespace

std::string_view import_source_name(ImportSource source) {
  switch (source) {
    case ImportSource::kGrafanaOnCall: return "Grafana OnCall";
    case ImportSource::kOpsgenie: return "Opsgenie";
    case ImportSource::kPagerDuty: return "PagerDuty";
  }
  return "";
}

Result<Imported> import_oncall(ImportSource source, const std::vector<ImportFile>& files, TimePoint now) {
  import::Documents documents;
  for (const ImportFile& file : files) {
    auto value = text::parse_json(file.text);
    if (!value) return fail(value.error().in_file(file.name));
    documents.emplace_back(file.name, std::move(*value));
  }
  import::Draft draft;
  draft.now = now;
  switch (source) {
    case ImportSource::kGrafanaOnCall: import::read_grafana(documents, draft); break;
    case ImportSource::kOpsgenie: import::read_opsgenie(documents, draft); break;
    case ImportSource::kPagerDuty: import::read_pagerduty(documents, draft); break;
  }
  const Config& config = draft.out.config;
  if (config.users.empty() && config.schedules.empty() && config.policies.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("nothing in these files is of {}: no users, schedules or escalation policies",
                            import_source_name(source)));
  choose_default(draft);
  // A mistake of the tool's data that we refuse must show now, not when a server starts.
  const std::string written = imported_text(source, draft.out, now);
  if (const auto read = parse_config(written, "oncall.yml"); !read)
    return fail(ErrorCode::kInvalidArgument, "what came out is refused: " + read.error().to_string());
  return std::move(draft.out);
}

std::string imported_text(ImportSource source, const Imported& imported, TimePoint now) {
  std::string out = comment(fmt::format("From {}, as of {}. `sentinel check oncall FILE` checks it.",
                                        import_source_name(source), format_rfc3339(now)));
  out += comment("Fill in the accounts under channels, then name this file in sentinel.yml as `oncall: FILE`.");
  if (!imported.notes.empty()) {
    out += "#\n" + comment("Not carried over, or not as it was:");
    for (const ImportNote& note : imported.notes) out += comment("- " + note.what + ": " + note.why);
  }
  return out + "\n" + channels_text(imported.config) +
         with_calendar_lines(config_text(imported.config), imported.calendars);
}

}  // namespace sentinel::oncall
