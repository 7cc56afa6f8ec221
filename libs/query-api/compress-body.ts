/**
 * Compression of what the main thread answers itself, as the client accepts it.
 * Owns the choice (`gzip` or `deflate`, whichever is named first, as Prometheus 3.15 does: util/httputil/compression.go) and
 * when it is done at once: a stream costs this thread more than a small body. What a query worker answers it compresses itself
 * (gzip-pieces.ts).
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { createDeflate, createGzip, deflateSync, gzipSync, constants as zlib } from 'node:zlib';

export type ContentEncoding = 'gzip' | 'deflate';

const options = { level: zlib.Z_BEST_SPEED };
/** Up to here a body is compressed at once: 20 to 150 us, a stream costs 200. */
const atOnceBytesMax = 16 << 10;

/** Undefined: as it is. */
export function acceptedEncoding(headers: IncomingHttpHeaders): ContentEncoding | undefined {
  return String(headers['accept-encoding'] ?? '')
    .split(',')
    .map((text) => text.trim())
    .find((text) => text === 'gzip' || text === 'deflate');
}

export function compressBody(body: Uint8Array | Readable, encoding: ContentEncoding): Uint8Array | Readable {
  if (body instanceof Uint8Array && body.length <= atOnceBytesMax) {
    return encoding === 'gzip' ? gzipSync(body, options) : deflateSync(body, options);
  }
  const compressor = encoding === 'gzip' ? createGzip(options) : createDeflate(options);
  const source = body instanceof Uint8Array ? Readable.from([body], { objectMode: false }) : body;
  source.on('error', (error) => compressor.destroy(error));
  compressor.on('close', () => source.destroy());
  return source.pipe(compressor);
}
