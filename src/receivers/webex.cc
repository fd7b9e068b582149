// Webex: a Markdown message to one room.

#include <boost/json.hpp>

#include "receivers/kinds.h"
#include "receivers/payload.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

constexpr size_t kMessageBytesMax = 7439;  // Webex's limit

class Webex final : public Receiver {
 public:
  Webex() : Receiver(true) {}

  Status configure(const text::YamlNode& node, const Globals& globals) {
    url_ = globals.webex_api_url;
    SENTINEL_TRY(read(node, "webex_configs", globals,
                      {{"api_url", UrlField{&url_}}, {"message", &message_}, {"room_id", &room_id_}}));
    if (room_id_.empty()) return fail(node.error("missing room_id in Webex configuration"));
    if (node.get("http_config").is_null() || !http_.has_authorization) {
      return fail(node.error("Webex needs http_config with authorization here"));
    }
    return {};
  }

  bool digestible() const override { return fixed({url_, room_id_}); }
  Next begin(Attempt& attempt) const override {
    json::object body = {{"markdown", truncate_bytes(attempt.expand(message_), kMessageBytesMax)}};
    attempt.expand.put_unless_empty(body, "roomId", room_id_);
    if (attempt.expand.error()) return failed(attempt.expand.error()->with_context("Webex message"));
    return ask_once(json_call(url_, json::serialize(body)), attempt.now);
  }

 private:
  std::string url_;
  std::string message_ = R"({{ template "webex.default.message" . }})";
  std::string room_id_;
};

}  // namespace

ReceiverResult read_webex(const text::YamlNode& entry, const Globals& globals) {
  return read_as<Webex>(entry, globals);
}

}  // namespace sentinel::receivers
