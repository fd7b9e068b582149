// Server-sent events over fetch: unlike EventSource it can send a key, tells why it failed, and waits longer after each failure.

export interface ServerEvent {
  event: string;
  data: string;
  id: string;
}

/** Splits a stream of text into events; text may be cut anywhere, lines may end in LF, CR LF or CR. */
export class SseParser {
  private rest = '';
  private event = '';
  private data: string[] = [];
  private id = '';

  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    this.rest += text;
    for (;;) {
      const end = this.rest.search(/[\r\n]/);
      if (end < 0) break;
      // A CR at the very end may be the first half of CR LF: wait for what follows.
      if (this.rest[end] === '\r' && end === this.rest.length - 1) break;
      const size = this.rest.startsWith('\r\n', end) ? 2 : 1;
      this.line(this.rest.slice(0, end), events);
      this.rest = this.rest.slice(end + size);
    }
    return events;
  }

  private line(line: string, events: ServerEvent[]): void {
    if (line === '') {
      if (this.data.length) events.push({ event: this.event || 'message', data: this.data.join('\n'), id: this.id });
      this.event = '';
      this.data = [];
      return;
    }
    if (line.startsWith(':')) return;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.event = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id') this.id = value;
  }
}

export type LiveState = 'connecting' | 'live' | 'offline';

export interface LiveOptions {
  open: (signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>;
  onEvent: (event: ServerEvent) => void;
  onState: (state: LiveState) => void;
  /** Both are parameters so that tests need not wait. */
  setTimer?: (run: () => void, ms: number) => unknown;
  clearTimer?: (timer: unknown) => void;
  random?: () => number;
}

export const RETRY_MS_FIRST = 500;
export const RETRY_MS_MAX = 15_000;
/** The server pings every 15 s; two missed pings and the line is dead. */
export const SILENCE_MS_MAX = 40_000;

/** Doubles from the first wait to the longest, each shortened by up to a quarter so that pages do not return all at once. */
export function retryDelay(failures: number, random: () => number): number {
  const full = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** Math.min(failures, 10));
  return Math.round(full * (1 - 0.25 * random()));
}

export class LiveConnection {
  private abort: AbortController | null = null;
  private retryTimer: unknown = null;
  private silenceTimer: unknown = null;
  private failures = 0;
  private stopped = true;

  constructor(private readonly options: LiveOptions) {}

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    void this.run();
  }

  stop(): void {
    this.stopped = true;
    this.clear(this.retryTimer);
    this.clear(this.silenceTimer);
    this.abort?.abort();
  }

  private async run(): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    this.options.onState('connecting');
    try {
      const stream = await this.options.open(abort.signal);
      await this.read(stream, abort);
    } catch {
      // Every failure is answered the same way below: say so, wait, try again.
    }
    this.clear(this.silenceTimer);
    if (this.stopped) return;
    this.options.onState('offline');
    this.retryTimer = this.timer(() => void this.run(), retryDelay(this.failures, this.options.random ?? Math.random));
    this.failures += 1;
  }

  private async read(stream: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
    const reader = stream.getReader();
    const decoder = new TextDecoder();
    const parser = new SseParser();
    this.options.onState('live');
    for (;;) {
      this.clear(this.silenceTimer);
      this.silenceTimer = this.timer(() => {
        abort.abort();
        void reader.cancel().catch(() => undefined);
      }, SILENCE_MS_MAX);
      const { done, value } = await reader.read();
      if (done || this.stopped) return;
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        this.failures = 0;
        this.options.onEvent(event);
      }
    }
  }

  private timer(run: () => void, ms: number): unknown {
    return (this.options.setTimer ?? setTimeout)(run, ms);
  }

  private clear(timer: unknown): void {
    if (timer !== null) (this.options.clearTimer ?? ((t) => clearTimeout(t as number)))(timer);
  }
}
