/**
 * Runs in a process of a test before anything else (shifted-clocks.ts): its wall clock, in every thread, is wrong by what a file says.
 * What is measured on the monotonic clock is not.
 */
import { readFileSync } from 'node:fs';

const pollMs = 50;
const file = process.env['MARU_TEST_CLOCK_FILE'] ?? '';
const RealDate = Date;
let offsetMs = 0;

function look(): void {
  try {
    offsetMs = Number(readFileSync(file, 'utf8'));
  } catch {
    // Not shifted yet.
  }
}

look();
setInterval(look, pollMs).unref();
const now = (): number => RealDate.now() + offsetMs;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
});
