/** The configuration reference as text: what `--help` prints. */
import type { ConfigTree } from './config-key.ts';
import { namedKeys } from './read-config.ts';

/** Every key of the tree with its default and its sentence. */
export function printReference(tree: ConfigTree): string {
  const lines: string[] = [];
  let group = '';
  for (const { flag, key } of namedKeys(tree)) {
    const here = flag.includes('.') ? (flag.split('.')[0] ?? '') : '';
    if (here !== group) lines.push('');
    group = here;
    const value = key.defaultText === '' ? '(none)' : key.defaultText;
    lines.push(`  ${flag}=${value}`, `      ${key.sentence} (${key.type})`);
  }
  return lines.join('\n');
}
