#pragma once
// The subcommands. Each adds itself to the command line and sets the exit code; errors go to stderr in one line.
// Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 not found, 4 not allowed, 5 conflict, 6 not reachable;
// docs/cli.md.

#include <string>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace sentinel::app {

// Where client commands find the server, and how they print.
struct ClientOptions {
  std::string url = "http://127.0.0.1:8080";
  std::string token;            // bearer token, from --token or SENTINEL_TOKEN
  std::string output = "text";  // text, json
};

void add_serve_command(CLI::App& cli, int& exit_code);
void add_demo_command(CLI::App& cli, int& exit_code);
void add_alertmanager_command(CLI::App& cli, int& exit_code);
void add_traffic_command(CLI::App& cli, int& exit_code);
void add_check_command(CLI::App& cli, int& exit_code);
void add_check_rules_command(CLI::App& check, int& exit_code);  // below `check`
void add_test_command(CLI::App& cli, int& exit_code);
void add_query_command(CLI::App& cli, int& exit_code);
void add_sql_command(CLI::App& cli, int& exit_code);
void add_incident_command(CLI::App& cli, int& exit_code);
void add_analyze_command(CLI::App& cli, int& exit_code);
void add_drift_command(CLI::App& cli, int& exit_code);
void add_alert_command(CLI::App& cli, int& exit_code);
void add_silence_command(CLI::App& cli, int& exit_code);
void add_recurring_silence_command(CLI::App& silence, int& exit_code);  // below `silence`
void add_oncall_command(CLI::App& cli, int& exit_code);
void add_oncall_people_commands(CLI::App& oncall, int& exit_code);  // below `oncall`
void add_prices_command(CLI::App& cli, int& exit_code);
void add_key_command(CLI::App& cli, int& exit_code);
void add_route_command(CLI::App& cli, int& exit_code);
void add_breaker_command(CLI::App& cli, int& exit_code);
void add_runbook_command(CLI::App& cli, int& exit_code);
void add_import_command(CLI::App& cli, int& exit_code);
void add_heartbeat_command(CLI::App& cli, int& exit_code);
void add_change_command(CLI::App& cli, int& exit_code);

// `check runbooks` and `runbook check`: each mistake with its place; the exit code.
int check_runbooks(const std::vector<std::string>& files);

// Prints "sentinel: message" to stderr and returns the exit code of the error.
int report(const Error& error);

}  // namespace sentinel::app
