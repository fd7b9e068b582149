// A value that is loaded, kept while it is loaded again, and told apart from "never came" and "failed".
import { ApiError } from '../lib/api';

export class Resource<T> {
  data: T | null = $state.raw(null);
  error: ApiError | null = $state.raw(null);
  loading: boolean = $state(false);
  private abort: AbortController | null = null;

  /** Starts a load; an older one that is still under way is dropped. */
  async load(run: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.loading = true;
    try {
      const data = await run(abort.signal);
      if (abort.signal.aborted) return;
      this.data = data;
      this.error = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error =
        error instanceof ApiError ? error : new ApiError(String(error instanceof Error ? error.message : error), 0);
    }
    if (this.abort === abort) this.loading = false;
  }

  set(data: T): void {
    this.abort?.abort();
    this.data = data;
    this.error = null;
    this.loading = false;
  }

  cancel(): void {
    this.abort?.abort();
    this.loading = false;
  }
}
