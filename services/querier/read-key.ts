/** What a read is known by: two of one key ask for the same. */
import type { ReadQuery } from '../../libs/series/series-reader.ts';

export function readKey({ matchers, minT, maxT, labels }: ReadQuery): string {
  let key = `${minT} ${maxT} ${labels === undefined ? '' : JSON.stringify(labels)}`;
  for (const { type, name, value } of matchers) key += ` ${name.length}${name}${type}${value.length}${value}`;
  return key;
}
