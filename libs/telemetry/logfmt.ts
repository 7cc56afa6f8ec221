/**
 * A log line for a person at a terminal: `level=info ts=... msg="the head is restored"`.
 * Owns the quoting. A value may come from a client (a query, a path): nothing in it reaches the terminal as a control
 * character, C1 controls (0x9b begins an escape sequence as ESC [ does) included.
 */

const bare = /^[!#-<>-~]+$/;
const unescapedControls = /[\u007f-\u009f]/g;

/** One JSON object of a log as logfmt; anything else as it is. */
export function logfmtLine(json: string): string {
  const fields: unknown = JSON.parse(json);
  if (typeof fields !== 'object' || fields === null) return json;
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${logfmtValue(value)}`)
    .join(' ');
}

function logfmtValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (bare.test(text)) return text;
  return JSON.stringify(text).replace(unescapedControls, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
