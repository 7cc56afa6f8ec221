/**
 * What of the log is noted in the bucket: which topic it is, and of each partition the floor: every sample of the records below it is
 * in a block that the bucket index names, and that every reader has heard of.
 * Owns these objects. Each owner of a partition writes its own floor, which only rises; the highest of them counts, since what
 * one owner has shipped nobody else must ship again.
 */
import { Failure } from '../errors/failure.ts';
import type { Bucket } from '../object-store/bucket.ts';

const prefix = '~maru/log/';
const topicKey = `${prefix}topic.json`;
const bytesMax = 1 << 16;
const callMs = 15_000;

interface NotedTopic {
  readonly version: 1;
  readonly clusterId: string;
  readonly topic: string;
  readonly topicId: string;
}

export interface Floor {
  readonly version: 1;
  readonly topicId: string;
  readonly offset: number;
  /** Greatest leader epoch that the owner has read. */
  readonly leaderEpoch: number;
}

/** The id of the topic that this cluster's log is; undefined where none was noted yet. @throws Failure */
export async function notedTopicId(bucket: Bucket, clusterId: string): Promise<string | undefined> {
  const noted = await read<NotedTopic>(bucket, topicKey);
  if (noted === undefined) return undefined;
  if (noted.clusterId !== clusterId) {
    throw new Failure(
      'unavailable',
      `${bucket.name}/${topicKey} is of cluster ${JSON.stringify(noted.clusterId)}, this process of ${JSON.stringify(clusterId)} (cluster.id)`,
    );
  }
  return noted.topicId;
}

/** Notes the id of the topic for good. @returns the one that is noted @throws Failure */
export async function noteTopicId(bucket: Bucket, clusterId: string, topic: string, topicId: string): Promise<string> {
  try {
    await put(bucket, topicKey, { version: 1, clusterId, topic, topicId } satisfies NotedTopic, 'absent');
    return topicId;
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'precondition_failed') throw error;
  }
  return (await notedTopicId(bucket, clusterId)) ?? topicId;
}

/** Where the note lies, for whoever has to take it away. */
export const topicNote: string = topicKey;

/** The highest floor of a partition that any of its owners wrote; undefined where none did. @throws Failure */
export async function readFloor(bucket: Bucket, topicId: string, partition: number): Promise<Floor | undefined> {
  let highest: Floor | undefined;
  const signal = AbortSignal.timeout(callMs);
  for await (const entry of bucket.list(floorPrefix(partition), { delimiter: false, signal })) {
    if (entry.kind !== 'object') continue;
    const floor = await read<Floor>(bucket, entry.key);
    if (floor?.topicId === topicId && floor.offset > (highest?.offset ?? -1)) highest = floor;
  }
  return highest;
}

/** Writes the floor as one owner knows it. @throws Failure */
export async function writeFloor(bucket: Bucket, partition: number, zone: string, floor: Floor): Promise<void> {
  await put(bucket, `${floorPrefix(partition)}${encodeURIComponent(zone)}.json`, floor);
}

const floorPrefix = (partition: number): string => `${prefix}floor/${partition}/`;

async function read<T extends { readonly version: 1 }>(bucket: Bucket, key: string): Promise<T | undefined> {
  let bytes: Uint8Array;
  try {
    ({ bytes } = await bucket.get(key, { bytesMax, signal: AbortSignal.timeout(callMs) }));
  } catch (error) {
    if (error instanceof Failure && error.kind === 'not_found') return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && 'version' in value && value.version === 1) return value as T;
  throw new Failure('unavailable', `${bucket.name}/${key} is not what this release can read`);
}

async function put(bucket: Bucket, key: string, value: object, condition?: 'absent'): Promise<void> {
  const body = new TextEncoder().encode(JSON.stringify(value));
  const signal = AbortSignal.timeout(callMs);
  await bucket.put(key, body, condition === undefined ? { signal } : { condition, signal });
}
