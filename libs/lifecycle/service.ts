/**
 * What a room is to the process: something that starts, says whether it is ready, and stops.
 */

export interface Service {
  /** Resolves when the room may be asked; work that takes long goes on behind it and is told by `ready`. */
  start(): Promise<void>;
  /** Stops accepting, finishes what it has, releases everything. */
  stop(): Promise<void>;
  /** Why nothing can be asked of it now, in a sentence; undefined when it is ready. */
  notReadyReason(): string | undefined;
  /** What is amiss although it is ready, in a sentence: a part of what it does fails, the rest goes on. */
  amissReason?(): string | undefined;
}
