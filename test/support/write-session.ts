/**
 * A Maru that a test writes to and reads back from, without a tenant header.
 * Owns the two ways of reading: raw series, and the floats of a selector by their distance to the session's time.
 */
import type { Protocol, PushAnswer } from './push-client.ts';
import { push } from './push-client.ts';
import type { SeriesAnswer } from './query-client.ts';
import { queryAt } from './query-client.ts';
import type { SentSeries } from './remote-write-messages.ts';
import type { Maru } from './start-maru.ts';
import { startMaru } from './start-maru.ts';

export interface WriteSession extends AsyncDisposable {
  readonly maru: Maru;
  write(protocol: Protocol, series: readonly SentSeries[]): Promise<PushAnswer>;
  /** All raw series of a selector, a day back from ten minutes ahead of `now`. */
  raw(selector: string): Promise<readonly SeriesAnswer[]>;
  /** Their floats: milliseconds from `now`, and the value as text. */
  values(selector: string): Promise<(readonly [number, string])[]>;
}

/** @param now milliseconds, a whole second */
export async function startWriteSession(
  now: number,
  args: readonly string[] = [],
  start = startMaru,
): Promise<WriteSession> {
  const maru = await start({ args });
  const raw = async (selector: string) =>
    (await queryAt({ baseUrl: maru.queryUrl }, `${selector}[1d]`, now / 1000 + 600)).result;
  return {
    maru,
    write: (protocol, series) => push(maru.baseUrl, series, { protocol }),
    raw,
    values: async (selector) =>
      (await raw(selector)).flatMap(({ values = [] }) =>
        values.map(([t, v]) => [Math.round(t * 1000) - now, v] as const),
      ),
    [Symbol.asyncDispose]: () => maru[Symbol.asyncDispose](),
  };
}
