/** The time range that pages share, and the part of their addresses that is carried on from one to the next. */

import {
  formatLength,
  type MomentRange,
  momentText,
  parseMomentOf,
  parseRange,
  parseShift,
  rangeQuery,
} from "../lib/time-range.ts";

type Query = Readonly<Record<string, string | undefined>>;

export interface PageRange extends MomentRange {
  /** The moment that is pinned, epoch milliseconds. */
  readonly at: number | undefined;
  readonly pool: string | undefined;
  readonly upstream: string | undefined;
  /** Its name, or its place in the configuration. Requests have a route; charts are those of pools and upstreams. */
  readonly route: string | undefined;
  /** How far back the time lies that is shown beside, milliseconds. */
  readonly compareMs: number | undefined;
  /** Whether times are shown in the zone of the browser instead of UTC. */
  readonly isLocal: boolean;
  /** Sentences about parts of the address that cannot be used; the defaults stand in for them. */
  readonly problems: readonly string[];
  /** Epoch milliseconds at which the address was read. */
  readonly now: number;
}

/** Characters of a name; the rest is dropped. */
const maxName = 200;

/** @param now epoch milliseconds */
export function parsePageRange(query: Query, now: number, defaultMs = 3_600_000): PageRange {
  const problems: string[] = [];
  const noted = <Value>(value: Value | string, fallback: Value): Value => {
    if (typeof value !== "string") return value;
    problems.push(value);
    return fallback;
  };
  const usual = { from: now - defaultMs, to: now, isLive: true };
  const range = noted(
    parseRange({ from: trimmed(query["from"]), to: trimmed(query["to"]) }, { now, defaultMs }),
    usual,
  );
  const [at, compare] = [trimmed(query["at"]), trimmed(query["compare"])];
  const moment = at === "" ? undefined : noted<number | undefined>(parseMomentOf("at", at, now), undefined);
  const compareMs = compare === "" ? undefined : parseShift(compare);
  if (compare !== "" && compareMs === undefined)
    problems.push(
      `Cannot use compare: expected a time before such as -7d (received ${JSON.stringify(compare.slice(0, 60))}).`,
    );
  const name = (key: string) => (query[key] ?? "").slice(0, maxName) || undefined;
  const whole = (at: number) => (range.isLive ? at : Math.round(at / 1_000) * 1_000);
  return {
    ...{ from: whole(range.from), to: whole(range.to), isLive: range.isLive },
    at: moment,
    pool: name("pool"),
    upstream: name("upstream"),
    route: name("route"),
    compareMs,
    isLocal: query["tz"] === "local",
    problems,
    now,
  };
}

function trimmed(text: string | undefined): string {
  return (text ?? "").trim();
}

/** What an address changes; undefined drops a part. */
export type RangeChange = Partial<
  Pick<PageRange, "from" | "to" | "isLive" | "at" | "pool" | "upstream" | "route" | "compareMs" | "isLocal">
>;

/** The address of a page with this range. @param more further parameters; undefined leaves one out */
export function rangeAddress(
  path: string,
  range: PageRange,
  { change = {}, more = {} }: { readonly change?: RangeChange; readonly more?: Query } = {},
): string {
  const next = { ...range, ...change };
  const query = new URLSearchParams(rangeQuery(next));
  if (next.at !== undefined) query.set("at", momentText(next.at));
  for (const name of ["pool", "upstream", "route"] as const)
    if (next[name] !== undefined) query.set(name, next[name]);
  if (next.compareMs !== undefined) query.set("compare", `-${formatLength(next.compareMs)}`);
  if (next.isLocal) query.set("tz", "local");
  for (const [name, value] of Object.entries(more)) if (value !== undefined) query.set(name, value);
  return `${path}?${query}`;
}

/** The same with fixed times: what a link shows later is what it shows now. */
export function fixedAddress(path: string, range: PageRange, more: Query = {}): string {
  return rangeAddress(path, range, { change: { isLive: false }, more });
}

/** What is carried on to other pages: the range, the pool and the route, not the moment. */
export function carriedQuery(range: PageRange): string {
  const change = { at: undefined, upstream: undefined, compareMs: undefined };
  return rangeAddress("", range, { change }).slice(1);
}

/** "The last hour", "The last 15 minutes"; "2026-11-28 03:04 – 03:24" */
export function rangeWords({ from, to, isLive }: MomentRange): string {
  const [begin, end] = [from, to].map((at) => new Date(at).toISOString().slice(0, 16).replace("T", " "));
  if (!isLive) return `${begin} – ${begin?.slice(0, 10) === end?.slice(0, 10) ? end?.slice(11) : end}`;
  const length = formatLength(to - from);
  const [, count = "", unit = ""] = /^(\d+)([dhms])$/.exec(length) ?? [];
  const noun = { d: "day", h: "hour", m: "minute", s: "second" }[unit] ?? unit;
  if (length === "1d") return "The last 24 hours";
  return count === "1" ? `The last ${noun}` : `The last ${count} ${noun}s`;
}

/** Earlier or later by half the length, or longer around the middle. It never ends after now. */
export function movedRange(range: PageRange, move: "earlier" | "later" | "out"): RangeChange {
  const { from, to, now } = range;
  const length = to - from;
  if (move === "out") {
    const wide = Math.min(length * 3, maxWideMs);
    const end = Math.min(now, (from + to + wide) / 2);
    return { from: end - wide, to: end, isLive: range.isLive, at: range.at };
  }
  const shift = move === "earlier" ? -length / 2 : length / 2;
  if (to + shift >= now) return { from: now - length, to: now, isLive: true };
  return { from: from + shift, to: to + shift, isLive: false };
}

const maxWideMs = 31 * 86_400_000;
