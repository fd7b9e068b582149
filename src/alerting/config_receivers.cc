#include "alerting/config_receivers.h"

#include <set>

#include "alerting/limits.h"
#include "receivers/kinds.h"

namespace sentinel::alerting {
namespace {

using receivers::Kind;
using text::YamlNode;

std::string list_name(const Kind& kind) { return std::string(kind.name) + "_configs"; }

Status read_integrations(const YamlNode& list, const Kind& kind, const receivers::Globals& globals,
                         receivers::ReceiverConfig& receiver) {
  if (!list.is_null() && !list.is_list()) return fail(list.error(list_name(kind) + " must be a list"));
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list.at(i).is_map()) return fail(list.at(i).error("an entry of " + list_name(kind) + " must be a map"));
    receivers::ReceiverResult impl = kind.read(list.at(i), globals);
    if (!impl) return fail(std::move(impl).error());
    receiver.integrations.push_back({receiver.name, kind.name, i, std::move(*impl)});
  }
  return {};
}

Result<receivers::ReceiverConfig> read_receiver(const YamlNode& node, const receivers::Globals& globals) {
  receivers::ReceiverConfig receiver;
  receivers::Fields fields = {{"name", &receiver.name}, {"labels", &receiver.labels}};
  std::vector<std::string> lists;
  lists.reserve(receivers::kinds().size());  // the fields look at them
  for (const Kind& kind : receivers::kinds()) {
    fields.push_back({lists.emplace_back(list_name(kind)), receivers::Ignored{}});
  }
  SENTINEL_TRY(receivers::read_fields(node, "receiver", fields));
  if (receiver.name.empty()) return fail(node.error("a receiver needs a field \"name\""));
  const std::string label = receiver.labels.try_emplace("name", receiver.name).first->second;
  if (label != receiver.name) {
    return fail(node.get("labels").error("receiver label \"name\" must be the receiver's name \"" + receiver.name +
                                         "\", not \"" + label + "\""));
  }
  for (const Kind& kind : receivers::kinds()) {
    SENTINEL_TRY(read_integrations(node.get(list_name(kind)), kind, globals, receiver));
  }
  return receiver;
}

}  // namespace

Result<std::vector<receivers::ReceiverConfig>> parse_receivers(const YamlNode& list,
                                                               const receivers::Globals& globals) {
  std::vector<receivers::ReceiverConfig> out;
  if (!list.is_null() && !list.is_list()) return fail(list.error("receivers must be a list"));
  if (list.size() > kReceiversMax) return fail(list.error("more than " + std::to_string(kReceiversMax) + " receivers"));
  std::set<std::string> names;
  for (const YamlNode& item : list.items()) {
    SENTINEL_ASSIGN(receivers::ReceiverConfig receiver, read_receiver(item, globals));
    if (!names.insert(receiver.name).second) {
      return fail(item.error("receiver name \"" + receiver.name + "\" is not unique"));
    }
    out.push_back(std::move(receiver));
  }
  return out;
}

}  // namespace sentinel::alerting
