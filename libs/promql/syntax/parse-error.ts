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
    super('bad_data', `${linePosition(query, start)}: parse error: ${reason}`);
    this.name = 'ParseError';
    this.start = start;
    this.reason = reason;
  }
}

/**
 * Line and column of a UTF-8 byte offset, both from 1, the column in bytes. Also ends the text of an annotation.
 * @returns `unknown position` for an empty query, `invalid position` for a place outside of it.
 */
export function linePosition(query: string, byteOffset: number): string {
  if (query === '') return 'unknown position';
  const bytes = Buffer.from(query);
  if (byteOffset < 0 || byteOffset > bytes.length) return 'invalid position';
  let line = 1;
  let lineBreak = -1;
  for (let at = bytes.indexOf(10); at >= 0 && at < byteOffset; at = bytes.indexOf(10, at + 1)) {
    line++;
    lineBreak = at;
  }
  return `${line}:${byteOffset - lineBreak}`;
}
