import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import { encodeLabelPieces } from '../wire/peer/select-message.ts';
import type { Channel } from './channel.ts';
import { ingesterSource } from './source-calls.ts';
import { RemoteSource } from './source-client.ts';

const signal = new AbortController().signal;
const everything = { matchers: [], minT: 0, maxT: 1 };

it('a label table is counted while it comes, and one that is too large comes no further', async () => {
  const strings = Array.from({ length: 5_000 }, (_, i) => String(i).padEnd(300, 'x'));
  const begin = Uint32Array.from({ length: strings.length / 2 + 1 }, (_, i) => 2 * i);
  const pieces = [...encodeLabelPieces({ strings, begin, refs: Uint32Array.from(strings, (_, i) => i) }, [])];
  let sent = 0;
  let isLeft = false;
  const channel = {
    async *stream() {
      try {
        for (const piece of pieces) {
          sent++;
          yield piece;
        }
      } finally {
        isLeft = sent < pieces.length;
      }
    },
  } satisfies Partial<Channel> as unknown as Channel;
  const source = new RemoteSource({ channel, calls: ingesterSource, tenant: parseTenantId('t') });
  let bytes = 0;
  const memory = {
    take: (textBytes: number, numberBytes: number) => {
      bytes += textBytes + numberBytes;
      if (bytes > 1 << 20) throw new Failure('query_limit', 'too large');
    },
  };
  await assert.rejects(
    source.select({ ...everything, memory }, signal),
    (error: unknown) => error instanceof Failure && error.kind === 'query_limit',
  );
  assert.ok(isLeft, 'the rest was not asked for');
  assert.ok(bytes < 1_500_000, `${bytes} bytes came`);
  bytes = Number.NEGATIVE_INFINITY;
  assert.equal((await source.select({ ...everything, memory }, signal)).labels.strings.length, strings.length);
  const numbers = { take: (_: number, numberBytes: number) => void (bytes += numberBytes) };
  bytes = 0;
  await source.select({ ...everything, memory: numbers }, signal);
  assert.equal(bytes, 4 * (begin.length + strings.length));
});
