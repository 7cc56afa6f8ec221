/**
 * The greeting of a link: both ends say their cluster, protocol version and name, and prove that they know the cluster's secret.
 * Owns every reason to refuse a peer, in a sentence that an operator can act on. Surprising: the secret itself never goes over
 * the wire; each end proves it over a number that the other one drew.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Failure } from '../errors/failure.ts';
import type { HelloMessage, WelcomeMessage } from '../wire/peer/greeting-messages.ts';

/** Changes when frames or messages change so that the release before cannot speak with this one. */
const protocolVersion = 1;

export interface Identity {
  readonly clusterId: string;
  readonly instance: string;
  readonly zone: string;
  /** '' where none is set: then mTLS or the loopback interface keeps strangers out. */
  readonly secret: string;
}

export function helloOf(identity: Identity): HelloMessage {
  const { clusterId, instance, zone } = identity;
  return { protocolVersion, clusterId, instance, zone, nonce: randomBytes(16) };
}

/** The answer to a caller's hello. @throws Failure `unauthenticated` when it does not belong here */
export function welcomeOf(identity: Identity, hello: HelloMessage, windowBytes: number): WelcomeMessage {
  checkPeer(identity, hello);
  const own = helloOf(identity);
  return { ...own, proof: prove(identity, 'called', hello, own), windowBytes };
}

/** What the caller answers to the welcome. @throws Failure `unauthenticated` when the other end does not belong here */
export function proofOf(identity: Identity, hello: HelloMessage, welcome: WelcomeMessage): Uint8Array {
  checkPeer(identity, welcome);
  if (!isEqual(welcome.proof, prove(identity, 'called', hello, welcome))) {
    throw new Failure('unauthenticated', `${nameOf(welcome)} has another cluster.secret than ${nameOf(identity)}`);
  }
  return prove(identity, 'caller', hello, welcome);
}

/** @throws Failure `unauthenticated` when the caller does not know the secret */
export function checkProof(identity: Identity, hello: HelloMessage, welcome: HelloMessage, proof: Uint8Array): void {
  if (isEqual(proof, prove(identity, 'caller', hello, welcome))) return;
  throw new Failure('unauthenticated', `${nameOf(hello)} has another cluster.secret than ${nameOf(identity)}`);
}

function checkPeer(identity: Identity, peer: HelloMessage): void {
  if (peer.protocolVersion !== protocolVersion) {
    throw new Failure(
      'unauthenticated',
      `${nameOf(peer)} speaks version ${peer.protocolVersion} of the protocol between processes, ${nameOf(identity)} version ${protocolVersion}`,
    );
  }
  if (peer.clusterId !== identity.clusterId) {
    throw new Failure(
      'unauthenticated',
      `${nameOf(peer)} belongs to cluster ${JSON.stringify(peer.clusterId)}, ${nameOf(identity)} to ${JSON.stringify(identity.clusterId)} (cluster.id)`,
    );
  }
}

const nameOf = (peer: { readonly instance: string }): string => JSON.stringify(peer.instance);

function prove(identity: Identity, side: 'caller' | 'called', hello: HelloMessage, welcome: HelloMessage): Uint8Array {
  if (identity.secret === '') return new Uint8Array(0);
  const hmac = createHmac('sha256', identity.secret);
  for (const part of [side, identity.clusterId, hello.instance, welcome.instance]) {
    hmac.update(`${Buffer.byteLength(part)}:${part}`);
  }
  return hmac.update(hello.nonce).update(welcome.nonce).digest();
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);
