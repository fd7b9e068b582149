#pragma once
// The web page, built into the binary: hashed assets are cached for ever, index.html never.

#include <string>
#include <string_view>

#include "net/http_server.h"

namespace sentinel::api {

// As `sentinel alertmanager` has it: at `prefix`/ ("" or "/foo"), with the page told that nothing but Alertmanager's
// API and that of AlertToolsApi is there. "/" and the bare prefix lead to it; other paths stay unknown.
void add_alertmanager_page_routes(net::Router& router, const std::string& prefix);

// Adds "/", "/assets/{file...}" and the fallback that gives index.html to the page's own routes (/incidents/17 ...).
void add_page_routes(net::Router& router);
// That fallback.
net::Handler page_handler();

// The page, its assets, and paths that lead to one of its screens: nothing of the API.
bool is_page_path(std::string_view path);

}  // namespace sentinel::api
