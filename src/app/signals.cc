#include "app/signals.h"

#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "base/log.h"

namespace sentinel::app {
namespace {

sigset_t server_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = server_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // ulimit -f: writing fails with an error as on a full disk, which the stores survive
}

void wait_for_end(const std::function<Status()>& reload) {
  const sigset_t set = server_signals();
  while (true) {
    int signal = 0;
    sigwait(&set, &signal);
    if (signal != SIGHUP) return;
    const Status status = reload();
    if (status) continue;
    log_error("server", "reload refused, the old configuration stays", {{"error", status.error().to_string()}});
    fmt::print(stderr, "sentinel: reload refused, the old configuration stays: {}\n", status.error().to_string());
  }
}

}  // namespace sentinel::app
