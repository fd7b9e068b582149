// What the whole page shares: address, time range, the ticking clock, theme, toasts. One object, changed only through its methods.
import { UNAUTHORIZED } from '../lib/api';
import { MODE, homeOf } from '../lib/mode';
import { parseHash, toHash, type Route } from '../lib/route';
import {
  DEFAULT_RANGE,
  fittingRange,
  rangeFromParams,
  rangeToParams,
  resolve,
  RANGE_MS_MIN,
  type Range,
  type Window,
} from '../lib/time';
import type { CallFilter } from '../lib/types';

export type Theme = 'system' | 'dark' | 'light';
export interface Toast {
  id: number;
  tone: 'ok' | 'bad' | 'info';
  text: string;
  href?: string;
}
/** What the side drawer shows: a list of calls, one call, or nothing. */
export type Drawer =
  | {
      kind: 'calls';
      title: string;
      filter: CallFilter;
      fromMs: number;
      toMs: number;
      model?: string;
      endpoint?: string;
    }
  | { kind: 'call'; id: string; back?: Drawer };

const REFRESH_MS = 5000;
const TOAST_MS = 6000;
const TOASTS_MAX = 4;
const THEME_NAME = 'sentinel.theme';
/** The screen of an address without one. */
export const HOME = homeOf(MODE);

function storedTheme(): Theme {
  try {
    const value = localStorage.getItem(THEME_NAME);
    return value === 'dark' || value === 'light' ? value : 'system';
  } catch {
    return 'system';
  }
}

class App {
  route: Route = $state.raw(parseHash(location.hash, HOME));
  range: Range = $state.raw(DEFAULT_RANGE);
  /** A person, or an address, said which range; until then it follows the data. */
  private chosen = $state(false);
  /** Milliseconds, once a second: for running timers. */
  nowMs: number = $state(Date.now());
  /** The "now" that charts were asked for; moves every five seconds while live. */
  chartNowMs: number = $state(Date.now());
  paused: boolean = $state(false);
  theme: Theme = $state(storedTheme());
  dark: boolean = $state(true);
  toasts: Toast[] = $state([]);
  drawer: Drawer | null = $state.raw(null);
  palette: boolean = $state(false);
  help: boolean = $state(false);
  /** The server refused for want of a key. */
  locked: boolean = $state(false);
  /** Says something to screen readers. */
  announcement: string = $state('');
  private toastId = 0;

  get window(): Window {
    return resolve(this.range, this.chartNowMs);
  }

  get following(): boolean {
    return this.range.kind === 'relative' && !this.paused;
  }

  start(): void {
    this.readAddress();
    window.addEventListener('hashchange', () => this.readAddress());
    // Once: whoever closes the dialog is not asked again at every refresh.
    window.addEventListener(UNAUTHORIZED, () => (this.locked = true), { once: true });
    const media = matchMedia('(prefers-color-scheme: dark)');
    const apply = () => {
      this.dark = this.theme === 'system' ? media.matches : this.theme === 'dark';
      document.documentElement.dataset['theme'] = this.dark ? 'dark' : 'light';
    };
    media.addEventListener('change', apply);
    this.applyTheme = apply;
    apply();
    setInterval(() => {
      this.nowMs = Date.now();
    }, 1000);
    setInterval(() => {
      if (this.following && !document.hidden) this.refresh();
    }, REFRESH_MS);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.following) this.refresh();
    });
  }

  private applyTheme: () => void = () => undefined;

  refresh(): void {
    this.nowMs = Date.now();
    this.chartNowMs = this.nowMs;
  }

  private readAddress(): void {
    const before = this.route.page + this.route.id;
    this.route = parseHash(location.hash, HOME);
    const range = rangeFromParams(this.route.params);
    if (range) this.chosen = true;
    if (range && JSON.stringify(range) !== JSON.stringify(this.range)) this.range = range;
    if (before !== this.route.page + this.route.id) {
      this.drawer = null;
      document.querySelector('main')?.scrollTo(0, 0);
    }
  }

  /** The address of a page; the time range travels along. */
  href(page: string, id = '', params: Record<string, string | undefined> = {}): string {
    return toHash(page, id, { ...(this.chosen ? rangeToParams(this.range) : {}), ...params });
  }

  go(page: string, id = '', params: Record<string, string | undefined> = {}): void {
    location.hash = this.href(page, id, params);
    // The browser tells of it later; a key that is pressed before then means the new page already.
    this.readAddress();
  }

  /** Changes parameters of the present page without a step in the history. */
  setParams(change: Record<string, string | undefined>): void {
    const params: Record<string, string | undefined> = { ...Object.fromEntries(this.route.params), ...change };
    const hash = toHash(this.route.page, this.route.id, params);
    history.replaceState(null, '', hash);
    this.route = parseHash(hash, HOME);
  }

  /** Shows a young store's data over the whole width; does nothing once a range was chosen. */
  fitRange(firstMs: number | null): void {
    if (this.chosen || this.range.kind !== 'relative' || this.paused) return;
    const fitting = fittingRange(firstMs, this.nowMs);
    if (fitting.kind === 'relative' && fitting.seconds !== this.range.seconds) this.range = fitting;
  }

  setRange(range: Range): void {
    this.chosen = true;
    if (range.kind === 'absolute' && range.toMs - range.fromMs < RANGE_MS_MIN) {
      const middle = (range.fromMs + range.toMs) / 2;
      range = { kind: 'absolute', fromMs: middle - RANGE_MS_MIN / 2, toMs: middle + RANGE_MS_MIN / 2 };
    }
    this.range = range;
    this.refresh();
    const params = Object.fromEntries(this.route.params);
    delete params['from'];
    delete params['to'];
    delete params['range'];
    location.hash = toHash(this.route.page, this.route.id, { ...params, ...rangeToParams(range) });
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    if (theme === 'system') localStorage.removeItem(THEME_NAME);
    else localStorage.setItem(THEME_NAME, theme);
    this.applyTheme();
  }

  toast(text: string, tone: Toast['tone'] = 'ok', href?: string): void {
    const id = ++this.toastId;
    this.toasts = [...this.toasts.slice(-(TOASTS_MAX - 1)), { id, tone, text, href }];
    this.announcement = text;
    setTimeout(() => this.dismiss(id), TOAST_MS);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }
}

export const app = new App();
