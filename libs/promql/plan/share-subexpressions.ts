/**
 * Optimiser: what stands in a query twice is evaluated once.
 * Only parts that read something and do more than select (a selection is read once anyhow: see share-reads.ts), and only between parts
 * that are evaluated at the same steps. Of equal parts the last one is kept: where an annotation has been said twice, it points to
 * the part that Prometheus evaluates last. Not shared is what may say something that is added up over all places.
 */
import type { AggregateNode, BinaryNode, CallNode, PlanNode } from './logical-plan.ts';
import { children, mapChildren, valueType } from './logical-plan.ts';

const countingCalls: readonly string[] = ['histogram_quantile', 'histogram_quantiles'];
const countingOfStarts: readonly string[] = ['rate', 'increase'];

/**
 * The plan with equal parts behind one number each.
 * @param startTimestamps whether start timestamps are looked at
 */
export function shareSubexpressions(root: PlanNode, startTimestamps: boolean): PlanNode {
  const calls = startTimestamps ? [...countingCalls, ...countingOfStarts] : countingCalls;
  const counting = partsThatCount(root, new Set(calls));
  if (!mayHaveTwins(root, new Set(), counting)) return root;
  const found = new Map<string, PlanNode[]>();
  const keys = new Map<PlanNode, string>();
  collect(root, 'query', found, keys, new Map(), counting);
  const shares = new Map<string, { readonly number: number; readonly uses: number; readonly expr: PlanNode }>();
  const replace = (node: PlanNode): PlanNode => {
    const key = keys.get(node);
    const twins = key === undefined ? undefined : found.get(key);
    if (key === undefined || twins === undefined || twins.length < 2) return mapChildren(node, replace);
    let share = shares.get(key);
    if (share === undefined) {
      const last = twins.reduce((a, b) => (b.order > a.order ? b : a));
      share = { number: shares.size, uses: twins.length, expr: last };
      shares.set(key, share);
    }
    return { kind: 'shared', start: node.start, order: node.order, ...share };
  };
  return settle(replace(root));
}

/** Counts the places that are left: a part within a shared part is evaluated with that one. */
function settle(root: PlanNode): PlanNode {
  const uses = new Map<number, number>();
  const count = (node: PlanNode): void => {
    if (node.kind === 'shared') uses.set(node.number, (uses.get(node.number) ?? 0) + 1);
    else children(node).forEach(count);
  };
  count(root);
  const set = (node: PlanNode): PlanNode => {
    if (node.kind !== 'shared') return mapChildren(node, set);
    const left = uses.get(node.number) ?? 1;
    return left === 1 ? node.expr : { ...node, uses: left };
  };
  return set(root);
}

/** Whether two parts worth sharing look alike at all: most queries have none, and then nothing need be described. */
function mayHaveTwins(node: PlanNode, seen: Set<string>, counting: ReadonlySet<PlanNode>): boolean {
  if (isWorthSharing(node, counting)) {
    const look = node.kind === 'call' ? node.name : node.op;
    if (seen.has(look)) return true;
    seen.add(look);
  }
  return children(node).some((child) => mayHaveTwins(child, seen, counting));
}

/**
 * Notes the parts worth sharing by what they are and where they are evaluated; returns the number of what a part is. Parts are described
 * by the numbers of their own parts: their texts would have all of the query in them, once for every level.
 */
function collect(
  node: PlanNode,
  scope: string,
  found: Map<string, PlanNode[]>,
  keys: Map<PlanNode, string>,
  numbers: Map<string, number>,
  counting: ReadonlySet<PlanNode>,
): number {
  // Subqueries and invariant parts have steps of their own.
  const innerScope = node.kind === 'subquery' || node.kind === 'stepInvariant' ? String(node.order) : scope;
  const parts = children(node).map((child) => collect(child, innerScope, found, keys, numbers, counting));
  const text = `${describe(node)}(${parts.join(',')})`;
  const number = numbers.get(text) ?? numbers.size;
  numbers.set(text, number);
  if (isWorthSharing(node, counting)) {
    const key = `${scope}: ${number}`;
    keys.set(node, key);
    const twins = found.get(key);
    if (twins === undefined) found.set(key, [node]);
    else twins.push(node);
  }
  return number;
}

function isWorthSharing(
  node: PlanNode,
  counting: ReadonlySet<PlanNode>,
): node is AggregateNode | CallNode | BinaryNode {
  if (node.kind !== 'aggregate' && node.kind !== 'call' && node.kind !== 'binary') return false;
  return valueType(node) === 'vector' && selects(node) && !counting.has(node);
}

/** Nodes that may say something that Prometheus adds up over all places, and what they are parts of. */
function partsThatCount(root: PlanNode, countingCalls: ReadonlySet<string>): ReadonlySet<PlanNode> {
  const found = new Set<PlanNode>();
  const look = (node: PlanNode): boolean => {
    let counts = node.kind === 'call' && countingCalls.has(node.name);
    for (const child of children(node)) counts = look(child) || counts;
    if (counts) found.add(node);
    return counts;
  };
  look(root);
  return found;
}

function selects(node: PlanNode): boolean {
  return node.kind === 'vectorSelector' || children(node).some(selects);
}

/** Of a node, what does not tell what it is: its place, and its children. */
const besides: ReadonlySet<string> = new Set(['start', 'order', 'expr', 'param', 'lhs', 'rhs', 'args', 'selector']);

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
