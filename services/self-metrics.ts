/**
 * Maru's own metrics, written to a tenant of its own: so that a first query has an answer, and Maru can be watched with Maru.
 * Owns the way from the registry to a write batch. It writes through the ingester's contract like everybody else.
 */
import type { Registry } from 'prom-client';
import type { IngesterContract } from '../libs/contracts/ingester.ts';
import { canonicalizeLabels } from '../libs/model/canonical-labels.ts';
import { Labels } from '../libs/model/labels.ts';
import type { MetricMetadata } from '../libs/model/metadata.ts';
import type { TenantId } from '../libs/model/tenant-id.ts';
import { ByteSink } from '../libs/std/byte-sink.ts';
import type { Logger } from '../libs/telemetry/log.ts';

const types = { counter: 'counter', gauge: 'gauge', histogram: 'histogram', summary: 'summary' } as const;

interface SelfMetricsOptions {
  readonly tenant: TenantId;
  /** What tells this process from others. */
  readonly instance: string;
  readonly registry: Registry;
  readonly intervalMs: number;
  readonly log: Logger;
}

/** Begins to write `registry` to `tenant` every `intervalMs`, the first time at once. */
export function startSelfMetrics(
  ingester: IngesterContract,
  { tenant, instance, registry, intervalMs, log }: SelfMetricsOptions,
): { stop(): Promise<void> } {
  const identity = [
    ['instance', instance],
    ['job', 'maru'],
  ] as const;
  let running: Promise<void> | undefined;
  const write = async (): Promise<void> => {
    const labels = new ByteSink();
    const begins: number[] = [];
    const ends: number[] = [];
    const values: number[] = [];
    const metadata: MetricMetadata[] = [];
    for (const metric of await registry.getMetricsAsJSON()) {
      const type = Object.entries(types).find(([name]) => name === String(metric.type))?.[1] ?? 'unknown';
      metadata.push({ metric: metric.name, type, help: metric.help, unit: '' });
      for (const value of metric.values) {
        const name = 'metricName' in value && typeof value.metricName === 'string' ? value.metricName : metric.name;
        const own = Object.entries(value.labels).map(([label, text]) => [label, labelText(text)] as const);
        begins.push(labels.length);
        canonicalizeLabels(Labels.from([...own, ...identity, ['__name__', name]]), labels);
        ends.push(labels.length);
        values.push(value.value);
      }
    }
    const nowMs = Date.now();
    const count = values.length;
    await ingester.push({
      tenant,
      receiveTimeMs: nowMs,
      seriesCount: count,
      refs: new Uint32Array(count),
      labelBytes: labels.bytes,
      labelsBegin: Uint32Array.from(begins),
      labelsEnd: Uint32Array.from(ends),
      sampleBegin: Uint32Array.from({ length: count + 1 }, (_, i) => i),
      sampleT: new Float64Array(count).fill(nowMs),
      sampleV: Float64Array.from(values),
      sampleST: null,
      histograms: [],
      exemplars: [],
      metadata,
    });
  };
  const tick = (): void => {
    // A write that takes longer than the interval is waited for, not doubled.
    running ??= write()
      .catch((error: unknown) => log.debug({ error: String(error) }, 'own metrics were not written'))
      .finally(() => {
        running = undefined;
      });
  };
  tick();
  const timer = setInterval(tick, intervalMs);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}

/** `le` of prom-client is a number or "+Inf"; other labels are texts. */
function labelText(value: unknown): string {
  return String(value);
}
