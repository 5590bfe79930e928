/** Lists of names in a sentence. */

/** Items as a list in a sentence: "a", "a and b", "a, b and c". */
export function joinList(items: readonly string[]): string {
  const last = items.at(-1) ?? "";
  return items.length < 2 ? last : `${items.slice(0, -1).join(", ")} and ${last}`;
}
