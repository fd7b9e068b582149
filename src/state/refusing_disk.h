#pragma once
// For tests: a disk that takes nothing more.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

namespace sentinel::state {

// No file of this process can be written while one of these lives; what is there can be read.
class RefusingDisk {
 public:
  RefusingDisk() {
    ::signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    rlimit none = before_;
    none.rlim_cur = 0;
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  }
  ~RefusingDisk() { EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before_), 0); }
  RefusingDisk(const RefusingDisk&) = delete;
  RefusingDisk& operator=(const RefusingDisk&) = delete;

 private:
  rlimit before_{};
};

}  // namespace sentinel::state
