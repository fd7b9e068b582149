// The crosshair that all charts share: the time under the pointer, whichever chart it is over.
class SharedCursor {
  /** Seconds since 1970; null when the pointer is over no chart. */
  time: number | null = $state(null);
}
export const cursor = new SharedCursor();
