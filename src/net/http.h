#pragma once
// HTTP messages as values. Header names compare without case.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sentinel::net {

class Headers {
 public:
  std::string_view get(std::string_view name) const;  // the first, "" when absent
  bool has(std::string_view name) const;
  void set(std::string_view name, std::string_view value);  // replaces all
  void add(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  const std::vector<std::pair<std::string, std::string>>& all() const { return headers_; }

 private:
  std::vector<std::pair<std::string, std::string>> headers_;
};

// Decoded key=value pairs of a query string or a form body, in order.
class Params {
 public:
  static Params parse(std::string_view encoded);
  std::string_view get(std::string_view name) const;  // the first, "" when absent
  bool has(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }
  void add(std::string name, std::string value) { pairs_.emplace_back(std::move(name), std::move(value)); }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

struct Request {
  std::string method;  // upper case
  std::string target;  // as received: /a%20b?x=1
  std::string path;    // decoded, without the query
  Params query;
  Headers headers;
  std::string body;
  std::string peer;    // 127.0.0.1:5123
  Params path_params;  // filled by the router: {id}
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

Response json_response(int status, std::string body);
Response text_response(int status, std::string body);
// RFC 9457 problem document from an Error: {"type":"about:blank","title":..,"status":..,"detail":..,"code":..}.
Response problem_response(const Error& error);
std::string_view reason_phrase(int status);

}  // namespace sentinel::net
