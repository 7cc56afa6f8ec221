/**
 * A proxy in front of an S3 server that breaks what a test tells it to: the faults of a network and of a store under load.
 * Owns the faults. Requests are signed for the proxy's own address, so it passes the host header on as it came.
 */
import { createServer, type IncomingMessage, request as requestOf, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to a request in place of a plain answer. */
export type Fault =
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** The store does it, the sender hears an error. */
  | { readonly kind: 'done-but-answered'; readonly status: number }
  /** The store does it, the connection breaks. */
  | { readonly kind: 'done-but-cut' }
  /** Half of the body comes, then the connection breaks. */
  | { readonly kind: 'truncated' }
  | { readonly kind: 'silent' };

export interface FaultyS3 extends AsyncDisposable {
  readonly endpoint: string;
  /** Asked for each request; undefined passes it on. */
  fault: (request: { method: string; url: URL; headers: IncomingMessage['headers'] }) => Fault | undefined;
  /** Requests that came, as `GET /path?query`. */
  readonly requests: string[];
  /** Added to every answer. */
  delayMs: number;
}

export async function startFaultyS3(target: string): Promise<FaultyS3> {
  const to = new URL(target);
  const state: FaultyS3 = {
    endpoint: '',
    fault: () => undefined,
    requests: [],
    delayMs: 0,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer((incoming, outgoing) => {
    const method = incoming.method ?? '';
    const url = new URL(incoming.url ?? '/', target);
    state.requests.push(`${method} ${incoming.url}`);
    const fault = state.fault({ method, url, headers: incoming.headers });
    if (fault?.kind === 'answer') {
      incoming.resume();
      incoming.on('end', () => answerError(outgoing, fault.status, fault.code));
      return;
    }
    if (fault?.kind === 'silent') return;
    const { hostname, port } = to;
    const path = incoming.url ?? '/';
    const forward = requestOf({ hostname, port, method, path, headers: incoming.headers }, (answer) => {
      const send = (): void => passOn(answer, outgoing, fault);
      if (state.delayMs > 0) setTimeout(send, state.delayMs);
      else send();
    });
    forward.on('error', () => outgoing.destroy());
    incoming.pipe(forward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(state, { endpoint: `http://127.0.0.1:${port}` });
}

function passOn(answer: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): void {
  if (fault?.kind === 'done-but-cut') {
    answer.resume();
    outgoing.destroy();
    return;
  }
  if (fault?.kind === 'done-but-answered') {
    answer.resume();
    answer.on('end', () => answerError(outgoing, fault.status, 'InternalError'));
    return;
  }
  outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
  if (fault?.kind !== 'truncated') {
    answer.pipe(outgoing);
    return;
  }
  const pieces: Buffer[] = [];
  answer.on('data', (piece: Buffer) => pieces.push(piece));
  answer.on('end', () => {
    const body = Buffer.concat(pieces);
    outgoing.write(body.subarray(0, body.length >> 1), () => outgoing.destroy());
  });
}

function answerError(outgoing: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>injected</Message></Error>`;
  outgoing.writeHead(status, { 'content-type': 'application/xml' }).end(body);
}
