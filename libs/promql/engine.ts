/**
 * The engine: an expression over a time range becomes an answer in columns.
 * Owns the order of things (plan, optimise, execute, gather) and the shape of answers. Synchronous: it is meant for a thread of its own,
 * where reading may block and `checkCancelled` may throw at any time. An instant query is a range query of one step whose order of
 * series is kept.
 */
import { Failure } from '../errors/failure.ts';
import type { Histogram } from '../model/histogram.ts';
import { compareLabels, type Labels } from '../model/labels.ts';
import type { ReadQuery, SeriesReader } from '../series/series-reader.ts';
import type { Annotation } from './execute/annotations.ts';
import { OperatorBuilder } from './execute/build-operators.ts';
import {
  type EvaluationFlags,
  ExecutionContext,
  histogramBytes,
  type QueryLimits,
} from './execute/execution-context.ts';
import { gatherRange } from './execute/gather-range.ts';
import { type Grid, makeGrid } from './execute/grid.ts';
import type { OutputSeries, VectorOperator } from './execute/operator.ts';
import { joinSameLabels } from './execute/same-labels.ts';
import { SampleCounts } from './execute/sample-counts.ts';
import { plannedSelects, plannedSteps } from './execute/scan/select-queries.ts';
import { mergeReads } from './execute/scan/share-reads.ts';
import { dropMetadata } from './execute/series-labels.ts';
import { PointKind, type StepColumn } from './execute/step-column.ts';
import { buildPlan } from './plan/build-plan.ts';
import type { PlanNode } from './plan/logical-plan.ts';
import { optimise } from './plan/optimise.ts';
import { skipBuckets } from './plan/skip-buckets.ts';
import { wrapStepInvariant } from './plan/wrap-step-invariant.ts';
import type { Expr, ValueType } from './syntax/ast.ts';
import { documentedType } from './syntax/check-types.ts';
import { lookingEvery, neverEnded, type Worked } from './worked.ts';

export interface EngineOptions {
  readonly flags: EvaluationFlags;
  /** How far back an instant selector looks for a sample, unless the query says otherwise. */
  readonly lookbackMs: number;
  /** Step of subqueries that name none. */
  readonly subqueryStepMs: number;
  /** `none` leaves out whatever cannot change an answer: for comparison. */
  readonly optimisers?: 'all' | 'none';
}

/** What is asked, before anything is known of how it will be evaluated. */
export interface QueryQuestion {
  /** Parsed with parseExpr. */
  readonly expr: Expr;
  readonly startMs: number;
  /** Equal to the start for an instant query. */
  readonly endMs: number;
  /** 0 for an instant query. */
  readonly stepMs: number;
  readonly lookbackMs?: number;
  /** Where this asks for some of a query's steps: the times of the whole, which start(), end(), range() and step() speak of. */
  readonly whole?: WholeRange;
}

/** The first and the last time of a query that is answered in parts. */
export interface WholeRange {
  readonly startMs: number;
  readonly endMs: number;
}

export interface QueryRequest extends QueryQuestion {
  /** What `expr` was parsed from: annotations point into it. */
  readonly text: string;
  readonly limits: QueryLimits;
  readonly reader: SeriesReader;
  /** Called at least every few milliseconds of work; throws to end it. */
  readonly checkCancelled: () => void;
  /** Whether what it takes is wanted by step, too. */
  readonly statsByStep?: boolean;
}

/** A series of the answer: parallel columns in order of time. Row i is a histogram where h and h[i] are not null. */
export interface ResultSeries {
  readonly labels: Labels;
  readonly t: Float64Array;
  readonly v: Float64Array;
  readonly h: readonly (Histogram | null)[] | null;
}

/** What a query took (execute/sample-counts.ts). */
export interface QueryStats {
  readonly samplesQueried: number;
  readonly samplesRead: number;
  /** The same two by step; null unless asked for. */
  readonly queriedByStep: Float64Array | null;
  readonly readByStep: Float64Array | null;
  /** Most samples and bytes that were held at once. */
  readonly samplesPeak: number;
  readonly memoryBytesPeak: number;
}

export interface QueryResult {
  /** A scalar is one series without labels. A matrix is sorted by labels, a vector as it was evaluated. */
  readonly type: ValueType;
  readonly series: readonly ResultSeries[];
  /** The value of an expression of type string. */
  readonly text: string;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
  /** What the reader said, and what the evaluation did: both stand in the texts above. */
  readonly sourceWarnings: readonly string[];
  readonly annotations: readonly Annotation[];
  readonly stats: QueryStats;
}

export interface Engine {
  /**
   * Evaluates a query.
   * @throws Failure `bad_data` for what cannot be evaluated at all, `execution`, `query_limit`, or what the reader or checkCancelled throw
   */
  query(request: QueryRequest): QueryResult;
  /**
   * What is known of query() before it reads anything.
   * @throws Failure as query() does for what cannot be evaluated at all
   */
  outline(question: QueryQuestion): QueryOutline;
}

/** What is known of a query from its text and times. */
export interface QueryOutline {
  /** What it will ask its reader for, in that order, as far as it does not depend on data: whoever reads can begin early. */
  readonly selects: readonly ReadQuery[];
  /** Steps of all its parts together: what it costs for each series, about. */
  readonly steps: number;
}

export function createEngine(options: EngineOptions): Engine {
  return {
    query: (request) => evaluate(options, request),
    outline: (question) => {
      const grid = gridOf(question);
      const plan = planOf(options, question, neverEnded);
      const planned = plannedSelects(plan, grid, question.lookbackMs ?? options.lookbackMs);
      return { selects: mergeReads(planned).map(({ query }) => query), steps: plannedSteps(plan, grid) };
    },
  };
}

function planOf(
  { subqueryStepMs, optimisers, flags }: EngineOptions,
  { expr, startMs, endMs, stepMs, whole = { startMs, endMs } }: QueryQuestion,
  worked: Worked,
): PlanNode {
  checkType(expr, stepMs === 0);
  const built = buildPlan(expr, { ...whole, stepMs, subqueryStepMs }, worked);
  const plan = wrapStepInvariant(skipBuckets(built, worked), worked);
  return optimisers === 'none' ? plan : optimise(plan, flags.startTimestamps, worked);
}

/** A part of a query is no instant query, even where it is one step. */
function gridOf({ startMs, endMs, stepMs, whole = { startMs, endMs } }: QueryQuestion): Grid {
  return { ...makeGrid(startMs, endMs, stepMs), isInstant: whole.startMs === whole.endMs };
}

function evaluate(options: EngineOptions, request: QueryRequest): QueryResult {
  const { stepMs, text } = request;
  const isInstant = stepMs === 0;
  const worked = lookingEvery(request.checkCancelled);
  const plan = planOf(options, request, worked);
  const grid = gridOf(request);
  const lookbackMs = request.lookbackMs ?? options.lookbackMs;
  const counts = new SampleCounts(grid.stepCount, request.statsByStep === true);
  const context = new ExecutionContext(
    request.reader,
    options.flags,
    lookbackMs,
    request.limits,
    request.checkCancelled,
    options.optimisers === 'none' ? [] : plannedSelects(plan, grid, lookbackMs, worked),
    text,
    counts,
  );
  request.checkCancelled();
  const { type, series } = run(context, plan, grid, isInstant);
  const { warnings, infos } = context.annotations.texts(text);
  return {
    type,
    series,
    text: plan.kind === 'string' ? plan.value : '',
    warnings: [...context.sourceWarnings, ...warnings],
    infos,
    sourceWarnings: [...context.sourceWarnings],
    annotations: context.annotations.list(),
    stats: {
      ...context.stats,
      samplesQueried: counts.queried,
      samplesRead: counts.read,
      queriedByStep: counts.queriedAt,
      readByStep: counts.readAt,
    },
  };
}

function checkType(expr: Expr, isInstant: boolean): void {
  if (isInstant || expr.type === 'vector' || expr.type === 'scalar') return;
  throw new Failure(
    'bad_data',
    `invalid expression type "${documentedType(expr.type)}" for range query, must be Scalar or instant Vector`,
  );
}

function run(
  context: ExecutionContext,
  plan: PlanNode,
  grid: Grid,
  isInstant: boolean,
): { readonly type: ValueType; readonly series: ResultSeries[] } {
  const type = plan.type;
  if (type === 'string') return { type, series: [] };
  const builder = new OperatorBuilder(context, grid);
  if (type === 'matrix') {
    return { type, series: sorted(context, gatherRange(context, builder, plan)) };
  }
  const operator = builder.vector(plan);
  let series: ResultSeries[];
  if (context.flags.delayedNameRemoval) {
    const joined = joinSameLabels(context, gather(context, new FinalNames(operator), grid));
    series = isInstant ? joined.map(onePoint) : joined;
  } else series = gather(context, operator, grid);
  if (isInstant) return { type, series };
  return { type: 'matrix', series: sorted(context, series) };
}

/** In an instant vector a series has one point: the histogram, where it has a float at that time, too. */
function onePoint(series: ResultSeries): ResultSeries {
  const { labels, t, v, h } = series;
  if (t.length < 2) return series;
  const row = h?.findIndex((histogram) => histogram !== null) ?? 0;
  return { labels, t: t.slice(row, row + 1), v: v.slice(row, row + 1), h: h?.slice(row, row + 1) ?? null };
}

/** Labels without the names that were marked to be dropped. */
class FinalNames implements VectorOperator {
  readonly #input: VectorOperator;

  constructor(input: VectorOperator) {
    this.#input = input;
  }

  series(): readonly OutputSeries[] {
    return this.#input.series().map(finalName);
  }

  next(out: StepColumn): void {
    this.#input.next(out);
  }

  done(): void {
    this.#input.done();
  }
}

function finalName({ labels, dropName }: OutputSeries): OutputSeries {
  return { labels: dropName ? dropMetadata(labels) : labels, dropName: false };
}

/** What a series of the answer is worth beside its steps. */
const workPerSeries = 32;

/** All points of all series that have any. */
function gather(context: ExecutionContext, operator: VectorOperator, grid: Grid): ResultSeries[] {
  const column = context.takeColumn(grid.stepCount);
  const everyStep = new Float64Array(grid.stepCount);
  for (let step = 0; step < grid.stepCount; step++) everyStep[step] = grid.startMs + step * grid.stepMs;
  const result: ResultSeries[] = [];
  for (const { labels } of operator.series()) {
    column.clear();
    operator.next(column);
    context.worked(workPerSeries + grid.stepCount);
    const count = column.pointCount();
    if (count === 0) continue;
    const points = pointsOf(context, column, count, everyStep);
    context.takeMemory(16 * count + histogramBytes(points.h));
    result.push({ labels, ...points });
  }
  operator.done();
  context.giveColumn(column);
  return result;
}

function pointsOf(
  { slabs }: ExecutionContext,
  column: StepColumn,
  count: number,
  everyStep: Float64Array,
): Omit<ResultSeries, 'labels'> {
  const v = slabs.floats(count);
  if (count === column.stepCount && !column.hasHistograms) {
    v.set(column.values);
    return { t: everyStep, v, h: null };
  }
  const t = slabs.floats(count);
  const h: (Histogram | null)[] | null = column.hasHistograms ? [] : null;
  let row = 0;
  for (let step = 0; step < column.stepCount; step++) {
    const kind = column.kinds[step];
    if (kind === PointKind.none) continue;
    t[row] = everyStep[step];
    if (kind === PointKind.float) v[row] = column.values[step];
    h?.push(kind === PointKind.histogram ? column.histogramAt(step) : null);
    row++;
  }
  return { t, v, h };
}

function sorted(context: ExecutionContext, series: ResultSeries[]): ResultSeries[] {
  return series.sort((a, b) => {
    context.worked(1);
    return compareLabels(a.labels, b.labels);
  });
}
