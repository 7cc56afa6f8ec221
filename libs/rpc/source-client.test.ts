import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import { ListMemory } from '../series/list-memory.ts';
import type { LabelTable, SeriesSource } from '../series/series-source.ts';
import { encodeLabelPieces } from '../wire/peer/select-message.ts';
import type { Channel } from './channel.ts';
import { ingesterSource } from './source-calls.ts';
import { RemoteSource } from './source-client.ts';
import { sourceStreams } from './source-server.ts';

const signal = new AbortController().signal;
const tenant = parseTenantId('t');
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
  const source = new RemoteSource({ channel, calls: ingesterSource, tenant });
  let bytes = 0;
  let most = 0;
  const memory = {
    take: (textBytes: number, numberBytes: number) => {
      if (bytes + textBytes + numberBytes > 1 << 20) throw new Failure('query_limit', 'too large');
      bytes += textBytes + numberBytes;
      most = Math.max(most, bytes);
    },
    give: (textBytes: number, numberBytes: number) => void (bytes -= textBytes + numberBytes),
  };
  await assert.rejects(
    source.select({ ...everything, memory }, signal),
    (error: unknown) => error instanceof Failure && error.kind === 'query_limit',
  );
  assert.ok(isLeft, 'the rest was not asked for');
  assert.ok(most > 500_000, `${most} bytes came`);
  assert.equal(bytes, 0, 'of what did not come whole nothing is held');
  bytes = Number.NEGATIVE_INFINITY;
  assert.equal((await source.select({ ...everything, memory }, signal)).labels.strings.length, strings.length);
  const numbers = { take: (_: number, numberBytes: number) => void (bytes += numberBytes), give: () => undefined };
  bytes = 0;
  await source.select({ ...everything, memory: numbers }, signal);
  assert.equal(bytes, 4 * (begin.length + strings.length));
});

it('labels that nobody looks at do not cross; who cannot leave them out sends all', async () => {
  const whole: LabelTable = { strings: ['a', '1', 'b'], begin: Uint32Array.of(0, 4), refs: Uint32Array.of(0, 1, 2, 1) };
  const projected = {
    strings: ['a', '1'],
    begin: Uint32Array.of(0, 2),
    refs: Uint32Array.of(0, 1),
    setOf: Uint32Array.of(0),
  };
  const selectionOf = (labels: LabelTable) => ({ labels, warnings: [], async *chunks() {} });
  const asked: (readonly string[])[] = [];
  const select = async () => selectionOf(whole);
  const selectProjected: SeriesSource['selectProjected'] = async (_, names) => {
    asked.push(names);
    return selectionOf(projected);
  };
  const remoteOf = (source: Pick<SeriesSource, 'select' | 'selectProjected'>) => {
    const streams = sourceStreams(ingesterSource, () => ({ source: source as SeriesSource }), new ListMemory());
    const context = { peer: { instance: 'q', zone: 'a' }, signal };
    const stream: Channel['stream'] = (call, [request]) =>
      streams.get(call)?.(request ?? new Uint8Array(0), context) ?? assert.fail(call);
    return new RemoteSource({ channel: { stream } as Channel, calls: ingesterSource, tenant });
  };
  const labelsOf = async (source: Pick<SeriesSource, 'select' | 'selectProjected'>, names: readonly string[]) =>
    (await remoteOf(source).selectProjected(everything, names, signal)).labels;
  assert.deepEqual(await labelsOf({ select, selectProjected }, ['a', 'z']), projected);
  assert.deepEqual(await labelsOf({ select, selectProjected }, []), projected);
  assert.deepEqual(asked, [['a', 'z'], []]);
  assert.deepEqual(await labelsOf({ select }, ['a']), whole);
  assert.deepEqual((await remoteOf({ select, selectProjected }).select(everything, signal)).labels, whole);
});
