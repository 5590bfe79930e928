/** How one viewer wants the tables: sorted by what, and which upstreams at all. It lives in the address of the page. */

import type { PoolSnapshot, Traffic, UpstreamSnapshot } from "../snapshot/snapshot.ts";

const sortKeys = [
  ...(["name", "status", "uptime", "share", "in-flight"] as const),
  ...(["rate", "errors", "p50", "p95", "p99"] as const),
];
export type SortKey = (typeof sortKeys)[number];

export type Direction = "up" | "down";

export interface View {
  /** Undefined leaves the order of the configuration. */
  readonly sort: { readonly by: SortKey; readonly direction: Direction } | undefined;
  /** Upstreams that have this in their name, address or status; empty shows all. */
  readonly filter: string;
}

export const plainView: View = { sort: undefined, filter: "" };

/** More than this is not typed by anybody. */
const maxFilter = 100;

/** What makes no sense is as good as nothing said: an old bookmark still opens. */
export function viewOf(query: Readonly<Record<string, string | undefined>>): View {
  const [, by = "", direction] = /^(.*)-(up|down)$/.exec(query["sort"] ?? "") ?? [];
  const key = sortKeys.find((known) => known === by);
  return {
    sort: key && { by: key, direction: direction === "up" ? "up" : "down" },
    filter: (query["filter"] ?? "").trim().slice(0, maxFilter),
  };
}

/** The query of an address that shows this view: "?sort=errors-down&filter=api", or nothing for the plain one. */
export function queryOf({ sort, filter }: View, further: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({
    ...(sort ? { sort: `${sort.by}-${sort.direction}` } : {}),
    ...(filter === "" ? {} : { filter }),
    ...further,
  });
  return query.size > 0 ? `?${query}` : "";
}

/** Worst first is what somebody wants who sorts by a number, and of uptimes the shortest is worst; names begin with A. */
function firstDirection(by: SortKey): Direction {
  return by === "name" || by === "uptime" ? "up" : "down";
}

/** What a click on a column's head leads to: its first direction, then the other, then the configuration's order. */
export function afterClick({ sort, filter }: View, by: SortKey): View {
  const first = firstDirection(by);
  if (sort?.by !== by) return { sort: { by, direction: first }, filter };
  const other = first === "up" ? "down" : "up";
  return { sort: sort.direction === first ? { by, direction: other } : undefined, filter };
}

/** The worse, the higher. */
const statusRanks: Readonly<Record<string, number>> = {
  passing: 0,
  maintenance: 1,
  draining: 2,
  checking: 3,
  probation: 4,
  ejected: 5,
  failing: 6,
};
const unknownRank = 3.5;

const ranks: Readonly<Record<Exclude<SortKey, "name">, (upstream: UpstreamSnapshot) => number>> = {
  status: ({ status }) => statusRanks[status] ?? unknownRank,
  // By the share of time, because everybody was up at some time; what nobody knows is not bad.
  uptime: ({ uptime }) => uptime.share ?? 2,
  share: ({ traffic }) => traffic.requestsPerSecond,
  "in-flight": ({ inFlight }) => inFlight,
  rate: ({ traffic }) => traffic.requestsPerSecond,
  errors: ({ traffic }) => traffic.errorShare,
  p50: ({ traffic }) => traffic.p50Ms ?? -1,
  p95: ({ traffic }) => traffic.p95Ms ?? -1,
  p99: ({ traffic }) => traffic.p99Ms ?? -1,
};

const alphabet = new Intl.Collator("en", { numeric: true });

/** The pool's upstreams as this view shows them. Equals stay in the order of the configuration. */
export function arranged({ upstreams }: PoolSnapshot, { sort, filter }: View): readonly UpstreamSnapshot[] {
  const shown = filter === "" ? upstreams : upstreams.filter((upstream) => matches(upstream, filter));
  if (!sort) return shown;
  const sign = sort.direction === "up" ? 1 : -1;
  if (sort.by === "name") return shown.toSorted((left, right) => sign * alphabet.compare(left.id, right.id));
  const rank = ranks[sort.by];
  return shown.toSorted((left, right) => sign * (rank(left) - rank(right)));
}

/** What the filter looks at, in lower case; the page's script looks at the same. */
export function haystackOf({ id, url, status }: UpstreamSnapshot): string {
  return `${id} ${url} ${status}`.toLowerCase();
}

function matches(upstream: UpstreamSnapshot, filter: string): boolean {
  return haystackOf(upstream).includes(filter.toLowerCase());
}

/** @returns the share of its pool's attempts that some traffic is, 0–1; who was turned away was nobody's share */
export function sharesOf({ upstreams }: PoolSnapshot): (traffic: Traffic) => number {
  const whole = upstreams.reduce((sum, { traffic }) => sum + traffic.requestsPerSecond, 0);
  return ({ requestsPerSecond }) => (whole > 0 ? Math.min(1, requestsPerSecond / whole) : 0);
}

/** @returns the share of the pool's traffic that an upstream's weight stands for, 0–1; 0 while it gets nothing new */
export function fairSharesOf({ upstreams }: PoolSnapshot): (upstream: UpstreamSnapshot) => number {
  const whole = upstreams.reduce((sum, { fit, effectiveWeight }) => sum + (fit ? effectiveWeight : 0), 0);
  return ({ fit, effectiveWeight }) => (fit && whole > 0 ? effectiveWeight / whole : 0);
}
