#pragma once
// The configuration as it may be shown to who may look at the status page.

#include <string>
#include <string_view>

namespace sentinel::alerting {

// The same settings as YAML without comments; secrets are "<secret>", of URLs of receivers only scheme and host are
// left ("https://hooks.example.com/<secret>"). "" for what is no YAML.
std::string shown_config(std::string_view text);

}  // namespace sentinel::alerting
