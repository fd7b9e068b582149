#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace sentinel::net {

bool send_some(int fd, OutParts& out) {
  while (out.left > 0) {
    msghdr message{};
    message.msg_iov = out.parts;
    message.msg_iovlen = out.count;
    const ssize_t sent = out.count == 1 ? ::send(fd, out.parts[0].iov_base, out.parts[0].iov_len, MSG_NOSIGNAL)
                                        : ::sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
    size_t done = static_cast<size_t>(sent);
    out.left -= done;
    size_t index = 0;
    while (index < out.count && done >= out.parts[index].iov_len) done -= out.parts[index++].iov_len;
    for (size_t i = index; i < out.count; ++i) out.parts[i - index] = out.parts[i];
    out.count -= index;
    if (out.count > 0) {
      out.parts[0].iov_base = static_cast<char*>(out.parts[0].iov_base) + done;
      out.parts[0].iov_len -= done;
    }
  }
  return true;
}

bool set_no_delay(int fd) {
  const int on = 1;
  return ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

bool is_quiet_and_open(int fd) {
  char byte = 0;
  const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace sentinel::net
