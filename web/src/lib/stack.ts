// Drawing values on top of each other, and saying a chart in words.
import { byUnit, clockTime, type Unit } from './format';

/** Running sums from the bottom series up; a gap counts as nothing unless all are gaps. */
export function stack(columns: (number | null)[][]): (number | null)[][] {
  const length = columns[0]?.length ?? 0;
  const sums = new Array<number>(length).fill(0);
  return columns.map((column) =>
    column.map((value, i) => {
      if (value === null && columns.every((other) => other[i] === null)) return null;
      return (sums[i] = (sums[i] ?? 0) + (value ?? 0));
    }),
  );
}

export interface Summary {
  min: number;
  max: number;
  last: number;
  mean: number;
}

export function summary(values: (number | null)[]): Summary | null {
  const known = values.filter((v): v is number => v !== null);
  const last = known.at(-1);
  if (last === undefined) return null;
  return {
    min: Math.min(...known),
    max: Math.max(...known),
    last,
    mean: known.reduce((a, b) => a + b, 0) / known.length,
  };
}

/** What a reader who cannot see the chart is told. */
export function describe(
  title: string,
  unit: Unit,
  times: number[],
  series: { label: string; values: (number | null)[] }[],
): string {
  const parts = series.flatMap(({ label, values }) => {
    const s = summary(values);
    if (!s) return [];
    return [`${label}: now ${byUnit(s.last, unit)}, lowest ${byUnit(s.min, unit)}, highest ${byUnit(s.max, unit)}`];
  });
  if (!parts.length) return `${title}: no data in this range.`;
  const from = times[0];
  const to = times.at(-1);
  const span =
    from !== undefined && to !== undefined ? ` from ${clockTime(from * 1000)} to ${clockTime(to * 1000)}` : '';
  return `${title}${span}. ${parts.join('. ')}.`;
}

/** The last known value at or before an index. */
export function valueAt(values: (number | null)[], index: number | null): number | null {
  const from = index === null || index >= values.length ? values.length - 1 : index;
  if (index !== null) return values[from] ?? null;
  for (let i = from; i >= 0; i--) {
    const value = values[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}
