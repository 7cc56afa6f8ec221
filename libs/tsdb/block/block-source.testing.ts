/** What the tests of block sources share: selections read to their end, and what they should have found. */

import assert from 'node:assert/strict';
import type { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { decodeChunk } from '../../model/encoding/decode-chunk.ts';
import { Labels } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import { compileMatcher } from '../../model/matcher-predicate.ts';
import type { GivenBatch } from '../../series/join-chunks.ts';
import { makeColumns } from '../../series/merge.ts';
import type { LocatedChunks, SelectQuery, SeriesSource } from '../../series/series-source.ts';
import { Prng } from '../../std/testing/prng.ts';
import { columnsOfSamples, labelsText, rowTexts, type TestSample, type TestSeries } from './block.testing.ts';
import { LocatedReader } from './read-located.ts';

const { signal } = new AbortController();
export const blockBegin = 1_700_006_400_000;

/** Every series that a source finds, in its order, with its samples in the asked time as texts. */
export async function selectRows(source: SeriesSource, query: SelectQuery): Promise<[string, string[]][]> {
  const selected = await source.select(query, signal);
  const { strings, begin, refs } = selected.labels;
  const found: [string, string[]][] = [];
  for (let i = 0; i + 1 < begin.length; i++) {
    const pairs = Array.from(refs.subarray(begin[i], begin[i + 1]), (ref) => strings[ref] as string);
    found.push([labelsText(new Labels(pairs)), []]);
  }
  const byFiles = selected.located === undefined ? undefined : locatedRows(selected.located, query);
  try {
    let next = 0;
    for await (const batch of selected.chunks(signal)) {
      if (batch.firstSeries !== next) throw new Error(`batch of ${batch.firstSeries}, not ${next}`);
      next += batch.chunkBegin.length - 1;
      rowsOf(batch, query).forEach((rows, i) => void found[batch.firstSeries + i]?.[1].push(...rows));
    }
    if (next !== found.length) throw new Error(`batches of ${next} series, not ${found.length}`);
  } catch (error) {
    assert.ok(byFiles === undefined || byFiles instanceof Error, 'read from the files it is refused as well');
    throw error;
  }
  if (byFiles instanceof Error) assert.fail(byFiles);
  if (byFiles !== undefined)
    assert.deepEqual(
      byFiles,
      found.map(([, rows]) => rows),
    );
  return found;
}

/** The samples of each series of a batch. */
function rowsOf(batch: GivenBatch, { minT, maxT }: SelectQuery): string[][] {
  const { encoding, bytes, byteBegin, byteEnd } = batch;
  return Array.from({ length: batch.chunkBegin.length - 1 }, (_, i) => {
    const own: string[] = [];
    for (let c = batch.chunkBegin[i]; c < batch.chunkBegin[i + 1]; c++) {
      const columns = makeColumns(0);
      const end = byteEnd?.[c] ?? byteBegin[c + 1];
      columns.length = decodeChunk(encoding[c] as ChunkEncoding, bytes, byteBegin[c], end, columns, 0);
      own.push(...rowTexts(columns).filter((_, row) => columns.t[row] >= minT && columns.t[row] <= maxT));
    }
    return own;
  });
}

/** The samples of each series as a query worker reads them from the files, or why it cannot. */
function locatedRows(located: LocatedChunks, query: SelectQuery): string[][] | Error {
  try {
    const reader = new LocatedReader(located, 1 << 16);
    const found: string[][] = [];
    for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
      assert.equal(batch.firstSeries, found.length);
      found.push(...rowsOf(batch, query));
    }
    return found;
  } catch (error) {
    if (error instanceof assert.AssertionError || !(error instanceof Error)) throw error;
    return error;
  }
}

/** The same by brute force, without the series that have no sample in the asked time. */
export function expectedSelection(
  series: readonly TestSeries[],
  { matchers, minT, maxT }: SelectQuery,
): [string, string[]][] {
  const predicates = matchers.map((matcher) => ({ name: matcher.name, predicate: compileMatcher(matcher) }));
  return series
    .filter(({ labels }) => predicates.every(({ name, predicate }) => predicate.matches(labels.get(name))))
    .map(({ labels, samples }): [string, string[]] => [
      labelsText(labels),
      rowTexts(columnsOfSamples(samples.filter(({ t }) => t >= minT && t <= maxT))),
    ])
    .filter(([, rows]) => rows.length > 0);
}

/** Series with labels that matchers of every kind tell apart, in the order of their labels, each name's together. */
export function gridOfSeries(metrics: number, instances: number, samples: number, stepMs = 15_000): TestSeries[] {
  const prng = new Prng(metrics * 31 + instances);
  const all: TestSeries[] = [];
  for (let m = 0; m < metrics; m++) {
    for (let i = 0; i < instances; i++) {
      const labels = Labels.from([
        ['__name__', `metric_${String(m).padStart(4, '0')}`],
        ['instance', `host-${String(i).padStart(5, '0')}`],
        ['job', i % 3 === 0 ? 'api' : 'web'],
        ...(i % 4 === 0 ? ([['zone', `z${i % 5}`]] as const) : []),
      ]);
      const begin = blockBegin + (i % 7) * 60_000;
      const own: TestSample[] = Array.from({ length: samples }, (_, s) => ({ t: begin + s * stepMs, v: prng.next() }));
      all.push({ labels, samples: own });
    }
  }
  return all;
}

/** A selector by chance over the labels of gridOfSeries. */
export function randomMatchers(prng: Prng, metrics: number, instances: number): Matcher[] {
  const types = ['=', '!=', '=~', '!~'] as const;
  const pick = <T>(values: readonly T[]): T => values[prng.below(values.length)] as T;
  return Array.from({ length: prng.below(4) }, () => {
    const type = pick(types);
    const name = pick(['__name__', 'instance', 'job', 'zone', 'none']);
    const literal: Readonly<Record<string, readonly string[]>> = {
      __name__: [`metric_${String(prng.below(metrics)).padStart(4, '0')}`, 'absent'],
      instance: [`host-${String(prng.below(instances)).padStart(5, '0')}`],
      job: ['api', 'web', ''],
      zone: ['z0', 'z4', ''],
      none: ['', 'x'],
    };
    const patterns: Readonly<Record<string, readonly string[]>> = {
      __name__: ['metric_000[0-3]', 'metric_0001|metric_0002', '.+', ''],
      instance: ['host-0000.', '.*7', 'host-.*'],
      job: ['api|web', 'a.*', '.*', 'api|'],
      zone: ['z.', '', '.+', 'z0|z9'],
      none: ['.*', '.+', 'x?'],
    };
    const isPattern = type === '=~' || type === '!~';
    return { type, name, value: pick((isPattern ? patterns : literal)[name] ?? ['']) };
  });
}
