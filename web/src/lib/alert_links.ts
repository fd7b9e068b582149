// Alertmanager's links, which notifications and bookmarks hold: #/alerts?receiver=X&filter={…}&silenced=true, #/silences/new?filter={…},
// #/silences/ID, #/silences/ID/edit.
import { filterText, rowsOfLabels } from './matchers';
import type { Labels } from './types';

export interface AlertFlags {
  active: boolean;
  silenced: boolean;
  inhibited: boolean;
  muted: boolean;
}

const yes = (text: string | null, absent: boolean): boolean => (text === null ? absent : text === 'true');

/** What is hidden unless an address asks for it is what Alertmanager's page hides. */
export const alertFlags = (params: URLSearchParams): AlertFlags => ({
  active: yes(params.get('active'), true),
  silenced: yes(params.get('silenced'), false),
  inhibited: yes(params.get('inhibited'), false),
  muted: yes(params.get('muted'), false),
});

/** An address that names groups, receivers or states means the list by groups. */
export const asksForGroups = (params: URLSearchParams): boolean =>
  ['view', 'filter', 'receiver', 'silenced', 'inhibited', 'muted', 'active'].some((name) => params.has(name));

/** Receivers travel as expressions, in notifications and links as in API v2: this one means the name, quoted as Go quotes it. */
export const exactly = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

export interface AlertStatus {
  state: 'active' | 'suppressed' | 'unprocessed';
  silencedBy: string[];
  inhibitedBy: string[];
  mutedBy?: string[] | null;
}

export function isShown(status: AlertStatus, flags: AlertFlags): boolean {
  const silenced = status.silencedBy.length > 0;
  const inhibited = status.inhibitedBy.length > 0;
  const muted = (status.mutedBy?.length ?? 0) > 0;
  if (!silenced && !inhibited && !muted) return flags.active;
  return (!silenced || flags.silenced) && (!inhibited || flags.inhibited) && (!muted || flags.muted);
}

export type SilencePlace =
  { kind: 'list' } | { kind: 'new' } | { kind: 'one'; id: string } | { kind: 'edit'; id: string };

export function silencePlace(id: string): SilencePlace {
  if (!id) return { kind: 'list' };
  if (id === 'new') return { kind: 'new' };
  const [one = '', verb] = id.split('/');
  return verb === 'edit' ? { kind: 'edit', id: one } : { kind: 'one', id: one };
}

/** Parameters of #/silences/new for an alert or a group with these labels. */
export const newSilenceParams = (labels: Labels): { filter: string } => ({ filter: filterText(rowsOfLabels(labels)) });

/** A link only where a browser may follow it: generator URLs and annotations come from anywhere. */
export function safeUrl(text: string): string | null {
  if (!/^https?:\/\/\S+$/i.test(text)) return null;
  try {
    return new URL(text).href && text;
  } catch {
    return null;
  }
}
