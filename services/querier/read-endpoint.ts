/**
 * Remote read: another Prometheus asks for the samples of selectors and evaluates them itself.
 * Owns the request's way to a query worker, which reads and writes (execute-read.ts). Facts: Prometheus 3.15
 * storage/remote/read_handler.go.
 */
import { SnappyDecoder } from '../../libs/model/encoding/snappy.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import { ReadForm, readReadRequest } from '../../libs/wire/read-request.ts';
import type { ApiDeps } from './endpoint.ts';

/** Most bytes of a request after decompression: as of a form. A Prometheus sends some hundred. */
const requestBytesMax = 4 << 20;

/** @throws Failure `bad_data` for what is no read request, and those of a query */
export async function remoteRead({ tenant, body, hold, signal }: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const decoder = new SnappyDecoder();
  const length = decoder.decode(body, requestBytesMax);
  // A body of three bytes can stand for 64, in texts that wait for a worker.
  hold?.(length);
  const { queries, form } = readReadRequest(decoder.bytes, length);
  const { chunks } = await deps.pool.run({
    tenant,
    request: { kind: 'read', form, queries },
    source: deps.sourceOf(tenant),
    signal,
    timeoutMs: deps.timeoutMs,
  });
  if (form === ReadForm.streamedChunks) {
    const contentType = 'application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse';
    return { httpStatus: 200, contentType, body: chunks };
  }
  const headers = { 'content-encoding': 'snappy' };
  return { httpStatus: 200, contentType: 'application/x-protobuf', headers, body: chunks };
}
