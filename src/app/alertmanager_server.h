#pragma once
// The alerting part of Sentinel alone, as a drop-in for Alertmanager: its configuration, its API, its cluster.

#include <cstdint>
#include <memory>
#include <string>

#include "alerting/alerting.h"
#include "alerting/cluster.h"
#include "base/log.h"
#include "base/result.h"

namespace sentinel::app {

struct AlertmanagerOptions {
  std::string config_file = "alertmanager.yml";
  std::string storage_path = "data/";
  std::string address = "127.0.0.1";
  uint16_t port = 9093;
  std::string external_url;     // empty: http://address:port and the prefix
  std::string route_prefix;     // "" or "/foo"
  std::string web_config_file;  // see web_config.h; empty: none
  std::string api_version;      // clients are told; empty: the one whose API this is
  Micros data_retention = alerting::kDataRetention;
  alerting::SilenceLimits silences = {};
  alerting::ReminderOptions reminders = {};
  alerting::FlapOptions flapping = {};
  alerting::DigestOptions digests = {};
  bool clustered = false;
  alerting::ClusterOptions cluster = {};
};

class AlertmanagerServer {
 public:
  static Result<std::unique_ptr<AlertmanagerServer>> start(AlertmanagerOptions options);
  ~AlertmanagerServer();
  AlertmanagerServer(const AlertmanagerServer&) = delete;
  AlertmanagerServer& operator=(const AlertmanagerServer&) = delete;

  // Reads the configuration again; on an error the old one stays. From any thread but the I/O cores.
  Status reload();
  void stop();
  std::string url() const;

 private:
  AlertmanagerServer();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sentinel::app
