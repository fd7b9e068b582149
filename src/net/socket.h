#pragma once
// Internal to net: the socket type, an input buffer, and sends that try the kernel first and suspend only when it is
// full.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <sys/uio.h>

#include <cstring>
#include <memory>
#include <string_view>

#include "net/task.h"

namespace sentinel::net {

using TcpSocket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using TcpAcceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using SysError = boost::system::error_code;
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<Executor>> use_tuple{use_task};

// Bytes read and not yet used, in one block. Grows to what is asked for; keeps its block.
class InBuffer {
 public:
  std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  size_t size() const { return end_ - begin_; }
  // Never moves bytes, so it may be called while a read into prepared room is under way.
  void consume(size_t count) { begin_ += count; }
  // Room of at least `count` bytes after what is there; all the room there is is offered.
  std::pair<char*, size_t> prepare(size_t count) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (capacity_ - end_ < count) make_room(count);
    return {data_.get() + end_, capacity_ - end_};
  }
  void commit(size_t count) { end_ += count; }
  size_t capacity() const { return capacity_; }
  void release() {  // REQUIRES: empty
    data_.reset();
    capacity_ = begin_ = end_ = 0;
  }

 private:
  void make_room(size_t count) {
    const size_t used = size();
    if (capacity_ - used >= count) {
      std::memmove(data_.get(), data_.get() + begin_, used);
    } else {
      size_t capacity = capacity_ == 0 ? count : capacity_;
      while (capacity - used < count) capacity *= 2;
      auto bigger = std::unique_ptr<char[]>(new char[capacity]);
      if (used > 0) std::memcpy(bigger.get(), data_.get() + begin_, used);
      data_ = std::move(bigger);
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = used;
  }

  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// Sends what the kernel takes now. Negative: broken. `parts` are advanced past what was sent.
struct OutParts {
  iovec parts[3];
  size_t count = 0;
  size_t left = 0;
  void add(std::string_view bytes) {
    if (bytes.empty()) return;
    parts[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
    left += bytes.size();
  }
};
// False: the connection is broken. REQUIRES: the socket is non-blocking.
bool send_some(int fd, OutParts& out);

bool set_no_delay(int fd);
// Nothing to read and not closed by the peer.
bool is_quiet_and_open(int fd);

}  // namespace sentinel::net
