/**
 * What a carrier of calls offers, whatever lies below: one request with one reply, or with many. Bytes in, bytes out.
 * Owns the words. Carriers: peer-link.ts over a pipe (grpc-pipe.ts). A room in the same process needs none: it is the contract.
 */

export interface CallOptions {
  /** After this the call fails with `timeout`, here and there. */
  readonly timeoutMs: number;
  /** Ends the call early, here and there. */
  readonly signal?: AbortSignal;
}

export interface Channel {
  /** The request is sent as its parts, one after another; they may be reused when this returns. @throws Failure */
  ask(method: string, request: readonly Uint8Array[], options: CallOptions): Promise<Uint8Array>;
  /** Replies one by one, never further ahead than a window of bytes. Leaving the loop ends the call there. @throws Failure */
  stream(method: string, request: readonly Uint8Array[], options: CallOptions): AsyncIterable<Uint8Array>;
}

/** Who calls, as it said and proved. */
export interface Peer {
  readonly instance: string;
  readonly zone: string;
}

export interface CallContext {
  readonly peer: Peer;
  /** Aborts when the caller does not want the answer any more, or its time is over. */
  readonly signal: AbortSignal;
}

export type AskHandler = (request: Uint8Array, context: CallContext) => Promise<Uint8Array>;
export type StreamHandler = (request: Uint8Array, context: CallContext) => AsyncIterable<Uint8Array>;

export interface CallHandlers {
  readonly asks: ReadonlyMap<string, AskHandler>;
  readonly streams: ReadonlyMap<string, StreamHandler>;
}

/** One message after another, both ways, in order. Either side may close it; what a message is, is not its business. */
export interface Pipe {
  send(message: Uint8Array): void;
  /** Both ends hear `closed`; a second call does nothing. */
  close(reason: string): void;
}

export interface PipeListener {
  message(bytes: Uint8Array): void;
  /** Once, and nothing after it. */
  closed(reason: string): void;
}

/** Opens pipes to one address. `closed` of the listener says that it failed. */
export type OpenPipe = (listener: PipeListener) => Pipe;
