// Words for what alerting does.
import type { EndingSilence, EventItem } from './types';

const OWN_WORD = ['acknowledged', 'unacknowledged', 'flapping', 'calm'];

/** What an event's chip says: what happened, where that says more than how bad it is. */
export const eventWord = (event: Pick<EventItem, 'kind' | 'alert_type'>): string =>
  event.kind && OWN_WORD.includes(event.kind) ? event.kind : event.alert_type;

/** As amtool writes them: service="shop", host!~"web-.*". */
export const matcherText = (m: EndingSilence['silence']['matchers'][number]): string => {
  const equal = m.isEqual !== false;
  const operator = m.isRegex ? (equal ? '=~' : '!~') : equal ? '=' : '!=';
  return `${m.name}${operator}${JSON.stringify(m.value)}`;
};
