/**
 * remote_write as a test speaks it: series in, an HTTP answer out.
 * Owns compression, headers and the reading of the answer. Messages are made in remote-write-messages.ts. Snappy is
 * snappyjs, not the library that the server uses.
 */
import { compress } from 'snappyjs';
import type { SentSeries } from './remote-write-messages.ts';
import { encodeOne, encodeTwo } from './remote-write-messages.ts';

export type Protocol = 'v1' | 'v2';

export const contentTypes = {
  v1: 'application/x-protobuf',
  v2: 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
} as const satisfies Record<Protocol, string>;

export interface PushAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  /** The three X-Prometheus-Remote-Write-*-Written headers, null where the server did not send them. */
  readonly written: { readonly samples: number; readonly histograms: number; readonly exemplars: number } | null;
}

export interface PushOptions {
  readonly protocol: Protocol;
  readonly tenant?: string;
  readonly path?: string;
  /** Laid over the headers of the protocol; null removes one. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly signal?: AbortSignal;
}

/** A compressed body of the protocol. */
export function pushBody(protocol: Protocol, series: readonly SentSeries[]): Uint8Array {
  return compress(protocol === 'v1' ? encodeOne(series) : encodeTwo(series));
}

export function push(baseUrl: string, series: readonly SentSeries[], options: PushOptions): Promise<PushAnswer> {
  return pushBytes(baseUrl, pushBody(options.protocol, series), options);
}

/** Posts `body` as it is, with the headers of a sender of the protocol. */
export async function pushBytes(baseUrl: string, body: Uint8Array, options: PushOptions): Promise<PushAnswer> {
  const headers = new Headers({
    'content-type': contentTypes[options.protocol],
    'content-encoding': 'snappy',
    'x-prometheus-remote-write-version': options.protocol === 'v1' ? '0.1.0' : '2.0.0',
    'user-agent': 'maru-test/1',
  });
  if (options.tenant !== undefined) headers.set('x-scope-orgid', options.tenant);
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  const answer = await fetch(new URL(options.path ?? '/api/v1/push', baseUrl), {
    method: 'POST',
    body: new Uint8Array(body),
    headers,
    signal: options.signal ?? AbortSignal.timeout(30_000),
  });
  return {
    status: answer.status,
    text: await answer.text(),
    headers: answer.headers,
    written: readWritten(answer.headers),
  };
}

function readWritten(headers: Headers): PushAnswer['written'] {
  const read = (what: string) => headers.get(`x-prometheus-remote-write-${what}-written`);
  const [samples, histograms, exemplars] = [read('samples'), read('histograms'), read('exemplars')];
  if (samples === null || histograms === null || exemplars === null) return null;
  return { samples: Number(samples), histograms: Number(histograms), exemplars: Number(exemplars) };
}
