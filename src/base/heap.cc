#include "base/heap.h"

#include <malloc.h>

namespace sentinel {
namespace {

[[maybe_unused]] constexpr int kHeapsMax = 4;
[[maybe_unused]] constexpr int kLargeBytesMin = 256 * 1024;

}  // namespace

void settle_heaps() {
#ifdef __GLIBC__
  (void)::mallopt(M_ARENA_MAX, kHeapsMax);
  (void)::mallopt(M_MMAP_THRESHOLD, kLargeBytesMin);
#endif
}

void release_free_memory() {
#ifdef __GLIBC__
  (void)::malloc_trim(0);
#endif
}

}  // namespace sentinel
