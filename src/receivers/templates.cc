#include "receivers/templates.h"

#include <glob.h>

#include "base/file.h"
#include "receivers/default_templates.h"
#include "text/prometheus_functions.h"

namespace sentinel::receivers {
namespace {

Result<std::vector<std::string>> matching_files(const std::string& pattern) {
  glob_t found{};
  const int rc = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> files;
  if (rc == 0) files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);  // glob sorts
  ::globfree(&found);
  if (rc != 0 && rc != GLOB_NOMATCH) return fail(ErrorCode::kIo, "template files cannot be listed: " + pattern);
  return files;
}

}  // namespace

text::NotificationData template_data(const Notification& n) {
  text::NotificationData data;
  data.receiver = n.receiver;
  data.firing = n.firing();
  for (const NotifiedAlert& a : n.alerts) {
    text::NotificationAlert alert;
    alert.firing = !a.resolved;
    alert.labels = a.alert.labels;
    alert.annotations = a.alert.annotations;
    alert.starts_at = a.alert.starts_at;
    if (a.resolved) alert.ends_at = a.alert.ends_at;
    alert.generator_url = a.alert.generator_url;
    alert.fingerprint = a.alert.fingerprint_hex();
    data.alerts.push_back(std::move(alert));
  }
  data.group_labels = n.group_labels;
  data.common_labels = n.common_labels();
  data.common_annotations = n.common_annotations();
  data.external_url = n.external_url;
  return data;
}

Result<std::shared_ptr<const Templates>> Templates::load(const std::vector<std::string>& globs, const Clock& clock) {
  text::TemplateOptions options;
  options.missing_key = text::MissingKey::kZero;
  text::Template base(text::alertmanager_functions([&clock] { return clock.now(); }), options);
  SENTINEL_TRY(base.parse("default.tmpl", std::string(kDefaultTemplates)));
  for (const std::string& pattern : globs) {
    SENTINEL_ASSIGN(const std::vector<std::string> files, matching_files(pattern));
    for (const std::string& file : files) {
      SENTINEL_ASSIGN(std::string content, posix_env().read_file(file));
      const Status s = base.parse(file.substr(file.rfind('/') + 1), std::move(content));
      if (!s) return fail(s.error().in_file(file).with_context("template file " + file));
    }
  }
  return std::shared_ptr<const Templates>(new Templates(std::move(base)));
}

Result<std::string> Templates::expand(const std::string& text, const text::Value& data) const {
  if (text.find("{{") == std::string::npos) return text;
  text::Template copy = base_;
  SENTINEL_TRY(copy.parse("", text));
  return copy.execute("", data);
}

}  // namespace sentinel::receivers
