/**
 * Plain values as the JSON of an answer, in Go's escapes, a piece at a time: the text of a tree as deep as an expression may be is
 * megabytes, and to put it together level by level would copy it as often as it is deep.
 * Owns that text; the pieces are libs/query-api/json-bytes.ts.
 */
import type { Json } from '../../libs/promql/syntax/ast-json.ts';
import type { Worked } from '../../libs/promql/worked.ts';
import type { JsonBytes } from '../../libs/query-api/json-bytes.ts';

/** Values that have a key each are worth this to whoever is told of work. */
const workPerValue = 16;

/** Writes a value; `worked` may throw to end it. */
export function writeJson(output: JsonBytes, value: Json, worked: Worked): void {
  worked(workPerValue);
  if (typeof value === 'string') {
    output.text(value);
  } else if (value === null || typeof value !== 'object') {
    output.raw(JSON.stringify(value));
  } else if (Array.isArray(value)) {
    output.raw('[');
    for (let i = 0; i < value.length; i++) {
      if (i > 0) output.raw(',');
      writeJson(output, value[i] as Json, worked);
    }
    output.raw(']');
  } else {
    let before = '{';
    for (const [key, inner] of Object.entries(value)) {
      output.raw(before);
      output.text(key);
      output.raw(':');
      writeJson(output, inner as Json, worked);
      before = ',';
    }
    output.raw(before === '{' ? '{}' : '}');
  }
}
