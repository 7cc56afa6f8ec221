/**
 * Series of two sources joined by their labels: what it costs, and what the longest turn of it does that nobody else is heard in.
 * Once in the order of their labels (blocks), once not (a head).
 */
import { Prng } from '../std/testing/prng.ts';
import { mergeSources } from './merge-sources.ts';
import type { SelectedSeries, SeriesSource } from './series-source.ts';

const smoke = process.env['MARU_TEST_BENCH'] === 'smoke';
const runs = smoke ? 1 : 21;
const { signal } = new AbortController();
const query = { matchers: [], minT: 0, maxT: 1 };

/** A target a pod; `prng` brings them out of order. */
function selectionOf(count: number, first: number, prng: Prng | undefined): SelectedSeries {
  const texts = ['__name__', 'http_requests_total', 'instance', 'job', 'api', 'pod', 'zone'];
  const zones = Array.from({ length: 3 }, (_, i) => texts.push(`zone-${i}`) - 1);
  const numbers = Uint32Array.from({ length: count }, (_, i) => first + i);
  for (let i = count - 1; i > 0 && prng !== undefined; i--) {
    const j = prng.below(i + 1);
    [numbers[i], numbers[j]] = [numbers[j] as number, numbers[i] as number];
  }
  const width = 10;
  const refs = new Uint32Array(count * width);
  for (const [i, number] of numbers.entries()) {
    const padded = `${number}`.padStart(7, '0');
    const instance = texts.push(`10.0.${padded}:9100`) - 1;
    const pod = texts.push(`http-api-server-7d9c6b8f5-${padded}`) - 1;
    refs.set([0, 1, 2, instance, 3, 4, 5, pod, 6, zones[number % 3] as number], i * width);
  }
  // As they come from elsewhere: not put together on this thread.
  const strings = texts.map((text) => Buffer.from(text).toString('latin1'));
  const begin = Uint32Array.from({ length: count + 1 }, (_, i) => i * width);
  return { labels: { strings, begin, refs }, warnings: [], chunks: async function* () {} };
}

function sourceOf(selected: SelectedSeries): SeriesSource {
  const none = async () => ({ values: [], warnings: [] });
  const lists = { labelNames: none, labelValues: none, series: none, exemplars: none, metadata: none };
  return { select: async () => selected, ...lists };
}

/** CPU, as others may have the machine. */
const nowMs = (): number => process.threadCpuUsage().user / 1000;

/** Milliseconds of one merge, and of its longest turn. */
async function timed(sources: readonly SeriesSource[]): Promise<[number, number]> {
  let longest = 0;
  let goesOn = true;
  const began = nowMs();
  let last = began;
  const look = (): void => {
    const now = nowMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (goesOn) setImmediate(look);
  };
  setImmediate(look);
  await mergeSources(sources).select(query, signal);
  const ms = nowMs() - began;
  goesOn = false;
  look();
  return [ms, longest];
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

for (const count of smoke ? [100] : process.argv[2] ? [Number(process.argv[2])] : [20, 1_000, 30_000, 150_000]) {
  for (const isSorted of [true, false]) {
    const prng = isSorted ? undefined : new Prng(1);
    const sources = [sourceOf(selectionOf(count, 0, prng)), sourceOf(selectionOf(count, count >> 4, prng))];
    const all: [number, number][] = [];
    const batch = Math.max(1, 3_000 / count);
    for (let run = 0; run < runs; run++) {
      let ms = 0;
      let longest = 0;
      for (let i = 0; i < batch; i++) {
        const one = await timed(sources);
        ms += one[0] / batch;
        longest = Math.max(longest, one[1]);
      }
      if (run > 2 || smoke) all.push([ms, longest]);
    }
    console.log(
      `two sources of ${count} series${isSorted ? ' in order' : ''}: ${median(all.map(([ms]) => ms)).toFixed(3)} ms of CPU, ` +
        `longest turn ${median(all.map(([, longest]) => longest)).toFixed(2)} ms`,
    );
  }
}
