/** The sign -: floats and histograms the other way round. */
import { multiplyHistogram } from '../../../model/histogram-arithmetic.ts';
import type { ColumnChange } from '../series-map.ts';
import { PointKind } from '../step-column.ts';

export const negate: ColumnChange = (column) => {
  const { values } = column;
  for (let step = 0; step < values.length; step++) values[step] = -values[step];
  if (!column.hasHistograms) return;
  for (let step = 0; step < values.length; step++) {
    if (column.kinds[step] !== PointKind.histogram) continue;
    column.setHistogram(step, multiplyHistogram(column.histogramAt(step), -1));
  }
};
