/**
 * What senders said about the metrics of one tenant: type, unit, help. Targets may disagree, so a metric has a list.
 * Owns the lists and their maxima; the newest stays.
 */
import { type MetricMetadata, metricTypes } from '../../model/metadata.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import { type ByteSource, ByteSourceError } from '../../std/byte-source.ts';

const metricsMax = 100_000;
const entriesMax = 10;

export class MetadataStore {
  readonly #byMetric = new Map<string, MetricMetadata[]>();

  add(entry: MetricMetadata): void {
    const known = this.#byMetric.get(entry.metric);
    if (known === undefined) {
      if (this.#byMetric.size >= metricsMax) {
        const oldest = this.#byMetric.keys().next();
        if (oldest.done !== true) this.#byMetric.delete(oldest.value);
      }
      this.#byMetric.set(entry.metric, [entry]);
      return;
    }
    const { type, help, unit } = entry;
    if (known.some((one) => one.type === type && one.help === help && one.unit === unit)) return;
    if (known.length >= entriesMax) known.shift();
    known.push(entry);
  }

  /** `metric` undefined: all. Limits of 0 or less: none. */
  list(metric: string | undefined, limit: number, limitPerMetric: number): MetricMetadata[] {
    const all: MetricMetadata[] = [];
    let metrics = 0;
    const lists = metric === undefined ? this.#byMetric.values() : [this.#byMetric.get(metric) ?? []];
    for (const list of lists) {
      if (limit > 0 && metrics++ >= limit) break;
      all.push(...(limitPerMetric > 0 ? list.slice(0, limitPerMetric) : list));
    }
    return all;
  }

  write(out: ByteSink): void {
    const all = this.list(undefined, 0, 0);
    out.writeUvarint(all.length);
    for (const { metric, type, help, unit } of all) {
      out.writeText(metric);
      out.writeUint8(metricTypes.indexOf(type));
      out.writeText(help);
      out.writeText(unit);
    }
  }

  read(source: ByteSource): void {
    for (let left = source.readUvarint(); left > 0; left--) {
      const metric = source.readText();
      const type = metricTypes[source.readUint8()];
      if (type === undefined) throw new ByteSourceError('metric type is not known');
      this.add({ metric, type, help: source.readText(), unit: source.readText() });
    }
  }
}
