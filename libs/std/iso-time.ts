/** Times for people, whatever the number: what others wrote may lie beyond every calendar. */

/** The farthest that a Date reaches, both ways. */
const dateMsMax = 8.64e15;

/** Milliseconds as `2026-11-27T10:00:00.000Z`; a number that is no date as the number that it is. */
export function isoTime(ms: number): string {
  return Math.abs(ms) <= dateMsMax ? new Date(ms).toISOString() : String(ms);
}
