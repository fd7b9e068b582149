#pragma once
// The names that notification texts may use without any template file, with Alertmanager's results.

#include <string_view>

namespace sentinel::receivers {

// Built from a few shared pieces: who speaks, the subject, and alerts as plain or Markdown lists.
inline constexpr std::string_view kDefaultTemplates = R"tmpl({{/* Who speaks, and where to look. */}}
{{ define "__alertmanager" }}Alertmanager{{ end }}
{{ define "__alertmanagerURL" }}{{ printf "%s/#/alerts?receiver=%s" .ExternalURL (urlquery .Receiver) }}{{ end }}

{{/* "[FIRING:2] HighErrorRate (a b)": the group's values, then what else all alerts share. */}}
{{ define "__subject" -}}
  [{{ toUpper .Status }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}]
  {{- " " }}{{ join " " .GroupLabels.SortedPairs.Values }}{{ " " }}
  {{- if gt (len .CommonLabels) (len .GroupLabels) -}}
    ({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ join " " .Values }}{{ end }})
  {{- end -}}
{{ end }}
{{ define "__description" }}{{ end }}

{{/* What a list of alerts has to say, for people. */}}
{{ define "__text_alert_list" -}}
{{ range . }}Labels:
{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}Annotations:
{{ range .Annotations.SortedPairs }} - {{ .Name }} = {{ .Value }}
{{ end }}Source: {{ .GeneratorURL }}
{{ end }}
{{- end }}
{{ define "__text_alert_list_markdown" -}}
{{ range . }}
Labels:
{{ range .Labels.SortedPairs }}  - {{ .Name }} = {{ .Value }}
{{ end }}
Annotations:
{{ range .Annotations.SortedPairs }}  - {{ .Name }} = {{ .Value }}
{{ end }}
Source: {{ .GeneratorURL }}
{{ end }}
{{ end }}

{{/* Both states, each under its heading: with air around them, close together, and as Markdown. */}}
{{ define "__airy" }}
{{ if gt (len .Alerts.Firing) 0 }}
Alerts Firing:
{{ template "__text_alert_list" .Alerts.Firing }}
{{ end }}
{{ if gt (len .Alerts.Resolved) 0 }}
Alerts Resolved:
{{ template "__text_alert_list" .Alerts.Resolved }}
{{ end }}
{{ end }}
{{ define "__close" }}{{ join " " .CommonAnnotations.SortedPairs.Values }}
{{ if gt (len .Alerts.Firing) 0 -}}
Alerts Firing:
{{ template "__text_alert_list" .Alerts.Firing }}
{{- end }}
{{ if gt (len .Alerts.Resolved) 0 -}}
Alerts Resolved:
{{ template "__text_alert_list" .Alerts.Resolved }}
{{- end }}
{{- end }}
{{ define "__markdown" }}
{{ if gt (len .Alerts.Firing) 0 }}
# Alerts Firing:
{{ template "__text_alert_list_markdown" .Alerts.Firing }}
{{ end }}
{{ if gt (len .Alerts.Resolved) 0 }}
# Alerts Resolved:
{{ template "__text_alert_list_markdown" .Alerts.Resolved }}
{{ end }}
{{ end }}
{{ define "__traffic_light" }}{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}{{ end }}

{{ define "slack.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "slack.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "slack.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "slack.default.fallback" }}{{ template "slack.default.title" . }} | {{ template "slack.default.titlelink" . }}{{ end }}
{{ define "slack.default.callbackid" }}{{ end }}
{{ define "slack.default.pretext" }}{{ end }}
{{ define "slack.default.text" }}{{ end }}
{{ define "slack.default.footer" }}{{ end }}
{{ define "slack.default.iconemoji" }}{{ end }}
{{ define "slack.default.iconurl" }}{{ end }}
{{ define "slack.default.color" }}{{ template "__traffic_light" . }}{{ end }}

{{ define "pagerduty.default.description" }}{{ template "__subject" . }}{{ end }}
{{ define "pagerduty.default.client" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "pagerduty.default.clientURL" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "pagerduty.default.instances" }}{{ template "__text_alert_list" . }}{{ end }}

{{ define "opsgenie.default.message" }}{{ template "__subject" . }}{{ end }}
{{ define "opsgenie.default.description" }}{{ template "__close" . }}{{ end }}
{{ define "opsgenie.default.source" }}{{ template "__alertmanagerURL" . }}{{ end }}

{{ define "wechat.default.message" }}{{ template "__subject" . }}
{{ template "__close" . }}
AlertmanagerUrl:
{{ template "__alertmanagerURL" . }}
{{- end }}
{{ define "wechat.default.to_user" }}{{ end }}
{{ define "wechat.default.to_party" }}{{ end }}
{{ define "wechat.default.to_tag" }}{{ end }}
{{ define "wechat.default.agent_id" }}{{ end }}

{{ define "victorops.default.state_message" }}{{ template "__close" . }}{{ end }}
{{ define "victorops.default.entity_display_name" }}{{ template "__subject" . }}{{ end }}
{{ define "victorops.default.monitoring_tool" }}{{ template "__alertmanager" . }}{{ end }}

{{ define "pushover.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "pushover.default.message" }}{{ join " " .CommonAnnotations.SortedPairs.Values }}{{ template "__airy" . }}{{ end }}
{{ define "pushover.default.url" }}{{ template "__alertmanagerURL" . }}{{ end }}

{{ define "sns.default.subject" }}{{ template "__subject" . }}{{ end }}
{{ define "sns.default.message" }}{{ join " " .CommonAnnotations.SortedPairs.Values }}{{ template "__airy" . }}{{ end }}

{{ define "telegram.default.message" }}{{ template "__airy" . }}{{ end }}

{{ define "discord.default.content" }}{{ end }}
{{ define "discord.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "discord.default.message" }}{{ template "__airy" . }}{{ end }}

{{ define "webex.default.message" }}{{ join " " .CommonAnnotations.SortedPairs.Values }}{{ template "__airy" . }}{{ end }}

{{ define "msteams.default.summary" }}{{ template "__subject" . }}{{ end }}
{{ define "msteams.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "msteams.default.text" }}{{ template "__markdown" . }}{{ end }}
{{ define "msteamsv2.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "msteamsv2.default.text" }}{{ template "__markdown" . }}{{ end }}

{{ define "jira.default.summary" }}{{ template "__subject" . }}{{ end }}
{{ define "jira.default.description" }}{{ template "__markdown" . }}{{ end }}
{{/* The most severe of what fires, or of what fired when nothing does. */}}
{{ define "jira.default.priority" -}}
  {{- $found := "" -}}
  {{- range list .Alerts.Firing .Alerts.Resolved -}}
    {{- if eq $found "" -}}
      {{- range . -}}
        {{- $severity := index .Labels "severity" -}}
        {{- if eq $severity "critical" -}}
          {{- $found = "High" -}}
        {{- else if and (eq $severity "warning") (ne $found "High") -}}
          {{- $found = "Medium" -}}
        {{- else if and (eq $severity "info") (eq $found "") -}}
          {{- $found = "Low" -}}
        {{- end -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
  {{- $found -}}
{{- end }}

{{ define "rocketchat.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "rocketchat.default.alias" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "rocketchat.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "rocketchat.default.emoji" }}{{ end }}
{{ define "rocketchat.default.iconurl" }}{{ end }}
{{ define "rocketchat.default.text" }}{{ end }}

{{ define "mattermost.default.color" }}{{ template "__traffic_light" . }}{{ end }}
{{ define "mattermost.default.username" }}{{ template "__alertmanager" . }}{{ end }}
{{ define "mattermost.default.title" }}{{ template "__subject" . }}{{ end }}
{{ define "mattermost.default.titlelink" }}{{ template "__alertmanagerURL" . }}{{ end }}
{{ define "mattermost.default.fallback" }}{{ template "mattermost.default.title" . }} | {{ template "mattermost.default.titlelink" . }}{{ end }}
{{ define "mattermost.default.text" }}{{ template "__markdown" . }}{{ end }}
)tmpl";

// E-mail. Styles stand in the elements: many mail programs drop everything else.
inline constexpr std::string_view kEmailTemplates = R"tmpl(
{{ define "email.default.subject" }}{{ template "__subject" . }}{{ end }}

{{ define "__email_pairs" }}{{ range .SortedPairs }}{{ .Name }} = {{ .Value }}<br>{{ end }}{{ end }}
{{ define "__email_alerts" -}}
{{ range . }}
      <tr><td style="padding:0 24px 16px">
        <strong>Labels</strong><br>
        {{ template "__email_pairs" .Labels }}
        {{ if gt (len .Annotations) 0 }}<strong>Annotations</strong><br>{{ end }}
        {{ template "__email_pairs" .Annotations }}
        <a href="{{ .GeneratorURL }}" style="color:#348eda">Source</a>
      </td></tr>
{{- end }}
{{- end }}

{{ define "email.default.html" -}}
<!DOCTYPE html>
<html>
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width">
<title>{{ template "__subject" . }}</title>
</head>
<body style="margin:0;padding:20px 0;background:#f6f6f6;font:14px/1.6 Helvetica,Arial,sans-serif;color:#222">
  <table role="presentation" align="center" width="600" cellpadding="0" cellspacing="0"
         style="max-width:600px;background:#fff;border:1px solid #e9e9e9">
    <tbody>
      <tr><td style="padding:16px 24px;color:#fff;font-size:16px;text-align:center;
                     background:{{ if gt (len .Alerts.Firing) 0 }}#e6522c{{ else }}#68b90f{{ end }}">
        {{ .Alerts | len }} alert{{ if gt (len .Alerts) 1 }}s{{ end }} for
        {{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}
      </td></tr>
      <tr><td style="padding:24px 24px 16px">
        <a href="{{ template "__alertmanagerURL" . }}"
           style="padding:10px 20px;background:#348eda;color:#fff;text-decoration:none">View in {{ template "__alertmanager" . }}</a>
      </td></tr>
      {{ if gt (len .Alerts.Firing) 0 }}
      <tr><td style="padding:8px 24px"><strong>[{{ .Alerts.Firing | len }}] Firing</strong></td></tr>
      {{- template "__email_alerts" .Alerts.Firing }}
      {{ end }}
      {{ if gt (len .Alerts.Resolved) 0 }}
      <tr><td style="padding:8px 24px"><strong>[{{ .Alerts.Resolved | len }}] Resolved</strong></td></tr>
      {{- template "__email_alerts" .Alerts.Resolved }}
      {{ end }}
    </tbody>
  </table>
  <p style="text-align:center;font-size:12px"><a href="{{ .ExternalURL }}" style="color:#999">Sent by {{ template "__alertmanager" . }}</a></p>
</body>
</html>
{{ end }}
)tmpl";

}  // namespace sentinel::receivers
