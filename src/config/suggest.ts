/** Finds the word that was meant, for messages about misspelt keys and names. */

/** The known word that needs the fewest typing corrections; undefined if none is close. */
export function closestWord(word: string, known: readonly string[]): string | undefined {
  const scored = known.map((candidate) => ({
    candidate,
    distance: distanceBetween(plain(word), plain(candidate)),
  }));
  const best = scored.reduce<(typeof scored)[number] | undefined>(
    (least, next) => (!least || next.distance < least.distance ? next : least),
    undefined,
  );
  return best && best.distance <= Math.max(1, Math.floor(word.length * 0.4)) ? best.candidate : undefined;
}

/** drain-timeout, drain_timeout and drainTimeout are one word spelt in three ways. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

/** Insertions, removals, replacements and swaps of neighbours. Source: optimal string alignment (Damerau 1964). */
function distanceBetween(left: string, right: string): number {
  let [before, previous]: [number[], number[]] = [[], Array.from({ length: right.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1];
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      row[j] = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (before[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    [before, previous] = [previous, row];
  }
  return previous[right.length] ?? 0;
}
