// A server that is started again whenever it is killed, under a clock that is moved; whoever asks it notices nothing but the time it takes.
import { Sentinel, freePorts, temporaryFolder } from './sentinel.mjs';

export class RebornServer {
  #server = null;
  #port = 0;
  dataDir = temporaryFolder();
  kills = 0;
  /** Settled while nothing is being started. */
  revived = Promise.resolve();

  constructor(config, clock) {
    this.config = config;
    this.clock = clock;
  }
  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }
  async start(env = this.clock.env) {
    this.#port ||= await freePorts();
    const server = new Sentinel(['serve', '--listen', `127.0.0.1:${this.#port}`, '--data-dir', this.dataDir, '--config', this.config], this.url, { env });
    this.#server = server;
    server.ended.then(() => {
      if (server !== this.#server) return; // it was meant
      this.kills++;
      this.revived = this.revived.then(() => this.start());
    });
    // One that dies on its way up is started again, as any other.
    await server.ready().catch((error) => {
      if (server.exit !== 'SIGKILL') throw error;
    });
  }
  /** -9; it comes back by itself. */
  kill() {
    this.#server.signal('SIGKILL');
  }
  /** -9, for good. */
  async end() {
    await this.revived;
    const server = this.#server;
    this.#server = null;
    await server?.kill();
  }
  async restart(down = 0) {
    await this.end();
    this.clock.forward(down);
    await this.start();
  }
  /** Asks again where the process dies meanwhile; then what was asked for may have been done already. */
  async ask(method, where, body, { headers, twice = true } = {}) {
    for (let attempt = 0; ; attempt++) {
      await this.revived;
      const server = this.#server;
      try {
        const answer = await server.request(method, where, body, headers);
        if (attempt > 0 && answer.status === 409) answer.status = 200;
        return answer;
      } catch (error) {
        // Whoever hears nothing asks again, or finds the process dead.
        const died = await Promise.race([server.ended.then(() => true), new Promise((done) => setTimeout(done, 2000, false).unref())]);
        if (!died) throw error;
        if (!twice) return { status: 200 }; // it died of what came of this: it was done
      }
    }
  }
  async good(method, where, body) {
    const answer = await this.ask(method, where, body);
    if (answer.status > 299) throw new Error(`${method} ${where}: ${answer.status} ${answer.text}`);
    return answer.json;
  }
}
