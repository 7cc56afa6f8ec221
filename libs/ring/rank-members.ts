/**
 * Who of many is responsible for something that any of them could do: rendezvous hashing of a key and the members' names.
 * Owns the order. One member more takes its share of each other and moves nothing else; when one goes, what it had is spread over all
 * that are left. Nothing is unsafe where two processes see different members for a moment: the work is the same wherever it is done.
 */
import { mix } from '../model/encoding/bytes.ts';
import { hashText } from './place-series.ts';

/** The members by falling responsibility for `key`. Names are distinct. */
export function rankMembers<T>(key: string, members: readonly T[], nameOf: (member: T) => string): T[] {
  const keyHash = hashText(key);
  const scored = members.map((member) => {
    const name = nameOf(member);
    return { member, name, score: mix(Math.imul(keyHash, 0x9e3779b1) ^ hashText(name)) };
  });
  scored.sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1));
  return scored.map(({ member }) => member);
}

/**
 * The members by falling responsibility, the first `count` of them in as many zones as there are: losing a zone leaves another.
 */
export function rankInZones<T extends { readonly instance: string; readonly zone: string }>(
  key: string,
  members: readonly T[],
  count: number,
): T[] {
  const ranked = rankMembers(key, members, ({ instance, zone }) => `${zone}/${instance}`);
  const first: T[] = [];
  const zones = new Set<string>();
  for (const member of ranked) {
    if (first.length >= count) break;
    if (zones.has(member.zone)) continue;
    zones.add(member.zone);
    first.push(member);
  }
  return [...first, ...ranked.filter((member) => !first.includes(member))];
}
