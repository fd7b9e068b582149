#pragma once
// Fields of a message attachment, as Slack invented them and Mattermost and Rocket.Chat took them over.

#include <boost/json/array.hpp>

#include <optional>
#include <string>
#include <vector>

#include "receivers/fields.h"
#include "receivers/templates.h"

namespace sentinel::receivers {

struct AttachmentField {
  std::string title;
  std::string value;
  std::optional<bool> is_short;
};

Fields attachment_field_table(AttachmentField& field);
Status check_attachment_field(const text::YamlNode& node, AttachmentField& field);  // title and value must be there
// nullopt for `short_default`: a field that does not say it has no "short" at all.
boost::json::array attachment_fields(const std::vector<AttachmentField>& fields, std::optional<bool> short_default,
                                     Expander& expand);

}  // namespace sentinel::receivers
