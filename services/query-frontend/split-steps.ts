/**
 * The steps of a range query in parts, cut where days begin (UTC), so that the same days are the same parts for everybody who asks.
 * Owns where the cuts are. Steps stay what they are, and none stands alone: a part costs a way to a querier and back, however small it is.
 */

/** Steps of a range query; the end is the last of them. */
export interface Steps {
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

const dayMs = 86_400_000;

/** All steps in order, a day in each part, or as many days as two steps need. */
export function splitSteps({ startMs, endMs, stepMs }: Steps): Steps[] {
  const spanMs = dayMs * Math.max(1, Math.ceil((2 * stepMs) / dayMs));
  const lastMs = startMs + Math.floor((endMs - startMs) / stepMs) * stepMs;
  const parts: Steps[] = [];
  for (let at = startMs; at <= lastMs; ) {
    const boundary = (Math.floor(at / spanMs) + 1) * spanMs;
    let end = Math.min(lastMs, at + (Math.ceil((boundary - at) / stepMs) - 1) * stepMs);
    // Neither this part nor what is left after it may be a single step.
    if (end === at && end < lastMs) end += stepMs;
    if (lastMs - end === stepMs) end = lastMs;
    parts.push({ startMs: at, endMs: end, stepMs });
    at = end + stepMs;
  }
  return parts;
}
