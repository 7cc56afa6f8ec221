/**
 * Small texts under keys that vanish by themselves: leases, seen by every process of a cluster.
 * Owns the words. No safety rests on it: what it says helps to choose, and everything goes on without it.
 */
export interface KeyValue {
  /** For logs: where it is, without a password. */
  readonly name: string;
  /** Sets a key for `ttlMs`, whatever was there. @throws Failure `unavailable` */
  put(group: string, key: string, value: string, ttlMs: number): Promise<void>;
  /** What is set under a group now. @throws Failure `unavailable` */
  list(group: string): Promise<ReadonlyMap<string, string>>;
  /** No error if it is gone already. @throws Failure `unavailable` */
  remove(group: string, key: string): Promise<void>;
  close(): Promise<void>;
}
