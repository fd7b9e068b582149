// Addresses of the page: everything after '#', so that the server needs to know one file only.

export interface Route {
  /** First part of the path: overview, incidents, … */
  page: string;
  /** Second part, decoded; empty when absent. */
  id: string;
  params: URLSearchParams;
}

/** `home` is the screen of an address that names none. */
export function parseHash(hash: string, home = 'overview'): Route {
  const text = hash.replace(/^#\/?/, '');
  const [path = '', query = ''] = splitOnce(text, '?');
  const [page = '', ...rest] = path.split('/');
  return { page: page || home, id: decode(rest.join('/')), params: new URLSearchParams(query) };
}

export function toHash(
  page: string,
  id = '',
  params: Record<string, string | undefined> | URLSearchParams = {},
): string {
  const query = new URLSearchParams();
  const entries = params instanceof URLSearchParams ? [...params.entries()] : Object.entries(params);
  for (const [name, value] of entries) if (value) query.set(name, value);
  const text = query.toString();
  return `#/${page}${id ? `/${encodeURIComponent(id)}` : ''}${text ? `?${text}` : ''}`;
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
