/**
 * What is wrong with an expression and where, in Prometheus' words: `1:5: parse error: unexpected "]" in ...`.
 * Owns the form of that message. Facts: Prometheus promql/parser/{parse.go,posrange/posrange.go}.
 */
import { Failure } from '../../errors/failure.ts';

/** A failure of kind bad_data whose message is Prometheus'. */
export class ParseError extends Failure {
  /** UTF-8 byte of the query that the message points at. */
  readonly start: number;
  /** The message without its position. */
  readonly reason: string;

  constructor(query: string, start: number, reason: string) {
    super('bad_data', `${linePositions(query)(start)}: parse error: ${reason}`);
    this.name = 'ParseError';
    this.start = start;
    this.reason = reason;
  }
}

/**
 * Line and column of UTF-8 byte offsets, both from 1, the column in bytes. Also ends the texts of annotations, of which there may be
 * many, and a query may have megabytes: it is read once.
 * @returns `unknown position` for an empty query, `invalid position` for a place outside of it.
 */
export function linePositions(query: string): (byteOffset: number) => string {
  const bytes = Buffer.from(query);
  const breaks: number[] = [];
  let next = bytes.indexOf(10);
  return (byteOffset) => {
    if (query === '') return 'unknown position';
    if (byteOffset < 0 || byteOffset > bytes.length) return 'invalid position';
    for (; next >= 0 && next < byteOffset; next = bytes.indexOf(10, next + 1)) breaks.push(next);
    let line = 0;
    for (let end = breaks.length; line < end; ) {
      const middle = (line + end) >> 1;
      if ((breaks[middle] as number) < byteOffset) line = middle + 1;
      else end = middle;
    }
    return `${line + 1}:${byteOffset - (breaks[line - 1] ?? -1)}`;
  };
}
