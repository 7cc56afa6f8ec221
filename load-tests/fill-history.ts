/**
 * Writes a history into a server, in order of time, so that every server takes it in order.
 * Owns how it is cut into requests: all series move on together by a few minutes at a time.
 */

import type { Progress } from '../libs/telemetry/progress.ts';
import type { Protocol } from './encode-body.ts';
import { historyBody } from './history-body.ts';
import { Sender } from './send-load.ts';
import type { RunningServer } from './servers.ts';

export interface History {
  readonly seriesCount: number;
  readonly scrapes: number;
  readonly intervalMs: number;
  readonly endMs: number;
}

const seriesPerBody = 1000;
const scrapesPerBody = 20;

/**
 * Writes from a scrape on, until all is written or the time is over; @returns the first scrape that is not written
 * @throws Error where the server refuses any of it
 */
export async function fillHistory(
  server: RunningServer,
  protocol: Protocol,
  { seriesCount, scrapes, intervalMs, endMs }: History,
  connections: number,
  progress: Progress,
  resumeAt: number,
  seconds: number,
): Promise<number> {
  const stopAt = performance.now() + seconds * 1000;
  const sender = new Sender(server, protocol, connections);
  const beginMs = endMs - scrapes * intervalMs;
  const bodies = Math.ceil(seriesCount / seriesPerBody);
  progress.begin(
    `${server.kind.name}: write ${seriesCount} series x ${scrapes} scrapes`,
    Math.ceil(scrapes / scrapesPerBody),
  );
  let firstScrape = resumeAt;
  for (; firstScrape < scrapes && performance.now() < stopAt; firstScrape += scrapesPerBody) {
    let next = 0;
    const connection = async (): Promise<void> => {
      for (let body = next++; body < bodies; body = next++) {
        const firstSeries = body * seriesPerBody;
        const { status, text } = await sender.push(
          historyBody(protocol, {
            firstSeries,
            seriesCount: Math.min(seriesPerBody, seriesCount - firstSeries),
            firstScrape,
            scrapes: Math.min(scrapesPerBody, scrapes - firstScrape),
            beginMs,
            intervalMs,
          }),
        );
        if (status >= 300) throw new Error(`${server.kind.name} refused: ${status} ${text.slice(0, 500)}`);
      }
    };
    await Promise.all(Array.from({ length: connections }, connection));
    progress.step(firstScrape / scrapesPerBody + 1);
  }
  sender.close();
  progress.end();
  return firstScrape;
}
