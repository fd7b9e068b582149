#include "incident/postmortem.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/duration.h"
#include "base/strings.h"
#include "incident/limits.h"

namespace sentinel::incident {
namespace {

std::string utc(TimePoint t) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", std::chrono::floor<std::chrono::seconds>(t));
}

// Markdown's own characters in texts of others must not become markup; a table cell must stay one line.
std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out += ' ';
      continue;
    }
    if (std::string_view("\\`*_[]<>|#").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A link only where the address can be nothing else within the parentheses of Markdown.
std::string linked(std::string_view text, std::string_view url) {
  const bool plain = (url.starts_with("http://") || url.starts_with("https://")) &&
                     url.find_first_of("()<> \"\n") == std::string_view::npos;
  return plain ? fmt::format("[{}]({})", escape(text), url) : escape(text);
}

class Writer {
 public:
  Writer(const PostmortemInput& input, TimePoint now)
      : in_(input),
        d_(input.detail),
        i_(d_.record.incident),
        impact_(input.impact),
        now_(now),
        end_(i_.resolved_at.value_or(now)) {}

  std::string run() {
    line("# Postmortem: {}", escape(i_.title));
    line("");
    summary();
    responders();
    timeline();
    cause();
    detection();
    impact();
    resolution();
    lessons();
    messaging();
    actions();
    return std::move(out_);
  }

 private:
  template <class... A>
  void line(fmt::format_string<A...> format, A&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<A>(args)...);
    out_ += '\n';
  }

  std::string duration_between(TimePoint from, TimePoint to) const {
    return humanize_duration(to > from ? to - from : Micros(0));
  }

  void summary() {
    line("## Summary");
    line("");
    line("| | |");
    line("| --- | --- |");
    line("| Incident | INC-{} |", i_.number);
    line("| Date | {} |", utc(i_.created_at));
    line("| Status | {} |", model::incident_status_name(i_.status));
    line("| Severity | {} ({}) |", model::severity_name(i_.severity),
         model::severity_name(i_.severity, model::SeverityStyle::kPriority));
    line("| Duration | {}{} |", duration_between(start(), end_), i_.resolved_at ? "" : " so far");
    line("| Owner | {} |", escape(i_.assignee));
    line("| Root cause | {} |", escape(root_cause()));
    for (const auto& [name, value] : in_.known.fields) line("| {} | {} |", escape(name), escape(value));
    for (const Link& link : in_.known.links)
      line("| {} | INC-{} {} |", escape(link.relation), link.number, escape(link.title));
    line("");
    line("{}", escape(d_.record.headline.what_failed));
    line("");
  }

  // Those with a role, then everybody else who did something.
  void responders() {
    std::vector<std::pair<std::string, std::string>> people;
    for (const RoleHolder& r : in_.known.roles) people.emplace_back(r.person, role_name(r.role));
    const auto known = [&](std::string_view name) {
      return std::any_of(people.begin(), people.end(), [&](const auto& p) { return iequals(p.first, name); });
    };
    if (!i_.assignee.empty() && !known(i_.assignee)) people.emplace_back(i_.assignee, "owner");
    for (const model::TimelineEntry& entry : d_.timeline) {
      if (entry.actor != "sentinel" && !entry.actor.empty() && !known(entry.actor))
        people.emplace_back(entry.actor, "responder");
    }
    if (people.empty()) return;
    line("## Responders");
    line("");
    line("| Who | Role |");
    line("| --- | --- |");
    for (const auto& [who, role] : people) line("| {} | {} |", escape(who), role);
    line("");
  }

  TimePoint start() const { return i_.impact_started_at.value_or(i_.detected_at); }

  std::string root_cause() const {
    if (!i_.root_cause.empty()) return i_.root_cause;
    if (!d_.record.headline.why.empty()) return d_.record.headline.why + " (computed, not yet confirmed by a person)";
    return "Not recorded.";
  }

  void timeline() {
    line("## Timeline");
    line("");
    line("| Time (UTC) | Who | What |");
    line("| --- | --- | --- |");
    if (i_.impact_started_at)
      line("| {:%H:%M:%S} | – | First failing call |", std::chrono::floor<std::chrono::seconds>(*i_.impact_started_at));
    for (const model::TimelineEntry& entry : d_.timeline) {
      line("| {:%H:%M:%S} | {} | {} |", std::chrono::floor<std::chrono::seconds>(entry.at), escape(entry.actor),
           escape(entry.text));
    }
    line("");
  }

  void cause() {
    line("## Root cause");
    line("");
    line("{}", escape(root_cause()));
    line("");
    if (!d_.diagnosis || d_.diagnosis->findings.empty()) return;
    line("Evidence, from {} failing calls against {} others:", d_.diagnosis->failing, d_.diagnosis->baseline);
    line("");
    line("| Dimension | Value | Failing calls | Others | Lift | p |");
    line("| --- | --- | ---: | ---: | ---: | ---: |");
    for (const Finding& f : d_.diagnosis->findings) {
      line("| {} | {} | {:.0f} % | {:.0f} % | {:.1f}× | {:.2g} |", escape(f.dimension), escape(f.value),
           f.failing_share * 100, f.baseline_share * 100, f.lift, f.p_value);
    }
    line("");
    for (const ChangeNearOnset& change : d_.diagnosis->changes) line("- {}", escape(change.sentence));
    if (!d_.diagnosis->changes.empty()) line("");
    if (!d_.diagnosis->examples.empty()) line("Examples:");
    for (const ExampleCall& example : d_.diagnosis->examples)
      line("- `{}` {}", example.request_id, escape(example.sentence));
    if (!d_.diagnosis->examples.empty()) line("");
  }

  void detection() {
    line("## Detection");
    line("");
    const size_t shown = std::min(d_.alerts.size(), kAlertsShownMax);
    for (const IncidentAlert& alert : std::span(d_.alerts).first(shown)) {
      line("- {} fired at {}{}", linked(alert.alert.name(), alert.alert.generator_url), utc(alert.alert.starts_at),
           alert.value().empty() ? "" : fmt::format(" with the value {}", escape(alert.value())));
    }
    if (d_.alert_count > shown) line("- and {} more alerts", d_.alert_count - shown);
    if (d_.alerts.empty()) line("Reported by a person.");
    if (i_.impact_started_at) line("- Time to detect: {}", duration_between(*i_.impact_started_at, i_.detected_at));
    if (i_.acknowledged_at)
      line("- Time to acknowledge: {}", duration_between(i_.created_at, *i_.acknowledged_at));
    else
      line("- Nobody acknowledged it");
    if (i_.resolved_at) line("- Time to resolve: {}", duration_between(i_.created_at, *i_.resolved_at));
    line("");
  }

  void impact() {
    line("## Impact");
    line("");
    if (!impact_) {
      line("Not measured: the event store did not answer.");
      line("");
      return;
    }
    const double share =
        impact_->calls > 0 ? 100.0 * static_cast<double>(impact_->failing) / static_cast<double>(impact_->calls) : 0;
    line("- {} of {} calls failed ({:.1f} %)", impact_->failing, impact_->calls, share);
    line("- {} users were affected", impact_->users);
    line("- {:.4f} USD and {:.0f} tokens were spent in that time", impact_->cost_usd, impact_->tokens);
    if (impact_->latency_p95_ms) line("- p95 latency was {:.0f} ms", *impact_->latency_p95_ms);
    if (!impact_->models.empty()) line("- Model versions: {}", escape(join(impact_->models, ", ")));
    if (!impact_->endpoints.empty()) line("- Endpoints: {}", escape(join(impact_->endpoints, ", ")));
    if (!impact_->providers.empty()) line("- Providers: {}", escape(join(impact_->providers, ", ")));
    if (!impact_->prompts.empty()) line("- Prompts: {}", escape(join(impact_->prompts, ", ")));
    if (impact_->fallbacks > 0) line("- {} calls were answered by a fallback", impact_->fallbacks);
    line("");
  }

  void resolution() {
    line("## Resolution");
    line("");
    if (!i_.resolved_at)
      line("Still {}.", model::incident_status_name(i_.status));
    else
      line("{}", i_.resolution.empty() ? "Not recorded." : escape(i_.resolution));
    line("");
  }

  void lessons() {
    line("## What went well");
    line("");
    if (i_.impact_started_at)
      line("- Detected {} after the first failing call", duration_between(*i_.impact_started_at, i_.detected_at));
    if (i_.acknowledged_at)
      line("- Acknowledged {} after it opened", duration_between(i_.created_at, *i_.acknowledged_at));
    if (d_.diagnosis && !d_.diagnosis->findings.empty()) line("- The cause was named by the diagnosis");
    line("");
    line("## What can be better");
    line("");
    if (!i_.acknowledged_at) line("- Nobody acknowledged the incident");
    if (i_.root_cause.empty()) line("- No root cause was recorded by a person");
    if (i_.runbook_id.empty()) line("- No runbook was attached");
    line("- To be filled in by the responders");
    line("");
    line("## Where we were lucky");
    line("");
    line("- To be filled in by the responders");
    line("");
  }

  void messaging() {
    if (in_.known.updates.empty()) return;
    line("## What others were told");
    line("");
    line("| Time (UTC) | To whom | Who | What |");
    line("| --- | --- | --- | --- |");
    for (const Update& update : in_.known.updates) {
      line("| {} | {} | {} | {} |", utc(update.at), update.is_public ? "the public" : "subscribers", escape(update.by),
           escape(update.text));
    }
    line("");
  }

  void actions() {
    line("## Action items");
    line("");
    line("| Action | Type | Owner | Due | State |");
    line("| --- | --- | --- | --- | --- |");
    for (const ActionItem& item : in_.actions) {
      line("| {} | {} | {} | {} | {}{} |", linked(item.text, item.link), action_type_name(item.type),
           escape(item.owner), item.due_date ? fmt::format("{:%Y-%m-%d}", *item.due_date) : "–",
           action_state_name(item.state), item.overdue(now_) ? ", overdue" : "");
    }
    if (in_.actions.empty()) suggest();
    line("");
    line("*Generated {} from the recorded timeline.*", utc(now_));
  }

  void suggest() {
    const auto within = i_.severity == model::Severity::kSev1 ? std::chrono::hours(48) : std::chrono::hours(24 * 7);
    const auto due = std::chrono::floor<std::chrono::days>(end_ + within);
    line("| Review this postmortem | process | {} | {:%Y-%m-%d} | suggested |", escape(i_.assignee), due);
    if (i_.root_cause.empty()) {
      line("| Confirm or correct the computed root cause | investigate | {} | {:%Y-%m-%d} | suggested |",
           escape(i_.assignee), due);
    }
  }

  const PostmortemInput& in_;
  const IncidentDetail& d_;
  const model::Incident& i_;
  const std::optional<Impact>& impact_;
  const TimePoint now_;
  const TimePoint end_;
  std::string out_;
};

}  // namespace

std::string postmortem_markdown(const PostmortemInput& input, TimePoint now) { return Writer(input, now).run(); }

}  // namespace sentinel::incident
