#pragma once
// The file of --web.config.file (`web_config_file` in sentinel.yml), as the exporter toolkit of Prometheus has it: TLS
// of the listener, who may use it, headers of its answers.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/http_server.h"

namespace sentinel::app {

struct WebConfig {
  net::ConnectionOptions connections;
  std::map<std::string, std::string> users;  // name to bcrypt hash; empty: nobody is asked
  std::string content_sha256;                // of the file and of those it names
};

// kInvalidArgument or kNotFound with its place in the file.
Result<WebConfig> read_web_config(const std::string& path);

// Puts in force what changes in the file or in a certificate it names, as soon as look() sees it: certificates are
// renewed by other programs, and nobody tells us. A wrong file is said once and changes nothing. On one thread.
class WebConfigWatch {
 public:
  // `first` is in force.
  WebConfigWatch(std::string path, const WebConfig& first, std::function<void(const WebConfig&)> apply);
  void look();  // reads the files

 private:
  const std::string path_;
  const std::function<void(const WebConfig&)> apply_;
  std::string in_force_;    // content_sha256
  std::string last_wrong_;  // what was said
};

}  // namespace sentinel::app
