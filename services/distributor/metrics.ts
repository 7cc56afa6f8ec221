/** What the distributor reports: counted in plain numbers per request, read when somebody scrapes. */
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { InflightBytes } from '../../libs/std/inflight-bytes.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import type { AliasRegistry } from '../../libs/wire/alias-registry.ts';
import type { PushCounters } from './push-route.ts';

/** Refused writes are named for so many tenants: a made-up name costs its sender nothing. */
const namedTenantsMax = 1000;

export function createPushCounters(metrics: Metrics, inflight: InflightBytes, registry: AliasRegistry): PushCounters {
  const refusedBy = metrics.counter(
    'maru_distributor_refused_total',
    'Series, samples and histograms that were refused, by reason (the ids of err-mimir-*). No tenant: one beyond the first 1000.',
    ['reason', 'tenant'],
  );
  const named = new Set<TenantId>();
  const counters: PushCounters = {
    wireBytes: 0,
    rawBytes: 0,
    samples: 0,
    histograms: 0,
    exemplars: 0,
    refused: (tenant: TenantId, id: string, count: number) => {
      if (named.size < namedTenantsMax) named.add(tenant);
      refusedBy.inc({ reason: id, tenant: named.has(tenant) ? tenant : '' }, count);
    },
  };
  metrics.counterOf(
    'maru_distributor_received_bytes_total',
    'Bytes of write requests, on the wire and decompressed.',
    ['form'],
    () => [
      { labels: { form: 'wire' }, value: counters.wireBytes },
      { labels: { form: 'decompressed' }, value: counters.rawBytes },
    ],
  );
  metrics.counterOf('maru_distributor_stored_total', 'What write requests stored, by kind.', ['kind'], () => [
    { labels: { kind: 'float' }, value: counters.samples },
    { labels: { kind: 'histogram' }, value: counters.histograms },
    { labels: { kind: 'exemplar' }, value: counters.exemplars },
  ]);
  metrics.gaugeOf('maru_distributor_inflight_bytes', 'Bodies of write requests in the process.', [], () => [
    { value: inflight.used },
  ]);
  metrics.gaugeOf('maru_distributor_alias_cache_bytes', 'Memory by which known series are recognised.', [], () => [
    { value: registry.bytes },
  ]);
  return counters;
}
