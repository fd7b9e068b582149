// Loaded into a server (LD_PRELOAD): it is killed as it is about to write to a file of DIE_AT_FILE (the beginning of its path) for the
// nth time, n of DIE_AT_WRITE; half of what it was about to write is in the file then.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t (*Write)(int fd, const void* data, size_t size, off64_t at);

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  static atomic_long writes;
  static Write next;
  if (next == NULL) next = (Write)dlsym(RTLD_NEXT, "pwrite64");
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  const char* file = getenv("DIE_AT_FILE");
  const char* count = getenv("DIE_AT_WRITE");
  if (length > 0 && file != NULL && count != NULL) {
    path[length] = '\0';
    if (strncmp(path, file, strlen(file)) == 0 && atomic_fetch_add(&writes, 1) + 1 == atol(count)) {
      next(fd, data, size / 2, at);
      kill(getpid(), SIGKILL);
    }
  }
  return next(fd, data, size, at);
}
