/**
 * Functions of one float at a time: arithmetic, trigonometry, clamping, rounding, parts of a date.
 * Histograms have no place in them and are left out. Facts: Prometheus promql/functions.go.
 */
import { goAcos, goAsin, goCosh, goLog2, goMax, goMin, goSinh } from '../../go-math.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { ColumnChange } from '../series-map.ts';
import { PointKind, type StepColumn } from '../step-column.ts';

type FloatFunction = (value: number) => number;

/** By name. */
export const mathFunctions: ReadonlyMap<string, FloatFunction> = new Map<string, FloatFunction>([
  ['abs', Math.abs],
  ['ceil', Math.ceil],
  ['floor', Math.floor],
  ['exp', Math.exp],
  ['sqrt', Math.sqrt],
  ['ln', Math.log],
  ['log2', goLog2],
  ['log10', Math.log10],
  ['sin', Math.sin],
  ['cos', Math.cos],
  ['tan', Math.tan],
  ['asin', goAsin],
  ['acos', goAcos],
  ['atan', Math.atan],
  ['sinh', goSinh],
  ['cosh', goCosh],
  ['tanh', Math.tanh],
  ['asinh', Math.asinh],
  ['acosh', Math.acosh],
  ['atanh', Math.atanh],
  ['rad', (value) => (value * Math.PI) / 180],
  ['deg', (value) => (value * 180) / Math.PI],
  // Zero keeps its sign, and NaN is no number.
  ['sgn', (value) => (value < 0 ? -1 : value > 0 ? 1 : value)],
]);

/** Takes the histograms out of a column. */
function dropHistograms(column: StepColumn): void {
  if (!column.hasHistograms) return;
  const { kinds } = column;
  for (let step = 0; step < kinds.length; step++) if (kinds[step] === PointKind.histogram) kinds[step] = PointKind.none;
}

/** How much more work a function is than to pass a sample. */
const workPerCall = 2;

/** Applies a function to every float. */
export function floatChange(apply: FloatFunction, context: Pick<ExecutionContext, 'inParts'>): ColumnChange {
  return (column) => {
    dropHistograms(column);
    const { values } = column;
    context.inParts(values.length, workPerCall, (begin, end) => {
      for (let step = begin; step < end; step++) values[step] = apply(values[step]);
    });
  };
}

/** clamp, clamp_min or clamp_max; bounds the wrong way round leave nothing. */
export function clampChange(name: string): ColumnChange {
  return (column, scalars) => {
    dropHistograms(column);
    const { kinds, values } = column;
    for (let step = 0; step < values.length; step++) {
      const first = scalars[0]?.[step] ?? Number.NaN;
      const min = name === 'clamp_max' ? Number.NEGATIVE_INFINITY : first;
      const max =
        name === 'clamp_max' ? first : name === 'clamp_min' ? Number.POSITIVE_INFINITY : (scalars[1]?.[step] ?? 0);
      if (max < min) kinds[step] = PointKind.none;
      else values[step] = goMax(min, goMin(max, values[step]));
    }
  };
}

/** Rounds to the nearest multiple of a scalar, 1 if there is none; halves go up. */
export const roundChange: ColumnChange = (column, scalars) => {
  dropHistograms(column);
  const { values } = column;
  const nearest = scalars[0];
  for (let step = 0; step < values.length; step++) {
    const inverse = 1 / (nearest === undefined ? 1 : nearest[step]);
    values[step] = Math.floor(values[step] * inverse + 0.5) / inverse;
  }
};

const secondsPerDay = 86_400;

/** Day, month (from 1) and year of a count of days since the epoch, in the Gregorian calendar carried on both ways. */
function civilDate(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return { year, month, day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1 };
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function daysInMonth({ year, month }: { year: number; month: number }): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function dayOfYear({ year, month, day }: { year: number; month: number; day: number }): number {
  const before = Math.floor((367 * month - 362) / 12);
  const correction = month <= 2 ? 0 : isLeap(year) ? -1 : -2;
  return before + correction + day;
}

const secondsMax = 2 ** 63;

/**
 * Of a time in seconds, cut off to whole ones as Go's int64() does. What no int64 holds, NaN too, becomes the smallest one on the
 * machines that Prometheus runs on, and its calendar wraps around there: 292277026596-12-04T15:30:08Z.
 */
function ofSeconds(part: (days: number, secondOfDay: number) => number): FloatFunction {
  return (value) => {
    if (!(value > -secondsMax && value < secondsMax)) return part(106_751_991_167_300, 55_808);
    const seconds = Math.trunc(value);
    // The rest of a division is exact, however large the number; a count of days times their seconds is not.
    const rest = seconds % secondsPerDay;
    const second = rest < 0 ? rest + secondsPerDay : rest + 0;
    return part(Math.round((seconds - second) / secondsPerDay), second);
  };
}

/** By name, of seconds since the epoch, in UTC. */
export const dateFunctions: ReadonlyMap<string, FloatFunction> = new Map<string, FloatFunction>([
  ['days_in_month', ofSeconds((days) => daysInMonth(civilDate(days)))],
  ['day_of_month', ofSeconds((days) => civilDate(days).day)],
  ['day_of_week', ofSeconds((days) => (((days + 4) % 7) + 7) % 7)],
  ['day_of_year', ofSeconds((days) => dayOfYear(civilDate(days)))],
  ['hour', ofSeconds((_days, second) => Math.floor(second / 3600))],
  ['minute', ofSeconds((_days, second) => Math.floor(second / 60) % 60)],
  ['month', ofSeconds((days) => civilDate(days).month)],
  ['year', ofSeconds((days) => civilDate(days).year)],
]);
