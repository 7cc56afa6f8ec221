/**
 * A text that keeps no other alive. V8 makes of a piece of a text a view of the whole: what is kept of a request for long would keep its
 * body of megabytes.
 */

/** Shorter pieces are copied by V8 itself. */
const viewLengthMin = 13;

/** The same text in memory of its own. */
export function ownText(text: string): string {
  if (text.length < viewLengthMin || !text.isWellFormed()) return text;
  return Buffer.from(text).toString();
}
