/**
 * Maru's own metrics, written to a tenant of its own: so that a first query has an answer, and Maru can be watched with Maru.
 * Owns the way from the registry to a write batch. It writes through the ingester's contract like everybody else.
 */
import type { Registry } from 'prom-client';
import type { IngesterContract } from '../libs/contracts/ingester.ts';
import type { WriteBatch } from '../libs/contracts/write-batch.ts';
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

/** Series that are made and written in one turn of the event loop: there are six and more of every tenant. */
const seriesAtOnce = 1_000;

/** Begins to write `registry` to `tenant` every `intervalMs`, the first time at once. */
export function startSelfMetrics(
  ingester: Pick<IngesterContract, 'push'>,
  { tenant, instance, registry, intervalMs, log }: SelfMetricsOptions,
): { stop(): Promise<void> } {
  const identity = [
    ['instance', instance],
    ['job', 'maru'],
  ] as const;
  let running: Promise<void> | undefined;
  const write = async (): Promise<void> => {
    const metrics = await registry.getMetricsAsJSON();
    const nowMs = Date.now();
    let slice = new Slice();
    const metadata: MetricMetadata[] = [];
    const flush = async (): Promise<void> => {
      await ingester.push(slice.batch(tenant, nowMs, metadata.splice(0)));
      slice = new Slice();
      await new Promise((resolve) => setImmediate(resolve));
    };
    for (const metric of metrics) {
      const type = Object.entries(types).find(([name]) => name === String(metric.type))?.[1] ?? 'unknown';
      metadata.push({ metric: metric.name, type, help: metric.help, unit: '' });
      for (const value of metric.values) {
        const name = 'metricName' in value && typeof value.metricName === 'string' ? value.metricName : metric.name;
        const own = Object.entries(value.labels).map(([label, text]) => [label, labelText(text)] as const);
        slice.add(Labels.from([...own, ...identity, ['__name__', name]]), value.value);
        if (slice.count === seriesAtOnce) await flush();
      }
    }
    await flush();
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

/** Series of one write, a sample each. */
class Slice {
  readonly #labels = new ByteSink();
  readonly #begins: number[] = [];
  readonly #ends: number[] = [];
  readonly #values: number[] = [];

  get count(): number {
    return this.#values.length;
  }

  add(labels: Labels, value: number): void {
    this.#begins.push(this.#labels.length);
    canonicalizeLabels(labels, this.#labels);
    this.#ends.push(this.#labels.length);
    this.#values.push(value);
  }

  batch(tenant: TenantId, t: number, metadata: readonly MetricMetadata[]): WriteBatch {
    const { count } = this;
    return {
      tenant,
      receiveTimeMs: t,
      seriesCount: count,
      refs: new Uint32Array(count),
      labelBytes: this.#labels.bytes,
      labelsBegin: Uint32Array.from(this.#begins),
      labelsEnd: Uint32Array.from(this.#ends),
      sampleBegin: Uint32Array.from({ length: count + 1 }, (_, i) => i),
      sampleT: new Float64Array(count).fill(t),
      sampleV: Float64Array.from(this.#values),
      sampleST: null,
      histograms: [],
      exemplars: [],
      metadata,
    };
  }
}

/** `le` of prom-client is a number or "+Inf"; other labels are texts. */
function labelText(value: unknown): string {
  return String(value);
}
