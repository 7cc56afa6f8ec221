/**
 * The calls of IngesterContract between processes: names, and who may wait how long.
 */
export const IngesterCall = {
  push: 'ingester.push',
  select: 'ingester.select',
  labelNames: 'ingester.label_names',
  labelValues: 'ingester.label_values',
  series: 'ingester.series',
  exemplars: 'ingester.exemplars',
  metadata: 'ingester.metadata',
  headStatus: 'ingester.head_status',
} as const;

/** Asks for nothing: that there is a reply says that the ingester is there, and the reply carries the epoch that it knows. */
export const ringEpochCall = 'ring.epoch';
