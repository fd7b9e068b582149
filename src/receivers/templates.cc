#include "receivers/templates.h"

#include <glob.h>

#include <map>
#include <set>

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

// Go's regexp.QuoteMeta: Alertmanager hands the receiver's name to templates so, for its own page's filter.
std::string quote_meta(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

Result<text::Template> load_mode(text::TemplateMode mode, const std::vector<std::string>& files, const Clock& clock) {
  text::TemplateOptions options;
  options.missing_key = text::MissingKey::kZero;
  options.mode = mode;
  text::Template base(text::alertmanager_functions([&clock] { return clock.now(); }), options);
  SENTINEL_TRY(base.parse("default.tmpl", std::string(kDefaultTemplates)));
  SENTINEL_TRY(base.parse("email.tmpl", std::string(kEmailTemplates)));
  for (const std::string& file : files) {
    SENTINEL_ASSIGN(std::string content, posix_env().read_file(file));
    const Status s = base.parse(file.substr(file.rfind('/') + 1), std::move(content));
    if (!s) return fail(s.error().in_file(file).with_context("template file " + file));
  }
  return base;
}

}  // namespace

text::NotificationData template_data(const Notification& n) {
  text::NotificationData data;
  data.receiver = quote_meta(n.receiver);
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
  data.notification_reason = n.reason;
  data.group_labels = n.group_labels;
  data.common_labels = n.common_labels();
  data.common_annotations = n.common_annotations();
  data.route_labels = n.route_labels;
  data.external_url = n.external_url;
  return data;
}

Result<std::shared_ptr<const Templates>> Templates::load(const std::vector<std::string>& globs, const Clock& clock) {
  std::vector<std::string> files;
  for (const std::string& pattern : globs) {
    SENTINEL_ASSIGN(const std::vector<std::string> found, matching_files(pattern));
    files.insert(files.end(), found.begin(), found.end());
  }
  SENTINEL_ASSIGN(text::Template plain, load_mode(text::TemplateMode::kText, files, clock));
  SENTINEL_ASSIGN(text::Template html, load_mode(text::TemplateMode::kHtml, files, clock));
  return std::shared_ptr<const Templates>(new Templates(std::move(plain), std::move(html)));
}

namespace {

// Expands each label at most once; what is under way is known, so that a circle is an error and not an end of the
// stack.
class RouteLabels {
 public:
  RouteLabels(const text::Template& base, text::NotificationData data) : base_(base), data_(std::move(data)) {
    data_.notification_reason = "unknown";
    value_ = text::to_value(data_);
    base_.set_function(
        "routeLabels",
        {{text::ParamKind::kString}, false, [this](std::span<const text::Value> args) -> Result<text::Value> {
           SENTINEL_ASSIGN(std::string value, expand(args[0].as_string()));
           return text::Value(std::move(value));
         }});
  }
  RouteLabels(const RouteLabels&) = delete;
  RouteLabels& operator=(const RouteLabels&) = delete;

  Result<std::string> expand(const std::string& name) {
    const std::string raw(data_.route_labels.get(name));
    if (raw.find("{{") == std::string::npos) return raw;
    if (const auto known = done_.find(name); known != done_.end()) return known->second;
    if (!under_way_.insert(name).second) {
      return fail(ErrorCode::kInvalidArgument, "route label cycle detected: " + name);
    }
    text::Template copy = base_;
    const Status parsed = copy.parse("", raw);
    Result<std::string> out = parsed ? copy.execute("", value_) : Result<std::string>(fail(parsed.error()));
    under_way_.erase(name);
    if (out) done_[name] = *out;
    return out;
  }

 private:
  text::Template base_;
  text::NotificationData data_;
  text::Value value_;
  std::map<std::string, std::string> done_;
  std::set<std::string> under_way_;
};

}  // namespace

model::Labels expand_route_labels(const text::Template& base, const text::NotificationData& data) {
  model::Labels out;
  if (data.route_labels.empty()) return out;
  RouteLabels labels(base, data);
  for (const model::Label& label : data.route_labels) {
    if (const Result<std::string> value = labels.expand(std::string(label.name))) out.set(label.name, *value);
  }
  return out;
}

Expander::Expander(std::shared_ptr<const Templates> templates, const Notification& notification)
    : data_(template_data(notification)),
      text_(templates->base(text::TemplateMode::kText)),
      html_(templates->base(text::TemplateMode::kHtml)) {
  const model::Labels expanded = expand_route_labels(text_, data_);
  data_.route_labels = expanded;
  value_ = text::to_value(data_);
  const text::Func route_label = {
      {text::ParamKind::kString}, false, [expanded](std::span<const text::Value> args) -> Result<text::Value> {
        return text::Value(expanded.get(args[0].as_string()));
      }};
  text_.set_function("routeLabels", route_label);
  html_.set_function("routeLabels", route_label);
}

std::string Expander::run(const text::Template& base, const std::string& text, bool plain_is_itself) {
  if (error_) return "";
  if (plain_is_itself && text.find("{{") == std::string::npos) return text;
  text::Template copy = base;
  if (const Status parsed = copy.parse("", text); !parsed) {
    error_ = parsed.error();
    return "";
  }
  Result<std::string> out = copy.execute("", value_);
  if (out) return std::move(*out);
  error_ = out.error();
  return "";
}

void Expander::put_unless_empty(boost::json::object& object, std::string_view key, const std::string& text) {
  if (std::string value = (*this)(text); !value.empty()) object[key] = std::move(value);
}

}  // namespace sentinel::receivers
