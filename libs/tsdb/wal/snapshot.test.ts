/** The file of a snapshot, of heads that are nothing but numbers and bytes. What heads write into it is tested in tsdb.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId } from '../../model/tenant-id.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource } from '../../std/byte-source.ts';
import { FaultyDisk } from './faulty-disk.testing.ts';
import { newReport, readFrames } from './frame.ts';
import { loadSnapshot, type SnapshotState, snapshotPath, writeSnapshot } from './snapshot.ts';

const directory = '/snapshots';
const tenant = parseTenantId('a');
const none = () => undefined;

/** Series 1 to `count` of `bytesOf(id)` bytes each; remembers which were read, and the most that were written at once. */
class FakeHead implements SnapshotState {
  readonly lastId: number;
  readonly ids = new Set<number>();
  readonly #bytesOf: (id: number) => number;

  constructor(count: number, bytesOf: (id: number) => number) {
    this.lastId = count;
    this.#bytesOf = bytesOf;
  }

  get seriesCount(): number {
    return this.lastId;
  }

  sliceEnd(fromId: number, count: number): number {
    return Math.min(fromId + count, this.lastId + 1);
  }

  writeSlice(fromId: number, toId: number, out: ByteSink): void {
    out.writeUvarint(toId);
    for (let id = fromId; id < toId; id++) {
      const bytes = this.#bytesOf(id);
      out.reserve(bytes);
      out.length += bytes;
    }
  }

  readSlice(bytes: Uint8Array, begin: number, end: number, fromId: number): void {
    const toId = new ByteSource(bytes, begin, end).readUvarint();
    for (let id = fromId; id < toId; id++) this.ids.add(id);
  }

  idsBetween(fromId: number, toId: number): number[] {
    return [...this.ids].filter((id) => id >= fromId && id < toId);
  }

  startAfter = none;
  writeExtras = none;
  readExtras = none;
  writeLoggedFrom = none;
  readLoggedFrom = none;
}

describe('a snapshot', () => {
  for (const { name, bytesOf, frames } of [
    { name: 'small series, many at once', bytesOf: () => 100, frames: 11 },
    { name: 'large series, few at once', bytesOf: () => 100_000, frames: 35 },
    { name: 'one large series among small ones', bytesOf: (id: number) => (id === 150 ? 5_000_000 : 100), frames: 20 },
  ]) {
    it(`is written and read in slices that fit into memory: ${name}`, async () => {
      const disk = new FaultyDisk();
      const head = new FakeHead(300, bytesOf);
      await writeSnapshot(disk, directory, 7, new Map([[tenant, head]]), () => 1, undefined, none);
      let count = 0;
      let largest = 0;
      for await (const { begin, end } of readFrames(disk, snapshotPath(directory, 7), 'MaruSNAP', newReport())) {
        count++;
        largest = Math.max(largest, end - begin);
      }
      const one = Math.max(...Array.from({ length: 300 }, (_, i) => bytesOf(i + 1)));
      assert.ok(largest < one + (1 << 21), `${largest} bytes in one slice`);
      assert.ok(count <= frames, `${count} slices`);
      const copy = new FakeHead(300, bytesOf);
      const loaded = await loadSnapshot(disk, directory, 7, () => copy, none);
      assert.deepEqual(loaded.damages, []);
      assert.equal(copy.ids.size, 300);
    });
  }
});
