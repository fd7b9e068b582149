#pragma once
// What the C library keeps of memory that was freed.

namespace sentinel {

// Gives pages that nobody uses back to the system. The library does so by itself only at the end of its main heap:
// of threads that fill and empty large buffers again and again it keeps most of what they ever held. Locks each heap
// for milliseconds: for background work, now and then.
void release_free_memory();

}  // namespace sentinel
