#include "base/heap.h"

#include <malloc.h>

namespace sentinel {

void release_free_memory() {
#ifdef __GLIBC__
  (void)::malloc_trim(0);
#endif
}

}  // namespace sentinel
