/**
 * Sends the bodies of a plan: closed loop (as fast as the server answers, over a number of connections) and open loop (at
 * a fixed rate of arrivals, whatever the server does). Owns connections and latencies. In a closed loop a connection owns its
 * shards, so that every series arrives in order. In an open loop a push is measured from when it was to be sent: waiting for a
 * free connection is latency too, and so is what the sender itself waits for a core. It has one before all others where that is
 * allowed (it stands for another machine), and how late it was is told apart.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { getPriority, setPriority } from 'node:os';
import type { Progress } from '../libs/telemetry/progress.ts';
import type { Protocol } from './encode-body.ts';
import type { LoadPlan } from './load-plan.ts';
import type { RunningServer } from './servers.ts';

const headersOf = {
  v1: { 'content-type': 'application/x-protobuf', 'x-prometheus-remote-write-version': '0.1.0' },
  v2: {
    'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
    'x-prometheus-remote-write-version': '2.0.0',
  },
} as const satisfies Record<Protocol, Record<string, string>>;

/** What a load did. */
export class LoadResult {
  pushes = 0;
  seconds = 0;
  /** The first refusals, in the server's words. */
  readonly failures: string[] = [];
  failed = 0;
  /** Of an open loop: whether the sender was allowed to have a core before everybody else. */
  hadCoreFirst = false;
  readonly #latenciesMs: number[] = [];
  readonly #latenessMs: number[] = [];

  /** @param latenessMs of an open loop: how long after it was due the sender came to send it */
  take(latencyMs: number, latenessMs: number, status: number, text: string): void {
    this.pushes++;
    this.#latenciesMs.push(latencyMs);
    this.#latenessMs.push(latenessMs);
    if (status >= 200 && status < 300) return;
    this.failed++;
    if (this.failures.length < 3) this.failures.push(`${status}: ${text.slice(0, 300)}`);
  }

  /** Latency below which a share of the pushes stayed, in milliseconds. */
  quantile(share: number): number {
    return quantileOf(this.#latenciesMs, share);
  }

  /** The same of the sender's own lateness. */
  latenessQuantile(share: number): number {
    return quantileOf(this.#latenessMs, share);
  }
}

function quantileOf(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** What `nice -n -10` is, also to the groups that Linux makes of sessions; undone when it is disposed of. */
class SenderFirst implements Disposable {
  readonly granted: boolean;
  readonly #before = getPriority();

  constructor() {
    this.granted = SenderFirst.#set(-10, -10);
  }

  [Symbol.dispose](): void {
    if (this.granted) SenderFirst.#set(this.#before, 0);
  }

  static #set(priority: number, groupPriority: number): boolean {
    try {
      setPriority(priority);
      // Not there on every kernel.
      if (readFileSync('/proc/self/autogroup').length > 0) writeFileSync('/proc/self/autogroup', String(groupPriority));
      return true;
    } catch {
      return getPriority() === priority;
    }
  }
}

/** Pushes bodies over a number of connections that stay open. */
export class Sender {
  readonly #agent: Agent;
  readonly #server: RunningServer;
  readonly #protocol: Protocol;

  constructor(server: RunningServer, protocol: Protocol, connections: number) {
    this.#server = server;
    this.#protocol = protocol;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  push(body: Buffer): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port: this.#server.port,
          path: this.#server.kind.pushPath,
          method: 'POST',
          headers: {
            ...headersOf[this.#protocol],
            'content-encoding': 'snappy',
            'content-length': body.length,
            'user-agent': 'maru-load/1',
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
          response.on('error', reject);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Sends scrapes [begin, end) of the plan, every connection its own shards, as fast as answers come. */
export async function sendClosed(
  server: RunningServer,
  plan: LoadPlan,
  begin: number,
  end: number,
  connections: number,
  progress: Progress,
): Promise<LoadResult> {
  const result = new LoadResult();
  const sender = new Sender(server, plan.protocol, connections);
  const shards = plan.bodies[begin]?.length ?? 0;
  progress.begin(`${server.kind.name}: push scrapes ${begin} to ${end}`, shards * (end - begin));
  const started = performance.now();
  const one = async (connection: number): Promise<void> => {
    for (let scrape = begin; scrape < end; scrape++) {
      for (let shard = connection; shard < shards; shard += connections) {
        const sentAt = performance.now();
        const { status, text } = await sender.push(plan.bodies[scrape]?.[shard] as Buffer);
        result.take(performance.now() - sentAt, 0, status, text);
        progress.step(result.pushes);
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, connection) => one(connection)));
  result.seconds = (performance.now() - started) / 1000;
  sender.close();
  progress.end();
  return result;
}

/**
 * Sends bodies of scrapes [begin, end) at `pushesPerSecond` for `seconds`, or until they are all sent.
 * Pushes that could not be sent in time go out as soon as a connection is free.
 */
export async function sendOpen(
  server: RunningServer,
  plan: LoadPlan,
  begin: number,
  end: number,
  pushesPerSecond: number,
  seconds: number,
  connections: number,
  progress: Progress,
): Promise<LoadResult> {
  const result = new LoadResult();
  const sender = new Sender(server, plan.protocol, connections);
  const shards = plan.bodies[begin]?.length ?? 0;
  const count = Math.min(Math.floor(pushesPerSecond * seconds), shards * (end - begin));
  progress.begin(`${server.kind.name}: ${pushesPerSecond.toFixed(0)} pushes a second for ${seconds} s`, count);
  using first = new SenderFirst();
  result.hadCoreFirst = first.granted;
  const started = performance.now();
  const open: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    const dueAt = started + (i * 1000) / pushesPerSecond;
    // A timer is right to a millisecond or two; the rest is waited turn by turn.
    const wait = Math.floor(dueAt - performance.now() - 1);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    while (performance.now() < dueAt) await new Promise((resolve) => setImmediate(resolve));
    const body = plan.bodies[begin + Math.floor(i / shards)]?.[i % shards] as Buffer;
    const latenessMs = performance.now() - dueAt;
    open.push(
      sender.push(body).then(({ status, text }) => {
        result.take(performance.now() - dueAt, latenessMs, status, text);
        progress.step(result.pushes);
      }),
    );
  }
  await Promise.all(open);
  result.seconds = (performance.now() - started) / 1000;
  sender.close();
  progress.end();
  return result;
}
