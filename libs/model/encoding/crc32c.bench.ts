/** Gigabytes per second of crc32c, for records of several sizes. Run it with node; an argument is the megabytes (default 200). */
import { crc32c } from './crc32c.ts';

const totalBytes = Number(process.argv[2] ?? 200) * 1024 * 1024;

for (const size of [64, 1024, 65_536, 1_048_576]) {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 2_654_435_761) >>> 13);
  const rounds = Math.ceil(totalBytes / size);
  const begin = process.hrtime.bigint();
  let checksum = 0;
  for (let i = 0; i < rounds; i++) checksum = crc32c(bytes, 0, size, checksum);
  const ns = Number(process.hrtime.bigint() - begin);
  console.log(`${size} bytes: ${((rounds * size) / ns).toFixed(2)} GB/s (${checksum})`);
}
