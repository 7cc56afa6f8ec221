/**
 * The called end of a link: greets, then answers calls from handlers until the pipe closes.
 * Owns what one caller may take: bytes of requests unanswered, calls at once, items ahead of their reader. Does not own what
 * the calls do (the handlers) nor what carries the bytes (the pipe).
 */
import { Failure, toFailure } from '../errors/failure.ts';
import { forTenant } from '../telemetry/tenant-work.ts';
import { tracedBelow } from '../telemetry/trace.ts';
import {
  type HelloMessage,
  helloCodec,
  proofCodec,
  type WelcomeMessage,
  welcomeCodec,
} from '../wire/peer/greeting-messages.ts';
import { encodeFailure } from './call-failure.ts';
import type { CallHandlers, Peer, Pipe, PipeListener } from './channel.ts';
import { decodeEnvelope, type Frame, FrameKind, frameOf, payloadBytes } from './frame.ts';
import { FrameSender } from './frame-sender.ts';
import { checkProof, type Identity, welcomeOf } from './greeting.ts';

/** Bytes of requests that one caller may have unanswered. */
const windowBytes = 64 << 20;
/** Of a request, and of a reply: a carrier that is given more breaks (grpc-pipe.ts), and with it all calls of the link. */
export const payloadBytesMax: number = 64 << 20;
/** Calls that one caller may have at once. */
const callsMax = 4096;
/** A caller that has not greeted within this is sent away. */
const greetingMs = 5_000;
/** Bytes of items that may be ahead of the reader of a call. */
export const itemWindowBytes: number = 4 << 20;

export interface LinkServerOptions {
  readonly identity: Identity;
  readonly handlers: CallHandlers;
  /** Epoch of the ring's table that this process knows: it goes with every reply. */
  readonly tableEpoch: () => number;
  /** Another process knows this epoch. */
  readonly onTableEpoch: (epoch: number) => void;
  readonly onRefused: (reason: string) => void;
  /** A handler threw something else than a Failure. */
  readonly onMistake: (method: string, error: unknown) => void;
  /** A call was answered, in so many milliseconds; with a failure, where there is one. */
  readonly onAnswered: (method: string, ms: number, failure: Failure | undefined) => void;
}

interface ServedCall {
  readonly abort: AbortController;
  readonly timer: NodeJS.Timeout;
  /** Bytes of items that may still be sent. */
  credit: number;
  creditCame: (() => void) | undefined;
}

/** Answers whoever calls over `pipe`. @returns the listener to give the pipe's messages to */
export function serveLink(pipe: Pipe, options: LinkServerOptions): PipeListener {
  return new ServedLink(pipe, options);
}

class ServedLink implements PipeListener {
  readonly #options: LinkServerOptions;
  readonly #sender: FrameSender;
  readonly #calls = new Map<number, ServedCall>();
  readonly #greetingTimer: NodeJS.Timeout;
  #hello: HelloMessage | undefined;
  #welcome: WelcomeMessage | undefined;
  #peer: Peer | undefined;
  #unanswered = 0;
  #closed = false;

  constructor(pipe: Pipe, options: LinkServerOptions) {
    this.#options = options;
    this.#sender = new FrameSender(pipe);
    this.#greetingTimer = setTimeout(() => {
      this.#refuse(new Failure('unauthenticated', `the caller did not greet within ${greetingMs} ms`));
    }, greetingMs);
    this.#greetingTimer.unref();
  }

  message(bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      for (const frame of decodeEnvelope(bytes)) {
        this.#take(frame);
        if (this.#closed) return;
      }
    } catch (error) {
      this.#refuse(error);
    }
  }

  closed(): void {
    this.#end();
    this.#sender.abandon();
  }

  #take(frame: Frame): void {
    if (this.#peer === undefined) {
      this.#greet(frame);
      return;
    }
    if (frame.tableEpoch > 0) this.#options.onTableEpoch(frame.tableEpoch);
    switch (frame.kind) {
      case FrameKind.request:
        this.#begin(frame, this.#peer);
        return;
      case FrameKind.cancel:
        this.#calls.get(frame.call)?.abort.abort(new Failure('canceled', 'the caller left'));
        return;
      case FrameKind.credit: {
        const call = this.#calls.get(frame.call);
        if (call === undefined) return;
        call.credit += frame.creditBytes;
        call.creditCame?.();
        return;
      }
      default:
        throw new Failure('bad_data', `a frame of kind ${frame.kind} from a caller`);
    }
  }

  #greet(frame: Frame): void {
    const payload = frame.payload[0] as Uint8Array;
    const { identity } = this.#options;
    if (frame.kind === FrameKind.hello && this.#hello === undefined) {
      const hello = helloCodec.decode(payload);
      const welcome = welcomeOf(identity, hello, windowBytes);
      this.#hello = hello;
      this.#welcome = welcome;
      this.#sender.send(frameOf(FrameKind.welcome, 0, { payload: [welcomeCodec.encode(welcome)] }));
    } else if (frame.kind === FrameKind.proof && this.#hello !== undefined && this.#welcome !== undefined) {
      checkProof(identity, this.#hello, this.#welcome, proofCodec.decode(payload).proof);
      clearTimeout(this.#greetingTimer);
      this.#peer = { instance: this.#hello.instance, zone: this.#hello.zone };
    } else {
      throw new Failure('unauthenticated', `a frame of kind ${frame.kind} before the greeting is done`);
    }
  }

  /** Says why, and closes. */
  #refuse(error: unknown): void {
    if (this.#closed) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.onRefused(reason);
    this.#sender.send(frameOf(FrameKind.failure, 0, { payload: [encodeFailure(error)] }));
    this.#end();
    this.#sender.close(reason);
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#greetingTimer);
    for (const call of this.#calls.values()) call.abort.abort(new Failure('canceled', 'the link is closed'));
  }

  #begin(frame: Frame, peer: Peer): void {
    const id = frame.call;
    const bytes = payloadBytes(frame);
    if (id === 0 || this.#calls.has(id)) throw new Failure('bad_data', `call ${id} is begun twice`);
    if (this.#unanswered + bytes > windowBytes && this.#calls.size > 0) {
      throw new Failure('bad_data', `more than ${windowBytes} bytes of requests unanswered`);
    }
    if (this.#calls.size >= callsMax) {
      this.#fail(id, new Failure('unavailable', `more than ${callsMax} calls at once`, { retryAfterSeconds: 1 }));
      return;
    }
    const abort = new AbortController();
    const late = () => abort.abort(new Failure('timeout', `${frame.method} took longer than ${frame.timeoutMs} ms`));
    const call: ServedCall = {
      abort,
      timer: setTimeout(late, Math.max(1, frame.timeoutMs)),
      credit: itemWindowBytes,
      creditCame: undefined,
    };
    this.#calls.set(id, call);
    this.#unanswered += bytes;
    const beginMs = performance.now();
    const done = (failure?: Failure): void => {
      clearTimeout(call.timer);
      this.#calls.delete(id);
      this.#unanswered -= bytes;
      this.#options.onAnswered(frame.method, performance.now() - beginMs, failure);
    };
    const { traceparent, method, tenant } = frame;
    const failed = (error: unknown): void => {
      if (!(error instanceof Failure)) this.#options.onMistake(method, error);
      done(toFailure(error));
      this.#fail(id, error);
    };
    const run = async (): Promise<void> => {
      try {
        await this.#run(id, call, frame, peer);
      } catch (error) {
        throw abort.signal.aborted ? toFailure(abort.signal.reason) : error;
      }
    };
    const attributes = {
      'rpc.method': method,
      'maru.peer': peer.instance,
      ...(tenant === '' ? {} : { 'maru.tenant': tenant }),
    };
    // Said inside the span, so that what is logged of a failure names tenant and trace.
    const told = (): Promise<void> => {
      const running = run();
      running.then(() => done(), failed);
      return running;
    };
    forTenant(tenant, () =>
      traceparent === '' ? told() : tracedBelow(traceparent, method, 'server', attributes, told),
    ).catch(() => undefined);
  }

  async #run(id: number, call: ServedCall, frame: Frame, peer: Peer): Promise<void> {
    const payload = frame.payload[0] as Uint8Array;
    const context = { peer, signal: call.abort.signal };
    const ask = this.#options.handlers.asks.get(frame.method);
    if (ask !== undefined) {
      const answer = await ask(payload, context);
      checkPayload(frame.method, answer);
      this.#reply(FrameKind.end, id, answer);
      return;
    }
    const stream = this.#options.handlers.streams.get(frame.method);
    if (stream === undefined) throw new Failure('not_found', `there is no call ${JSON.stringify(frame.method)} here`);
    for await (const item of stream(payload, context)) {
      // One item may overdraw the credit, else a large one would never pass.
      if (call.credit <= 0) await this.#creditOf(call);
      context.signal.throwIfAborted();
      checkPayload(frame.method, item);
      call.credit -= item.length;
      this.#reply(FrameKind.item, id, item);
    }
    this.#reply(FrameKind.end, id, new Uint8Array(0));
  }

  #creditOf(call: ServedCall): Promise<void> {
    const { signal } = call.abort;
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(signal.reason);
      if (signal.aborted) return aborted();
      signal.addEventListener('abort', aborted, { once: true });
      call.creditCame = () => {
        if (call.credit <= 0) return;
        call.creditCame = undefined;
        signal.removeEventListener('abort', aborted);
        resolve();
      };
    });
  }

  #reply(kind: FrameKind, call: number, payload: Uint8Array): void {
    this.#sender.send(frameOf(kind, call, { tableEpoch: this.#options.tableEpoch(), payload: [payload] }));
  }

  #fail(call: number, error: unknown): void {
    this.#reply(FrameKind.failure, call, encodeFailure(error));
  }
}

/** @throws Failure `too_large` where the link would break */
function checkPayload(method: string, { length }: Uint8Array): void {
  if (length <= payloadBytesMax) return;
  throw new Failure('too_large', `an answer of ${length} bytes to ${method} is larger than ${payloadBytesMax}`);
}
