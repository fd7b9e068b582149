import { describe, expect, test } from 'vitest';
import { filterOf, filterText, parseMatchers, rowsProblem, rowText, toMatcher, toRow, type Row } from './matchers';

const row = (name: string, op: Row['op'], value: string): Row => ({ name, op, value });

describe('texts that people and templates write', () => {
  test.each<[string, Row[]]>([
    ['', []],
    ['{}', []],
    ['{ }', []],
    ['{alertname="X"}', [row('alertname', '=', 'X')]],
    ['alertname="X"', [row('alertname', '=', 'X')]],
    ['{alertname="X",service=~"a|b"}', [row('alertname', '=', 'X'), row('service', '=~', 'a|b')]],
    [
      '{a="1", b!="2", c=~"3", d!~"4"}',
      [row('a', '=', '1'), row('b', '!=', '2'), row('c', '=~', '3'), row('d', '!~', '4')],
    ],
    ['{a="b",}', [row('a', '=', 'b')]],
    ['a=b,c!=d', [row('a', '=', 'b'), row('c', '!=', 'd')]],
    ['{ a = "b" , c =~ "d" }', [row('a', '=', 'b'), row('c', '=~', 'd')]],
    ['{a="x,y}z"}', [row('a', '=', 'x,y}z')]],
    ['a="say \\"hi\\"\\n\\\\"', [row('a', '=', 'say "hi"\n\\')]],
    ['a=~"\\d+\\.5"', [row('a', '=~', '\\d+\\.5')]],
    ['{"größe in m"="ü"}', [row('größe in m', '=', 'ü')]],
    ['{größe="ü"}', [row('größe', '=', 'ü')]],
    ['a=', [row('a', '=', '')]],
    ['a=""', [row('a', '=', '')]],
  ])('%s', (text, rows) => expect(parseMatchers(text)).toEqual({ rows, error: null }));
});

describe('what is wrong is said', () => {
  test.each([
    ['{a="b"', 'the brace is not closed'],
    ['a="b', "the quote of a's value is not closed"],
    ['a', '=, !=, =~ or !~ is missing after “a”'],
    ['="b"', 'a label name is missing at “="b"”'],
    ['{a="b" c="d"}', 'a comma is missing at “c="d"}”'],
    ['{a="b"}x', '“x” follows the brace'],
    ['{,}', 'a label name is missing at “,}”'],
    ['"a', 'a label name is missing at “"a”'],
  ])('%s', (text, error) => expect(parseMatchers(text)).toEqual({ rows: null, error }));
});

test('what is written is read again', () => {
  const rows = [
    row('a', '=', 'plain'),
    row('b', '!=', 'quote " and \\ and \n end'),
    row('c', '=~', 'x\\.y|{z},'),
    row('Name with "all", sorts=', '!~', ''),
  ];
  expect(parseMatchers(filterText(rows))).toEqual({ rows, error: null });
  expect(filterText([])).toBe('');
  expect(rows.map((one) => toRow(toMatcher(one)))).toEqual(rows);
  expect(rowText(rows[2] as Row)).toBe('c=~"x\\\\.y|{z},"');
});

test('several filters of an address are taken together; one that is wrong is said', () => {
  expect(filterOf(new URLSearchParams('filter=%7Ba%3D%22b%22%7D&filter=c%3Dd'))).toEqual({
    rows: [row('a', '=', 'b'), row('c', '=', 'd')],
    error: null,
  });
  expect(filterOf(new URLSearchParams(''))).toEqual({ rows: [], error: null });
  expect(filterOf(new URLSearchParams('filter=%7Ba')).error).toMatch(/missing after/);
});

test('a silence must not mute everything', () => {
  for (const rows of [
    [],
    [row('', '=', 'x')],
    [row('a', '=', '')],
    [row('a', '=~', '.*'), row('b', '!=', 'c')],
    [row('a', '!~', '.+')],
  ])
    expect(rowsProblem(rows)).not.toBe('');
  for (const rows of [
    [row('a', '=', 'b')],
    [row('a', '=~', '.*'), row('b', '=~', '.+')],
    [row('a', '!=', '')],
    [row('a', '=~', '(')],
  ])
    expect(rowsProblem(rows)).toBe('');
});
