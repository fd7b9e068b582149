#pragma once
// Notification templates: the default ones, files of the user, and the data they see. Immutable once loaded.

#include <memory>
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

  // A text with actions, for one notification.
  Result<std::string> expand(const std::string& text, const text::Value& data) const;

 private:
  explicit Templates(text::Template base) : base_(std::move(base)) {}
  text::Template base_;
};

}  // namespace sentinel::receivers
