/** Which events somebody looks for, as the page's address and the admin API's query have it. */

import type { BalancerEvent } from "../../state/event.ts";

const names = ["pool", "upstream", "kind", "by", "text"] as const;
type Name = (typeof names)[number];

export interface EventFilterState {
  /** Only what operators did. */
  readonly isAudit: boolean;
  /** Empty where nothing is asked for. */
  readonly fields: Readonly<Record<Name, string>>;
  /** Numbers of events; undefined for the newest. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** More than this is not typed by anybody. */
const maxChars = 200;

export const eventsPerPage = 50;

export function parseEventFilter(query: URLSearchParams, isAudit: boolean): EventFilterState {
  const said = (name: string) => (query.get(name) ?? "").trim().slice(0, maxChars);
  const numberIn = (name: string) => (/^\d{1,15}$/.test(said(name)) ? Number(said(name)) : undefined);
  const [pool, upstream, kind, by, text] = names.map(said) as [string, string, string, string, string];
  return {
    isAudit,
    fields: { pool, upstream, kind, by, text },
    before: numberIn("before"),
    after: numberIn("after"),
  };
}

/** For the admin API. One more than a page has tells whether there are older ones; of later ones the first are asked for. */
export function apiQueryOf({ isAudit, fields, before, after }: EventFilterState): URLSearchParams {
  const limit = after === undefined ? eventsPerPage + 1 : eventsPerPage;
  return new URLSearchParams({
    ...formValues(fields),
    limit: String(limit),
    ...(isAudit ? { "by-operators": "1" } : {}),
    ...(before === undefined ? {} : { before: String(before) }),
    ...(after === undefined ? {} : { after: String(after) }),
  });
}

/** The address of this page, or of another part of it. */
export function eventsUrl(
  { isAudit, fields }: EventFilterState,
  path: "page" | "live",
  further: Readonly<Record<string, string>> = {},
): string {
  const query = new URLSearchParams({ ...formValues(fields), ...further });
  const page = isAudit ? "/audit" : "/events";
  return `${path === "live" ? "/live" : ""}${page}${query.size > 0 ? `?${query}` : ""}`;
}

function formValues(fields: EventFilterState["fields"]): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

/** Whether nothing narrows the list down. */
export function isPlain({ fields }: EventFilterState): boolean {
  return Object.keys(formValues(fields)).length === 0;
}

/** Oldest first in, newest first out. */
export function newestFirst(events: readonly BalancerEvent[]): readonly BalancerEvent[] {
  return events.toReversed();
}
