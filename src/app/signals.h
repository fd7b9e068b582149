#pragma once
// Signals of a server are taken by the one thread that waits for them: SIGHUP reloads, SIGINT and SIGTERM end.

#include <functional>

#include "base/result.h"

namespace sentinel::app {

// REQUIRES: no other thread has been started, so that all inherit the mask. A write to a closed socket is an error from
// now on, not a signal.
void block_signals();
// Returns at SIGINT or SIGTERM. A reload that is refused is logged and printed.
void wait_for_end(const std::function<Status()>& reload);

}  // namespace sentinel::app
