/** The sort order of a table, kept in the address of its page: "?sort=errors&dir=down". */

export type SortDirection = "up" | "down";

export interface Sort<Key extends string> {
  readonly by: Key;
  readonly direction: SortDirection;
}

type Query = Readonly<Record<string, string | undefined>>;

/** A key that the table does not have counts as absent, so that old bookmarks still open. */
export function parseSort<Key extends string>(
  query: Query,
  keys: readonly Key[],
  firstDirection: (key: Key) => SortDirection,
): Sort<Key> | undefined {
  const by = keys.find((key) => key === query["sort"]);
  if (by === undefined) return undefined;
  const direction = query["dir"] ?? firstDirection(by);
  return { by, direction: direction === "up" ? "up" : "down" };
}

/** The parameters of an address that {@link parseSort} reads. */
export function sortFields(sort: Sort<string> | undefined): Readonly<Record<string, string>> {
  return sort ? { sort: sort.by, dir: sort.direction } : {};
}

/** The order after a click on a column head: its first direction, then the other, then the usual order. */
export function nextSort<Key extends string>(
  sort: Sort<Key> | undefined,
  by: Key,
  first: SortDirection,
): Sort<Key> | undefined {
  if (sort?.by !== by) return { by, direction: first };
  const other = first === "up" ? "down" : "up";
  return sort.direction === first ? { by, direction: other } : undefined;
}
