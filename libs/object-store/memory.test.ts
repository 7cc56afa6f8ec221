import { bucketCases } from './bucket.cases.ts';
import { MemoryBucket } from './memory.ts';

bucketCases('memory', async () => ({ bucket: new MemoryBucket(), [Symbol.asyncDispose]: async () => {} }));
