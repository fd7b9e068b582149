#pragma once
// tls_server_config, as the exporter toolkit of Prometheus and Alertmanager have it: in --web.config.file and in
// --cluster.tls-config.

#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "net/server_tls.h"
#include "text/yaml.h"

namespace sentinel::app {

using FileReader = std::function<Result<std::string>(const std::string& file)>;
// Names that do not begin with '/' are in the folder of `path`.
FileReader files_beside(const std::string& path);

// kInvalidArgument with its place in the file: also what would be ignored though it closes something
// (client_allowed_sans, cipher_suites, curve_preferences).
Result<std::shared_ptr<const net::ServerTls>> read_tls_server_config(const text::YamlNode& node,
                                                                     const FileReader& read);

}  // namespace sentinel::app
