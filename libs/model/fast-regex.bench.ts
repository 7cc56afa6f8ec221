/** Nanoseconds to ask a value whether it matches, for the shapes that have a way of their own and for those that need an engine. */
import { bench } from '../std/testing/bench.ts';
import { compileRegex } from './fast-regex.ts';

const values = Array.from({ length: 1024 }, (_, i) => `checkout-service-${i % 37}-${(i * 7919) % 100_003}.eu-west-1`);

for (const [name, pattern] of [
  ['a literal', 'checkout-service-7-7919\\.eu-west-1'],
  ['a prefix', 'checkout-.*'],
  ['a suffix', '.*\\.eu-west-1'],
  ['a part', '.*service-3.*'],
  ['five literals', 'a|b|c|checkout-service-1-7919\\.eu-west-1|d'],
  ['a group', '(checkout|cart|search)-service-.*'],
  ['a class (engine)', 'checkout-service-[0-9]+-.*'],
  ['any case (engine)', '(?i)CHECKOUT-service-3.*'],
  ['many states (engine)', '.*(e|-)[^.]{20}'],
] as const) {
  bench(`matching ${name}`, { smokeCount: 1024, fullCount: 1_024_000 }, (count) => {
    const regex = compileRegex(pattern);
    return () => {
      let matching = 0;
      for (let i = 0; i < count; i++) if (regex.test(values[i & 1023] as string)) matching++;
      return matching;
    };
  });
}

bench('compiling a pattern of 64 KiB', { smokeCount: 1, fullCount: 1 }, () => {
  let made = 0;
  // Another one each time, so that the cache has none of them.
  return () => compileRegex(`${'[a-z]x*'.repeat(9_300)}${made++}`).prefix.length;
});
