/**
 * How long each test file took: a reporter of node's runner, and the reader of what it wrote.
 */
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

export interface FileTime {
  readonly file: string;
  readonly seconds: number;
}

/** A line for each file. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    // One more, without a file, is of all of them.
    if (type !== 'test:summary' || data.file === undefined) continue;
    const time: FileTime = { file: relative(process.cwd(), data.file), seconds: data.duration_ms / 1000 };
    yield `${JSON.stringify(time)}\n`;
  }
}

/** What the reporter wrote into that file; nothing where the runner did not come so far. */
export function readFileTimes(path: string): FileTime[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line) => (line === '' ? [] : [JSON.parse(line) as FileTime]));
}
