/**
 * The edge of a write: headers and body of a remote_write request in, status, headers and text out.
 * Owns what the two protocols say over HTTP (remote write 1.0 and 2.0 specifications, prometheus.io/docs/specs). Does not own
 * HTTP itself (libs/http) nor the write (push.ts). Surprising: a request without Content-Type or Content-Encoding is taken
 * for 1.0 and snappy, because old senders leave them out.
 */
import { SeriesForgotten } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { wireStatus } from '../../libs/errors/wire-status.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import { scanWriteRequest } from '../../libs/wire/remote-write.ts';
import type { WriteScan } from '../../libs/wire/write-scan.ts';
import type { IngestionRate } from './ingestion-rate.ts';
import { type PushDeps, type PushResult, push } from './push.ts';

const v1Message = 'prometheus.WriteRequest';
const v2Message = 'io.prometheus.write.v2.Request';
const accepted =
  `Content-Type application/x-protobuf with proto=${v1Message} (the default) or proto=${v2Message}, ` +
  'Content-Encoding snappy (the default)';

export interface PushRequest {
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly body: Uint8Array;
  readonly receiveTimeMs: number;
}

export interface PushResponse {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Empty on success. */
  readonly text: string;
}

export interface PushRouteDeps extends PushDeps {
  readonly rate: IngestionRate;
  readonly scan: WriteScan;
  /** Most bytes that a body may have after decompression. */
  readonly decompressedBytesMax: number;
  readonly counters: PushCounters;
  readonly log: Logger;
}

/** Counted per request and batch, never per sample. */
export interface PushCounters {
  wireBytes: number;
  rawBytes: number;
  samples: number;
  histograms: number;
  exemplars: number;
  refused(tenant: TenantId, id: string, count: number): void;
}

/** Takes one write; every expected failure becomes a response. */
export async function handlePush(tenant: TenantId, request: PushRequest, deps: PushRouteDeps): Promise<PushResponse> {
  try {
    const version = versionOf(request.contentType);
    checkEncoding(request.contentEncoding);
    // What a scan costs is not spent on a request that is refused for its tenant's rate.
    deps.rate.takeRequest(tenant, request.body.length, deps.limitsOf(tenant));
    const rawBytes = scanWriteRequest(version, request.body, deps.decompressedBytesMax, deps.scan);
    deps.counters.wireBytes += request.body.length;
    deps.counters.rawBytes += rawBytes;
    const { scan } = deps;
    const items = scan.sampleCount + scan.histograms.length + scan.exemplars.length + scan.metadata.length;
    deps.rate.takeSamples(tenant, items, request.body.length, deps.limitsOf(tenant));
    const result = await push(tenant, scan, request.receiveTimeMs, deps).catch((error: unknown) => {
      if (!(error instanceof SeriesForgotten)) throw error;
      // Others used the columns meanwhile. What some have already is a duplicate to them.
      scanWriteRequest(version, request.body, deps.decompressedBytesMax, scan);
      return push(tenant, scan, request.receiveTimeMs, deps);
    });
    return answer(tenant, version, result, deps.counters);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    logFailure(deps.log, tenant, error);
    const headers = nothingWritten(request.contentType);
    if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(error.retryAfterSeconds);
    return { status: wireStatus[error.kind].http, headers, text: `${error.message}\n` };
  }
}

/** What the server could not do is told to its operator, what a sender did wrong to the sender. */
function logFailure(log: Logger, tenant: TenantId, { kind, message }: Failure): void {
  const level = kind === 'internal' ? 'error' : wireStatus[kind].http >= 500 ? 'warn' : 'debug';
  log[level]({ tenant, kind, error: message }, 'a write failed');
}

function answer(tenant: TenantId, version: 1 | 2, result: PushResult, counters: PushCounters): PushResponse {
  counters.samples += result.samples;
  counters.histograms += result.histograms;
  counters.exemplars += result.exemplars;
  const headers = version === 2 ? written(result.samples, result.histograms, result.exemplars) : {};
  const { refusals } = result;
  if (refusals.count === 0) return { status: 204, headers, text: '' };
  for (const [id, count] of refusals.byId) counters.refused(tenant, id, count);
  const what =
    refusals.count === 1 ? '1 series or sample was refused' : `${refusals.count} series or samples were refused`;
  return { status: 400, headers, text: `${what}, the rest is stored; the first: ${refusals.first ?? ''}\n` };
}

/** The headers of a request of which nothing is stored, also where that is known before its body is looked at. */
export function nothingWritten(contentType: string | undefined): Record<string, string> {
  return contentType?.includes(v2Message) ? written(0, 0, 0) : {};
}

function written(samples: number, histograms: number, exemplars: number): Record<string, string> {
  return {
    'x-prometheus-remote-write-samples-written': String(samples),
    'x-prometheus-remote-write-histograms-written': String(histograms),
    'x-prometheus-remote-write-exemplars-written': String(exemplars),
  };
}

/** @throws Failure `unsupported_media_type` for anything but the two messages */
export function versionOf(contentType: string | undefined): 1 | 2 {
  if (contentType === undefined || contentType.trim() === '') return 1;
  const [media, ...parameters] = contentType.split(';').map((part) => part.trim());
  if (media?.toLowerCase() !== 'application/x-protobuf') {
    throw new Failure(
      'unsupported_media_type',
      `Content-Type ${quoted(contentType)} is not accepted; accepted: ${accepted}`,
    );
  }
  for (const parameter of parameters) {
    const [name, value] = parameter.split('=', 2);
    if (name?.trim().toLowerCase() !== 'proto') continue;
    const message = value?.trim().replace(/^"(.*)"$/, '$1');
    if (message === v1Message) return 1;
    if (message === v2Message) return 2;
    throw new Failure(
      'unsupported_media_type',
      `message ${quoted(message ?? '')} is not accepted; accepted: ${accepted}`,
    );
  }
  return 1;
}

function checkEncoding(contentEncoding: string | undefined): void {
  if (contentEncoding === undefined || contentEncoding.trim() === '') return;
  if (contentEncoding.trim().toLowerCase() === 'snappy') return;
  throw new Failure(
    'unsupported_media_type',
    `Content-Encoding ${quoted(contentEncoding)} is not accepted; accepted: ${accepted}`,
  );
}

/** A header's text in a sentence: cut, without control characters. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
