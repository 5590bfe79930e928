/** How a viewer sees the table of upstreams: order, filter, what is open. Kept in the address of the page. */

import type { PoolSnapshot, Traffic, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import { nextSort, parseSort, type Sort, type SortDirection, sortFields } from "./sort.ts";

/** Without a key, the worst come first. */
const sortKeys = [
  ...(["name", "uptime", "share", "in-flight"] as const),
  ...(["rps", "errors", "p50", "p95", "p99", "weight"] as const),
];
export type SortKey = (typeof sortKeys)[number];

export interface View {
  /** Undefined: worst first, equals in the order of the configuration. */
  readonly sort: Sort<SortKey> | undefined;
  /** Shows only upstreams whose name, pool, address, status or route contains this; empty shows all. */
  readonly filter: string;
  /** Shows only upstreams with a problem. */
  readonly onlyProblems?: boolean | undefined;
  /** Pools whose upstreams are all shown; "*" is every pool. The name of a pool counts more than "*". */
  readonly open?: readonly string[] | undefined;
  /** Pools of which only the summary is shown; "*" is every pool. */
  readonly close?: readonly string[] | undefined;
  /** Id of the problem in focus. */
  readonly problem?: string | undefined;
  /** The time and the pool of the charts as the address has them. Every link of the page keeps them. */
  readonly charts?: ChartQuery | undefined;
}

const chartNames = ["from", "to", "pool", "tz"] as const;

export type ChartQuery = Readonly<Partial<Record<(typeof chartNames)[number], string>>>;

export const plainView: View = { sort: undefined, filter: "" };

/** In characters. */
const maxFilter = 100;

/** Names in a list of pools: the latest. */
const maxPools = 20;

type Query = Readonly<Record<string, string | undefined>>;

/** Of a part of the charts' address, in characters: longer than any name or time. */
const maxChartPart = 200;

/** Invalid values count as absent, so that old bookmarks still open. */
export function viewOf(query: Query): View {
  return {
    sort: parseSort(query, sortKeys, firstDirection),
    filter: (query["filter"] ?? "").trim().slice(0, maxFilter),
    ...(query["show"] === "problems" ? { onlyProblems: true } : {}),
    ...poolsIn("open", query),
    ...poolsIn("close", query),
    ...problemIn(query),
    ...chartsIn(query),
  };
}

/** Other characters are in no id. */
const problemForm = /^[\w.:-]{1,80}$/;

function problemIn({ p = "" }: Query): Pick<View, "problem"> {
  return problemForm.test(p) ? { problem: p } : {};
}

function chartsIn(query: Query): Pick<View, "charts"> {
  const parts = chartNames.flatMap((name) => {
    const part = (query[name] ?? "").trim();
    return part !== "" && part.length <= maxChartPart ? [[name, part] as const] : [];
  });
  return parts.length > 0 ? { charts: Object.fromEntries(parts) } : {};
}

function poolsIn(key: "open" | "close", query: Query): Pick<View, "open" | "close"> {
  const names = (query[key] ?? "").split(",").filter((name) => name !== "" && name.length <= maxFilter);
  return names.length > 0 ? { [key]: names.slice(-maxPools) } : {};
}

/** The parameters of an address, or the fields of a form, that {@link viewOf} reads. */
export function viewFields(view: View): Readonly<Record<string, string>> {
  const { sort, filter, onlyProblems, open = [], close = [], problem, charts } = view;
  return {
    ...sortFields(sort),
    ...(filter === "" ? {} : { filter }),
    ...(onlyProblems ? { show: "problems" } : {}),
    ...(open.length > 0 ? { open: open.join(",") } : {}),
    ...(close.length > 0 ? { close: close.join(",") } : {}),
    ...(problem === undefined ? {} : { p: problem }),
    ...charts,
  };
}

/** The query of an address that shows this view: "?sort=errors&dir=down", or empty for the plain one. */
export function queryOf(view: View, extra: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({ ...viewFields(view), ...extra });
  return query.size > 0 ? `?${query}` : "";
}

/** Numbers sort the highest first, but the shortest uptime is the worst; names sort from A. */
export function firstDirection(by: SortKey): SortDirection {
  return by === "name" || by === "uptime" ? "up" : "down";
}

/** The view after a click on a column head: its first direction, then the other, then worst first. */
export function afterClick(view: View, by: SortKey): View {
  return { ...view, sort: nextSort(view.sort, by, firstDirection(by)) };
}

/** Whether the address says that the pool is open, or closed; undefined where it says neither. */
export function openIn({ open = [], close = [] }: View, pool: string): boolean | undefined {
  if (open.includes(pool)) return true;
  if (close.includes(pool)) return false;
  if (open.includes("*")) return true;
  return close.includes("*") ? false : undefined;
}

/** The view with a pool open with all its upstreams, closed, or as it is without an order of the viewer. */
export function withPool(view: View, pool: string, state: "open" | "closed" | "default"): View {
  const without = (names: readonly string[] = []) => names.filter((name) => name !== pool);
  const [open, close] = [without(view.open), without(view.close)];
  if (state === "open") return { ...view, open: [...open, pool], close };
  return { ...view, open, close: state === "closed" ? [...close, pool] : close };
}

const sortValues: Readonly<Record<Exclude<SortKey, "name">, (upstream: UpstreamSnapshot) => number>> = {
  // By the share of time, because every upstream was up at some time. An unknown share sorts as best.
  uptime: ({ uptime }) => uptime.share ?? 2,
  share: ({ traffic }) => traffic.requestsPerSecond,
  "in-flight": ({ inFlight }) => inFlight,
  rps: ({ traffic }) => traffic.requestsPerSecond,
  errors: ({ traffic }) => traffic.errorShare,
  p50: ({ traffic }) => traffic.p50Ms ?? -1,
  p95: ({ traffic }) => traffic.p95Ms ?? -1,
  p99: ({ traffic }) => traffic.p99Ms ?? -1,
  weight: ({ weight }) => weight,
};

const alphabet = new Intl.Collator("en", { numeric: true });

/**
 * The pool's upstreams that match the filter, sorted; all of them where a route does that leads to the pool.
 * Without a sort key, and for equals, in the order of the configuration.
 * @param routes the text of its routes, in lower case
 */
export function arranged(
  pool: PoolSnapshot,
  { sort, filter }: View,
  routes = "",
): readonly UpstreamSnapshot[] {
  const { upstreams } = pool;
  const wanted = filter.toLowerCase();
  const shown =
    wanted === "" || routes.includes(wanted)
      ? upstreams
      : upstreams.filter((each) => haystackOf(each, pool.name).includes(wanted));
  if (!sort) return shown;
  const sign = sort.direction === "up" ? 1 : -1;
  if (sort.by === "name") return shown.toSorted((left, right) => sign * alphabet.compare(left.id, right.id));
  const valueOf = sortValues[sort.by];
  return shown.toSorted((left, right) => sign * (valueOf(left) - valueOf(right)));
}

/** The text that the filter searches, in lower case; the page's script searches the same text. */
export function haystackOf({ id, url, status }: UpstreamSnapshot, pool: string): string {
  return `${id} ${pool} ${url} ${status}`.toLowerCase();
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
