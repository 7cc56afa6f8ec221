/**
 * The only process entry. Owns what holds for the threads of the process: what V8 and the type stripper made of the sources last time is
 * kept, for the worker threads as well, which halves the time to be ready (so the rest is imported only after the cache is on), how much
 * room their young objects have, and that they may collect garbage when they want.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

const folder = join(import.meta.dirname, '../node_modules/.cache/compile');
enableCompileCache(folder);
// Worker threads begin without it, unless their environment says where it is.
process.env.NODE_COMPILE_CACHE ??= folder;
// What bin/maru.js says of young objects is for this thread: those of a query live for the query, and threads made from here on have V8's own.
setFlagsFromString('--max-semi-space-size=0');
// Workers of queries collect what those have left.
setFlagsFromString('--expose-gc');
const { runProcess } = await import('./run-process.ts');
await runProcess(process.argv.slice(2));
flushCompileCache();
