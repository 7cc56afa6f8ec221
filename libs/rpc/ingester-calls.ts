/**
 * The calls of IngesterContract between processes beside those of its source (source-calls.ts), and those that every process answers.
 */
export const IngesterCall = {
  push: 'ingester.push',
  headStatus: 'ingester.head_status',
  applied: 'ingester.applied',
  writeMarks: 'ingester.write_marks',
} as const;

/** That there is a reply says that the process is there, and the reply carries the epoch that it knows; an ingester's says what it holds. */
export const ringEpochCall = 'ring.epoch';

/** Asks for the newest table of the ring that the process knows, as it lies in the bucket. */
export const ringTableCall = 'ring.table';
