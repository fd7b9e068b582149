// Which server this page came from: `sentinel serve`, or `sentinel alertmanager`, which has alerts and silences only. It says so in
// index.html, so that nothing has to be asked first.

export type Mode = 'serve' | 'alertmanager';

export const modeOf = (content: string | null | undefined): Mode =>
  content === 'alertmanager' ? 'alertmanager' : 'serve';

export const MODE: Mode =
  typeof document === 'undefined'
    ? 'serve'
    : modeOf(document.querySelector('meta[name=sentinel-mode]')?.getAttribute('content'));

const OF_ALERTMANAGER = ['alerts', 'silences', 'status'];

/** The screen of an address without one. */
export const homeOf = (mode: Mode): string => (mode === 'alertmanager' ? 'alerts' : 'overview');
export const hasPage = (page: string, mode: Mode = MODE): boolean => mode === 'serve' || OF_ALERTMANAGER.includes(page);
