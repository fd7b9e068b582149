#pragma once
// Notification templates: the default ones, files of the user, and the data they see. Immutable once loaded.

#include <boost/json/object.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "receivers/notification.h"
#include "text/alertmanager_data.h"
#include "text/template.h"

namespace sentinel::receivers {

// What a template sees of a notification, as Alertmanager's template.Data.
text::NotificationData template_data(const Notification& notification);

class Templates {
 public:
  // The default templates, then every file that a pattern matches, in order; a later definition replaces an earlier
  // one. kInvalidArgument names the file. A pattern that matches nothing is no error. `clock` outlives the templates.
  static Result<std::shared_ptr<const Templates>> load(const std::vector<std::string>& globs, const Clock& clock);

  const text::Template& base(text::TemplateMode mode) const {
    return mode == text::TemplateMode::kText ? text_ : html_;
  }

 private:
  Templates(text::Template text, text::Template html) : text_(std::move(text)), html_(std::move(html)) {}
  text::Template text_;
  text::Template html_;
};

// The values of route labels are templates over the data of their group; they see each other's values by routeLabels,
// and no reason, since they are also shown where nothing is notified. One that fails, or that leads back to itself, is
// left out.
model::Labels expand_route_labels(const text::Template& base, const text::NotificationData& data);

// Expands texts for one notification; the first failure sticks, and everything after it is "". One task at a time.
class Expander {
 public:
  // Route labels are expanded here; one that fails is left out.
  Expander(std::shared_ptr<const Templates> templates, const Notification& notification);

  std::string operator()(const std::string& text) { return run(text_, text, true); }
  std::string html(const std::string& text) { return run(html_, text, false); }
  void put(boost::json::object& object, std::string_view key, const std::string& text) { object[key] = (*this)(text); }
  void put_unless_empty(boost::json::object& object, std::string_view key, const std::string& text);

  const text::NotificationData& data() const { return data_; }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::string run(const text::Template& base, const std::string& text, bool plain_is_itself);

  text::NotificationData data_;
  text::Value value_;
  text::Template text_;  // with routeLabels bound
  text::Template html_;
  std::optional<Error> error_;
};

}  // namespace sentinel::receivers
