/** What a sender says about a metric: type, unit, help. Types are the words of Prometheus' API. */

export const metricTypes = [
  'unknown',
  'counter',
  'gauge',
  'summary',
  'histogram',
  'gaugehistogram',
  'info',
  'stateset',
] as const;
export type MetricType = (typeof metricTypes)[number];

export interface MetricMetadata {
  readonly metric: string;
  readonly type: MetricType;
  readonly help: string;
  readonly unit: string;
}
