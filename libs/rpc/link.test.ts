/** Both ends of a link, over a pipe in memory and over gRPC: one table of cases. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import type { CallHandlers, OpenPipe, Pipe, PipeListener } from './channel.ts';
import type { Identity } from './greeting.ts';
import { dialGrpc, listenGrpc } from './grpc-pipe.ts';
import { type MemoryNetwork, memoryNetwork } from './memory-pipe.testing.ts';
import { PeerLink } from './peer-link.ts';
import { itemWindowBytes, serveLink } from './serve-link.ts';

const identity: Identity = { clusterId: 'c', instance: 'server', zone: 'a', secret: 'between us' };
const caller: Identity = { ...identity, instance: 'caller', zone: 'b' };
const soon = { timeoutMs: 5_000 };
const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

interface Room {
  readonly link: PeerLink;
  readonly refused: string[];
  readonly states: string[];
  /** Calls as the server tells of them: how they failed, or `answered`. */
  readonly answered: string[];
  readonly network: MemoryNetwork | undefined;
  heardEpoch: number;
  close(): Promise<void>;
}

interface Carrier {
  readonly name: string;
  readonly carry: (
    accept: (pipe: Pipe) => PipeListener,
  ) => Promise<{ open: OpenPipe; network?: MemoryNetwork; stop(): Promise<void> }>;
}

const carriers: readonly Carrier[] = [
  {
    name: 'memory',
    carry: async (accept) => {
      const network = memoryNetwork(accept);
      return { open: network.open, network, stop: async () => undefined };
    },
  },
  {
    name: 'gRPC',
    carry: async (accept) => {
      const listener = await listenGrpc('127.0.0.1', 0, undefined, accept);
      const dial = dialGrpc(`127.0.0.1:${listener.port}`, undefined);
      return {
        open: dial.open,
        stop: async () => {
          dial.stop();
          await listener.stop();
        },
      };
    },
  },
];

async function roomOf(carrier: Carrier, handlers: Partial<CallHandlers>, as: Identity = caller): Promise<Room> {
  const refused: string[] = [];
  const states: string[] = [];
  const answered: string[] = [];
  const { open, network, stop } = await carrier.carry((pipe) =>
    serveLink(pipe, {
      identity,
      handlers: { asks: new Map(), streams: new Map(), ...handlers },
      tableEpoch: () => 7,
      onTableEpoch: (epoch) => {
        room.heardEpoch = epoch;
      },
      onRefused: (reason) => refused.push(reason),
      onMistake: () => undefined,
      onAnswered: (method, _ms, failure) => answered.push(`${method} ${failure?.kind ?? 'answered'}`),
    }),
  );
  const link = new PeerLink({
    identity: as,
    name: 'the server',
    open,
    tableEpoch: () => 5,
    onTableEpoch: () => undefined,
    onState: (isOpen, reason) => states.push(`${isOpen ? 'open' : 'down'}: ${reason}`),
    random: () => 0,
  });
  const room: Room = {
    link,
    refused,
    states,
    answered,
    network,
    heardEpoch: 0,
    close: async () => {
      link.stop();
      await stop();
    },
  };
  return room;
}

const failureOf = async (promise: Promise<unknown>): Promise<Failure> => {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error;
  }
  throw new Error('no failure');
};

const collect = async (items: AsyncIterable<Uint8Array>): Promise<string[]> => {
  const texts: string[] = [];
  for await (const item of items) texts.push(textOf(item));
  return texts;
};

for (const carrier of carriers) {
  describe(`a link over ${carrier.name}`, { timeout: 30_000 }, () => {
    const within =
      (handlers: Partial<CallHandlers>, act: (room: Room) => Promise<void>, as?: Identity): (() => Promise<void>) =>
      async () => {
        const room = await roomOf(carrier, handlers, as);
        try {
          await act(room);
        } finally {
          await room.close();
        }
      };
    const echo = new Map([['echo', async (request: Uint8Array) => request.slice()]]);
    const slow = Promise.withResolvers<Uint8Array>();

    it(
      'answers many calls at once, each with its own reply; the request is the sum of its parts',
      within({ asks: echo }, async ({ link }) => {
        const asked = Array.from({ length: 200 }, async (_, i) =>
          textOf(await link.ask('echo', [bytesOf(`${i}-`), bytesOf('x'.repeat(i * 50))], soon)),
        );
        const found = await Promise.all(asked);
        found.forEach((text, i) => {
          assert.equal(text, `${i}-${'x'.repeat(i * 50)}`);
        });
      }),
    );

    it(
      'the memory of a request is free when the call returns',
      within({ asks: echo }, async ({ link }) => {
        await link.ask('echo', [], soon);
        const memory = bytesOf('before');
        const asked = link.ask('echo', [memory], soon);
        memory.fill(0);
        assert.equal(textOf(await asked), 'before');
      }),
    );

    it(
      'failures cross with kind, words and when to come again; mistakes are internal',
      within(
        {
          asks: new Map([
            ['full', () => Promise.reject(new Failure('unavailable', 'no room', { retryAfterSeconds: 3 }))],
            ['broken', () => Promise.reject(new TypeError('x is undefined'))],
          ]),
        },
        async ({ link }) => {
          const full = await failureOf(link.ask('full', [], soon));
          assert.deepEqual([full.kind, full.message, full.retryAfterSeconds], ['unavailable', 'no room', 3]);
          assert.equal((await failureOf(link.ask('broken', [], soon))).kind, 'internal');
          assert.equal((await failureOf(link.ask('nothing', [], soon))).kind, 'not_found');
        },
      ),
    );

    it(
      'what is too large for a message fails alone: the link and what is under way on it stay',
      within(
        {
          asks: new Map([
            ['take', async (): Promise<Uint8Array> => new Uint8Array(0)],
            ['much', async (): Promise<Uint8Array> => new Uint8Array(81 << 20)],
            ['slow', (): Promise<Uint8Array> => slow.promise],
          ]),
          streams: new Map([
            [
              'much',
              async function* (): AsyncGenerator<Uint8Array> {
                yield new Uint8Array(81 << 20);
              },
            ],
          ]),
        },
        async ({ link, states }) => {
          await link.ask('take', [], soon);
          const underWay = link.ask('slow', [], soon);
          const parts = new Array<Uint8Array>(81).fill(new Uint8Array(1 << 20));
          const sent = await failureOf(link.ask('take', parts, soon));
          const answered = await failureOf(link.ask('much', [], soon));
          const streamed = await failureOf(collect(link.stream('much', [], soon)));
          assert.deepEqual([sent.kind, answered.kind, streamed.kind], ['too_large', 'too_large', 'too_large']);
          slow.resolve(bytesOf('there'));
          assert.equal(textOf(await underWay), 'there');
          assert.equal(states.length, 1);
        },
      ),
    );

    it(
      'streams items in order, and their failure after them',
      within(
        {
          streams: new Map([
            [
              'count',
              async function* (request: Uint8Array) {
                for (let i = 0; i < Number(textOf(request)); i++) yield bytesOf(String(i));
                if (textOf(request) === '3') throw new Failure('execution', 'three is enough');
              },
            ],
          ]),
        },
        async ({ link }) => {
          assert.deepEqual(
            await collect(link.stream('count', [bytesOf('100')], soon)),
            Array.from({ length: 100 }, (_, i) => String(i)),
          );
          const seen: string[] = [];
          const failure = await failureOf(
            (async () => {
              for await (const item of link.stream('count', [bytesOf('3')], soon)) seen.push(textOf(item));
            })(),
          );
          assert.deepEqual(seen, ['0', '1', '2']);
          assert.equal(failure.kind, 'execution');
        },
      ),
    );

    it('a reader that is slow holds the writer: no more than a window is ahead', async () => {
      const item = new Uint8Array(256 << 10);
      let made = 0;
      const total = 100;
      const room = await roomOf(carrier, {
        streams: new Map([
          [
            'big',
            async function* () {
              for (; made < total; made++) yield item;
            },
          ],
        ]),
      });
      try {
        let taken = 0;
        for await (const one of room.link.stream('big', [], soon)) {
          taken++;
          assert.equal(one.length, item.length);
          if (taken === 1) {
            for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 2));
            assert.ok(made * item.length <= itemWindowBytes + 2 * item.length, `${made} items ahead`);
          }
        }
        assert.equal(taken, total);
      } finally {
        await room.close();
      }
    });

    it('leaving the loop, aborting and running out of time end the call on the other side', async () => {
      const ended: string[] = [];
      const room = await roomOf(carrier, {
        asks: new Map([
          [
            'wait',
            (_request: Uint8Array, { signal }: { signal: AbortSignal }) =>
              new Promise<Uint8Array>((_resolve, reject) => {
                signal.addEventListener('abort', () => {
                  ended.push((signal.reason as Failure).kind);
                  reject(new Error('what it was doing does not matter any more'));
                });
              }),
          ],
        ]),
        streams: new Map([
          [
            'forever',
            async function* (_request: Uint8Array, { signal }: { signal: AbortSignal }) {
              signal.addEventListener('abort', () => ended.push('stream'));
              for (;;) {
                yield new Uint8Array(1 << 20);
                await new Promise((resolve) => setImmediate(resolve));
                signal.throwIfAborted();
              }
            },
          ],
        ]),
      });
      const until = async (count: number): Promise<void> => {
        while (ended.length < count) await new Promise((resolve) => setTimeout(resolve, 2));
      };
      try {
        for await (const _ of room.link.stream('forever', [], soon)) break;
        await until(1);
        const abort = new AbortController();
        const asked = room.link.ask('wait', [], { timeoutMs: 60_000, signal: abort.signal });
        setTimeout(() => abort.abort(), 20);
        assert.equal((await failureOf(asked)).kind, 'canceled');
        await until(2);
        assert.equal((await failureOf(room.link.ask('wait', [], { timeoutMs: 30 }))).kind, 'timeout');
        await until(3);
        assert.equal(ended[0], 'stream');
        assert.equal(ended[1], 'canceled');
        while (room.answered.length < 3) await new Promise((resolve) => setTimeout(resolve, 2));
        const [first, second, third] = room.answered;
        assert.deepEqual([first, second], ['forever canceled', 'wait canceled']);
        // Both ends look at their clocks: it is open which of them ends the call.
        assert.match(third ?? '', /^wait (timeout|canceled)$/);
      } finally {
        await room.close();
      }
    });

    for (const { what, as, words } of [
      {
        what: 'of another cluster',
        as: { ...caller, clusterId: 'other' },
        words: /belongs to cluster "other".*"c" \(cluster\.id\)/,
      },
      { what: 'with another secret', as: { ...caller, secret: 'guessed' }, words: /another cluster\.secret/ },
      { what: 'without the secret', as: { ...caller, secret: '' }, words: /another cluster\.secret/ },
    ]) {
      it(
        `a caller ${what} is refused with a sentence`,
        within(
          { asks: echo },
          async ({ link, states, refused }) => {
            const failure = await failureOf(link.ask('echo', [], soon));
            assert.equal(failure.kind, 'unavailable');
            assert.match(`${failure.message} ${refused.join(' ')} ${states.join(' ')}`, words);
            assert.equal(link.isOpen, false);
          },
          as,
        ),
      );
    }

    it(
      'the epoch of the table goes with every call, both ways',
      within({ asks: echo }, async (room) => {
        await room.link.ask('echo', [], soon);
        assert.equal(room.heardEpoch, 5);
      }),
    );
  });
}

describe('a link whose pipe breaks', { timeout: 30_000 }, () => {
  const [memory] = carriers as [Carrier];

  it('fails what is under way, says why, and comes back by itself', async () => {
    let hold = true;
    const room = await roomOf(memory, {
      asks: new Map([
        ['echo', (request: Uint8Array) => (hold ? new Promise<Uint8Array>(() => undefined) : Promise.resolve(request))],
      ]),
    });
    const asked = room.link.ask('echo', [], soon);
    while (!room.link.isOpen) await new Promise((resolve) => setTimeout(resolve, 2));
    const network = room.network as MemoryNetwork;
    network.unreachable = 'no route';
    network.cut('a cable was pulled');
    const failure = await failureOf(asked);
    assert.equal(failure.kind, 'unavailable');
    assert.match(failure.message, /a cable was pulled/);
    const down = await failureOf(room.link.ask('echo', [], soon));
    assert.match(down.message, /the server (cannot be reached|was lost)/);
    network.unreachable = undefined;
    hold = false;
    while (!room.link.isOpen) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(textOf(await room.link.ask('echo', [bytesOf('again')], soon)), 'again');
    await room.close();
  });

  it('a peer that does not answer gets no more than a window of bytes', async () => {
    const room = await roomOf(memory, {
      asks: new Map([['echo', async (request: Uint8Array) => request.slice(0, 1)]]),
    });
    await room.link.ask('echo', [bytesOf('x')], soon);
    const network = room.network as MemoryNetwork;
    network.held = true;
    const body = new Uint8Array(16 << 20);
    const asked = Array.from({ length: 5 }, () =>
      room.link.ask('echo', [body], soon).then(
        () => 'answered',
        (error: Failure) => error.kind,
      ),
    );
    assert.equal(room.link.unansweredBytes, 4 * body.length);
    network.release();
    assert.deepEqual(await Promise.all(asked), ['answered', 'answered', 'answered', 'answered', 'unavailable']);
    assert.equal(room.link.unansweredBytes, 0);
    await room.close();
  });

  it('while nobody answers its greeting no more than so many bytes wait for that', async () => {
    const room = await roomOf(memory, {
      asks: new Map([['echo', async (request: Uint8Array) => request.slice(0, 1)]]),
    });
    (room.network as MemoryNetwork).held = true;
    const asked = [1, 4 << 20, 8 << 20, 1 << 20].map((bytes) =>
      room.link.ask('echo', [new Uint8Array(bytes)], soon).then(
        () => 'answered',
        ({ kind }: Failure) => kind,
      ),
    );
    assert.equal(await asked[2], 'unavailable');
    room.network?.release();
    assert.deepEqual(await Promise.all(asked), ['answered', 'answered', 'unavailable', 'answered']);
    await room.close();
  });

  it('one that is larger than what may wait does if it is alone', async () => {
    const room = await roomOf(memory, {
      asks: new Map([['echo', async (request: Uint8Array) => request.slice(0, 1)]]),
    });
    assert.equal((await room.link.ask('echo', [new Uint8Array(20 << 20)], soon)).length, 1);
    await room.close();
  });

  it('a process of another protocol version is told so', async () => {
    const { helloCodec } = await import('../wire/peer/greeting-messages.ts');
    const { FrameKind, frameOf } = await import('./frame.ts');
    const { FrameSender } = await import('./frame-sender.ts');
    const { decodeEnvelope } = await import('./frame.ts');
    const { decodeFailure } = await import('./call-failure.ts');
    const refused: string[] = [];
    const network = memoryNetwork((pipe) =>
      serveLink(pipe, {
        identity,
        handlers: { asks: new Map(), streams: new Map() },
        tableEpoch: () => 1,
        onTableEpoch: () => undefined,
        onRefused: (reason) => refused.push(reason),
        onMistake: () => undefined,
        onAnswered: () => undefined,
      }),
    );
    const told = await new Promise<string>((resolve) => {
      const pipe = network.open({
        message: (bytes) => {
          const [frame] = decodeEnvelope(bytes);
          if (frame?.kind === FrameKind.failure) resolve(decodeFailure(frame.payload[0] as Uint8Array).message);
        },
        closed: () => undefined,
      });
      const hello = { protocolVersion: 99, clusterId: 'c', instance: 'later', zone: '', nonce: new Uint8Array(16) };
      new FrameSender(pipe).send(frameOf(FrameKind.hello, 0, { payload: [helloCodec.encode(hello)] }));
    });
    assert.match(told, /"later" speaks version 99 of the protocol between processes, "server" version 1/);
    assert.deepEqual(refused, [told]);
  });
});
