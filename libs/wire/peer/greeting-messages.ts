/** What two processes say before the first call, and how a call fails. */
import { codecOf, type MessageCodec } from './message-codec.ts';

export interface HelloMessage {
  readonly protocolVersion: number;
  readonly clusterId: string;
  readonly instance: string;
  readonly zone: string;
  readonly nonce: Uint8Array;
}

export interface WelcomeMessage extends HelloMessage {
  readonly proof: Uint8Array;
  readonly windowBytes: number;
}

export interface CallFailureMessage {
  readonly kind: string;
  readonly message: string;
  /** 0: it is not known. */
  readonly retryAfterSeconds: number;
}

export const helloCodec: MessageCodec<HelloMessage> = codecOf('Hello');
export const welcomeCodec: MessageCodec<WelcomeMessage> = codecOf('Welcome');
export const proofCodec: MessageCodec<{ readonly proof: Uint8Array }> = codecOf('Proof');
export const callFailureCodec: MessageCodec<CallFailureMessage> = codecOf('CallFailure');
