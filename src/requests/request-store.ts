/** The store of kept requests: what a search asks, and what it finds. */

import type { RecordFilter, RequestOutcome } from "./request-filter.ts";
import type { StoredRequest } from "./recent-requests.ts";

/** A request to be written, with what is searched beside its record. */
export interface KeptRequest {
  readonly request: StoredRequest;
  /** Epoch milliseconds. */
  readonly endedAt: number;
  readonly outcome: RequestOutcome;
}

export interface RequestSearch {
  readonly filter: RecordFilter;
  readonly limit: number;
  /** Where the page before ended. */
  readonly cursor?: RequestCursor;
}

/** A place in the list of kept requests, which is newest first. */
export interface RequestCursor {
  readonly endedAt: number;
  readonly seq: number;
}

/** Requests that have the same outcome, status and reason. */
export interface RequestGroup {
  readonly outcome: RequestOutcome;
  readonly status: number;
  readonly reason: string | null;
  /** The upstreams that responded or were tried last; at most {@link maxGroupMembers}, the one with most requests first. */
  readonly upstreams: readonly string[];
  /** How many upstreams there are. */
  readonly upstreamCount: number;
  /** Routes, by name or place; at most {@link maxGroupMembers}. */
  readonly routes: readonly string[];
  readonly routeCount: number;
  /** Kept requests of the group. */
  readonly count: number;
  /** Epoch milliseconds at which the first and the last of them ended. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export const maxGroupMembers = 8;

export type OutcomeCounts = Readonly<Record<RequestOutcome, number>>;

/** Kept requests of one route, by outcome. */
export interface KeptRoute {
  /** Its name or place; null for requests that no route matched. */
  readonly route: string | null;
  readonly counts: OutcomeCounts;
}

/** Kept requests, by outcome. */
export interface KeptCounts {
  readonly counts: OutcomeCounts;
  /** At most {@link maxGroupMembers}, the one with most requests first. */
  readonly routes: readonly KeptRoute[];
  /** How many routes there are. */
  readonly routeCount: number;
}

/** A minute and an outcome: the unit in which requests are counted and thinned out. */
export interface RequestCell {
  /** Minutes since the epoch. */
  readonly minute: number;
  readonly outcome: RequestOutcome;
}

/** Synchronous; never called on the request path. Methods throw the errors of the database. */
export interface RequestStore {
  /** Writes all requests or none. */
  write(requests: readonly KeptRequest[]): void;
  /** How many requests each cell holds, oldest first. */
  cells(): readonly (RequestCell & { readonly count: number })[];
  /** Deletes up to so many requests of a cell, of its most common kind first. @returns how many */
  thin(cell: RequestCell, count: number): number;
  /** Newest first. */
  search(search: RequestSearch): readonly StoredRequest[];
  /** The largest groups first. */
  groups(filter: RecordFilter): readonly RequestGroup[];
  /** How many match, by outcome and by route. */
  count(filter: RecordFilter): KeptCounts;
  /** The latest request with this id. */
  find(requestId: string): StoredRequest | undefined;
  /** The largest number of a request; 0 without requests. */
  readonly lastSeq: number;
  clear(): void;
  /** Further calls do nothing. */
  close(): void;
}
