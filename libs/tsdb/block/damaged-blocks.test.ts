/**
 * Readers of blocks against damage: cut, flipped, spliced, with checksums that match the damage so that it is found behind them.
 * Whatever the bytes are, a reader ends, asks for no more than there is, and says which file is corrupt, and where.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../errors/failure.ts';
import { crc32c } from '../../model/encoding/crc32c.ts';
import { type Histogram, staleHistogram } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { memoryReader, type RangeReader } from '../../std/range-reader.ts';
import { Prng } from '../../std/testing/prng.ts';
import { FaultyDisk } from '../wal/faulty-disk.testing.ts';
import { type TestSeries, ulidOf, writeTestBlock } from './block.testing.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { openIndex, PostingsTableScanner, SeriesScanner } from './index-reader.ts';
import { type BlockMeta, parseMeta } from './meta.ts';
import { type BlockFiles, readBlockSeries } from './read-block.ts';
import { encodeTombstones, parseTombstones, touches } from './tombstones.ts';
import { verifyBlock } from './verify-block.ts';

const { signal } = new AbortController();

interface Whole {
  readonly meta: BlockMeta;
  readonly metaBytes: Uint8Array;
  readonly index: Uint8Array;
  readonly chunks: Uint8Array;
  /** Ranges [begin, end) whose CRC-32C stands behind them, in index and chunks. */
  readonly indexChecked: readonly (readonly [number, number])[];
  readonly chunksChecked: readonly (readonly [number, number])[];
}

let whole: Whole;

const histogram = (count: number, integer: boolean): Histogram => ({
  ...staleHistogram(integer),
  stale: false,
  count: 2 * count,
  sum: count,
  positiveSpans: Int32Array.of(0, 2),
  positiveBuckets: Float64Array.of(count, count),
});

function someSeries(): TestSeries[] {
  return Array.from({ length: 24 }, (_, i) => ({
    labels: Labels.from([
      ['__name__', `m${i % 3}`],
      ['i', `${i}`],
    ]),
    samples: Array.from({ length: 1 + (i % 40) }, (_, j) => ({
      t: 1000 * j,
      v: i % 4 === 1 ? histogram(j, true) : i % 4 === 2 ? histogram(j / 3, false) : j * i,
      st: i % 8 > 3 ? 500 : 0,
    })),
  }));
}

before(async () => {
  const disk = new FaultyDisk();
  const ulid = ulidOf(new Prng(1));
  const meta = await writeTestBlock({ disk, directory: '/b', ulid, series: someSeries(), samplesPerChunk: 11 });
  const bytesOf = (name: string) => Uint8Array.from(disk.files.get(`/b/${ulid}/${name}`)?.bytes ?? []);
  const index = bytesOf('index');
  const chunks = bytesOf('chunks/000001');
  const { toc } = await openIndex(memoryReader('index', index), signal);
  const view = new DataView(index.buffer);
  const indexChecked: [number, number][] = [[index.length - 52, index.length - 4]];
  for (const begin of [toc.symbols, toc.postingsTable])
    indexChecked.push([begin + 4, begin + 4 + view.getUint32(begin)]);
  const opened = await openIndex(memoryReader('index', index), signal);
  const series = new SeriesScanner(opened, 1 << 20, signal);
  while (series.next() || (await series.fill())) {
    let at = series.offset;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = index[at++];
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    indexChecked.push([at, at + length]);
  }
  const table = await PostingsTableScanner.open(opened, 1 << 20, signal);
  while (table.next() || (await table.fill())) {
    indexChecked.push([table.listOffset + 4, table.listOffset + 4 + view.getUint32(table.listOffset)]);
  }
  const chunksChecked: [number, number][] = [];
  for (let at = 8; at < chunks.length; ) {
    // Chunks here are shorter than 128 bytes or 16 KiB.
    const long = chunks[at] >= 0x80;
    const length = long ? (chunks[at] & 0x7f) | (chunks[at + 1] << 7) : chunks[at];
    const begin = at + (long ? 2 : 1);
    chunksChecked.push([begin, begin + 1 + length]);
    at = begin + 1 + length + 4;
  }
  whole = { meta, metaBytes: bytesOf('meta.json'), index, chunks, indexChecked, chunksChecked };
});

interface Damage {
  readonly kind: 'cut' | 'flip' | 'set' | 'splice';
  readonly at: number;
  readonly from: number;
  readonly count: number;
  readonly byte: number;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('cut', 'flip', 'set', 'splice'),
  at: fc.nat(),
  from: fc.nat(),
  count: fc.integer({ min: 1, max: 40 }),
  byte: fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff),
});

function damaged(bytes: Uint8Array, damages: readonly Damage[]): Uint8Array {
  let result = Uint8Array.from(bytes);
  for (const { kind, at, from, count, byte } of damages) {
    if (result.length === 0) break;
    const place = at % result.length;
    if (kind === 'cut') result = result.slice(0, place);
    else if (kind === 'flip') result[place] ^= 1 << (from % 8);
    else if (kind === 'set') result.fill(byte, place, place + Math.min(count, 8));
    else result.copyWithin(place, from % result.length, (from % result.length) + count);
  }
  return result;
}

/** Makes the checksums match again where the ranges are still there: damage behind a checksum that is right. */
function repaired(bytes: Uint8Array, checked: readonly (readonly [number, number])[]): Uint8Array {
  const view = new DataView(bytes.buffer);
  for (const [begin, end] of checked) if (end + 4 <= bytes.length) view.setUint32(end, crc32c(bytes, begin, end));
  return bytes;
}

/** A file of tombstones with these entries. */
function tombstonesOf(entries: Uint8Array): Uint8Array {
  const empty = encodeTombstones(new Map());
  const bytes = new Uint8Array(empty.length + entries.length);
  bytes.set(empty.subarray(0, 5));
  bytes.set(entries, 5);
  return repaired(bytes, [[5, bytes.length - 4]]);
}

/** A reader that counts what is asked of it, and gives up on one who never ends. */
function guarded(name: string, bytes: Uint8Array): RangeReader {
  const reader = memoryReader(name, bytes);
  let asked = 0;
  return {
    ...reader,
    async read(begin, end, stop) {
      asked += 1 + end - begin;
      assert.ok(asked < 100_000 + 200 * bytes.length, 'a reader ends');
      return reader.read(begin, end, stop);
    },
  };
}

async function mustEndOrSay(
  run: () => Promise<unknown>,
  kinds: readonly Failure['kind'][] = ['internal'],
): Promise<void> {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof Failure, error instanceof Error ? error.stack : String(error));
    assert.ok(kinds.includes(error.kind), error.message);
    if (error instanceof CorruptBlock) assert.match(error.message, /^\S+ is corrupt at byte \d+: /);
  }
}

describe('damaged blocks', () => {
  const damages = fc.array(damage, { minLength: 1, maxLength: 4 });

  it('are never more than an error that names file and place', async () => {
    await fc.assert(
      fc.asyncProperty(
        damages,
        damages,
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        async (a, b, index, chunks, repair) => {
          let indexBytes = index ? damaged(whole.index, a) : whole.index;
          let chunksBytes = chunks ? damaged(whole.chunks, b) : whole.chunks;
          if (repair) {
            indexBytes = repaired(Uint8Array.from(indexBytes), whole.indexChecked);
            chunksBytes = repaired(Uint8Array.from(chunksBytes), whole.chunksChecked);
          }
          const files: BlockFiles = {
            meta: whole.meta,
            index: guarded('index', indexBytes),
            openSegment: async (segment) => {
              if (segment !== 0) throw new CorruptBlock(`chunks/${segment}`, 0, 'there is no such file');
              return guarded('chunks', chunksBytes);
            },
            tombstones: new Map(),
          };
          await mustEndOrSay(() => verifyBlock(files, { deep: true }, signal));
          await mustEndOrSay(async () => {
            for await (const _ of readBlockSeries(files, signal));
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it('tombstones', async () => {
    const tombstones = encodeTombstones(
      new Map([
        [5, Float64Array.of(1, 2, 7, 9)],
        [9, Float64Array.of(-5, 1e12)],
      ]),
    );
    assert.deepEqual(parseTombstones('t', tombstones).get(5), Float64Array.of(1, 2, 7, 9));
    // In no order, some empty, some that touch: what is deleted is the same.
    const times = fc.integer({ min: 0, max: 30 });
    const lists = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), times, times), { maxLength: 20 });
    fc.assert(
      fc.property(lists, (entries) => {
        const sink = new ByteSink();
        for (const [ref, minT, maxT] of entries) {
          sink.writeUvarint(ref);
          sink.writeVarint(minT);
          sink.writeVarint(maxT);
        }
        const parsed = parseTombstones('t', tombstonesOf(sink.bytes.subarray(0, sink.length)));
        for (let ref = 0; ref < 6; ref++) {
          const intervals = parsed.get(ref) ?? new Float64Array(0);
          for (let t = 0; t <= 31; t++) {
            const isDeleted = entries.some(([of, minT, maxT]) => of === ref && minT <= t && t <= maxT);
            assert.equal(touches(intervals, t, t), isDeleted);
          }
          for (let i = 2; i < intervals.length; i += 2) assert.ok(intervals[i] > intervals[i - 1] + 1);
        }
        assert.equal(parsed.size, new Set(entries.filter(([, minT, maxT]) => minT <= maxT).map(([ref]) => ref)).size);
      }),
    );
    // As many as fit into the file would take gigabytes.
    assert.throws(() => parseTombstones('t', tombstonesOf(new Uint8Array(3 * (16 << 20) + 3))), /16777217 entries/);
    await fc.assert(
      fc.asyncProperty(damages, fc.boolean(), async (changes, repair) => {
        const bytes = damaged(tombstones, changes);
        if (repair && bytes.length > 9) repaired(bytes, [[5, bytes.length - 4]]);
        await mustEndOrSay(async () => parseTombstones('tombstones', bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('meta.json', async () => {
    await fc.assert(
      fc.asyncProperty(damages, async (changes) => {
        await mustEndOrSay(async () => parseMeta('meta.json', damaged(whole.metaBytes, changes)), ['bad_data']);
      }),
      { numRuns: 500 },
    );
  });

  for (const { name, text } of [
    { name: 'no object', text: '[]' },
    { name: 'nothing', text: '' },
    { name: 'a version of the future', text: '{"version":2}' },
    { name: 'a version of the future of its Thanos section', text: '{"version":1,"thanos":{"version":2}}' },
    { name: 'a name that is no ULID', text: '{"version":1,"ulid":"../../x","minTime":1,"maxTime":2}' },
    {
      name: 'times that are no numbers',
      text: '{"version":1,"ulid":"01HF7YAT00BRAD5CS6H24WVRN3","minTime":"1","maxTime":2}',
    },
    {
      name: 'an end before the begin',
      text: '{"version":1,"ulid":"01HF7YAT00BRAD5CS6H24WVRN3","minTime":3,"maxTime":2}',
    },
    {
      name: 'a name that is brackets',
      text: `{"version":1,"minTime":1,"maxTime":2,"ulid":${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
    },
    { name: 'a field of a million values', text: `{"version":1,"x":[0${',0'.repeat(1e6)}]}` },
    {
      name: 'times beyond whole numbers',
      text: '{"version":1,"ulid":"01HF7YAT00BRAD5CS6H24WVRN3","minTime":1,"maxTime":1e300}',
    },
  ]) {
    it(`a meta.json with ${name} is refused by name`, () => {
      const parse = () => parseMeta('bucket/meta.json', new TextEncoder().encode(text));
      assert.throws(parse, { kind: 'bad_data', message: /^bucket\/meta\.json/ });
    });
  }

  it('an index of 0 bytes, and one whose symbols claim 4 GB', async () => {
    await assert.rejects(openIndex(memoryReader('index', new Uint8Array(0)), signal), CorruptBlock);
    const bytes = Uint8Array.from(whole.index);
    new DataView(bytes.buffer).setUint32(5, 0xffff_fff0);
    const files: BlockFiles = {
      meta: whole.meta,
      index: guarded('index', bytes),
      openSegment: async () => guarded('chunks', whole.chunks),
      tombstones: new Map(),
    };
    await assert.rejects(
      verifyBlock(files, { deep: false }, signal),
      /index is corrupt at byte 5: a section of 4294967280 bytes/,
    );
  });

  it('chunks that Thanos has downsampled are refused by that name', async () => {
    const bytes = Uint8Array.from(whole.chunks);
    const [begin] = whole.chunksChecked[0] ?? [0];
    bytes[begin] = 0xff;
    const files: BlockFiles = {
      meta: whole.meta,
      index: guarded('index', whole.index),
      openSegment: async () => guarded('chunks', repaired(bytes, whole.chunksChecked)),
      tombstones: new Map(),
    };
    const named = /chunks is corrupt at byte 8: encoding 255 \(what Thanos has downsampled\) of a chunk is not known/;
    await assert.rejects(verifyBlock(files, { deep: true }, signal), named);
  });
});
