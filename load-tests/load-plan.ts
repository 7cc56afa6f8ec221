/**
 * All bodies of a load, encoded ahead: bodies[scrape][shard]. Memory: about 35 bytes a sample (v1).
 */

import type { Progress } from '../libs/telemetry/progress.ts';
import { BodyTemplate, type Protocol } from './encode-body.ts';
import { scrapeIntervalMs } from './label-recipe.ts';

export const seriesPerBody = 2000;

export interface LoadPlan {
  readonly protocol: Protocol;
  readonly seriesCount: number;
  readonly scrapes: number;
  readonly bodies: readonly (readonly Buffer[])[];
  readonly rawBytes: number;
  readonly wireBytes: number;
}

/** Encodes `scrapes` scrapes of `seriesCount` series, the last of them about now. */
export async function planLoad(
  protocol: Protocol,
  seriesCount: number,
  scrapes: number,
  progress: Progress,
): Promise<LoadPlan> {
  const shards = Math.ceil(seriesCount / seriesPerBody);
  const beginMs = Date.now() - (scrapes + 1) * scrapeIntervalMs;
  const bodies: Buffer[][] = Array.from({ length: scrapes }, () => []);
  let rawBytes = 0;
  let wireBytes = 0;
  progress.begin(`encode ${seriesCount} series x ${scrapes} scrapes as ${protocol}`, shards);
  for (let shard = 0; shard < shards; shard++) {
    const first = shard * seriesPerBody;
    const template = new BodyTemplate(protocol, first, Math.min(seriesPerBody, seriesCount - first));
    for (let scrape = 0; scrape < scrapes; scrape++) {
      const body = template.encode(scrape, beginMs);
      (bodies[scrape] as Buffer[]).push(body);
      rawBytes += template.rawBytes;
      wireBytes += body.length;
    }
    progress.step(shard + 1);
    // Lets the collector and signals in.
    await new Promise((resolve) => setImmediate(resolve));
  }
  progress.end();
  return { protocol, seriesCount, scrapes, bodies, rawBytes, wireBytes };
}
