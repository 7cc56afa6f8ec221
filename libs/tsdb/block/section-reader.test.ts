import assert from 'node:assert/strict';
import { it } from 'node:test';
import { viewOf } from '../../model/encoding/bytes.ts';
import { crc32c } from '../../model/encoding/crc32c.ts';
import { memoryReader, type RangeReader } from '../../std/range-reader.ts';
import { SectionReader } from './section-reader.ts';

const { signal } = new AbortController();

it('the window of a section is no longer than the section is, and what is taken is all of it', async () => {
  const windowBytes = 4096;
  for (const length of [1, 100, 4095, 4096, 4097, 10_000]) {
    const content = Uint8Array.from({ length }, (_, i) => i % 251);
    const file = new Uint8Array(length + 8);
    viewOf(file).setUint32(0, length);
    file.set(content, 4);
    viewOf(file).setUint32(4 + length, crc32c(content, 0, length));
    const inMemory = memoryReader('section', file);
    let most = 0;
    const reader: RangeReader = {
      ...inMemory,
      read: (begin, end, stop, into) => {
        most = Math.max(most, into?.length ?? 0);
        return inMemory.read(begin, end, stop, into);
      },
    };
    const section = await SectionReader.open(reader, 0, file.length, windowBytes, signal);
    const taken: number[] = [];
    while (section.remaining > 0) {
      // Entries of seven bytes; the last may be shorter.
      await section.fill(7);
      for (const end = Math.min(section.end, section.at + 7); section.at < end; ) {
        taken.push(section.bytes[section.at++] as number);
      }
    }
    await section.finish();
    assert.deepEqual(taken, [...content]);
    assert.ok(most > 0 && most <= Math.min(windowBytes, length), `room for ${most} of ${length} bytes`);
  }
});
