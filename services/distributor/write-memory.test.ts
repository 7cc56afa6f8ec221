import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../../libs/config/read-config.ts';
import { distributorKeys } from './config.ts';
import { writeMemory } from './write-memory.ts';

const GiB = 2 ** 30;
const configOf = (...args: readonly string[]) => readConfig(distributorKeys, { args, env: {} }, '');

describe('the memory of writes', () => {
  for (const { usable, inflight, decompressed, alias } of [
    { usable: 64 * GiB, inflight: 8 * GiB, decompressed: 256e6, alias: 512e6 },
    { usable: 4 * GiB, inflight: GiB / 2, decompressed: 256e6, alias: 512e6 },
    { usable: GiB, inflight: GiB / 8, decompressed: GiB / 16, alias: GiB / 8 },
    { usable: GiB / 4, inflight: GiB / 32, decompressed: GiB / 64, alias: GiB / 32 },
  ]) {
    it(`is a share of ${usable} bytes, and no more than writes need`, () => {
      assert.deepEqual(writeMemory(configOf(), usable), {
        inflightBytesMax: inflight,
        decompressedBytesMax: decompressed,
        aliasBytesMax: alias,
      });
    });
  }

  it('is what is configured, whatever memory there is', () => {
    const args = ['--max-inflight-push-requests-bytes=5MB', '--max-decompressed-bytes=3GB', '--alias-cache-bytes=4GB'];
    assert.deepEqual(writeMemory(configOf(...args), GiB), {
      inflightBytesMax: 5e6,
      decompressedBytesMax: 3e9,
      aliasBytesMax: 4e9,
    });
  });
});
