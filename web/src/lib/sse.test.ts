import { describe, expect, it } from 'vitest';
import { LiveConnection, RETRY_MS_MAX, SILENCE_MS_MAX, SseParser, retryDelay, type LiveState } from './sse';

describe('parser', () => {
  const text =
    'event: hello\ndata: {"a":1}\n\n: comment\r\nid: 7\r\ndata: one\r\ndata: two\r\n\r\ndata\n\nevent: lost\n\n';
  const expected = [
    { event: 'hello', data: '{"a":1}', id: '' },
    { event: 'message', data: 'one\ntwo', id: '7' },
    { event: 'message', data: '', id: '7' },
  ];
  it('reads events', () => expect(new SseParser().push(text)).toEqual(expected));
  it('gives the same however the text is cut', () => {
    for (let cut = 0; cut <= text.length; cut++) {
      const parser = new SseParser();
      expect([...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))]).toEqual(expected);
    }
    const parser = new SseParser();
    expect([...text].flatMap((char) => parser.push(char))).toEqual(expected);
  });
});

describe('waiting between attempts', () => {
  it('doubles to a limit, less a random part', () => {
    expect([0, 1, 2, 20].map((n) => retryDelay(n, () => 0))).toEqual([500, 1000, 2000, RETRY_MS_MAX]);
    expect(retryDelay(1, () => 1)).toBe(750);
  });
});

/** A stream that the test feeds, and timers that the test fires. */
class World {
  states: LiveState[] = [];
  events: string[] = [];
  timers: { run: () => void; ms: number; id: number }[] = [];
  feeds: ReadableStreamDefaultController<Uint8Array>[] = [];
  fail = false;
  private id = 0;
  readonly connection = new LiveConnection({
    open: () =>
      this.fail
        ? Promise.reject(new Error('refused'))
        : Promise.resolve(
            new ReadableStream<Uint8Array>({
              start: (feed) => {
                this.feeds.push(feed);
              },
            }),
          ),
    onEvent: (event) => this.events.push(`${event.event}=${event.data}`),
    onState: (state) => this.states.push(state),
    setTimer: (run, ms) => {
      const id = ++this.id;
      this.timers.push({ run, ms, id });
      return id;
    },
    clearTimer: (id) => {
      this.timers = this.timers.filter((timer) => timer.id !== id);
    },
    random: () => 0,
  });
  settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  send(text: string) {
    this.feeds.at(-1)?.enqueue(new TextEncoder().encode(text));
  }
  fire(ms: number) {
    const timer = this.timers.find((one) => one.ms === ms);
    expect(timer, `a timer of ${ms} ms among ${this.timers.map((t) => t.ms).join()}`).toBeDefined();
    this.timers = this.timers.filter((one) => one !== timer);
    timer?.run();
  }
}

describe('connection', () => {
  it('comes back after the server closes, waiting longer each time until an event arrives', async () => {
    const world = new World();
    world.connection.start();
    await world.settle();
    world.send('event: a\ndata: 1\n\n');
    await world.settle();
    expect(world.events).toEqual(['a=1']);
    world.feeds[0]?.close();
    await world.settle();
    expect(world.states).toEqual(['connecting', 'live', 'offline']);
    world.fail = true;
    world.fire(500);
    await world.settle();
    world.fire(1000);
    await world.settle();
    world.fail = false;
    world.fire(2000);
    await world.settle();
    expect(world.states.at(-1)).toBe('live');
    world.send('event: b\ndata: 2\n\n');
    await world.settle();
    world.feeds.at(-1)?.close();
    await world.settle();
    expect(world.timers.map((timer) => timer.ms)).toEqual([500]);
    expect(world.events).toEqual(['a=1', 'b=2']);
  });
  it('takes a silent line for a dead one', async () => {
    const world = new World();
    world.connection.start();
    await world.settle();
    world.fire(SILENCE_MS_MAX);
    await world.settle();
    expect(world.states).toEqual(['connecting', 'live', 'offline']);
  });
  it('joins letters cut between two pieces', async () => {
    const world = new World();
    world.connection.start();
    await world.settle();
    const bytes = new TextEncoder().encode('data: ü\n\n');
    world.feeds[0]?.enqueue(bytes.slice(0, 7));
    world.feeds[0]?.enqueue(bytes.slice(7));
    await world.settle();
    expect(world.events).toEqual(['message=ü']);
  });
  it('stays away once stopped', async () => {
    const world = new World();
    world.connection.start();
    await world.settle();
    world.connection.stop();
    world.feeds[0]?.close();
    await world.settle();
    expect(world.timers).toEqual([]);
    expect(world.states).toEqual(['connecting', 'live']);
  });
});
