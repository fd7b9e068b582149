// The query editors. Loaded only by Explore, so that the first screen does not wait for them.
import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  type Completion,
  type CompletionContext,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { PostgreSQL, sql } from '@codemirror/lang-sql';
import {
  HighlightStyle,
  StreamLanguage,
  bracketMatching,
  syntaxHighlighting,
  type StreamParser,
} from '@codemirror/language';
import { EditorState, Prec, type Extension } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';

const FUNCTIONS = [
  'abs',
  'absent',
  'absent_over_time',
  'avg_over_time',
  'ceil',
  'changes',
  'clamp',
  'clamp_max',
  'clamp_min',
  'count_over_time',
  'day_of_week',
  'delta',
  'deriv',
  'exp',
  'floor',
  'histogram_quantile',
  'holt_winters',
  'hour',
  'idelta',
  'increase',
  'irate',
  'label_join',
  'label_replace',
  'last_over_time',
  'ln',
  'log10',
  'log2',
  'max_over_time',
  'min_over_time',
  'predict_linear',
  'present_over_time',
  'quantile_over_time',
  'rate',
  'resets',
  'round',
  'scalar',
  'sort',
  'sort_desc',
  'sqrt',
  'stddev_over_time',
  'sum_over_time',
  'time',
  'timestamp',
  'vector',
];
const AGGREGATIONS = [
  'sum',
  'avg',
  'min',
  'max',
  'count',
  'stddev',
  'stdvar',
  'topk',
  'bottomk',
  'quantile',
  'count_values',
  'group',
];
const WORDS = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'and', 'or', 'unless', 'bool', 'offset'];
const KNOWN = new Map<string, string>([
  ...FUNCTIONS.map((f) => [f, 'function'] as const),
  ...AGGREGATIONS.map((a) => [a, 'keyword'] as const),
  ...WORDS.map((w) => [w, 'keyword'] as const),
]);

const promqlParser: StreamParser<{ inLabels: boolean }> = {
  name: 'promql',
  startState: () => ({ inLabels: false }),
  token(stream, state) {
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return 'comment';
    if (stream.match(/^"(?:[^"\\]|\\.)*"?|^'(?:[^'\\]|\\.)*'?|^`[^`]*`?/)) return 'string';
    if (stream.match(/^(?:\d+(?:ms|[smhdwy]))+\b/) || stream.match(/^\d+(?:\.\d+)?(?:e[+-]?\d+)?/i)) return 'number';
    const word = stream.match(/^[A-Za-z_:][\w:]*/);
    if (word && typeof word !== 'boolean') {
      if (state.inLabels) return 'propertyName';
      return KNOWN.get(word[0].toLowerCase()) ?? 'variableName';
    }
    const char = stream.next();
    if (char === '{') state.inLabels = true;
    if (char === '}') state.inLabels = false;
    return char && '=!~<>+-*/%^'.includes(char) ? 'operator' : null;
  },
  tokenTable: { function: tags.function(tags.variableName) },
};

const look = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--c4)' },
  { tag: tags.function(tags.variableName), color: 'var(--c1)' },
  { tag: tags.propertyName, color: 'var(--c7)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--c2)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--c3)' },
  { tag: tags.comment, color: 'var(--faint)', fontStyle: 'italic' },
  { tag: tags.operator, color: 'var(--muted)' },
  { tag: tags.typeName, color: 'var(--c1)' },
]);

const theme = EditorView.theme({
  '&': {
    backgroundColor: 'var(--sunken)',
    color: 'var(--text)',
    fontSize: '13px',
    borderRadius: '6px',
    border: '1px solid var(--line-strong)',
  },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-1px' },
  '.cm-scroller': {
    fontFamily: 'var(--mono)',
    fontFeatureSettings: 'normal',
    fontVariantLigatures: 'none',
    lineHeight: '1.6',
    maxHeight: '260px',
  },
  '.cm-content': { padding: '8px 0', caretColor: 'var(--text)' },
  '.cm-line': { padding: '0 12px' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-soft)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--raised)',
    border: '1px solid var(--line-strong)',
    borderRadius: '7px',
    overflow: 'hidden',
    boxShadow: 'var(--shadow-l)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '240px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 10px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent)', color: '#fff' },
  '.cm-completionDetail': { color: 'inherit', opacity: '0.65', fontStyle: 'normal', marginLeft: '12px' },
  '.cm-placeholder': { color: 'var(--faint)' },
});

function promqlCompletion(names: () => string[], labels: () => string[]) {
  return (context: CompletionContext) => {
    const word = context.matchBefore(/[\w:]+/);
    if (!word && !context.explicit) return null;
    const before = context.state.sliceDoc(0, context.pos);
    const inLabels =
      before.lastIndexOf('{') > before.lastIndexOf('}') || /\b(?:by|without|on|ignoring)\s*\([^)]*$/.test(before);
    const options: Completion[] = inLabels
      ? labels().map((label) => ({ label, type: 'property' }))
      : [
          ...names().map((label) => ({ label, type: 'variable', detail: 'metric', boost: 1 })),
          ...FUNCTIONS.map((label) => ({ label, type: 'function', apply: `${label}(` })),
          ...AGGREGATIONS.map((label) => ({ label, type: 'keyword', detail: 'aggregation' })),
        ];
    return { from: word?.from ?? context.pos, options, validFor: /^[\w:]*$/ };
  };
}

export interface EditorOptions {
  parent: HTMLElement;
  language: 'promql' | 'sql';
  text: string;
  label: string;
  hint: string;
  onChange: (text: string) => void;
  onRun: () => void;
  names?: () => string[];
  labels?: () => string[];
  columns?: string[];
}

export function createEditor(options: EditorOptions): EditorView {
  const language: Extension =
    options.language === 'promql'
      ? [
          StreamLanguage.define(promqlParser),
          autocompletion({
            override: [promqlCompletion(options.names ?? (() => []), options.labels ?? (() => []))],
            icons: false,
          }),
        ]
      : [
          sql({
            dialect: PostgreSQL,
            schema: { llm_events: options.columns ?? [] },
            defaultTable: 'llm_events',
            upperCaseKeywords: true,
          }),
          autocompletion({ icons: false }),
        ];
  return new EditorView({
    parent: options.parent,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        Prec.highest(
          keymap.of([
            {
              key: 'Mod-Enter',
              run: () => {
                options.onRun();
                return true;
              },
            },
            { key: 'Tab', run: acceptCompletion },
          ]),
        ),
        history(),
        bracketMatching(),
        closeBrackets(),
        EditorView.lineWrapping,
        placeholder(options.hint),
        language,
        syntaxHighlighting(look),
        theme,
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
        EditorView.contentAttributes.of({ 'aria-label': options.label, spellcheck: 'false' }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) options.onChange(update.state.doc.toString());
        }),
      ],
    }),
  });
}
