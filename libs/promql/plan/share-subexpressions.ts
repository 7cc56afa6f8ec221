/**
 * Optimiser: what stands in a query twice is evaluated once.
 * Only parts that read something and do more than select (a selection is read once anyhow: see share-reads.ts), and only between parts
 * that are evaluated at the same steps. Of equal parts the last one is kept: where an annotation has been said twice, it points to
 * the part that Prometheus evaluates last. Not shared is what may say something that is added up over all places.
 */
import { type Worked, workPerNode } from '../worked.ts';
import type { AggregateNode, BinaryNode, CallNode, PlanNode } from './logical-plan.ts';
import { children, mapChildren } from './logical-plan.ts';

const countingCalls: readonly string[] = ['histogram_quantile', 'histogram_quantiles'];
const countingOfStarts: readonly string[] = ['rate', 'increase'];
/** A node's text takes some microseconds. */
const workPerDescription = 64;
const charactersPerWork = 8;

/**
 * The plan with equal parts behind one number each.
 * @param startTimestamps whether start timestamps are looked at
 */
export function shareSubexpressions(root: PlanNode, startTimestamps: boolean, worked: Worked): PlanNode {
  const worth = partsWorthSharing(root, startTimestamps, worked);
  if (!mayHaveTwins(worth)) return root;
  const found = new Map<string, PlanNode[]>();
  const keys = new Map<PlanNode, string>();
  collect(root, 'query', { found, keys, numbers: new Map(), worth, worked });
  const shares = new Map<string, { readonly number: number; readonly uses: number; readonly expr: PlanNode }>();
  const replace = (node: PlanNode): PlanNode => {
    worked(workPerNode);
    const key = keys.get(node);
    const twins = key === undefined ? undefined : found.get(key);
    if (key === undefined || twins === undefined || twins.length < 2) return mapChildren(node, replace);
    let share = shares.get(key);
    if (share === undefined) {
      const last = twins.reduce((a, b) => (b.order > a.order ? b : a));
      share = { number: shares.size, uses: twins.length, expr: last };
      shares.set(key, share);
    }
    return { kind: 'shared', start: node.start, order: node.order, type: node.type, ...share };
  };
  return settle(replace(root), worked);
}

/** Counts the places that are left: a part within a shared part is evaluated with that one. */
function settle(root: PlanNode, worked: Worked): PlanNode {
  const uses = new Map<number, number>();
  const count = (node: PlanNode): void => {
    worked(workPerNode);
    if (node.kind === 'shared') uses.set(node.number, (uses.get(node.number) ?? 0) + 1);
    else children(node).forEach(count);
  };
  count(root);
  const set = (node: PlanNode): PlanNode => {
    worked(workPerNode);
    if (node.kind !== 'shared') return mapChildren(node, set);
    const left = uses.get(node.number) ?? 1;
    return left === 1 ? node.expr : { ...node, uses: left };
  };
  return set(root);
}

type Part = AggregateNode | CallNode | BinaryNode;

/** Vectors that are more than a selection; not what may say something that Prometheus adds up over all places, nor what has such a part. */
function partsWorthSharing(root: PlanNode, startTimestamps: boolean, worked: Worked): ReadonlySet<Part> {
  const counting = new Set(startTimestamps ? [...countingCalls, ...countingOfStarts] : countingCalls);
  const worth = new Set<Part>();
  const look = (node: PlanNode): { readonly selects: boolean; readonly counts: boolean } => {
    worked(workPerNode);
    let selects = node.kind === 'vectorSelector';
    let counts = node.kind === 'call' && counting.has(node.name);
    for (const child of children(node)) {
      const below = look(child);
      selects ||= below.selects;
      counts ||= below.counts;
    }
    const isPart = node.kind === 'aggregate' || node.kind === 'call' || node.kind === 'binary';
    if (isPart && node.type === 'vector' && selects && !counts) worth.add(node);
    return { selects, counts };
  };
  look(root);
  return worth;
}

/** Whether two of the parts look alike at all: most queries have none, and then nothing need be described. */
function mayHaveTwins(worth: ReadonlySet<Part>): boolean {
  const seen = new Set<string>();
  for (const node of worth) seen.add(node.kind === 'call' ? node.name : node.op);
  return seen.size < worth.size;
}

interface Collected {
  /** The parts worth sharing by what they are and where they are evaluated, and the other way round. */
  readonly found: Map<string, PlanNode[]>;
  readonly keys: Map<PlanNode, string>;
  /** What has been described by what it is. */
  readonly numbers: Map<string, number>;
  readonly worth: ReadonlySet<PlanNode>;
  readonly worked: Worked;
}

/**
 * Notes the parts of a node; returns the number of what it is. Parts are described by the numbers of their own parts: their texts would
 * have all of the query in them, once for every level.
 */
function collect(node: PlanNode, scope: string, into: Collected): number {
  const { found, keys, numbers, worth, worked } = into;
  // Subqueries and invariant parts have steps of their own.
  const innerScope = node.kind === 'subquery' || node.kind === 'stepInvariant' ? String(node.order) : scope;
  const parts = children(node).map((child) => collect(child, innerScope, into));
  const text = `${describe(node)}(${parts.join(',')})`;
  worked(workPerDescription + text.length / charactersPerWork);
  const number = numbers.get(text) ?? numbers.size;
  numbers.set(text, number);
  if (worth.has(node)) {
    const key = `${scope}: ${number}`;
    keys.set(node, key);
    const twins = found.get(key);
    if (twins === undefined) found.set(key, [node]);
    else twins.push(node);
  }
  return number;
}

/** Of a node, what does not tell what it is: its place, and its children. */
const besides: ReadonlySet<string> = new Set([
  'start',
  'order',
  'type',
  'expr',
  'param',
  'lhs',
  'rhs',
  'args',
  'selector',
]);

/** What a node is, but for its children and its place. */
function describe(node: PlanNode): string {
  let text = '';
  for (const [field, value] of Object.entries(node) as Iterable<[string, unknown]>) {
    if (!besides.has(field)) text += `${field} ${isPlain(value) ? told('', value) : JSON.stringify(value, told)} `;
  }
  return text;
}

/** JSON has neither NaN nor infinity nor -0, and takes undefined away: all of them may stand in a node. */
function told(_field: string, value: unknown): unknown {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  return value === undefined ? 'undefined' : value;
}

function isPlain(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean' || value === undefined;
}
