/** A viewer's sort order and filter of the upstream tables, kept in the address of the page. */

import type { PoolSnapshot, Traffic, UpstreamSnapshot } from "../snapshot/snapshot.ts";

const sortKeys = [
  ...(["name", "status", "uptime", "share", "in-flight"] as const),
  ...(["rate", "errors", "p50", "p95", "p99"] as const),
];
export type SortKey = (typeof sortKeys)[number];

export type Direction = "up" | "down";

export interface View {
  /** Undefined keeps the order of the configuration. */
  readonly sort: { readonly by: SortKey; readonly direction: Direction } | undefined;
  /** Shows only upstreams whose name, address or status contains this; empty shows all. */
  readonly filter: string;
  /** Shows only upstreams with something to say. */
  readonly onlyProblems?: boolean | undefined;
  /** Pools whose upstreams are all shown, also where there are many; "*" is every pool. */
  readonly open?: readonly string[] | undefined;
  /** The time and the pool of the charts as the address has them. Every link of the page keeps them. */
  readonly charts?: ChartQuery | undefined;
}

const chartNames = ["from", "to", "pool", "tz"] as const;

export type ChartQuery = Readonly<Partial<Record<(typeof chartNames)[number], string>>>;

export const plainView: View = { sort: undefined, filter: "" };

/** In characters. */
const maxFilter = 100;

const maxOpen = 20;

/** Of a part of the charts' address, in characters: longer than any name or time. */
const maxChartPart = 200;

/** Invalid values count as absent, so that old bookmarks still open. */
export function viewOf(query: Readonly<Record<string, string | undefined>>): View {
  const [, by = "", direction] = /^(.*)-(up|down)$/.exec(query["sort"] ?? "") ?? [];
  const key = sortKeys.find((known) => known === by);
  return {
    sort: key && { by: key, direction: direction === "up" ? "up" : "down" },
    filter: (query["filter"] ?? "").trim().slice(0, maxFilter),
    ...(query["show"] === "problems" ? { onlyProblems: true } : {}),
    ...openIn(query["open"]),
    ...chartsIn(query),
  };
}

function chartsIn(query: Readonly<Record<string, string | undefined>>): Pick<View, "charts"> {
  const parts = chartNames.flatMap((name) => {
    const part = (query[name] ?? "").trim();
    return part !== "" && part.length <= maxChartPart ? [[name, part] as const] : [];
  });
  return parts.length > 0 ? { charts: Object.fromEntries(parts) } : {};
}

function openIn(text = ""): Pick<View, "open"> {
  const open = text.split(",").filter((name) => name !== "" && name.length <= maxFilter);
  return open.length > 0 ? { open: open.slice(0, maxOpen) } : {};
}

/** The parameters of an address, or the fields of a form, that {@link viewOf} reads. */
export function viewFields({
  sort,
  filter,
  onlyProblems,
  open = [],
  charts = {},
}: View): Readonly<Record<string, string>> {
  return {
    ...(sort ? { sort: `${sort.by}-${sort.direction}` } : {}),
    ...(filter === "" ? {} : { filter }),
    ...(onlyProblems ? { show: "problems" } : {}),
    ...(open.length > 0 ? { open: open.join(",") } : {}),
    ...charts,
  };
}

/** The query of an address that shows this view: "?sort=errors-down&filter=api", or empty for the plain one. */
export function queryOf(view: View, extra: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({ ...viewFields(view), ...extra });
  return query.size > 0 ? `?${query}` : "";
}

/** Numbers sort worst first, and the shortest uptime is the worst; names sort from A. */
function firstDirection(by: SortKey): Direction {
  return by === "name" || by === "uptime" ? "up" : "down";
}

/** The view after a click on a column head: its first direction, then the other, then the configuration's order. */
export function afterClick(view: View, by: SortKey): View {
  const { sort } = view;
  const first = firstDirection(by);
  if (sort?.by !== by) return { ...view, sort: { by, direction: first } };
  const other = first === "up" ? "down" : "up";
  return { ...view, sort: sort.direction === first ? { by, direction: other } : undefined };
}

/** Worse statuses rank higher. */
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

const sortValues: Readonly<Record<Exclude<SortKey, "name">, (upstream: UpstreamSnapshot) => number>> = {
  status: ({ status }) => statusRanks[status] ?? unknownRank,
  // By the share of time, because every upstream was up at some time. An unknown share sorts as best.
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
  const valueOf = sortValues[sort.by];
  return shown.toSorted((left, right) => sign * (valueOf(left) - valueOf(right)));
}

/** The text that the filter searches, in lower case; the page's script searches the same text. */
export function haystackOf({ id, url, status }: UpstreamSnapshot): string {
  return `${id} ${url} ${status}`.toLowerCase();
}

function matches(upstream: UpstreamSnapshot, filter: string): boolean {
  return haystackOf(upstream).includes(filter.toLowerCase());
}

/** @returns a function from traffic to its share of the pool's attempts, 0–1; refused requests do not count */
export function sharesOf({ upstreams }: PoolSnapshot): (traffic: Traffic) => number {
  const total = upstreams.reduce((sum, { traffic }) => sum + traffic.requestsPerSecond, 0);
  return ({ requestsPerSecond }) => (total > 0 ? Math.min(1, requestsPerSecond / total) : 0);
}

/** @returns a function to the share of traffic that an upstream's weight stands for, 0–1; 0 while it is unavailable */
export function fairSharesOf({ upstreams }: PoolSnapshot): (upstream: UpstreamSnapshot) => number {
  const total = upstreams.reduce((sum, { fit, effectiveWeight }) => sum + (fit ? effectiveWeight : 0), 0);
  return ({ fit, effectiveWeight }) => (fit && total > 0 ? effectiveWeight / total : 0);
}
