/**
 * Blocks as an ingester would have cut them: the series of label-recipe.ts, two hours a block, chunks of as many samples as are asked
 * for (Prometheus cuts them to 120).
 * Run as a process: `node write-blocks.ts <folder> <series> <blocks> [<samples a series and block> [<samples a chunk>]]`; prints the folders of the blocks, a line each.
 */
import { join } from 'node:path';
import { canonicalizeLabels } from '../../libs/model/canonical-labels.ts';
import { compareLabels, Labels } from '../../libs/model/labels.ts';
import { makeColumns } from '../../libs/series/merge.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { ChunkColumns, encodeChunks } from '../../libs/tsdb/block/encode-chunks.ts';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { createBlock } from '../../libs/tsdb/block/write-block.ts';
import { labelsOf, sampleTime, sampleValue } from '../label-recipe.ts';

const rangeMs = 7_200_000;
const beginMs = 240_000 * rangeMs;

const [folder = '', seriesText = '', blocksText = '', samplesText = '480', chunkText = '120'] = process.argv.slice(2);
const order = Array.from({ length: Number(seriesText) }, (_, series) => series)
  .map((series) => ({ series, labels: Labels.from(labelsOf(series)) }))
  .sort((a, b) => compareLabels(a.labels, b.labels));
const prng = new Prng(1);
const scrapes = Number(samplesText);
const columns = makeColumns(scrapes);
columns.length = scrapes;
const chunks = new ChunkColumns();
const canonical = new ByteSink();

for (let block = 0; block < Number(blocksText); block++) {
  const from = beginMs + block * rangeMs;
  const ulid = makeUlid(
    from + rangeMs,
    Uint8Array.from({ length: 10 }, () => prng.below(256)),
  );
  await using writer = await createBlock({ disk: realDisk, directory: folder, ulid });
  for (const { series, labels } of order) {
    for (let scrape = 0; scrape < scrapes; scrape++) {
      columns.t[scrape] = sampleTime(series, scrape, from);
      columns.v[scrape] = sampleValue(series, block * scrapes + scrape);
    }
    chunks.reset();
    encodeChunks(columns, 0, scrapes, Number(chunkText), chunks);
    canonical.reset();
    canonicalizeLabels(labels, canonical);
    await writer.addSeries(canonical.written(), chunks, 0, chunks.count);
  }
  await writer.seal({ minTime: from, maxTime: from + rangeMs });
  console.log(join(folder, ulid));
}
