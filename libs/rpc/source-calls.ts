/**
 * The calls of a SeriesSource between processes: names, for each sort of process that has one.
 */
export interface SourceCalls {
  readonly select: string;
  readonly labelNames: string;
  readonly labelValues: string;
  readonly series: string;
  readonly exemplars: string;
  readonly metadata: string;
}

function callsOf(room: string): SourceCalls {
  return {
    select: `${room}.select`,
    labelNames: `${room}.label_names`,
    labelValues: `${room}.label_values`,
    series: `${room}.series`,
    exemplars: `${room}.exemplars`,
    metadata: `${room}.metadata`,
  };
}

export const ingesterSource: SourceCalls = callsOf('ingester');
export const gatewaySource: SourceCalls = callsOf('store_gateway');
