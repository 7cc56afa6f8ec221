import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { viewOf } from '../model/encoding/bytes.ts';
import { SeriesAliases } from './series-aliases.ts';

/** Requests of `perRequest` series with keys of eight bytes, numbered from `first`. */
function send(aliases: SeriesAliases, first: number, count: number, perRequest: number): number {
  let unknown = 0;
  for (let begin = first; begin < first + count; begin += perRequest) {
    const view = viewOf(new Uint8Array(perRequest * 8));
    const begins = new Uint32Array(perRequest);
    const ends = new Uint32Array(perRequest);
    for (let i = 0; i < perRequest; i++) {
      view.setFloat64(i * 8, begin + i);
      begins[i] = i * 8;
      ends[i] = i * 8 + 8;
    }
    const refs = new Uint32Array(perRequest);
    const known = new Uint32Array(perRequest);
    aliases.begin(1);
    unknown += aliases.resolveV1(view, begins, ends, perRequest, refs, known);
    for (let i = 0; i < perRequest; i++) {
      if (refs[i] !== 0) {
        assert.equal(refs[i], begin + i + 1);
        continue;
      }
      const alias = aliases.internV1(view, begins[i] as number, ends[i] as number);
      if (alias !== 0) aliases.setRef(1, alias, begin + i + 1);
    }
  }
  return unknown;
}

describe('SeriesAliases', () => {
  it('knows every series of a large sender from the second scrape on', () => {
    const aliases = new SeriesAliases({ used: 0, max: 1 << 26 });
    assert.equal(send(aliases, 0, 200_000, 2000), 200_000);
    assert.equal(send(aliases, 0, 200_000, 2000), 0);
    assert.equal(send(aliases, 0, 200_000, 2000), 0);
  });

  it('keeps what it has when there are more series than room', () => {
    const aliases = new SeriesAliases({ used: 0, max: 100_000 * 44 });
    send(aliases, 0, 150_000, 2000);
    for (let scrape = 0; scrape < 4; scrape++) assert.equal(send(aliases, 0, 150_000, 2000), 50_000);
  });

  it('forgets what is of no use any more: all series replaced by others', () => {
    const aliases = new SeriesAliases({ used: 0, max: 100_000 * 44 });
    send(aliases, 0, 100_000, 2000);
    for (let scrape = 0; scrape < 4; scrape++) send(aliases, 1_000_000, 100_000, 2000);
    assert.equal(send(aliases, 1_000_000, 100_000, 2000), 0);
  });
});
