import { describe, expect, it } from 'vitest';
import { renderMarkdown } from './markdown';

describe('markdown', () => {
  it.each([
    ['# Title', '<h2>Title</h2>'],
    ['a **b** `c<d` *e*', '<p>a <strong>b</strong> <code>c&lt;d</code> <em>e</em></p>'],
    [
      '- [ ] one\n- [x] two\n  more',
      '<ul><li><span class="box" aria-hidden="true">☐</span> one</li><li><span class="box" aria-hidden="true">☑</span> two more</li></ul>',
    ],
    ['1. a\n2. b', '<ol><li>a</li><li>b</li></ol>'],
    ['```\n<b>\n```', '<pre><code>&lt;b&gt;</code></pre>'],
    ['```\nnever closed', '<pre><code>never closed</code></pre>'],
    ['> quoted\n> text', '<blockquote>quoted text</blockquote>'],
    ['---', '<hr>'],
    [
      '| a | b |\n| --- | --- |\n| 1 | 2 |',
      '<div class="table-scroll"><table><thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></div>',
    ],
    ['[x](https://a.b/c?d=1&e=2)', '<p><a href="https://a.b/c?d=1&amp;e=2" rel="noreferrer noopener">x</a></p>'],
    ['snake_case_name stays', '<p>snake_case_name stays</p>'],
  ])('%s', (source, html) => expect(renderMarkdown(source)).toBe(html));

  it.each([
    '<script>alert(1)</script>',
    '# <img src=x onerror=alert(1)>',
    '- <svg onload=alert(1)>',
    '[x](javascript:alert(1))',
    '[x](data:text/html,1)',
    '[x](//evil)',
    '| <b> |\n| --- |\n| <i onclick=x> |',
    '> <iframe>',
    '`<b>` **<u>**',
    '[a](https://x" onclick="y)',
    '[" onmouseover="x](https://a)',
  ])('lets nothing through: %s', (source) => {
    const html = renderMarkdown(source);
    expect(html).not.toMatch(/<(script|img|svg|iframe|b|i|u)[\s>]/i);
    expect(html).not.toMatch(/href="(?!https?:|mailto:|#|\/[^/])/i);
    expect(html).not.toMatch(/<[^>]*\son\w+=/i);
  });
});
