#pragma once
// What the C library keeps of memory that was freed.

namespace sentinel {

// Few heaps instead of eight for each core, and large buffers (256 KB and more) outside them, so that they go back when
// they are freed: otherwise a heap grows around whatever small thing was allocated beside them. Call it before there
// are other threads.
void settle_heaps();

// Gives pages that nobody uses back to the system. The library does so by itself only at the end of its main heap:
// of threads that fill and empty large buffers again and again it keeps most of what they ever held. Locks each heap
// for milliseconds: for background work, now and then.
void release_free_memory();

}  // namespace sentinel
