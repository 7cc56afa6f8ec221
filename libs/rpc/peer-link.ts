/**
 * The calling end of a link: a channel to one address that connects, greets, calls, and comes back after a failure.
 * Owns the calls under way and the bytes of requests that the other side has not answered. When the pipe breaks every call
 * fails at once with `unavailable`: nothing is sent twice behind the caller's back. Surprising: a call while the link is down
 * fails at once too, naming why; only the very connecting is waited for, by so many bytes of requests.
 */
import { Failure } from '../errors/failure.ts';
import { assert } from '../std/assert.ts';
import { tenantAtWork } from '../telemetry/tenant-work.ts';
import { traceparent, untraced } from '../telemetry/trace.ts';
import {
  type HelloMessage,
  helloCodec,
  proofCodec,
  type WelcomeMessage,
  welcomeCodec,
} from '../wire/peer/greeting-messages.ts';
import { decodeFailure } from './call-failure.ts';
import type { CallOptions, Channel, OpenPipe, Peer, PipeListener } from './channel.ts';
import { decodeEnvelope, type Frame, FrameKind, frameOf } from './frame.ts';
import { FrameSender } from './frame-sender.ts';
import { helloOf, type Identity, proofOf } from './greeting.ts';
import { itemWindowBytes, payloadBytesMax } from './serve-link.ts';

const connectMs = 5_000;
const firstPauseMs = 50;
const pauseMsMax = 2_000;
/** Bytes of requests that may wait for the connecting: a host that is gone lets everybody wait for as long as that may take. */
const waitingBytesMax = 8 << 20;

export interface PeerLinkOptions {
  readonly identity: Identity;
  /** For messages: `ingester-0 at 10.0.0.1:9095`. */
  readonly name: string;
  readonly open: OpenPipe;
  /** Who is to answer there: addresses are given away anew. Absent where whoever does is right. */
  readonly expected?: Peer;
  readonly tableEpoch: () => number;
  readonly onTableEpoch: (epoch: number) => void;
  /** The link opened or broke, in a sentence. */
  readonly onState: (open: boolean, reason: string) => void;
  /** From 0 to below 1. */
  readonly random: () => number;
}

interface Call {
  readonly requestBytes: number;
  item(payload: Uint8Array): void;
  end(payload: Uint8Array): void;
  fail(failure: Failure): void;
}

type State =
  | { readonly at: 'connecting'; readonly done: Promise<void> }
  | { readonly at: 'open'; readonly sender: FrameSender; readonly windowBytes: number }
  | { readonly at: 'down'; readonly reason: string }
  | { readonly at: 'stopped' };

export class PeerLink implements Channel {
  readonly #options: PeerLinkOptions;
  readonly #calls = new Map<number, Call>();
  #state: State = { at: 'down', reason: 'not connected yet' };
  #lastCall = 0;
  #unanswered = 0;
  /** Bytes of requests that wait for the connecting. */
  #waiting = 0;
  #pauseMs = firstPauseMs;
  #retry: NodeJS.Timeout | undefined;
  #close: ((reason: string) => void) | undefined;
  /** Who answers, once it has greeted. */
  peer: Peer | undefined;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    // It outlives the request that found its address.
    untraced(() => this.#connect());
  }

  get isOpen(): boolean {
    return this.#state.at === 'open';
  }

  /** Bytes of requests that are not answered yet. */
  get unansweredBytes(): number {
    return this.#unanswered;
  }

  ask(method: string, request: readonly Uint8Array[], options: CallOptions): Promise<Uint8Array> {
    const state = this.#state;
    if (state.at === 'connecting') {
      const bytes = bytesOf(request);
      if (this.#waiting > 0 && this.#waiting + bytes > waitingBytesMax) {
        const text = `${this.#options.name} is not connected yet, and ${this.#waiting} bytes of requests wait for that`;
        return Promise.reject(new Failure('unavailable', text, { retryAfterSeconds: 1 }));
      }
      this.#waiting += bytes;
      // The parts are free for reuse when this returns.
      const kept = [Buffer.concat(request)];
      return state.done.then(() => {
        this.#waiting -= bytes;
        return this.#ask(method, kept, options);
      });
    }
    return this.#ask(method, request, options);
  }

  #ask(method: string, request: readonly Uint8Array[], options: CallOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const call = this.#begin(method, request, options, {
        item: () => reject(new Failure('internal', `${this.#options.name} answers ${method} in pieces`)),
        end: resolve,
        fail: reject,
      });
      if (call instanceof Failure) reject(call);
    });
  }

  async *stream(method: string, request: readonly Uint8Array[], options: CallOptions): AsyncGenerator<Uint8Array> {
    if (this.#state.at === 'connecting') await this.#state.done;
    const items: Uint8Array[] = [];
    let end: Failure | 'end' | undefined;
    let news: (() => void) | undefined;
    const call = this.#begin(method, request, options, {
      item: (payload) => {
        items.push(payload);
        news?.();
      },
      end: () => {
        end = 'end';
        news?.();
      },
      fail: (failure) => {
        end = failure;
        news?.();
      },
    });
    if (call instanceof Failure) throw call;
    let taken = 0;
    try {
      for (;;) {
        const item = items.shift();
        if (item !== undefined) {
          taken += item.length;
          if (taken >= itemWindowBytes / 4) {
            this.#send(frameOf(FrameKind.credit, call, { creditBytes: taken }));
            taken = 0;
          }
          yield item;
          continue;
        }
        if (end === 'end') return;
        if (end !== undefined) throw end;
        await new Promise<void>((resolve) => {
          news = resolve;
        });
        news = undefined;
      }
    } finally {
      if (end === undefined) this.#giveUp(call, new Failure('canceled', 'the reader left'));
    }
  }

  /** Fails what is under way and never connects again. */
  stop(): void {
    if (this.#state.at === 'stopped') return;
    this.#state = { at: 'stopped' };
    clearTimeout(this.#retry);
    this.#close?.('stopped');
    this.#failAll('this process is stopping');
  }

  /** Sends a request; its number, or why it could not be sent. */
  #begin(
    method: string,
    request: readonly Uint8Array[],
    { timeoutMs, signal }: CallOptions,
    replies: Omit<Call, 'requestBytes'>,
  ): number | Failure {
    const { name, tableEpoch } = this.#options;
    const state = this.#state;
    if (signal?.aborted === true) return abortFailure(signal);
    if (state.at !== 'open') {
      const reason = state.at === 'down' ? state.reason : 'this process is stopping';
      return new Failure('unavailable', `${name} cannot be reached: ${reason}`, { retryAfterSeconds: 1 });
    }
    const requestBytes = bytesOf(request);
    if (requestBytes > payloadBytesMax) {
      return new Failure('too_large', `a request of ${requestBytes} bytes for ${name}, ${payloadBytesMax} at most`);
    }
    if (this.#unanswered + requestBytes > state.windowBytes && this.#calls.size > 0) {
      return new Failure('unavailable', `${name} has ${this.#unanswered} bytes of requests unanswered`, {
        retryAfterSeconds: 1,
      });
    }
    const id = this.#nextCall();
    const late = setTimeout(() => {
      this.#giveUp(id, new Failure('timeout', `${name} did not answer ${method} within ${timeoutMs} ms`));
    }, timeoutMs);
    const aborted = (): void => this.#giveUp(id, abortFailure(signal));
    signal?.addEventListener('abort', aborted, { once: true });
    const over = (): void => {
      clearTimeout(late);
      signal?.removeEventListener('abort', aborted);
    };
    this.#calls.set(id, {
      requestBytes,
      item: replies.item,
      end: (payload) => {
        over();
        replies.end(payload);
      },
      fail: (failure) => {
        over();
        replies.fail(failure);
      },
    });
    this.#unanswered += requestBytes;
    state.sender.send(
      frameOf(FrameKind.request, id, {
        method,
        timeoutMs: Math.ceil(timeoutMs),
        tableEpoch: tableEpoch(),
        traceparent: traceparent(),
        tenant: tenantAtWork(),
        payload: request,
      }),
    );
    return id;
  }

  #nextCall(): number {
    do this.#lastCall = (this.#lastCall % 0x7fffffff) + 1;
    while (this.#calls.has(this.#lastCall));
    return this.#lastCall;
  }

  #send(frame: Frame): void {
    if (this.#state.at === 'open') this.#state.sender.send(frame);
  }

  /** The caller waits no longer: the other side is told. Its bytes count until it has answered. */
  #giveUp(id: number, failure: Failure): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.set(id, { requestBytes: call.requestBytes, item: nothing, end: nothing, fail: nothing });
    this.#send(frameOf(FrameKind.cancel, id, {}));
    call.fail(failure);
  }

  #connect(): void {
    let settle: () => void = nothing;
    this.#state = { at: 'connecting', done: new Promise((resolve) => (settle = resolve)) };
    const { identity, open } = this.#options;
    const hello = helloOf(identity);
    let over = false;
    const down = (reason: string): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      sender?.abandon();
      this.#down(reason);
      settle();
    };
    const refused = (reason: string): void => {
      const from = pipe;
      down(reason);
      from?.close(reason);
    };
    const timer = setTimeout(() => refused(`no welcome within ${connectMs} ms`), connectMs);
    let sender: FrameSender | undefined;
    const listener: PipeListener = {
      message: (bytes) => {
        if (over) return;
        try {
          for (const frame of decodeEnvelope(bytes)) {
            if (this.#state.at === 'open') this.#take(frame);
            else {
              assert(sender !== undefined, 'a pipe is there when it speaks');
              this.#welcomed(frame, hello, sender);
              clearTimeout(timer);
              settle();
            }
          }
        } catch (error) {
          refused((error as Error).message);
        }
      },
      closed: down,
    };
    const pipe = open(listener);
    sender = new FrameSender(pipe);
    this.#close = refused;
    sender.send(frameOf(FrameKind.hello, 0, { payload: [helloCodec.encode(hello)] }));
  }

  #welcomed(frame: Frame, hello: HelloMessage, sender: FrameSender): void {
    const payload = frame.payload[0] as Uint8Array;
    if (frame.kind === FrameKind.failure) throw decodeFailure(payload);
    if (frame.kind !== FrameKind.welcome) throw new Failure('bad_data', `a frame of kind ${frame.kind} for a welcome`);
    const welcome: WelcomeMessage = welcomeCodec.decode(payload);
    const proof = proofOf(this.#options.identity, hello, welcome);
    const { expected } = this.#options;
    if (expected !== undefined && (expected.instance !== welcome.instance || expected.zone !== welcome.zone)) {
      throw new Failure('unavailable', `${welcome.instance} (zone ${welcome.zone}) answers there instead`);
    }
    sender.send(frameOf(FrameKind.proof, 0, { payload: [proofCodec.encode({ proof })] }));
    this.peer = { instance: welcome.instance, zone: welcome.zone };
    this.#state = { at: 'open', sender, windowBytes: welcome.windowBytes };
    this.#options.onState(true, 'connected');
  }

  #take(frame: Frame): void {
    const payload = frame.payload[0] as Uint8Array;
    if (frame.tableEpoch > 0) this.#options.onTableEpoch(frame.tableEpoch);
    if (frame.call === 0 && frame.kind === FrameKind.failure) throw decodeFailure(payload);
    this.#pauseMs = firstPauseMs;
    const call = this.#calls.get(frame.call);
    if (call === undefined) return;
    if (frame.kind === FrameKind.item) {
      call.item(payload);
      return;
    }
    this.#calls.delete(frame.call);
    this.#unanswered -= call.requestBytes;
    if (frame.kind === FrameKind.end) call.end(payload);
    else call.fail(decodeFailure(payload));
  }

  #down(reason: string): void {
    if (this.#state.at === 'stopped') return;
    const wasOpen = this.#state.at === 'open';
    this.#state = { at: 'down', reason };
    this.peer = undefined;
    this.#options.onState(false, reason);
    if (wasOpen) this.#failAll(reason);
    // Full jitter: those who lost one server together do not come back together.
    const pauseMs = this.#pauseMs * (0.5 + this.#options.random() / 2);
    this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2);
    this.#retry = setTimeout(() => this.#connect(), pauseMs);
    this.#retry.unref();
  }

  #failAll(reason: string): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.#unanswered = 0;
    for (const call of calls) {
      call.fail(new Failure('unavailable', `${this.#options.name} was lost: ${reason}`, { retryAfterSeconds: 1 }));
    }
  }
}

function nothing(): void {}

function bytesOf(request: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of request) bytes += part.length;
  return bytes;
}

function abortFailure(signal: AbortSignal | undefined): Failure {
  const reason: unknown = signal?.reason;
  return reason instanceof Failure ? reason : new Failure('canceled', 'the call was given up', { cause: reason });
}
