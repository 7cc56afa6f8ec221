/**
 * Series without samples leave the head: its table is built anew from those that are left, so that labels, lists and symbols
 * of the others are gone with the old one.
 * Owns when that pays and how it goes on beside pushes, in steps. Surprising: a series that looked empty may get a sample
 * before the new table is in place; it is put into it late.
 */
import { ByteSink } from '../../std/byte-sink.ts';
import type { Steps } from '../../std/steps.ts';
import { IdMarks } from './id-marks.ts';
import { SeriesTable } from './series-table.ts';
import type { TenantHead } from './tenant-head.ts';

const stepSeries = 64;
/** Fewer empty ones than this share of all are left where they are, in a table of many. */
const emptyShareMin = 1 / 16;
const manySeries = 20_000;
/** Numbers of series that awoke meanwhile and are put in late; with more the work is given up, for another time. */
const awokenMax = 64;

/**
 * Drops what can be dropped. The last step is done in one turn with `dropped`.
 * @param dropped told the numbers that mean nothing any more, rising, right after they are gone
 * @returns whether the table is as small as it should be now
 */
export function* dropEmptySeries(head: TenantHead, dropped: (ids: Uint32Array) => void): Steps<boolean> {
  const old = head.series;
  head.watchSeries(true);
  try {
    const withExemplars = exemplarSeries(head);
    yield;
    const empty = new IdMarks();
    let done = 0;
    for (let id = old.nextId(0); id !== 0; id = old.nextId(id)) {
      if (!head.needsSeries(id) && !withExemplars.has(id)) empty.add(id);
      if (++done % (stepSeries * 16) === 0) yield;
    }
    if (empty.count === 0) {
      head.mayHaveEmptySeries = false;
      return true;
    }
    if (old.count > manySeries && empty.count < old.count * emptyShareMin) return true;
    const candidates = yield* empty.list();
    const next = new SeriesTable();
    const labels = new ByteSink(1024);
    done = 0;
    for (let id = old.nextId(0); id !== 0; id = old.nextId(id)) {
      if (empty.get(id) === 0) {
        labels.reset();
        old.writeLabels(id, labels);
        next.takeIn(id, labels.bytes, 0, labels.length);
      }
      // Nothing comes between the last series and the exchange: from here on it is one turn.
      if (++done % stepSeries === 0 && old.nextId(id) !== 0) yield;
    }
    const awoken = new Set<number>();
    for (const id of head.watchSeries(false)) if (empty.get(id) === 1) awoken.add(id);
    for (const id of exemplarSeries(head)) if (empty.get(id) === 1) awoken.add(id);
    if (awoken.size > awokenMax) return false;
    for (const id of awoken) {
      labels.reset();
      old.writeLabels(id, labels);
      next.insert(id, labels.bytes, 0, labels.length);
    }
    next.startAfter(old.lastId);
    head.series = next;
    head.mayHaveEmptySeries = false;
    if (awoken.size === empty.count) return true;
    head.hasDroppedSeries = true;
    dropped(awoken.size === 0 ? candidates : candidates.filter((id) => !awoken.has(id)));
    return true;
  } finally {
    head.watchSeries(false);
  }
}

function exemplarSeries({ exemplars }: TenantHead): Set<number> {
  const series = new Set<number>();
  for (let i = 0; i < exemplars.count; i++) series.add(exemplars.series(exemplars.row(i)));
  return series;
}

/** Builds the table of a head anew after series were forgotten: while a restart is under way. */
export function* rebuildSeries(head: TenantHead): Steps<void> {
  const next = new SeriesTable();
  const labels = new ByteSink(1024);
  for (let id = head.series.nextId(0); id !== 0; id = head.series.nextId(id)) {
    labels.reset();
    head.series.writeLabels(id, labels);
    next.takeIn(id, labels.bytes, 0, labels.length);
    if (next.count % stepSeries === 0) yield;
  }
  next.startAfter(head.lastId);
  head.series = next;
}
