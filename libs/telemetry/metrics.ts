/**
 * Metrics of this process, all called maru_*: prom-client behind a small face.
 * Owns the registry. Hot paths count in plain numbers; `gaugeOf` and `counterOf` read them when somebody asks. There may be ten thousand
 * tenants: behind a metric of many of them others have a turn of the event loop.
 */
import {
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  Registry,
} from 'prom-client';

export interface Sampled {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** With so many values it was the turn of those who read them, and is that of others. */
const valuesInTurn = 500;

type ReadValue = Awaited<ReturnType<Gauge['get']>>['values'][number];

/** What is kept elsewhere: prom-client would look at each label and hash it, only to have it here as well. */
class ReadGauge extends Gauge {
  readonly #read: () => Promise<ReadValue[]>;

  constructor(config: GaugeConfiguration<string>, read: () => Promise<ReadValue[]>) {
    super(config);
    this.#read = read;
  }

  override async get(): ReturnType<Gauge['get']> {
    return { ...(await super.get()), values: await this.#read() };
  }
}

class ReadCounter extends Counter {
  readonly #read: () => Promise<ReadValue[]>;

  constructor(config: CounterConfiguration<string>, read: () => Promise<ReadValue[]>) {
    super(config);
    this.#read = read;
  }

  override async get(): ReturnType<Counter['get']> {
    return { ...(await super.get()), values: await this.#read() };
  }
}

export class Metrics {
  readonly registry: Registry = new Registry();
  /** When the metric that was asked for last has its turn. */
  #turn: Promise<void> = Promise.resolve();
  #readInTurn = 0;

  constructor(version: string) {
    collectDefaultMetrics({ register: this.registry, prefix: 'maru_' });
    this.gaugeOf('maru_build_info', 'Version of this process.', ['version'], () => [{ labels: { version }, value: 1 }]);
  }

  /** A counter whose total is read at scrape time. */
  counterOf(name: string, help: string, labelNames: readonly string[], read: () => readonly Sampled[]): void {
    new ReadCounter({ name, help, labelNames, registers: [this.registry] }, () => this.#inTurn(read));
  }

  /** A gauge that is read at scrape time. */
  gaugeOf(name: string, help: string, labelNames: readonly string[], read: () => readonly Sampled[]): void {
    new ReadGauge({ name, help, labelNames, registers: [this.registry] }, () => this.#inTurn(read));
  }

  async #inTurn(read: () => readonly Sampled[]): Promise<ReadValue[]> {
    this.#turn = this.#turn.then(async () => {
      if (this.#readInTurn < valuesInTurn) return;
      await new Promise((resolve) => setImmediate(resolve));
      this.#readInTurn = 0;
    });
    await this.#turn;
    const values = read().map(({ labels = {}, value }) => ({ labels, value }));
    this.#readInTurn += values.length;
    return values;
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
