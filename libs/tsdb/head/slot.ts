/**
 * A slot: what a range knows of one series, as a row of 16 words (one cache line), and which word is which.
 * Times are milliseconds from the begin of the range.
 */
export const slotWords = 16;

export const Slot = {
  /** Number of the series. */
  series: 0,
  /** Encoding of the open chunk (0: there is none) | leading << 8 | trailing << 16 | flags << 24. */
  state: 1,
  /** Bits of the open float chunk, header included. */
  bitPosition: 2,
  /** Samples in the open chunk. */
  count: 3,
  /** Time of the newest sample, -1 before the first. */
  lastT: 4,
  tDelta: 5,
  /** Bits of the last value of the open float chunk. */
  vHi: 6,
  vLo: 7,
  /** Time of the first sample of the open chunk. */
  openMinT: 8,
  /** First and last fragment of an open float chunk; the first is a number of an open histogram chunk where it is one. */
  first: 9,
  last: 10,
  /** When the open chunk should end. */
  nextAt: 11,
  /** Newest closed chunk, 0 if there is none. */
  closed: 12,
  /** Buffer of late floats, 0 if there is none. */
  late: 13,
  /** Row of start times, 0 if there is none. */
  startTimes: 14,
  /** Time of the oldest sample. */
  minT: 15,
} as const;

/** Flags of the state word. */
export const SlotFlag = {
  /** The last float of an XOR2 chunk was a staleness marker: vHi and vLo are those of the value before. */
  lastIsStale: 1 << 24,
  /** The end of the open histogram chunk has been predicted. */
  endPredicted: 1 << 25,
} as const;
