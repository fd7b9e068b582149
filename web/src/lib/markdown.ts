// Markdown to HTML for postmortems and runbooks. They quote prompts and answers of a model, so nothing in them is trusted:
// every character is escaped first, and only the marks below turn into tags.

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);
}

/** Only addresses that cannot run anything. */
function safeAddress(url: string): boolean {
  return /^(https?:\/\/|mailto:|#|\/(?!\/))/i.test(url);
}

function inline(text: string): string {
  // Code spans are lifted out first, so that marks inside them stay text.
  return text
    .split(/(`[^`]+`)/)
    .map((part) =>
      part.length > 2 && part.startsWith('`') && part.endsWith('`')
        ? `<code>${escapeHtml(part.slice(1, -1))}</code>`
        : marks(part),
    )
    .join('');
}

function marks(text: string): string {
  return escapeHtml(text)
    .replace(/\[([^\]]+)\]\(([^()\s]+)\)/g, (whole, label: string, url: string) =>
      safeAddress(url.replace(/&amp;/g, '&')) ? `<a href="${url}" rel="noreferrer noopener">${label}</a>` : whole,
    )
    .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
    .replace(/(^|[\s(])[*_]([^*_\s][^*_]*)[*_](?=$|[\s).,;:!?])/g, '$1<em>$2</em>');
}

function cells(line: string): string[] {
  return line
    .trim()
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => inline(cell.trim().replace(/\\\|/g, '|')));
}

interface Cursor {
  lines: string[];
  at: number;
}

const LIST = /^\s*(?:[-*+]|\d+[.)])\s+/;

function list(cursor: Cursor): string {
  const ordered = /^\s*\d/.test(cursor.lines[cursor.at] ?? '');
  const items: string[] = [];
  while (cursor.at < cursor.lines.length && LIST.test(cursor.lines[cursor.at] ?? '')) {
    let text = (cursor.lines[cursor.at++] ?? '').replace(LIST, '');
    while (/^\s{2,}\S/.test(cursor.lines[cursor.at] ?? '') && !LIST.test(cursor.lines[cursor.at] ?? '')) {
      text += ` ${(cursor.lines[cursor.at++] ?? '').trim()}`;
    }
    const box = /^\[([ xX])\]\s+/.exec(text);
    const mark = box ? `<span class="box" aria-hidden="true">${box[1] === ' ' ? '☐' : '☑'}</span> ` : '';
    items.push(`<li>${mark}${inline(box ? text.slice(box[0].length) : text)}</li>`);
  }
  const tag = ordered ? 'ol' : 'ul';
  return `<${tag}>${items.join('')}</${tag}>`;
}

function table(cursor: Cursor): string {
  const head = cells(cursor.lines[cursor.at] ?? '');
  cursor.at += 2;
  const rows: string[] = [];
  while (/\|/.test(cursor.lines[cursor.at] ?? '')) {
    rows.push(
      `<tr>${cells(cursor.lines[cursor.at++] ?? '')
        .map((cell) => `<td>${cell}</td>`)
        .join('')}</tr>`,
    );
  }
  const header = head.map((cell) => `<th scope="col">${cell}</th>`).join('');
  return `<div class="table-scroll"><table><thead><tr>${header}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function fence(cursor: Cursor): string {
  const body: string[] = [];
  cursor.at += 1;
  while (cursor.at < cursor.lines.length && !/^\s*```/.test(cursor.lines[cursor.at] ?? ''))
    body.push(cursor.lines[cursor.at++] ?? '');
  cursor.at += 1;
  return `<pre><code>${escapeHtml(body.join('\n'))}</code></pre>`;
}

function paragraph(cursor: Cursor): string {
  const text: string[] = [];
  const starts = /^\s*(#{1,6}\s|```|>|(?:[-*+]|\d+[.)])\s)/;
  do {
    text.push((cursor.lines[cursor.at++] ?? '').trim());
  } while (
    cursor.at < cursor.lines.length &&
    (cursor.lines[cursor.at] ?? '').trim() &&
    !starts.test(cursor.lines[cursor.at] ?? '')
  );
  return `<p>${inline(text.join(' '))}</p>`;
}

function quoteBlock(cursor: Cursor): string {
  const text: string[] = [];
  while (/^\s*>/.test(cursor.lines[cursor.at] ?? ''))
    text.push((cursor.lines[cursor.at++] ?? '').replace(/^\s*>\s?/, ''));
  return `<blockquote>${inline(text.join(' '))}</blockquote>`;
}

export function renderMarkdown(source: string): string {
  const cursor: Cursor = { lines: source.replace(/\r\n?/g, '\n').split('\n'), at: 0 };
  const out: string[] = [];
  while (cursor.at < cursor.lines.length) {
    const line = cursor.lines[cursor.at] ?? '';
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    if (!line.trim()) cursor.at += 1;
    else if (heading) {
      const level = Math.min((heading[1] ?? '#').length + 1, 6);
      out.push(`<h${level}>${inline(heading[2] ?? '')}</h${level}>`);
      cursor.at += 1;
    } else if (/^\s*```/.test(line)) out.push(fence(cursor));
    else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.push('<hr>');
      cursor.at += 1;
    } else if (/^\s*>/.test(line)) out.push(quoteBlock(cursor));
    else if (LIST.test(line)) out.push(list(cursor));
    else if (
      line.includes('|') &&
      /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(cursor.lines[cursor.at + 1] ?? '')
    )
      out.push(table(cursor));
    else out.push(paragraph(cursor));
  }
  return out.join('\n');
}
