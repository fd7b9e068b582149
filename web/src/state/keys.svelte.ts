// Keys of the whole page. A field that is being written in, a dialog and a menu keep their own keys.
import { actions } from './actions.svelte';
import { app } from './app.svelte';
import { isActive } from '../lib/incident';
import { hasPage } from '../lib/mode';

const ALL: Record<string, [page: string, name: string]> = {
  o: ['overview', 'Overview'],
  i: ['incidents', 'Incidents'],
  a: ['alerts', 'Alerts'],
  r: ['rules', 'Rules'],
  c: ['calls', 'Calls'],
  e: ['explore', 'Explore'],
  n: ['analytics', 'Analytics'],
  s: ['status', 'Status'],
  d: ['demo', 'Demo'],
  m: ['silences', 'Silences'],
};
export const GO = Object.fromEntries(Object.entries(ALL).filter(([, [page]]) => hasPage(page)));
const SEQUENCE_MS_MAX = 1200;
let wentAt = 0;

function writing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Moves the focus among the rows of the list on screen; rows mark themselves with data-row. */
function move(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
  const target = next?.matches('a,button,[tabindex]') ? next : next?.querySelector<HTMLElement>('a,button');
  target?.focus();
  next?.scrollIntoView({ block: 'nearest' });
}

export function onKey(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    app.palette = !app.palette;
    return;
  }
  if (
    event.defaultPrevented ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    document.querySelector('dialog[open]')
  )
    return;
  if (event.key === 'Escape' && app.drawer) {
    app.drawer = null;
    return;
  }
  if (writing(event.target)) {
    if (event.key === 'Escape') (event.target as HTMLElement).blur();
    return;
  }
  if (performance.now() - wentAt < SEQUENCE_MS_MAX) {
    wentAt = 0;
    const to = GO[event.key];
    if (to) {
      event.preventDefault();
      app.go(to[0]);
      return;
    }
  }
  single(event);
}

function single(event: KeyboardEvent): void {
  const incident = actions.current;
  if (event.key === 'g') wentAt = performance.now();
  else if (event.key === '?') app.help = true;
  else if (event.key === '/') {
    const field = document.querySelector<HTMLElement>('main input[type=search]');
    if (!field) return;
    field.focus();
    event.preventDefault();
  } else if (event.key === 'j' || event.key === 'k') move(event.key === 'j' ? 1 : -1);
  else if (event.key === 'a' && incident?.status === 'open') void actions.acknowledge(incident);
  else if (event.key === 'r' && incident && isActive(incident)) {
    event.preventDefault();
    actions.resolving = incident;
  } else if (event.key === 'n' && app.route.page === 'silences') app.go('silences', 'new');
  else if (event.key === 'l') app.paused = !app.paused;
}
