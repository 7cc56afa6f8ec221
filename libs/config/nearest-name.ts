/** Which of the known names was most likely meant. */

/** What stands before every name of a kind. */
const marker = /^(--|MARU_)/;

/** The known name with the fewest letters to change, where leading words, such as a section, may be missing. */
export function nearestName(name: string, known: readonly string[]): string {
  const meant = name.replace(marker, '');
  let nearest = '';
  let distance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    for (const [end, cost] of endsOf(candidate.replace(marker, ''))) {
      const d = editDistance(meant, end) + cost;
      if (d < distance) [nearest, distance] = [candidate, d];
    }
  }
  return nearest;
}

/** A name from each of its words on, with what it costs that the words before are missing. */
function* endsOf(name: string): Generator<readonly [string, number]> {
  yield [name, 0];
  for (const { index } of name.matchAll(/[._-](?=.)/g)) yield [name.slice(index + 1), 1];
}

/** Levenshtein distance of two short names. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
