#include "receivers/attachment.h"

#include <boost/json.hpp>

namespace sentinel::receivers {

Fields attachment_field_table(AttachmentField& f) {
  return {{"title", &f.title}, {"value", &f.value}, {"short", &f.is_short}};
}

Status check_attachment_field(const text::YamlNode& node, AttachmentField& f) {
  if (f.title.empty()) return fail(node.error("missing title in field configuration"));
  if (f.value.empty()) return fail(node.error("missing value in field configuration"));
  return {};
}

boost::json::array attachment_fields(const std::vector<AttachmentField>& fields, std::optional<bool> short_default,
                                     Expander& expand) {
  boost::json::array out;
  for (const AttachmentField& field : fields) {
    boost::json::object o;
    expand.put_unless_empty(o, "title", field.title);
    expand.put_unless_empty(o, "value", field.value);
    if (const auto is_short = field.is_short ? field.is_short : short_default) o["short"] = *is_short;
    out.push_back(std::move(o));
  }
  return out;
}

}  // namespace sentinel::receivers
