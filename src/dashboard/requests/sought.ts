/** Which requests somebody wants to see. It lives in the address of the page, so that it can be passed on. */

export const kinds = ["recent", "slowest", "failed"] as const;
export type Kind = (typeof kinds)[number];

export const filterNames = ["pool", "upstream", "method", "status", "path", "reason"] as const;
export type FilterName = (typeof filterNames)[number];

export interface RequestFilterState {
  readonly kind: Kind;
  /** Only what is asked for is in it; what it means is the admin API's to say. */
  readonly filter: Readonly<Partial<Record<FilterName, string>>>;
  /** Older than this one; for going back. */
  readonly before: number | undefined;
}

export const emptyFilter: RequestFilterState = { kind: "recent", filter: {}, before: undefined };

/** More than this is not typed by anybody. */
const maxWord = 200;

/** What makes no sense is as good as nothing said: an old bookmark still opens. */
export function parseRequestFilter(query: URLSearchParams): RequestFilterState {
  const filter: Partial<Record<FilterName, string>> = {};
  for (const name of filterNames) {
    const text = (query.get(name) ?? "").trim().slice(0, maxWord);
    if (text !== "") filter[name] = name === "method" ? text.toUpperCase() : text;
  }
  const before = query.get("before") ?? "";
  return {
    kind: kinds.find((known) => known === query.get("which")) ?? "recent",
    filter,
    before: /^\d{1,15}$/.test(before) ? Number(before) : undefined,
  };
}

/** The filter alone, as the admin API and our own addresses have it. */
export function filterQuery({ filter }: Pick<RequestFilterState, "filter">): URLSearchParams {
  return new URLSearchParams(filter);
}

export function listQuery({ kind, filter, before }: RequestFilterState, limit: number): URLSearchParams {
  return new URLSearchParams({
    which: kind,
    ...filter,
    limit: String(limit),
    ...(before === undefined ? {} : { before: String(before) }),
  });
}

/** The address of the page that shows this. */
export function requestsUrl({ kind, filter, before }: RequestFilterState): string {
  const query = new URLSearchParams({
    ...(kind === "recent" ? {} : { which: kind }),
    ...filter,
    ...(before === undefined ? {} : { before: String(before) }),
  });
  return query.size > 0 ? `/requests?${query}` : "/requests";
}

export function isFiltered({ filter }: RequestFilterState): boolean {
  return Object.keys(filter).length > 0;
}

/** The page that explains one request. */
export function explainUrl(requestId: string): string {
  return `/requests/${encodeURIComponent(requestId)}`;
}
