// What the server tells by itself: incidents as they change, counts of alerts, a sample of calls.
import { alertmanager } from '../lib/alertmanager';
import { api } from '../lib/api';
import { incident as normalIncident } from '../lib/normalize';
import { byUrgency, isActive } from '../lib/incident';
import { MODE } from '../lib/mode';
import { LiveConnection, type LiveState, type ServerEvent } from '../lib/sse';
import type { Call, DemoState, Incident } from '../lib/types';
import { app } from './app.svelte';

const CALLS_MAX = 60;
/** How far back the stream of calls looks when the page opens. */
const FIRST_CALLS_MS = 300_000;
const FIRST_CALLS = 12;
const INCIDENTS_MAX = 200;
const ASK_MS = 10_000;

class Live {
  state: LiveState = $state('connecting');
  version: string = $state('');
  firing: number = $state(0);
  pending: number = $state(0);
  /** Newest first, active or not. */
  incidents: Incident[] = $state.raw([]);
  loaded: boolean = $state(false);
  calls: Call[] = $state.raw([]);
  demo: DemoState | null = $state.raw(null);
  /** Counts changes of incidents, so that an open incident knows when to load again. */
  revision: number = $state(0);

  private readonly connection = new LiveConnection({
    open: (signal) => api.live(signal),
    onEvent: (event) => this.receive(event),
    onState: (state) => {
      // After a gap the list may be old: what happened meanwhile is not sent again.
      if (state === 'live') void this.reload();
      this.state = state;
    },
  });

  get active(): Incident[] {
    return this.incidents.filter(isActive).sort(byUrgency);
  }

  start(): void {
    if (MODE === 'alertmanager') {
      void this.ask();
      setInterval(() => document.hidden || void this.ask(), ASK_MS);
      return;
    }
    this.connection.start();
    void this.reload();
  }

  /** Where there are no events: whether the server answers. */
  private async ask(): Promise<void> {
    try {
      this.version = (await alertmanager.status()).versionInfo.revision;
      this.state = 'live';
    } catch {
      this.state = 'offline';
    }
  }

  async reload(): Promise<void> {
    try {
      const page = await api.incidents({ limit: 100 });
      this.incidents = page.items;
      this.loaded = true;
      this.revision += 1;
      this.demo = (await api.status()).demo ? await api.demo() : null;
      const past = await api.calls({ filter: 'all', fromMs: Date.now() - FIRST_CALLS_MS, limit: FIRST_CALLS });
      const known = new Set(this.calls.map((call) => call.request_id));
      this.calls = [...this.calls, ...past.items.filter((call) => !known.has(call.request_id))].slice(0, CALLS_MAX);
    } catch {
      // The connection state on screen already says that the server cannot be reached.
    }
  }

  put(incident: Incident): void {
    const known = this.incidents.some((one) => one.id === incident.id);
    this.incidents = known
      ? this.incidents.map((one) => (one.id === incident.id ? { ...one, ...incident } : one))
      : [incident, ...this.incidents].slice(0, INCIDENTS_MAX);
    this.revision += 1;
  }

  private receive(event: ServerEvent): void {
    let data: unknown;
    try {
      data = JSON.parse(event.data);
    } catch {
      return;
    }
    if (event.event === 'incident') this.incident(normalIncident(data as Incident));
    else if (event.event === 'alerts') {
      const counts = data as { firing: number; pending: number };
      this.firing = counts.firing;
      this.pending = counts.pending;
    } else if (event.event === 'call') this.calls = [data as Call, ...this.calls].slice(0, CALLS_MAX);
    else if (event.event === 'hello') this.version = (data as { version: string }).version;
  }

  private incident(incident: Incident): void {
    const known = this.incidents.find((one) => one.id === incident.id);
    this.put(incident);
    if (!known && isActive(incident)) {
      app.toast(
        `${incident.severity} ${incident.name}: ${incident.title}`,
        'bad',
        app.href('incidents', incident.name),
      );
    } else if (known && known.status !== incident.status) {
      app.announcement = `${incident.name} is now ${incident.status}`;
    }
  }
}

export const live = new Live();
