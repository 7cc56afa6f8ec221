/**
 * What senders said about the metrics of one tenant: type, unit, help. Targets may disagree, so a metric has a list.
 * Owns the lists and their maxima, of one tenant and of all; the newest stays.
 */
import { type MetricMetadata, metricTypes } from '../../model/metadata.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import { type ByteSource, ByteSourceError } from '../../std/byte-source.ts';

const metricsMax = 100_000;
const entriesMax = 10;
/** Most characters of one tenant. They lie in the V8 heap, which all tenants share. */
const charactersMax = 16 << 20;
/** Counted for an entry beyond its texts: its objects. */
const entryCharacters = 100;

/** What the metadata of all tenants may take together: names of tenants can be made up. */
export class MetadataShare {
  /** Characters held by all. */
  characters = 0;
  readonly #max: number;
  /** Those that hold any. */
  readonly #stores = new Set<MetadataStore>();

  constructor(charactersMax: number) {
    this.#max = charactersMax;
  }

  /** A store holds so many characters more. */
  count(store: MetadataStore, characters: number): void {
    this.characters += characters;
    if (store.characters > 0) this.#stores.add(store);
    else this.#stores.delete(store);
  }

  /** Who holds most gives half of it, until all have room. */
  makeRoom(): void {
    while (this.characters > this.#max) {
      let largest: MetadataStore | undefined;
      for (const store of this.#stores) if (store.characters > (largest?.characters ?? 0)) largest = store;
      if (largest === undefined) return;
      largest.shrink(largest.characters / 2);
    }
  }
}

export class MetadataStore {
  readonly #share: MetadataShare | undefined;
  readonly #byMetric = new Map<string, MetricMetadata[]>();
  /** Goes on behind the metrics that are gone: to begin anew would pass over what each of them left in the map. */
  #oldest = this.#byMetric.keys();
  #characters = 0;

  /** @param share undefined where there is no other store */
  constructor(share?: MetadataShare) {
    this.#share = share;
  }

  /** Characters held, with what is counted for objects. */
  get characters(): number {
    return this.#characters;
  }

  add(entry: MetricMetadata): void {
    const known = this.#byMetric.get(entry.metric);
    if (known === undefined) {
      if (this.#byMetric.size >= metricsMax) this.#dropOldest();
      this.#byMetric.set(entry.metric, [entry]);
    } else {
      const { type, help, unit } = entry;
      if (known.some((one) => one.type === type && one.help === help && one.unit === unit)) return;
      if (known.length >= entriesMax) this.#count(-charactersOf(known.shift()));
      known.push(entry);
    }
    this.#count(charactersOf(entry));
    this.shrink(charactersMax);
    this.#share?.makeRoom();
  }

  /** Lets go of the oldest metrics until no more than so many characters are held. */
  shrink(characters: number): void {
    while (this.#characters > characters) this.#dropOldest();
  }

  /** Lets go of all. */
  clear(): void {
    this.#byMetric.clear();
    this.#count(-this.#characters);
  }

  #count(characters: number): void {
    this.#characters += characters;
    this.#share?.count(this, characters);
  }

  #dropOldest(): void {
    let { value: metric } = this.#oldest.next();
    if (metric === undefined) {
      this.#oldest = this.#byMetric.keys();
      metric = this.#oldest.next().value;
    }
    if (metric === undefined) return;
    for (const entry of this.#byMetric.get(metric) ?? []) this.#count(-charactersOf(entry));
    this.#byMetric.delete(metric);
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

function charactersOf(entry: MetricMetadata | undefined): number {
  if (entry === undefined) return 0;
  return entryCharacters + entry.metric.length + entry.help.length + entry.unit.length;
}
