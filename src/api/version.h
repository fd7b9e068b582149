#pragma once
namespace sentinel::api {

inline constexpr const char* kVersion = "0.1.0";
// What clients that ask for Prometheus's version (Grafana) are told: the version whose API we speak.
inline constexpr const char* kPrometheusCompatibleVersion = "3.14.0";

// The same for Alertmanager (amtool).
inline constexpr const char* kAlertmanagerCompatibleVersion = "0.34.0";

}  // namespace sentinel::api
