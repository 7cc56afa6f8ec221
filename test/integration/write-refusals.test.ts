/**
 * What the write endpoint refuses, whole or in part: the status, the reason, the exact `Written` headers of 2.0, and that
 * the neighbours of what is refused are stored.
 * Checklist: the "Bad input", the remote_write 1.0 and 2.0 specifications and the idea (no line) of
 * prometheus/compliance remotewrite/receiver, which unlike this never reads back.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { compress } from 'snappyjs';
import { describeEachCarrier } from '../support/carriers.ts';
import type { Protocol } from '../support/push-client.ts';
import { contentTypes, pushBody, pushBytes } from '../support/push-client.ts';
import { rawRequest } from '../support/raw-http.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { encodeOne, encodeTwo } from '../support/remote-write-messages.ts';
import { residentBytes } from '../support/resident-bytes.ts';
import { integerHistogram, metric, samplesAt } from '../support/sent-series.ts';
import type { WriteSession } from '../support/write-session.ts';
import { startWriteSession } from '../support/write-session.ts';

const protocols = ['v1', 'v2'] as const satisfies Protocol[];
const second = 1000;
const now = Math.floor(Date.now() / second) * second;
const at = (...samples: readonly (readonly [number, number])[]) => samplesAt(now, ...samples);

describeEachCarrier('the write endpoint refuses', { timeout: 120_000 }, (startMaru) => {
  let session: WriteSession;
  before(async () => {
    session = await startWriteSession(now, ['--server.max-body-bytes=2MB'], startMaru);
  });
  after(() => session?.[Symbol.asyncDispose]());

  describe('a part, stores the rest and says so', () => {
    const longText = 'x'.repeat(5000);
    const cases: readonly { name: string; bad: SentSeries; id: RegExp; only?: Protocol }[] = [
      {
        name: 'no metric name',
        bad: { labels: [['a', 'b']], samples: at([0, 1]) },
        id: /err-mimir-missing-metric-name/,
      },
      {
        name: 'an empty metric name',
        bad: {
          labels: [
            ['__name__', ''],
            ['a', 'b'],
          ],
          samples: at([0, 1]),
        },
        id: /err-mimir-missing-metric-name/,
      },
      { name: 'no labels', bad: { labels: [], samples: at([0, 1]) }, id: /err-mimir-missing-metric-name/ },
      {
        name: 'a label name twice',
        bad: { labels: metric('bad', ['a', '1'], ['a', '2']), samples: at([0, 1]) },
        id: /err-mimir-duplicate-label-names/,
      },
      {
        name: 'a label twice with the same value',
        bad: { labels: metric('bad', ['a', '1'], ['b', '1'], ['a', '1']), samples: at([0, 1]) },
        id: /err-mimir-duplicate-label-names/,
      },
      {
        name: 'a metric name that is no UTF-8',
        bad: { labels: [['__name__', new Uint8Array([0x62, 0xff])]], samples: at([0, 1]) },
        id: /err-mimir-metric-name-invalid/,
      },
      {
        name: 'a label name that is no UTF-8',
        bad: { labels: metric('bad', [new Uint8Array([0x61, 0xc0, 0x80]), 'b']), samples: at([0, 1]) },
        id: /err-mimir-label-invalid/,
      },
      {
        name: 'a label value that is no UTF-8',
        bad: { labels: metric('bad', ['a', new Uint8Array([0xed, 0xa0, 0x80])]), samples: at([0, 1]) },
        id: /err-mimir-label-value-invalid/,
      },
      {
        name: 'an empty label name',
        bad: { labels: metric('bad', ['', 'b']), samples: at([0, 1]) },
        id: /err-mimir-label-invalid/,
      },
      {
        name: 'a label name that is too long',
        bad: { labels: metric('bad', [longText, 'b']), samples: at([0, 1]) },
        id: /err-mimir-label-name-too-long/,
      },
      {
        name: 'a label value that is too long',
        bad: { labels: metric('bad', ['a', longText]), samples: at([0, 1]) },
        id: /err-mimir-label-value-too-long/,
      },
      {
        name: '10,000 labels',
        bad: {
          labels: metric('bad', ...Array.from({ length: 10_000 }, (_, i) => [`l${i}`, 'v'] as const)),
          samples: at([0, 1]),
        },
        id: /err-mimir-max-label-names-per-series/,
      },
      {
        name: 'a sample in the far future',
        bad: { labels: metric('bad'), samples: at([660, 1]) },
        id: /err-mimir-too-far-in-future/,
      },
      {
        name: 'a sample beyond the past grace period',
        bad: { labels: metric('bad'), samples: at([-13 * 3600, 1]) },
        id: /err-mimir-too-far-in-past/,
      },
      {
        name: 'a sample at the end of int64',
        bad: { labels: metric('bad'), samples: [{ t: 2 ** 62, v: 1 }] },
        id: /err-mimir-too-far-in-future/,
      },
      {
        name: 'a sample at the beginning of int64',
        bad: { labels: metric('bad'), samples: [{ t: -(2 ** 62), v: 1 }] },
        id: /err-mimir-too-far-in-past/,
      },
      {
        name: 'a histogram in the far future',
        bad: { labels: metric('bad'), histograms: [integerHistogram(now + 660 * second, 1)] },
        id: /err-mimir-too-far-in-future/,
      },
      {
        name: 'a histogram whose buckets do not fit its spans',
        bad: { labels: metric('bad'), histograms: [{ ...integerHistogram(now, 3), positiveSpans: [[0, 5]] }] },
        id: /histogram/i,
      },
      {
        name: 'a histogram with a negative bucket',
        bad: { labels: metric('bad'), histograms: [{ ...integerHistogram(now, 3), positive: [1, -2] }] },
        id: /histogram/i,
      },
      {
        name: 'a histogram with an unknown schema',
        bad: { labels: metric('bad'), histograms: [{ ...integerHistogram(now, 3), schema: 60 }] },
        id: /histogram/i,
      },
    ];
    for (const protocol of protocols) {
      for (const [i, { name, bad, id }] of cases.entries()) {
        it(`${protocol}: ${name}`, async () => {
          const good = (which: string): SentSeries => ({
            labels: metric('good', ['case', String(i)], ['protocol', protocol], ['which', which]),
            samples: at([0, i]),
            exemplars: [{ labels: [['trace_id', `${i}`]], t: now, v: 1 }],
          });
          const answer = await session.write(protocol, [good('before'), bad, good('after')]);
          assert.equal(answer.status, 400, answer.text);
          assert.match(answer.text, id);
          assert.match(answer.text, /\b1\b/, 'the count of what was refused');
          if (protocol === 'v2') assert.deepEqual(answer.written, { samples: 2, histograms: 0, exemplars: 2 });
          assert.equal((await session.raw(`good{case="${i}",protocol="${protocol}"}`)).length, 2);
          assert.deepEqual(await session.raw('bad'), []);
        });
      }

      it(`${protocol}: one sample of a series, not its neighbours`, async () => {
        const name = `neighbours_${protocol}`;
        const answer = await session.write(protocol, [
          { labels: metric(name), samples: at([-20 * 3600, 1], [0, 2], [3600, 3], [1, 4]) },
        ]);
        assert.equal(answer.status, 400, answer.text);
        if (protocol === 'v2') assert.deepEqual(answer.written, { samples: 2, histograms: 0, exemplars: 0 });
        assert.deepEqual(await session.values(name), [
          [0, '2'],
          [1000, '4'],
        ]);
      });
    }
  });

  describe('a whole request', () => {
    const series: SentSeries[] = [
      { labels: metric('refused_whole', ['padding', 'p'.repeat(300)]), samples: at([0, 1]) },
    ];
    for (const { name, headers } of [
      { name: 'JSON', headers: { 'content-type': 'application/json' } },
      { name: 'a picture', headers: { 'content-type': 'image/png' } },
      { name: 'a type without a slash', headers: { 'content-type': 'protobuf' } },
      { name: 'no type at all', headers: { 'content-type': 'application/;proto=' } },
      {
        name: 'an unknown message',
        headers: { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v3.Request' },
      },
      { name: 'gzip', headers: { 'content-encoding': 'gzip' } },
      { name: 'deflate', headers: { 'content-encoding': 'deflate' } },
      { name: 'zstd', headers: { 'content-encoding': 'zstd' } },
    ]) {
      for (const protocol of protocols) {
        it(`${name} instead of ${protocol}: 415 naming what is accepted`, async () => {
          const answer = await pushBytes(session.maru.baseUrl, pushBody(protocol, series), { protocol, headers });
          assert.equal(answer.status, 415, answer.text);
          assert.match(answer.text, 'content-encoding' in headers ? /snappy/ : /application\/x-protobuf/);
        });
      }
    }

    for (const protocol of protocols) {
      const plain = protocol === 'v1' ? encodeOne(series) : encodeTwo(series);
      const packed = compress(plain);
      const broken: readonly { name: string; body: Uint8Array; says: RegExp }[] = [
        { name: 'not compressed', body: plain, says: /snappy/i },
        { name: 'noise', body: new Uint8Array(Buffer.from('this is no request at all')), says: /snappy/i },
        { name: 'nothing at all', body: new Uint8Array(0), says: /snappy/i },
        { name: 'cut off in the compression', body: packed.slice(0, packed.length - 5), says: /snappy/i },
        {
          name: 'cut off in the message',
          body: compress(plain.slice(0, plain.length - 5)),
          says: /byte|offset|position/i,
        },
        {
          name: 'compressed noise',
          body: compress(new Uint8Array(Buffer.from('\u0007 no message'))),
          says: /byte|offset|position/i,
        },
        { name: 'the length of a field lies', body: compress(lyingLength(plain)), says: /byte|offset|position/i },
        { name: 'an unpacked length that is too small', body: withLength(packed, 5), says: /snappy/i },
        { name: 'an unpacked length that is too large', body: withLength(packed, plain.length + 50), says: /snappy/i },
      ];
      for (const { name, body, says } of broken) {
        it(`${protocol}, ${name}: 400 naming what`, async () => {
          const answer = await pushBytes(session.maru.baseUrl, body, { protocol });
          assert.equal(answer.status, 400, answer.text);
          assert.match(answer.text, says);
          if (protocol === 'v2') assert.deepEqual(answer.written, { samples: 0, histograms: 0, exemplars: 0 });
          assert.deepEqual(await session.raw('refused_whole'), []);
        });
      }

      it(`${protocol}, the other protocol's message: 400, for it would be lost in silence`, async () => {
        const other = protocol === 'v1' ? 'v2' : 'v1';
        const answer = await pushBytes(session.maru.baseUrl, pushBody(other, series), { protocol });
        assert.equal(answer.status, 400);
        assert.match(
          answer.text,
          /a series of remote write [12]\.0 at byte \d+, and the Content-Type is that of [12]\.0/,
        );
        assert.deepEqual(await session.raw('refused_whole'), []);
      });

      it(`${protocol}: 413 for a body over the maximum, before it is read`, async () => {
        const answer = await pushBytes(session.maru.baseUrl, new Uint8Array(2_000_001), { protocol }).catch(String);
        if (typeof answer !== 'string') assert.equal(answer.status, 413, answer.text);
        const head = (length: string) => [
          'POST /api/v1/push HTTP/1.1',
          'host: maru',
          `content-type: ${contentTypes[protocol]}`,
          'content-encoding: snappy',
          length,
        ];
        // Nothing is sent after the headers: an answer shows that nothing was waited for.
        const refusal = await rawRequest(session.maru.port, head('content-length: 99999999999'), new Uint8Array(0));
        assert.match(refusal, /^HTTP\/1\.1 413 /);
        assert.equal(/x-prometheus-remote-write-samples-written: 0\r\n/i.test(refusal), protocol === 'v2', refusal);
        const chunk = new Uint8Array(2_100_000);
        const chunked = Buffer.concat([
          Buffer.from(`${chunk.length.toString(16)}\r\n`),
          chunk,
          Buffer.from('\r\n0\r\n\r\n'),
        ]);
        assert.match(
          await rawRequest(session.maru.port, head('transfer-encoding: chunked'), chunked),
          /^HTTP\/1\.1 413 .*the body is larger than 2000000 bytes/s,
        );
      });

      it(`${protocol}: 413 for a bomb, before the memory is taken`, async () => {
        const residentBefore = residentBytes(session.maru.pid());
        // A header that promises 4 GiB over a few bytes, and an honest gigabyte-sized run in a small body.
        for (const body of [withLength(packed, 2 ** 32 - 1), compressedZeros(600_000_000)]) {
          const answer = await pushBytes(session.maru.baseUrl, body, { protocol });
          assert.equal(answer.status, 413, answer.text);
        }
        assert.ok(residentBytes(session.maru.pid()) - residentBefore < 300_000_000, 'the memory was not taken');
      });
    }

    for (const { name, edit } of [
      { name: 'a reference beyond the symbols', edit: (refs: number[]) => [...refs.slice(0, -1), 999] },
      { name: 'an odd number of references', edit: (refs: number[]) => refs.slice(0, -1) },
    ]) {
      it(`v2, ${name}: 400, nothing of it stored`, async () => {
        // One series, labels {__name__="refused_whole", a="b"}, a sample: written by hand to break the references.
        const symbols = ['', '__name__', 'refused_whole', 'a', 'b'];
        const refs = edit([1, 2, 3, 4]);
        const body: number[] = [];
        for (const symbol of symbols) body.push(0x22, symbol.length, ...Buffer.from(symbol));
        const packedRefs = refs.flatMap(varint);
        const sample = [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, ...varint(now)];
        const inner = [0x0a, packedRefs.length, ...packedRefs, 0x12, sample.length, ...sample];
        body.push(0x2a, inner.length, ...inner);
        const answer = await pushBytes(session.maru.baseUrl, compress(Uint8Array.from(body)), { protocol: 'v2' });
        assert.equal(answer.status, 400, answer.text);
        assert.deepEqual(answer.written, { samples: 0, histograms: 0, exemplars: 0 });
        assert.deepEqual(await session.raw('refused_whole'), []);
      });
    }

    it('another method', async () => {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await fetch(`${session.maru.baseUrl}/api/v1/push`, { method });
        assert.ok(answer.status === 405 || answer.status === 404, `${method}: ${answer.status}`);
      }
    });
  });
});

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/** A snappy body whose header promises another unpacked length. */
function withLength(packed: Uint8Array, length: number): Uint8Array {
  let headerEnd = 0;
  while (packed[headerEnd] >= 0x80) headerEnd++;
  return Uint8Array.from([...varint(length), ...packed.subarray(headerEnd + 1)]);
}

/** `length` zero bytes in snappy, made without having them: one literal, then copies of 64. */
function compressedZeros(length: number): Uint8Array {
  // A copy of 64 bytes from distance 1 takes 3 bytes; the body stays below the maximum by promising more than it holds.
  const copies = Buffer.alloc(3 * 400_000);
  for (let i = 0; i < copies.length; i += 3) copies.set([(63 << 2) | 2, 1, 0], i);
  return Uint8Array.from(Buffer.concat([Buffer.from(varint(length)), Buffer.from([0, 0]), copies]));
}

/** The first length of a nested field is made to reach beyond the end. */
function lyingLength(plain: Uint8Array): Uint8Array {
  const copy = plain.slice();
  copy[1] |= 0x80;
  copy[2] = 0x7f;
  return copy;
}
