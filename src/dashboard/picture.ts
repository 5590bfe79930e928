/** What the dashboard knows at one moment: the front door, the last snapshot, and whether that is still true. */

import type { SeriesHistory } from "../history/history.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";

/** What a GET of the address that clients use gave. */
export interface FrontDoor {
  readonly url: string;
  /** Whether it answered with a status below 500. */
  readonly reachable: boolean;
  /** Null if there was no answer. */
  readonly status: number | null;
  /** For people: "status 200", "connection refused". */
  readonly detail: string;
  readonly latencyMs: number;
  /** Epoch milliseconds. */
  readonly checkedAt: number;
}

/** Why the admin API could not be read or written. */
export interface AdminApiError {
  readonly reason: "unreachable" | "unauthorized" | "refused" | "missing" | "not_understood";
  /** For people, without a full stop. */
  readonly message: string;
  /** A sentence each, where several things are wrong. */
  readonly problems?: readonly string[];
}

/** As a sentence of its own: what the admin API says is one already, that it says nothing is not. */
export function adminApiErrorSentence({ reason, message }: AdminApiError): string {
  return reason === "unreachable" ? `The balancer cannot be asked: ${message}.` : `${message}.`;
}

/** The admin API has not answered since. */
export interface Outage extends AdminApiError {
  /** Epoch milliseconds of the first read that failed. */
  readonly since: number;
}

export interface DashboardState {
  /** Epoch milliseconds at which it was drawn. */
  readonly at: number;
  readonly adminUrl: string;
  readonly frontDoor: FrontDoor;
  /** The last one that could be read; undefined if none ever was. */
  readonly snapshot: Snapshot | undefined;
  /** Epoch milliseconds at which the snapshot was read; 0 if none ever was. */
  readonly readAt: number;
  readonly outage: Outage | undefined;
  /** The last minute of every pool, second by second; empty if it could not be read. */
  readonly trends: readonly SeriesHistory[];
}

/** What reading the snapshot gave. */
export type ReadResult = { readonly snapshot: Snapshot } | { readonly error: AdminApiError };

export interface PollResult {
  readonly at: number;
  readonly adminUrl: string;
  readonly frontDoor: FrontDoor;
  readonly reading: ReadResult;
  readonly trends: readonly SeriesHistory[];
}

/** A failed read keeps the last snapshot and the moment at which the outage began. */
export function nextDashboardState(
  previous: DashboardState | undefined,
  { at, adminUrl, frontDoor, reading, trends }: PollResult,
): DashboardState {
  if ("snapshot" in reading) {
    return { at, adminUrl, frontDoor, snapshot: reading.snapshot, readAt: at, outage: undefined, trends };
  }
  const since = previous?.outage?.since ?? at;
  const snapshot = previous?.snapshot;
  const readAt = previous?.readAt ?? 0;
  return {
    at,
    adminUrl,
    frontDoor,
    snapshot,
    readAt,
    outage: { ...reading.error, since },
    trends: previous?.trends ?? [],
  };
}

/** Now by the balancer's own clock, so that two machines' clocks need not agree. Epoch milliseconds. */
export function balancerNow({ at, snapshot, readAt }: DashboardState): number {
  return snapshot ? snapshot.at + (at - readAt) : at;
}
