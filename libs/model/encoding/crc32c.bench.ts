/** Nanoseconds per kilobyte of crc32c, for records of several sizes. */
import { bench } from '../../std/testing/bench.ts';
import { crc32c } from './crc32c.ts';

for (const size of [64, 1024, 65_536, 1_048_576]) {
  bench(`crc32c, per KiB in records of ${size} bytes`, { smokeCount: 1024, fullCount: 65_536 }, (kilobytes, prng) => {
    const bytes = Uint8Array.from({ length: size }, () => prng.below(256));
    return () => {
      let checksum = 0;
      for (let done = 0; done < kilobytes * 1024; done += size) checksum = crc32c(bytes, 0, size, checksum);
      return checksum;
    };
  });
}
