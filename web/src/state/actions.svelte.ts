// What can be done to an incident, from wherever it is shown: one place for the calls, their messages and the dialogs.
import { ApiError, api } from '../lib/api';
import type { Attachment, Incident, IncidentDetail, Severity, Status } from '../lib/types';
import { app } from './app.svelte';
import { live } from './live.svelte';

class Actions {
  /** The incident that the keys `a` and `r` act on; set by the screen that shows one. */
  current: Incident | null = $state.raw(null);
  /** The incident whose resolve dialog is open. */
  resolving: Incident | null = $state.raw(null);
  creating: boolean = $state(false);
  /** Name of the action under way, so that its button waits. */
  busy: string = $state('');
  /** The last answer to a change: an open incident page takes it at once. */
  changed: IncidentDetail | null = $state.raw(null);

  async run(name: string, done: string, call: () => Promise<IncidentDetail>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = name;
    try {
      const incident = await call();
      live.put(incident);
      this.changed = incident;
      app.toast(done);
      app.refresh();
      return true;
    } catch (error) {
      const text =
        error instanceof ApiError
          ? error.status === 409
            ? 'Someone else changed it first; look again.'
            : `${error.message}${error.detail ? `: ${error.detail}` : ''}`
          : String(error);
      app.toast(text, 'bad');
      if (error instanceof ApiError && error.status === 409) live.revision += 1;
      return false;
    } finally {
      this.busy = '';
    }
  }

  acknowledge(incident: Incident): Promise<boolean> {
    return this.run('acknowledge', `${incident.name} acknowledged`, () => api.acknowledge(incident.id));
  }
  async resolve(incident: Incident, cause: string, resolution: string): Promise<boolean> {
    const ok = await this.run('resolve', `${incident.name} resolved`, () =>
      api.resolve(incident.id, cause, resolution),
    );
    if (ok) this.resolving = null;
    return ok;
  }
  reopen(incident: Incident): Promise<boolean> {
    return this.run('reopen', `${incident.name} reopened`, () => api.reopen(incident.id, ''));
  }
  status(incident: Incident, status: Status): Promise<boolean> {
    return this.run('status', `${incident.name} is now ${status}`, () =>
      api.setStatus(incident.id, status, '', incident.version),
    );
  }
  severity(incident: Incident, severity: Severity): Promise<boolean> {
    return this.run('severity', `${incident.name} is now ${severity}`, () => api.setSeverity(incident.id, severity));
  }
  assign(incident: Incident, assignee: string): Promise<boolean> {
    return this.run('assign', `${incident.name} assigned to ${assignee}`, () => api.assign(incident.id, assignee));
  }
  /** What has no button of its own elsewhere: roles, fields, links, subscriptions, updates, the review. */
  act(incident: Incident, action: string, done: string, body: Record<string, unknown>): Promise<boolean> {
    return this.run(action, done, () => api.act(incident.id, action, body));
  }
  /** The new incident; null when it was refused. */
  async split(incident: Incident, body: Record<string, unknown>): Promise<IncidentDetail | null> {
    let made: IncidentDetail | null = null;
    await this.run(
      'split',
      `Split off from ${incident.name}`,
      async () => (made = await api.act(incident.id, 'split', body)),
    );
    return made;
  }
  attach(incident: Incident, file: File): Promise<boolean> {
    return this.run('attach', `${file.name} attached`, () => api.attach(incident.id, file));
  }
  /** Refused: it is said by whoever asked whether to. */
  async detach(incident: Incident, file: Attachment): Promise<void> {
    const now = await api.removeAttachment(incident.id, file.id);
    live.put(now);
    this.changed = now;
    app.toast(`${file.name} removed`);
  }
  /** By script, since a link would not bring the key along. */
  async download(incident: Incident, file: Attachment): Promise<void> {
    try {
      const url = URL.createObjectURL(await api.attachment(incident.id, file.id));
      const link = document.createElement('a');
      link.href = url;
      link.download = file.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      app.toast(error instanceof ApiError ? `${error.message}: ${error.detail}` : String(error), 'bad');
    }
  }
  note(incident: Incident, text: string): Promise<boolean> {
    return this.run('note', 'Note added', () => api.note(incident.id, text));
  }
}

export const actions = new Actions();
