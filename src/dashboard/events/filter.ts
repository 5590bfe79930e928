/** The filter of the event pages, as the page's address and as the admin API's query. */

import { momentText, rangeQuery } from "../../lib/time-range.ts";
import { type PageRange, parsePageRange } from "../page-range.ts";
import type { BalancerEvent } from "../../state/event.ts";

const fieldNames = ["pool", "upstream", "kind", "by", "text"] as const;
type FieldName = (typeof fieldNames)[number];

export interface EventFilterState {
  /** Only events that operators caused. */
  readonly isAudit: boolean;
  /** An empty value matches every event. */
  readonly fields: Readonly<Record<FieldName, string>>;
  /** The time of the events; undefined for all. */
  readonly range: PageRange | undefined;
  /** Numbers of events; both undefined for the newest events. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Characters of one field; the rest is dropped. */
const maxChars = 200;

export const eventsPerPage = 50;

/** @param now epoch milliseconds */
export function parseEventFilter(query: URLSearchParams, isAudit: boolean, now: number): EventFilterState {
  const field = (name: string) => (query.get(name) ?? "").trim().slice(0, maxChars);
  const numberIn = (name: string) => (/^\d{1,15}$/.test(field(name)) ? Number(field(name)) : undefined);
  const [pool, upstream, kind, by, text] = fieldNames.map(field) as [string, string, string, string, string];
  return {
    isAudit,
    fields: { pool, upstream, kind, by, text },
    range: query.has("from") || query.has("to") ? parsePageRange(Object.fromEntries(query), now) : undefined,
    before: numberIn("before"),
    after: numberIn("after"),
  };
}

/** The query for the admin API. One event more than a page shows reveals older ones; `after` returns the first that follow. */
export function apiQueryOf({ isAudit, fields, range, before, after }: EventFilterState): URLSearchParams {
  const limit = after === undefined ? eventsPerPage + 1 : eventsPerPage;
  return new URLSearchParams({
    ...formValues(fields),
    ...(range && { from: momentText(range.from), to: range.isLive ? "now" : momentText(range.to) }),
    limit: String(limit),
    ...(isAudit ? { "by-operators": "1" } : {}),
    ...(before === undefined ? {} : { before: String(before) }),
    ...(after === undefined ? {} : { after: String(after) }),
  });
}

/** The address of the page or of its live stream. */
export function eventsUrl(
  { isAudit, fields, range }: EventFilterState,
  path: "page" | "live",
  extra: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams({
    ...formValues(fields),
    ...(range && path === "page" && rangeQuery(range)),
    ...extra,
  });
  const page = isAudit ? "/audit" : "/events";
  return `${path === "live" ? "/live" : ""}${page}${query.size > 0 ? `?${query}` : ""}`;
}

function formValues(fields: EventFilterState["fields"]): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

/** Whether every event of the page matches. */
export function isUnfiltered({ fields, range }: EventFilterState): boolean {
  return Object.keys(formValues(fields)).length === 0 && range === undefined;
}

/** What the address of the page has beside its range. */
export function eventParameters({ fields }: EventFilterState): Record<string, string> {
  return formValues(fields);
}

/** Reverses events that are oldest first. */
export function newestFirst(events: readonly BalancerEvent[]): readonly BalancerEvent[] {
  return events.toReversed();
}
