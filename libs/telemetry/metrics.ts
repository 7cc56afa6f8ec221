/**
 * Metrics of this process, all called maru_*: prom-client behind a small face.
 * Owns the registry. Hot paths count in plain numbers; `gaugeOf` and `counterOf` read them when somebody asks.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Sampled {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Metrics {
  readonly registry: Registry = new Registry();

  constructor(version: string) {
    collectDefaultMetrics({ register: this.registry, prefix: 'maru_' });
    this.gaugeOf('maru_build_info', 'Version of this process.', ['version'], () => [{ labels: { version }, value: 1 }]);
  }

  /** A counter whose total is read at scrape time. */
  counterOf(name: string, help: string, labelNames: readonly string[], read: () => readonly Sampled[]): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.inc({ ...labels }, value);
      },
    });
  }

  /** A gauge that is read at scrape time. */
  gaugeOf(name: string, help: string, labelNames: readonly string[], read: () => readonly Sampled[]): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.set({ ...labels }, value);
      },
    });
  }

  counter(name: string, help: string, labelNames: readonly string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** Seconds in buckets from half a millisecond to a minute. */
  seconds(name: string, help: string, labelNames: readonly string[]): Histogram {
    const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
  }
}
