import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { generate } from '../../../proto/generate.ts';
import { Failure } from '../../errors/failure.ts';
import { Labels } from '../../model/labels.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import { atOnce } from '../../std/testing/at-once.ts';
import { helloCodec } from './greeting-messages.ts';
import { decodePart, encodeHeavy } from './part-message.ts';
import { decodeWork, encodeWork } from './query-work-messages.ts';
import {
  decodeLabelQuery,
  decodeMetadataQuery,
  decodeSelect,
  encodeLabelQuery,
  encodeMetadataQuery,
  encodeSelect,
  exemplarList,
  metadataList,
  seriesList,
  textList,
} from './source-messages.ts';
import { decodeStatus, encodeStatus } from './status-messages.ts';

const tenant = parseTenantId('t');

describe('cold messages between processes', () => {
  it('the generated descriptor is that of the .proto file: else run `npm run proto`', () => {
    const generated = readFileSync(new URL('../generated/peer.ts', import.meta.url), 'utf8');
    assert.equal(generated, generate('peer.proto'));
  });

  it('questions come back as they were asked', () => {
    const matchers = [
      { type: '=~', name: 'a', value: '' },
      { type: '!=', name: '', value: 'x' },
      { type: '!~', name: 'b', value: '', values: [] },
      { type: '=~', name: 'c', value: '', values: ['', 'y'] },
      { type: '=', name: 'ü\udcff', value: '\udcc3\ufffd\u{1f30a}' },
    ] as const;
    const query = { matchers, minT: Number.NEGATIVE_INFINITY, maxT: -0.5 };
    assert.deepEqual(decodeSelect(encodeSelect(tenant, query, ['b'])), { tenant, query, blocks: ['b'] });
    const shard = { names: ['a'], without: true, index: 1, count: 2 };
    const ofShard = { ...query, shard };
    assert.deepEqual(decodeSelect(encodeSelect(tenant, ofShard, [])), { tenant, query: ofShard, blocks: [] });
    for (const names of [[], ['a', 'b']]) {
      assert.deepEqual(decodeSelect(encodeSelect(tenant, query, [], names)), { tenant, query, blocks: [], names });
    }
    const none = encodeSelect(tenant, { ...query, shard: { ...shard, index: 2 } }, []);
    assert.throws(() => decodeSelect(none), /no shard 2 of 2/);
    const part = { kind: 'part', tenant, query: 'x', startMs: 1, endMs: 2, stepMs: 1, lookbackMs: 0 } as const;
    const whole = { wholeStartMs: 0, wholeEndMs: 5, sorted: true };
    for (const work of [
      { ...part, ...whole },
      { ...part, ...whole, shard },
      { ...part, ...whole, weighing: { names: [], without: false, weightMax: 1.5 } },
    ]) {
      const taken = { work, timeoutMs: 3, traceparent: 't' };
      assert.deepEqual(decodeWork(encodeWork(7, taken)), { ...taken, id: 7 });
    }
    const heavy = { weight: 1.5, series: 3, largestGroup: 2, sorted: true };
    assert.deepEqual(atOnce(decodePart(encodeHeavy(heavy), { startMs: 0, endMs: 0, stepMs: 1 }))[0].heavy, heavy);
    const labels = { selectors: [matchers, []], minT: 0, maxT: Number.POSITIVE_INFINITY, limit: 3 };
    assert.deepEqual(decodeLabelQuery(encodeLabelQuery(tenant, 'job', labels, ['b'])), {
      tenant,
      name: 'job',
      query: labels,
      blocks: ['b'],
    });
    for (const metric of [undefined, 'up']) {
      const wanted = { tenant, metric, limit: -1, limitPerMetric: 0 };
      assert.deepEqual(decodeMetadataQuery(encodeMetadataQuery(tenant, metric, -1, 0)), wanted);
    }
  });

  it('lists come back as they were', () => {
    const labels = new Labels(['a', '1', 'b', '\u{1f30a}']);
    const exemplars = [{ labels: Labels.empty, value: -0.5, timestampMs: 1.7e12 }];
    assert.deepEqual(textList.decode(textList.encode(['', 'x'], ['w'])), { values: ['', 'x'], warnings: ['w'] });
    const other = new Labels(['a', 'other', 'b', '\u{1f30a}']);
    for (const series of [
      [labels, Labels.empty],
      [Labels.empty, labels, labels, other, labels],
    ]) {
      assert.deepEqual(seriesList.decode(seriesList.encode(series, [])).values, series);
    }
    assert.deepEqual(exemplarList.decode(exemplarList.encode([{ labels, exemplars }], [])).values, [
      { labels, exemplars },
    ]);
    const metadata = [{ metric: 'm', type: 'stateset', help: '', unit: 's' }] as const;
    assert.deepEqual(metadataList.decode(metadataList.encode(metadata, [])).values, metadata);
    const counted = [{ name: 'a', count: 2 }];
    for (const times of [
      { minT: undefined, maxT: undefined },
      { minT: 0, maxT: 5 },
    ]) {
      const status = {
        series: 1,
        labelPairs: 2,
        chunks: 3,
        ...times,
        seriesByMetric: counted,
        valuesByLabel: [],
        bytesByLabel: counted,
        seriesByPair: [],
      };
      assert.deepEqual(decodeStatus(encodeStatus(status)), status);
    }
  });

  it('bytes that are no message are bad data', () => {
    assert.throws(() => helloCodec.decode(Uint8Array.of(0x0a, 0xff)), Failure);
    assert.throws(() => decodeSelect(Uint8Array.of(0x12, 0x05)), Failure);
  });
});
