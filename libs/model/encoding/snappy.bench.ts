/**
 * CPU of our snappy decoder and encoder against the native addon, alone. In a server the addon's fresh buffers turn this around (snappy.ts).
 */
import { compressSync, uncompressSync } from 'snappy';
import { SnappyDecoder } from './snappy.ts';
import { encodeSnappy } from './snappy-encoder.ts';

const rounds = process.env.MARU_TEST_BENCH === 'smoke' ? 2 : 300;

/** Text that repeats like the label sets of 2,000 series of one job. */
let text = '';
for (let i = 0; i < 2000; i++) {
  text +=
    `\n\x08__name__\x12container_${i % 3}_usage_seconds_total\n\x07cluster\x12\x0eeu-west-1-prod\n\x03job\x12\x07kubelet` +
    `\n\x02id\x12/kubepods/burstable/pod${(i * 7919).toString(16)}-4b1c\n\x08instance\x12 10.42.${i >> 8}.${i & 255}:10250` +
    `\n\x09namespace\x12\x0fshop-production\n\x03pod\x12checkout-${(i >> 5).toString(16)}-7d9f8b6c5d-x${(i >> 3).toString(36)}z`;
}
const body = compressSync(text);
const decoder = new SnappyDecoder();
const plain = Buffer.from(text);

function encodedLength(): number {
  let length = 0;
  encodeSnappy(plain, (piece) => {
    length += piece.length;
  });
  return length;
}

for (const { name, run } of [
  { name: 'ours', run: () => decoder.decode(body, 1 << 26) },
  { name: 'native', run: () => uncompressSync(body).length },
  { name: 'ours, encoding', run: encodedLength },
  { name: 'native, encoding', run: () => compressSync(plain).length },
]) {
  let total = 0;
  for (let i = 0; i < rounds; i++) total += run();
  const begin = process.cpuUsage();
  for (let i = 0; i < rounds; i++) {
    total += run();
    if (i % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const { user, system } = process.cpuUsage(begin);
  const us = (user + system) / rounds;
  console.log(`${name}: ${us.toFixed(0)} us of CPU for ${text.length} bytes from ${body.length} (${total})`);
}
