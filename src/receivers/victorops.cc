// VictorOps (Splunk On-Call), the generic REST endpoint. The group's hash is the entity.

#include <boost/json.hpp>

#include <array>

#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kMessageRunesMax = 20480;
constexpr std::array<std::string_view, 7> kReserved = {"routing_key",         "message_type",    "state_message",
                                                       "entity_display_name", "monitoring_tool", "entity_id",
                                                       "entity_state"};

class VictorOps final : public Receiver {
 public:
  VictorOps() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    url_ = globals.victorops_api_url;
    SENTINEL_TRY(read(node, "victorops_configs", globals,
                      {{"api_key", &api_key_},
                       {"api_url", UrlField{&url_}},
                       {"routing_key", &routing_key_},
                       {"message_type", &message_type_},
                       {"state_message", &state_message_},
                       {"entity_display_name", &display_name_},
                       {"monitoring_tool", &monitoring_tool_},
                       {"custom_fields", &custom_fields_}}));
    if (routing_key_.empty()) return fail(node.error("missing routing_key in VictorOps configuration"));
    for (const std::string_view name : kReserved) {
      if (custom_fields_.contains(std::string(name))) {
        return fail(node.get("custom_fields").error("custom field \"" + std::string(name) + "\" is a fixed field"));
      }
    }
    api_key_ = api_key_.or_else(globals.victorops_api_key);
    if (api_key_.empty()) return fail(node.error("no VictorOps API key, neither here nor in global"));
    return {};
  }

  Next begin(Attempt& attempt) const override {
    const Result<std::string> key = read_secret(api_key_);
    if (!key) return failed(key.error());
    Expander& expand = attempt.expand;
    std::string type = expand(message_type_);
    const bool allowed = type == "INFO" || type == "WARNING" || type == "CRITICAL";
    if (!attempt.notification.firing()) {
      type = "RECOVERY";
    } else if (!allowed) {
      type = "CRITICAL";
    }
    StringMap fields = {{"message_type", type},
                        {"entity_id", group_hash(attempt.notification)},
                        {"entity_display_name", expand(display_name_)},
                        {"state_message", truncate_runes(expand(state_message_), kMessageRunesMax)},
                        {"monitoring_tool", expand(monitoring_tool_)}};
    for (const auto& [name, value] : custom_fields_) fields[name] = expand(value);
    const std::string url = with_slash(url_) + *key + "/" + expand(routing_key_);
    if (expand.error()) return failed(expand.error()->with_context("VictorOps message"));
    json::object body;
    for (const auto& [name, value] : fields) body[name] = value;
    return ask_once(json_call(url, json::serialize(body)), attempt.now);
  }

 private:
  Secret api_key_;
  std::string url_;
  std::string routing_key_;
  std::string message_type_ = "CRITICAL";
  std::string state_message_ = R"({{ template "victorops.default.state_message" . }})";
  std::string display_name_ = R"({{ template "victorops.default.entity_display_name" . }})";
  std::string monitoring_tool_ = R"({{ template "victorops.default.monitoring_tool" . }})";
  StringMap custom_fields_;
};

}  // namespace

ReceiverResult read_victorops(const text::YamlNode& entry, const Globals& globals) {
  return read_as<VictorOps>(entry, globals);
}

}  // namespace sentinel::receivers
