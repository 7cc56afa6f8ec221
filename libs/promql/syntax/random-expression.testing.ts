/**
 * Random expressions of the whole grammar, sound in their types, as text. For tests: of the parser against its printer
 * here, and of whole engines against each other. Owns the choice of words and shapes; the caller owns the randomness.
 */
import { type AggregateOp, aggregateParamType, type ValueType } from './ast.ts';
import { type FunctionSignature, functionsTable } from './functions-table.ts';

/** Uniform in [0, 1). */
export type Random = () => number;

const metrics = ['foo', 'bar', 'http_requests_total', 'a:b', 'sum', 'offset', 'step'];
const labels = ['job', 'le', 'by', 'instance', '"utf8.name"', "'__x'"];
const numbers = [
  '0',
  '1',
  '2.5',
  '.5',
  '5.',
  '1e3',
  '0x1f',
  '077',
  '1_000',
  '5m',
  '1h30m',
  '250ms',
  '(Inf)',
  'NaN',
  '0.0001',
];
const durations = ['5m', '1h', '90s', '1d', '300', '2.5', '1w'];
const strings = ['"x"', "'y'", '`z`', '"\\u00e9\\n"', '"\\xff"', '"q\\"q"'];
const aggregations: readonly AggregateOp[] = [
  ...(['sum', 'avg', 'count', 'min', 'max', 'group', 'stddev', 'stdvar', 'topk', 'bottomk'] as const),
  ...(['count_values', 'quantile', 'limitk', 'limit_ratio'] as const),
];
const arithmetic = ['+', '-', '*', '/', '%', '^', 'atan2', '</', '>/'];
const comparisons = ['==', '!=', '<', '<=', '>', '>='];

/** A random expression of the type, at most about so many levels deep. */
export function randomExpression(random: Random, type: ValueType, depth: number): string {
  return new Generator(random).ofType(type, depth);
}

class Generator {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  ofType(type: ValueType, depth: number): string {
    switch (type) {
      case 'string':
        return this.#oneOf(strings);
      case 'matrix':
        return this.#matrix(depth);
      case 'scalar':
        return this.#scalar(depth);
      case 'vector':
        return this.#vector(depth);
    }
  }

  #chance(likelihood: number): boolean {
    return this.#random() < likelihood;
  }

  #oneOf<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T;
  }

  #list(choices: readonly string[], countMin: number): string {
    const count = countMin + Math.floor(this.#random() * 3);
    return Array.from({ length: count }, () => this.#oneOf(choices)).join(this.#oneOf([',', ', ', ' , ']));
  }

  #scalar(depth: number): string {
    if (depth <= 0 || this.#chance(0.3)) return this.#oneOf(numbers);
    switch (Math.floor(this.#random() * 4)) {
      case 0:
        return `${this.#scalar(depth - 1)} ${this.#oneOf(arithmetic)} ${this.#scalar(depth - 1)}`;
      case 1:
        return `(${this.#scalar(depth - 1)} ${this.#oneOf(comparisons)} bool ${this.#scalar(depth - 1)})`;
      case 2:
        return this.#oneOf(['-', '+']) + this.#scalar(depth - 1);
      default:
        return this.#call('scalar', depth);
    }
  }

  #vector(depth: number): string {
    if (depth <= 0 || this.#chance(0.2)) return this.#selector() + this.#modifiers();
    switch (Math.floor(this.#random() * 6)) {
      case 0:
        return this.#aggregation(depth);
      case 1:
      case 2:
        return this.#call('vector', depth);
      case 3:
        return `(${this.#vector(depth - 1)})`;
      case 4:
        return this.#oneOf(['-', '+']) + this.#vector(depth - 1);
      default:
        return this.#binary(depth);
    }
  }

  #matrix(depth: number): string {
    const range = this.#duration(2);
    if (depth <= 0 || this.#chance(0.6)) return `${this.#selector()}[${range}]${this.#modifiers()}`;
    const step = this.#chance(0.5) ? this.#duration(1) : '';
    // Prometheus takes no colon before the first number.
    const begun = /[0-9]/.test(range) ? range : `5m + ${range}`;
    const extended = / (anchored|smoothed)/g; // not for subqueries
    return `(${this.#vector(depth - 1)})[${begun}:${step}]${this.#modifiers().replace(extended, '')}`;
  }

  #selector(): string {
    const matcher = (): string => {
      const op = this.#oneOf(['=', '!=', '=~', '!~']);
      return `${this.#oneOf(labels)}${op}"${this.#oneOf(['a', '', 'a.*|b', '.+', '[a-c]+'])}"`;
    };
    const matchers = Array.from({ length: Math.floor(this.#random() * 3) }, matcher);
    if (this.#chance(0.2)) return `{"quoted.name"${matchers.map((text) => `, ${text}`).join('')}}`;
    return `${this.#oneOf(metrics)}${matchers.length === 0 && this.#chance(0.8) ? '' : `{${matchers.join(',')}}`}`;
  }

  #modifiers(): string {
    const texts: string[] = [];
    if (this.#chance(0.15)) texts.push(` @ ${this.#oneOf(['1234.567', '-5', 'start()', 'end()', '1m'])}`);
    if (this.#chance(0.2)) texts.push(` offset ${this.#offset()}`);
    if (this.#chance(0.1)) texts.push(this.#oneOf([' anchored', ' smoothed']));
    return (this.#chance(0.5) ? texts : texts.reverse()).join('');
  }

  #offset(): string {
    if (this.#chance(0.6)) return this.#oneOf(['', '-', '+']) + this.#oneOf(durations);
    // Without a sign, operators behind the parenthesis would go on with the duration.
    return this.#oneOf(['-', '+']) + this.#oneOf([`(${this.#duration(2)})`, 'step()', 'range()', 'max_of(step(), 5m)']);
  }

  /** Never literally zero or below. */
  #duration(depth: number): string {
    if (depth <= 0 || this.#chance(0.5)) return this.#oneOf(durations);
    const operand = (): string => this.#duration(depth - 1);
    const binary = `${operand()} ${this.#oneOf(['+', '-', '*', '/', '%', '^'])} ${operand()}`;
    return this.#oneOf([
      binary,
      `(${binary})`,
      'step()',
      'range()',
      `min_of(${operand()}, ${operand()})`,
      `-(${binary})`,
    ]);
  }

  #aggregation(depth: number): string {
    const op = this.#oneOf(aggregations);
    const paramType = aggregateParamType(op);
    const param = paramType === undefined ? '' : `${this.ofType(paramType, depth - 1)}, `;
    const args = `(${param}${this.#vector(depth - 1)})`;
    if (this.#chance(0.4)) return op + args;
    const grouping = ` ${this.#oneOf(['by', 'without'])} (${this.#list(labels, 0)}) `;
    return this.#chance(0.5) ? op + grouping + args : op + args + grouping;
  }

  #call(returnType: ValueType, depth: number): string {
    const candidates = [...functionsTable.values()].filter((func) => func.returnType === returnType);
    const func = this.#oneOf(candidates);
    return `${func.name}(${this.#args(func, depth).join(', ')})`;
  }

  #args({ name, argTypes, variadic }: FunctionSignature, depth: number): string[] {
    if (name === 'info') return [this.#vector(depth - 1), ...(this.#chance(0.5) ? ['{__name__=~".+_info"}'] : [])];
    const types = [...argTypes];
    const last = types.at(-1);
    if (variadic !== 0 && this.#chance(0.3)) types.pop();
    else if (variadic < 0 && last !== undefined && this.#chance(0.5)) types.push(last, last);
    return types.map((type) => this.ofType(type, depth - 1));
  }

  #binary(depth: number): string {
    const left = this.#vector(depth - 1);
    if (this.#chance(0.2)) return `${left} ${this.#oneOf(arithmetic)} ${this.#scalar(depth - 1)}`;
    // Matching is for vectors only, and what is not in parentheses may bind its scalars closer.
    const right = `(${this.#vector(depth - 1)})`;
    const how = this.#chance(0.5)
      ? ` ${this.#oneOf(['on', 'ignoring'])}(${this.#list(['job', 'le', 'instance'], 0)})`
      : '';
    if (this.#chance(0.2)) return `(${left}) ${this.#oneOf(['and', 'or', 'unless'])}${how} ${right}`;
    const compares = this.#chance(0.4);
    const op = compares ? this.#oneOf(comparisons) + (this.#chance(0.5) ? ' bool' : '') : this.#oneOf(arithmetic);
    const include = this.#oneOf(['', ' (x)', ' (x, y)']);
    const group = how !== '' && this.#chance(0.4) ? ` ${this.#oneOf(['group_left', 'group_right'])}${include}` : '';
    const fill = this.#chance(0.2)
      ? this.#oneOf([' fill(0)', ' fill_left(-1.5)', ' fill_right(1) fill_left(2e9)'])
      : '';
    // A parenthesis behind group_left would be its list of labels, so a sign stands between.
    return `(${left}) ${op}${how}${group}${fill} +${right}`;
  }
}
