#pragma once
// What the client commands share: requests to the server, answers as JSON, tables for people.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "app/commands/commands.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace sentinel::app {

void add_client_options(CLI::App& command, ClientOptions& options);

// kUnavailable with a hint when nothing answers at the address; the server's own message for an error status.
Result<std::string> request_text(const ClientOptions& options, std::string_view method, const std::string& path,
                                 const std::string& body = "", std::string_view accept = "application/json",
                                 std::string_view type = "application/json");
Result<boost::json::value> request_json(const ClientOptions& options, std::string_view method, const std::string& path,
                                        const std::string& body = "", std::string_view type = "application/json");

// Columns as wide as needed, cut at `cell_max` characters with an ellipsis.
std::string format_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                         size_t cell_max = 60);
// A JSON value as a table cell.
std::string cell_text(const boost::json::value& value);
// "" when the field is absent or null.
std::string field(const boost::json::value& object, std::string_view name);
// Of a silence as the API shows it.
std::string silence_matchers_text(const boost::json::value& silence);

}  // namespace sentinel::app
