import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../errors/failure.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource } from '../../std/byte-source.ts';
import { FaultyDisk } from './faulty-disk.testing.ts';
import {
  beginFrame,
  endFrame,
  type FileReport,
  fileHeaderBytes,
  frameBytesMax,
  frameHeaderBytes,
  makeSalt,
  newReport,
  readFrames,
} from './frame.ts';
import { listSegments, segmentKind, segmentPath } from './segment.ts';
import { WalWriter, type WalWriterOptions } from './writer.ts';

const directory = '/wal';

function optionsFor(disk: FaultyDisk, changes: Partial<WalWriterOptions> = {}): WalWriterOptions {
  return {
    disk,
    directory,
    segmentBytes: 1 << 20,
    fullRetryMs: 5,
    tail: undefined,
    nextSegment: 1,
    nextSeq: 1,
    pendingBytesMax: 1 << 28,
    onFatal: (error) => assert.fail(`fatal: ${String(error)}`),
    onFull: () => undefined,
    ...changes,
  };
}

const say = (text: string) => (out: { writeText(text: string): void }) => out.writeText(text);

async function readAll(disk: FaultyDisk): Promise<{ texts: string[]; seqs: number[]; reports: FileReport[] }> {
  const texts: string[] = [];
  const seqs: number[] = [];
  const reports: FileReport[] = [];
  for (const number of await listSegments(disk, directory)) {
    const report = newReport();
    for await (const frame of readFrames(disk, segmentPath(directory, number), segmentKind, report)) {
      texts.push(new ByteSource(frame.bytes, frame.begin, frame.end).readText());
      seqs.push(frame.seq);
    }
    reports.push(report);
  }
  return { texts, seqs, reports };
}

describe('WalWriter', () => {
  it('has on disk what it acknowledged, after a power cut', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    await Promise.all(['a', 'b', 'c'].map((text) => writer.append(say(text))));
    void writer.append(say('never acknowledged')).catch(() => undefined);
    disk.powerCut();
    const { texts, seqs } = await readAll(disk);
    assert.deepEqual(texts, ['a', 'b', 'c']);
    assert.deepEqual(seqs, [1, 2, 3]);
  });

  it('makes all that wait durable with one sync', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    const before = disk.syncs;
    await Promise.all(Array.from({ length: 50 }, (_, i) => writer.append(say(`${i}`))));
    assert.equal(disk.syncs - before, 1);
    const gate = Promise.withResolvers<void>();
    disk.syncGate = gate.promise;
    const first = writer.append(say('first'));
    await new Promise((resolve) => setTimeout(resolve, 10));
    const rest = Array.from({ length: 50 }, (_, i) => writer.append(say(`behind ${i}`)));
    gate.resolve();
    await Promise.all([first, ...rest]);
    assert.equal(disk.syncs - before, 3);
  });

  it('goes on behind the good part of a torn segment', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    await writer.append(say('kept'));
    void writer.append(say('torn, because only a part of it reached the disk')).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const content = disk.files.get(segmentPath(directory, 1));
    assert.ok(content !== undefined);
    content.bytes = content.bytes.subarray(0, content.bytes.length - 7);
    const { reports } = await readAll(disk);
    const report = reports[0];
    assert.ok(report !== undefined && report.validEnd < report.sizeBytes);
    const again = await WalWriter.open(
      optionsFor(disk, {
        tail: { segment: 1, validEnd: report.validEnd, salt: report.salt },
        nextSegment: 2,
        nextSeq: 2,
      }),
    );
    await again.append(say('later'));
    const after = await readAll(disk);
    assert.deepEqual(after.texts, ['kept', 'later']);
    assert.deepEqual(after.reports[0]?.damages, []);
  });

  it('makes the name of a segment durable that a process which was killed may have left without', async () => {
    const disk = new FaultyDisk();
    const killed = new Promise<void>((resolve) => {
      disk.syncDirectory = () => {
        resolve();
        return new Promise(() => undefined);
      };
    });
    void WalWriter.open(optionsFor(disk));
    await killed;
    disk.syncDirectory = FaultyDisk.prototype.syncDirectory;
    const { validEnd, salt } = (await readAll(disk)).reports[0] as FileReport;
    const writer = await WalWriter.open(optionsFor(disk, { tail: { segment: 1, validEnd, salt }, nextSegment: 2 }));
    await writer.append(say('acknowledged'));
    disk.powerCut();
    assert.deepEqual((await readAll(disk)).texts, ['acknowledged']);
  });

  it('rolls to a new segment when one has grown enough, and when asked', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk, { segmentBytes: 100 }));
    for (const text of ['a'.repeat(90), 'b'.repeat(90), 'c']) await writer.append(say(text));
    assert.deepEqual(await listSegments(disk, directory), [1, 2, 3]);
    assert.equal(await writer.roll(), 4);
    await writer.append(say('d'));
    assert.deepEqual((await readAll(disk)).texts.at(-1), 'd');
  });

  it('rolls while records never stop coming', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    let going = true;
    let count = 0;
    const load = (async () => {
      while (going) await writer.append(say(`${count++}`));
    })();
    const load2 = (async () => {
      while (going) await writer.append(say(`${count++}`));
    })();
    assert.equal(await writer.roll(), 2);
    assert.equal(await writer.roll(), 3);
    going = false;
    await Promise.all([load, load2]);
    assert.equal((await readAll(disk)).texts.length, count);
  });

  it('refuses while the disk is full, keeps what memory already holds, and goes on when there is room', async () => {
    const disk = new FaultyDisk();
    const full: boolean[] = [];
    const writer = await WalWriter.open(optionsFor(disk, { onFull: (now) => full.push(now) }));
    await writer.append(say('before'));
    disk.capacity = disk.used() + 10;
    const refused = writer.append(say('does not fit in ten bytes'));
    await assert.rejects(refused, (error) => error instanceof Failure && error.kind === 'unavailable');
    assert.equal(writer.state, 'full');
    assert.throws(() => writer.checkOpen(), /disk is full/);
    disk.capacity = Number.POSITIVE_INFINITY;
    while (writer.state === 'full') await new Promise((resolve) => setTimeout(resolve, 5));
    await writer.append(say('after'));
    assert.deepEqual((await readAll(disk)).texts, ['before', 'does not fit in ten bytes', 'after']);
    assert.deepEqual(full, [true, false]);
  });

  it('grows the old segment on when there is no room for a new one, and takes writes', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk, { segmentBytes: 100 }));
    const frame = frameHeaderBytes + 2 + 200;
    // Room for this record, not for the header of the next segment.
    disk.capacity = disk.used() + frame + 8;
    await writer.append(say('a'.repeat(200)));
    await assert.rejects(writer.roll(), /no room for a new segment/);
    disk.capacity = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 20 && writer.state === 'full'; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(writer.state, 'open');
    await writer.append(say('b'));
    await writer.append(say('c'));
    assert.deepEqual(await listSegments(disk, directory), [1, 2]);
    const { texts, reports } = await readAll(disk);
    assert.deepEqual(texts, ['a'.repeat(200), 'b', 'c']);
    assert.deepEqual(
      reports.flatMap(({ damages }) => damages),
      [],
    );
  });

  it('grows the old segment on while the process may open no more files', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk, { segmentBytes: 100 }));
    disk.noMoreFiles = true;
    await writer.append(say('a'.repeat(200)));
    await writer.append(say('b'));
    await assert.rejects(writer.roll(), /too many files are open/);
    disk.noMoreFiles = false;
    await writer.append(say('c'));
    await writer.append(say('d'));
    assert.deepEqual(await listSegments(disk, directory), [1, 2]);
    assert.deepEqual((await readAll(disk)).texts, ['a'.repeat(200), 'b', 'c', 'd']);
  });

  it('closes while the disk is full: what nobody was told of is given up', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk, { fullRetryMs: 1 }));
    await writer.append(say('before'));
    disk.capacity = disk.used() + 10;
    await assert.rejects(writer.append(say('does not fit in ten bytes')), /disk is full/);
    let closed = false;
    const closing = writer.close().then(() => {
      closed = true;
    });
    for (let i = 0; i < 20 && !closed; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(closed, 'close ends');
    await closing;
    assert.deepEqual((await readAll(disk)).texts, ['before']);
  });

  it('refuses more than it has room for in memory while the disk is slow', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk, { pendingBytesMax: 1000 }));
    const gate = Promise.withResolvers<void>();
    disk.syncGate = gate.promise;
    const first = writer.append(say('on its way'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const waiting = writer.append(say('x'.repeat(1000)));
    assert.throws(
      () => writer.checkOpen(),
      (error) => error instanceof Failure && error.kind === 'unavailable' && error.retryAfterSeconds === 1,
    );
    gate.resolve();
    await Promise.all([first, waiting]);
    writer.checkOpen();
  });

  it('empties a last segment whose header was torn, so that the next start does not take it for damage', async () => {
    const disk = new FaultyDisk();
    disk.files.set(segmentPath(directory, 1), { bytes: Buffer.alloc(16), synced: Buffer.alloc(16) });
    const writer = await WalWriter.open(
      optionsFor(disk, { tail: { segment: 1, validEnd: 0, salt: undefined }, nextSegment: 2, nextSeq: 1 }),
    );
    await writer.append(say('a'));
    const { texts, reports } = await readAll(disk);
    assert.deepEqual(texts, ['a']);
    assert.ok(reports.every(({ validEnd, sizeBytes }) => validEnd === sizeBytes));
  });

  it('takes no record that a reader would take for a lying length', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    await writer.append(say('before'));
    const huge = () =>
      writer.append((out) => {
        // What stands in them does not matter: they are never looked at.
        out.length += frameBytesMax + 1;
      });
    assert.throws(huge, (error) => error instanceof Failure && error.kind === 'too_large');
    await writer.append(say('after'));
    assert.deepEqual((await readAll(disk)).texts, ['before', 'after']);
  });

  it('never tries a failed sync again', async () => {
    const disk = new FaultyDisk();
    const fatal: unknown[] = [];
    const writer = await WalWriter.open(optionsFor(disk, { onFatal: (error) => fatal.push(error) }));
    await writer.append(say('a'));
    disk.failSync = true;
    await assert.rejects(writer.append(say('b')), /was not acknowledged/);
    disk.failSync = false;
    assert.equal(writer.state, 'failed');
    assert.throws(() => writer.checkOpen(), /stopping/);
    assert.equal(fatal.length, 1);
  });

  it('makes everything durable before it closes', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    const last = writer.append(say('last'));
    await writer.close();
    await last;
    disk.powerCut();
    assert.deepEqual((await readAll(disk)).texts, ['last']);
  });
});

describe('readFrames', () => {
  it('keeps every good frame around any damage and names the bytes it lost', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    const texts = Array.from({ length: 40 }, (_, i) => `record ${i} ${'x'.repeat(i * 7)}`);
    for (const text of texts) await writer.append(say(text));
    const content = disk.files.get(segmentPath(directory, 1));
    assert.ok(content !== undefined);
    const clean = Buffer.from(content.bytes);
    for (let at = 0; at < clean.length; at += 11) {
      content.bytes = Buffer.from(clean);
      content.bytes[at] = (clean[at] as number) ^ 0x55;
      const { texts: read, reports } = await readAll(disk);
      const lost = texts.filter((text) => !read.includes(text));
      assert.ok(lost.length <= 1, `flip at ${at} lost ${lost.length} records`);
      assert.ok(
        read.every((text) => texts.includes(text)),
        'nothing is made up',
      );
      const report = reports[0];
      const named = (report?.damages.length ?? 0) > 0 || (report?.validEnd ?? 0) < clean.length;
      assert.equal(named, lost.length === 1 || at < fileHeaderBytes, `flip at ${at} is named`);
    }
  });

  it('is not misled by lengths that lie or by a hole of zeros', async () => {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    for (const text of ['one', 'two', 'three']) await writer.append(say(text));
    const content = disk.files.get(segmentPath(directory, 1));
    assert.ok(content !== undefined);
    content.bytes.writeUInt32LE(0x3fffffff, fileHeaderBytes + 4);
    content.bytes = Buffer.concat([content.bytes, Buffer.alloc(5000)]);
    const { texts, reports } = await readAll(disk);
    assert.deepEqual(texts, ['two', 'three']);
    assert.equal(reports[0]?.damages[0]?.offset, fileHeaderBytes);
    assert.equal((reports[0]?.sizeBytes ?? 0) - (reports[0]?.validEnd ?? 0), 5000);
  });

  /** A segment whose last record, of these bytes, is cut off before its end. */
  async function tornOff(bytes: Uint8Array): Promise<FaultyDisk> {
    const disk = new FaultyDisk();
    const writer = await WalWriter.open(optionsFor(disk));
    await writer.append(say('kept'));
    await writer.append((out) => out.writeBytes(bytes, 0, bytes.length));
    const content = disk.files.get(segmentPath(directory, 1));
    assert.ok(content !== undefined);
    content.bytes = content.bytes.subarray(0, content.bytes.length - 1);
    return disk;
  }

  it('takes nothing that a sender wrote for a frame', async () => {
    const forged = new ByteSink();
    for (let salt = 0; salt < 1000; salt++) {
      const at = beginFrame(forged);
      forged.writeText('forged');
      endFrame(forged, at, 2, makeSalt());
    }
    forged.writeUint8(0);
    const { texts, reports } = await readAll(await tornOff(forged.written()));
    assert.deepEqual(texts, ['kept']);
    assert.deepEqual(reports[0]?.damages, [], 'torn, not damaged');
  });

  it('is not held up by what looks like the beginnings of many frames', { timeout: 30_000 }, async () => {
    const beginnings = Buffer.alloc(4 << 20);
    for (let at = 0; at < beginnings.length; at += 8) {
      beginnings.write('MrF1', at);
      beginnings.writeUInt32LE(1 << 20, at + 4);
    }
    const beganAt = performance.now();
    assert.deepEqual((await readAll(await tornOff(beginnings))).texts, ['kept']);
    assert.ok(performance.now() - beganAt < 10_000, 'in no time');
  });
});
