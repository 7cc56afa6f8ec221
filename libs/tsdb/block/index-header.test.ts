import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempFolder } from '../../../test/support/temp-folder.ts';
import { realDisk } from '../../std/disk.ts';
import { memoryReader, type RangeReader } from '../../std/range-reader.ts';
import { Prng } from '../../std/testing/prng.ts';
import { ulidOf, writeTestBlock } from './block.testing.ts';
import { gridOfSeries } from './block-source.testing.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { BadIndexHeader, buildIndexHeader, openIndexHeader } from './index-header.ts';
import { IndexLookup } from './index-lookup.ts';
import { selectPlaces } from './select-places.ts';

const { signal } = new AbortController();
const never: RangeReader['read'] = () => Promise.reject(new Error('the bucket was asked'));

async function indexOf(path: string): Promise<Buffer> {
  const ulid = ulidOf(new Prng(1));
  await writeTestBlock({ disk: realDisk, directory: path, ulid, series: gridOfSeries(20, 30, 3) });
  return readFile(join(path, ulid, 'index'));
}

describe('a header', () => {
  it('answers matchers without the bucket, and is built from few reads', async () => {
    await using folder = await tempFolder('header');
    const index = await indexOf(folder.path);
    const path = join(folder.path, 'x/y.header');
    let reads = 0;
    const memory = memoryReader('index', index);
    const counted: RangeReader = {
      ...memory,
      read: (...args) => {
        reads++;
        return memory.read(...args);
      },
    };
    const bytes = await buildIndexHeader(counted, realDisk, path, 1 << 30, signal);
    assert.ok(reads <= 4, `${reads} reads`);
    assert.ok(bytes < index.length);
    await using header = await openIndexHeader(realDisk, path, index.length, signal);
    assert.equal(header.hasPostings, true);
    assert.equal(header.bytes, bytes);
    const reader = header.reader({ name: 'index', size: index.length, read: never });
    const lookup = await IndexLookup.load(reader, 1 << 30, signal);
    for (const name of lookup.names) {
      const rows = lookup.rowsOf(name) ?? assert.fail(name);
      const texts = Array.from({ length: rows.end - rows.begin }, (_, i) => lookup.valueText(rows.begin + i));
      for (const prefix of ['', ...texts.flatMap((text) => [text, text.slice(0, -1), text.slice(0, 1), `${text}x`])]) {
        const { begin, end } = lookup.rowsWithPrefix(rows, prefix);
        const wanted = texts.filter((text) => text.startsWith(prefix));
        assert.deepEqual(texts.slice(begin - rows.begin, end - rows.begin), wanted);
      }
    }
    const matchers = [{ type: '=~', name: 'job', value: 'w.*' } as const];
    const local = await IndexLookup.load(memory, 1 << 30, signal);
    const places = await selectPlaces(lookup, reader, matchers, signal);
    assert.deepEqual(places, await selectPlaces(local, memory, matchers, signal));
    assert.equal(places.length, 400);
    await assert.rejects(reader.read(places[0] * 16, places[0] * 16 + 5, signal), /the bucket was asked/);
  });

  it('leaves nothing on the disk where its building breaks off', async () => {
    await using folder = await tempFolder('header');
    const memory = memoryReader('index', await indexOf(folder.path));
    let reads = 0;
    const failing: RangeReader = {
      ...memory,
      read: async (...args) => {
        if (++reads > 3) throw new Error('the bucket is away');
        return memory.read(...args);
      },
    };
    await assert.rejects(
      buildIndexHeader(failing, realDisk, join(folder.path, 'x/y.header'), 1 << 30, signal),
      /the bucket is away/,
    );
    assert.deepEqual(await realDisk.list(join(folder.path, 'x')), []);
  });

  it('leaves large postings in the bucket', async () => {
    await using folder = await tempFolder('header');
    const index = await indexOf(folder.path);
    const path = join(folder.path, 'y.header');
    const memory = memoryReader('index', index);
    await buildIndexHeader(memory, realDisk, path, 100, signal);
    await using header = await openIndexHeader(realDisk, path, index.length, signal);
    assert.equal(header.hasPostings, false);
    const lookup = await IndexLookup.load(
      header.reader({ name: 'index', size: index.length, read: never }),
      1 << 30,
      signal,
    );
    assert.equal((await selectPlaces(lookup, header.reader(memory), [], signal)).length, 600);
  });

  it('any damage is found when it is opened', async () => {
    await using folder = await tempFolder('header');
    const index = await indexOf(folder.path);
    const path = join(folder.path, 'y.header');
    await buildIndexHeader(memoryReader('index', index), realDisk, path, 1 << 30, signal);
    const sound = await readFile(path);
    await assert.rejects(openIndexHeader(realDisk, path, index.length + 16, signal), BadIndexHeader);
    const prng = new Prng(7);
    for (let run = 0; run < 300; run++) {
      const bytes = Buffer.from(sound);
      const at = prng.below(bytes.length);
      if (run % 3 === 0) bytes[at] ^= 1 << prng.below(8);
      else if (run % 3 === 1) bytes.writeUInt32BE(prng.nextUint32(), Math.min(at, bytes.length - 4));
      const damaged = run % 3 === 2 ? bytes.subarray(0, at) : bytes;
      if (damaged.equals(sound)) continue;
      await writeFile(path, damaged);
      await assert.rejects(openIndexHeader(realDisk, path, index.length, signal), BadIndexHeader, `run ${run}`);
    }
  });

  it('of an index that is none is not built', async () => {
    await using folder = await tempFolder('header');
    const index = await indexOf(folder.path);
    index[index.length - 10] ^= 255;
    const built = buildIndexHeader(memoryReader('index', index), realDisk, join(folder.path, 'h'), 1 << 30, signal);
    await assert.rejects(built, CorruptBlock);
    const empty = buildIndexHeader(
      memoryReader('index', new Uint8Array(0)),
      realDisk,
      join(folder.path, 'h'),
      1,
      signal,
    );
    await assert.rejects(empty, CorruptBlock);
  });
});
