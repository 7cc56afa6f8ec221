/** A query worker whose query text is an order: what the pool and the bridge do can be seen without an engine. */
import { threadId } from 'node:worker_threads';
import { Failure } from '../../libs/errors/failure.ts';
import type { JobContext } from './worker-loop.ts';
import { runWorker } from './worker-loop.ts';
import type { JobStats } from './worker-protocol.ts';

runWorker(() => ({ execute }));

let held = new Uint8Array(0);
/** Garbage, until it is collected. */
let left: WeakRef<Uint8Array> | undefined;

function execute({ request, reader, output, checkStopped }: JobContext): JobStats {
  const text = 'query' in request ? request.query : JSON.stringify(request);
  const [order = '', argument = ''] = text.split(' ');
  switch (order) {
    case 'read': {
      // Reads one selector twice at once, turn by turn, and says what it saw.
      const query = { matchers: [{ type: '=', name: '__name__', value: argument } as const], minT: 0, maxT: 1e12 };
      const both = [reader.select(query), reader.select(query)];
      const seen: unknown[] = [];
      for (const { labels } of both) seen.push([labels.strings, [...labels.begin], [...labels.refs]]);
      for (;;) {
        const batches = both.map((selection) => selection.next());
        if (batches[0] === undefined) break;
        seen.push(batches.map((batch) => batch && [batch.firstSeries, [...batch.chunkBegin], batch.bytes.length]));
      }
      output.rawText(JSON.stringify(seen));
      break;
    }
    case 'read-one-batch': {
      reader.select({ matchers: [], minT: 0, maxT: 1e12 }).next();
      output.raw('1');
      break;
    }
    case 'spin':
      for (;;) checkStopped();
    case 'hang':
      for (;;);
    case 'die':
      process.exit(3);
      break;
    case 'eat-heap': {
      const eaten: unknown[] = [];
      for (;;) eaten.push(Array.from({ length: 1000 }, (_, i) => ({ i })));
    }
    case 'hold-memory': {
      held = new Uint8Array(200 << 20);
      // Long enough to be looked at.
      const until = performance.now() + 100;
      while (performance.now() < until) held.fill(1);
      break;
    }
    case 'leave-memory': {
      const garbage = new Uint8Array(100 << 20);
      left = new WeakRef(garbage);
      const until = performance.now() + 100;
      while (performance.now() < until) garbage.fill(1);
      break;
    }
    case 'has-left-memory':
      output.raw(String(left?.deref() !== undefined));
      break;
    case 'thread':
      output.raw(String(threadId));
      break;
    case 'write':
      for (let i = 0; i < Number(argument); i++) output.rawText('x'.repeat(1000));
      break;
    case 'fail':
      throw new Failure('execution', 'as ordered');
    case 'throw':
      throw new Error('a bug');
    case 'recurse': {
      const recurse = (n: number): number => 1 + recurse(n + 1);
      recurse(0);
      break;
    }
    default:
      output.rawText(text);
  }
  return { samples: 7 };
}
