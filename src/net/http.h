#pragma once
// HTTP messages as values. Header names compare without case.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sentinel::net {

// Name and value pairs in order, kept in one block of bytes so that a parsed head costs two allocations, not two a
// line. Values set by code are cleaned: CR, LF and NUL become spaces, so no value can end a header line. Views stay
// valid until the next change.
class Headers {
 public:
  using Field = std::pair<std::string_view, std::string_view>;
  struct Slot {
    uint32_t name, name_size, value, value_size;
  };

  // A range of Field: for (const auto& [name, value] : headers.all()).
  class Range {
   public:
    class Iterator {
     public:
      using value_type = Field;
      using difference_type = std::ptrdiff_t;
      Iterator(const Headers* headers, size_t index) : headers_(headers), index_(index) {}
      Field operator*() const { return headers_->at(index_); }
      Iterator& operator++() {
        ++index_;
        return *this;
      }
      bool operator==(const Iterator& other) const { return index_ == other.index_; }

     private:
      const Headers* headers_;
      size_t index_;
    };
    explicit Range(const Headers* headers) : headers_(headers) {}
    Iterator begin() const { return {headers_, 0}; }
    Iterator end() const { return {headers_, headers_->size()}; }
    size_t size() const { return headers_->size(); }
    bool empty() const { return headers_->size() == 0; }
    Field operator[](size_t index) const { return headers_->at(index); }

   private:
    const Headers* headers_;
  };

  std::string_view get(std::string_view name) const;  // the first, "" when absent
  bool has(std::string_view name) const;
  void set(std::string_view name, std::string_view value);  // replaces all
  void add(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  void clear();
  size_t size() const { return slots_.size(); }
  Field at(size_t index) const {
    const Slot& s = slots_[index];
    return {std::string_view(bytes_).substr(s.name, s.name_size),
            std::string_view(bytes_).substr(s.value, s.value_size)};
  }
  Range all() const { return Range(this); }

  // For parsers: takes a head's bytes and where its fields lie in them. REQUIRES: no CR, LF or NUL within a value.
  void assign(std::string_view bytes, const Slot* slots, size_t count);

 private:
  std::string bytes_;
  std::vector<Slot> slots_;
};

bool header_name_equals(std::string_view a, std::string_view b);
// Whether a comma separated list holds `token`, without case: Connection, Transfer-Encoding.
bool has_token(std::string_view list, std::string_view token);

// Decoded key=value pairs of a query string or a form body, in order.
class Params {
 public:
  static Params parse(std::string_view encoded);
  std::string_view get(std::string_view name) const;  // the first, "" when absent
  bool has(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }
  void add(std::string name, std::string value) { pairs_.emplace_back(std::move(name), std::move(value)); }
  void clear() { pairs_.clear(); }

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
  std::string peer;                  // 127.0.0.1:5123
  std::string user{};                // whose token it is; "": nobody was asked, or the token has no name
  std::vector<std::string> roles{};  // of the token; empty: nobody was asked
  Params path_params;                // filled by the router: {id}
};

// Fills path and query from target. kInvalidArgument: a malformed % escape or NUL in the path.
Status split_target(Request& request);

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

Response json_response(int status, std::string body);
Response text_response(int status, std::string body);
// RFC 9457 problem document from an Error: {"type":"about:blank","title":..,"status":..,"detail":..,"code":..}.
Response problem_response(const Error& error);
// What a router without a route answers: 404, or 405 with `Allow` when the path has other methods.
Response no_route_response(const Request& request, const std::vector<std::string>& allowed);
std::string_view reason_phrase(int status);

}  // namespace sentinel::net
