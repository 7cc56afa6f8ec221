/**
 * The only process entry. Owns nothing but this: what V8 and the type stripper made of the sources last time is kept, for the worker
 * threads as well, which halves the time to be ready. So the rest is imported only after the cache is on.
 */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../node_modules/.cache/compile');
enableCompileCache(folder);
// Worker threads begin without it, unless their environment says where it is.
process.env.NODE_COMPILE_CACHE ??= folder;
const { runProcess } = await import('./run-process.ts');
await runProcess(process.argv.slice(2));
flushCompileCache();
