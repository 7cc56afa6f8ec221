/**
 * The plan of a query: the tree of an expression with everything settled that does not need data.
 * Owns the node shapes. Differs from the syntax tree in that parentheses are gone, durations, `@ start()` and query context
 * functions are numbers, and parts that do not change from step to step are wrapped. Nodes are immutable: an optimiser
 * returns new ones. `start` is the place in the query (UTF-8 bytes) that annotations blame; `order` is the rank in which
 * Prometheus would evaluate the nodes, because of two equal annotations the later one keeps its place.
 */
import type { Matcher } from '../../model/matcher.ts';
import type { AggregateOp, BinaryOp, UnaryOp, ValueType, VectorMatching } from '../syntax/ast.ts';

interface Node {
  readonly start: number;
  readonly order: number;
  /** Of the value that it has. */
  readonly type: ValueType;
}

export interface NumberNode extends Node {
  readonly kind: 'number';
  readonly value: number;
}

interface StringNode extends Node {
  readonly kind: 'string';
  readonly value: string;
}

/** When a selector or subquery looks: at `atMs` if it is defined, else at each step; then `offsetMs` earlier. */
export interface TimeReference {
  readonly atMs: number | undefined;
  readonly offsetMs: number;
}

export interface VectorSelectorNode extends Node, TimeReference {
  readonly kind: 'vectorSelector';
  readonly matchers: readonly Matcher[];
  readonly anchored: boolean;
  readonly smoothed: boolean;
  /** Only count and sum of histograms are looked at. */
  readonly skipBuckets: boolean;
  /** Names of the labels that are looked at, sorted; undefined for all. */
  readonly labels: readonly string[] | undefined;
}

export interface MatrixSelectorNode extends Node {
  readonly kind: 'matrixSelector';
  readonly selector: VectorSelectorNode;
  readonly rangeMs: number;
}

export interface SubqueryNode extends Node, TimeReference {
  readonly kind: 'subquery';
  readonly expr: PlanNode;
  readonly rangeMs: number;
  readonly stepMs: number;
}

export interface CallNode extends Node {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly PlanNode[];
}

export interface AggregateNode extends Node {
  readonly kind: 'aggregate';
  readonly op: AggregateOp;
  readonly expr: PlanNode;
  readonly param: PlanNode | undefined;
  readonly grouping: readonly string[];
  readonly without: boolean;
}

export interface BinaryNode extends Node {
  readonly kind: 'binary';
  readonly op: BinaryOp;
  readonly lhs: PlanNode;
  readonly rhs: PlanNode;
  readonly matching: VectorMatching | undefined;
  readonly returnBool: boolean;
}

export interface UnaryNode extends Node {
  readonly kind: 'unary';
  readonly op: UnaryOp;
  readonly expr: PlanNode;
}

/** Evaluated once, at the first step, and then the same at every step. */
interface StepInvariantNode extends Node {
  readonly kind: 'stepInvariant';
  readonly expr: PlanNode;
}

/** One of several places of the same part, which is evaluated once for all of them. */
export interface SharedNode extends Node {
  readonly kind: 'shared';
  /** The same for all places of the part. */
  readonly number: number;
  /** How many places there are. */
  readonly uses: number;
  readonly expr: PlanNode;
}

export type PlanNode =
  | NumberNode
  | StringNode
  | VectorSelectorNode
  | MatrixSelectorNode
  | SubqueryNode
  | CallNode
  | AggregateNode
  | BinaryNode
  | UnaryNode
  | StepInvariantNode
  | SharedNode;

/** The children of a node in the order in which they are evaluated. */
export function children(node: PlanNode): readonly PlanNode[] {
  switch (node.kind) {
    case 'number':
    case 'string':
    case 'vectorSelector':
      return [];
    case 'matrixSelector':
      return [node.selector];
    case 'subquery':
    case 'unary':
    case 'stepInvariant':
    case 'shared':
      return [node.expr];
    case 'call':
      return node.args;
    case 'aggregate':
      return node.param === undefined ? [node.expr] : [node.param, node.expr];
    case 'binary':
      return [node.lhs, node.rhs];
  }
}

/** A node like `node` whose children are what `change` makes of them; `node` itself if nothing changed. */
export function mapChildren(node: PlanNode, change: (child: PlanNode) => PlanNode): PlanNode {
  switch (node.kind) {
    case 'number':
    case 'string':
    case 'vectorSelector':
      return node;
    case 'matrixSelector': {
      const selector = change(node.selector);
      return selector === node.selector || selector.kind !== 'vectorSelector' ? node : { ...node, selector };
    }
    case 'subquery':
    case 'unary':
    case 'stepInvariant':
    case 'shared': {
      const expr = change(node.expr);
      return expr === node.expr ? node : { ...node, expr };
    }
    case 'call': {
      const args = node.args.map(change);
      return args.every((arg, i) => arg === node.args[i]) ? node : { ...node, args };
    }
    case 'aggregate': {
      const param = node.param === undefined ? undefined : change(node.param);
      const expr = change(node.expr);
      return expr === node.expr && param === node.param ? node : { ...node, expr, param };
    }
    case 'binary': {
      const lhs = change(node.lhs);
      const rhs = change(node.rhs);
      return lhs === node.lhs && rhs === node.rhs ? node : { ...node, lhs, rhs };
    }
  }
}
