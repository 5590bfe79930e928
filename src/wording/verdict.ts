/** The overall status in one sentence with its reasons, and the state of the dashboard from which it is derived. */

import type { SeriesHistory } from "../history/history.ts";
import type { Columns } from "../history/point.ts";
import type { Snapshot, UpstreamSnapshot } from "../snapshot/snapshot.ts";
import type { ServiceProblem } from "../problems/problem.ts";
import { timings } from "../problems/finding.ts";
import { balancerGone, closedDoorMs, frontDoorClosed } from "../problems/reader-problems.ts";
import type { DayHistory } from "./day.ts";
import { formatAgo, formatTime } from "./format.ts";
import {
  evenKeelSentence,
  hasCritical,
  isOnEvenKeel,
  isServing,
  problemsSentence,
  servingText,
} from "./problems.ts";
import type { PoolRoutes } from "./routes.ts";
import { type Reason, reasonsFor } from "./reasons.ts";

/** `good`: nothing to do. `warn`: it serves at reduced capacity. `bad`: clients are affected. */
export type Tone = "good" | "warn" | "bad";

export interface OverallStatus {
  readonly tone: Tone;
  readonly headline: string;
  readonly reasons: readonly Reason[];
}

/** How strongly an error share is highlighted. */
export type StatusConcern = "none" | "slight" | "grave";

/** @param errorShare 0–1; from 0.01 on, clients are affected noticeably; fewer than one in a thousand fail anywhere */
export function concernOf(errorShare: number): StatusConcern {
  if (errorShare < 0.001) return "none";
  return errorShare < 0.01 ? "slight" : "grave";
}

export function overallStatus(state: DashboardState): OverallStatus {
  const { snapshot, outage, adminUrl, at, readAt } = state;
  if (outage) {
    const known = snapshot
      ? { text: "showing data read", age: formatAgo(at - readAt) }
      : { text: "retrying" };
    const since = {
      text: `${outage.message} at ${urlOrigin(adminUrl)} since ${formatTime(outage.since)},`,
      age: formatAgo(at - outage.since),
    };
    return { tone: "bad", headline: outageText[outage.reason], reasons: [since, known] };
  }
  if (!snapshot) return { tone: "warn", headline: "Waiting for the first snapshot", reasons: [] };
  return serviceOf(snapshot, state);
}

const outageText = {
  unreachable: "The admin API is unreachable",
  unauthorized: "The admin API rejected this dashboard's token",
  refused: "The admin API returned an error",
  missing: "Unexpected response from the admin API",
  not_understood: "Unexpected response from the admin API",
} as const;

/** A URL without the parts that may be secret: user name, password, query. */
export function urlOrigin(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

/**
 * The list of problems as a viewer of this dashboard sees it: the balancer's own, after what the balancer cannot know. While the
 * balancer is not heard, what it said before may be over.
 */
export function seenProblems(state: DashboardState): readonly ServiceProblem[] {
  const { snapshot, outage, adminUrl, at } = state;
  if (outage && at - outage.since >= timings.balancer_gone.openAfterMs) {
    const balancer = balancerName(state) ?? urlOrigin(adminUrl);
    return [balancerGone({ balancer, since: outage.since, why: outage.message })];
  }
  // An older balancer has no list.
  const { problems = [] } = snapshot ?? {};
  const { url, detail } = state.listenerCheck;
  const lostSince = closedSince(state, problems);
  if (!snapshot || lostSince === undefined) return problems;
  return [frontDoorClosed({ balancer: urlOrigin(url), since: lostSince, why: detail }), ...problems];
}

/** Since when clients have not reached the balancer; undefined while that is one failed check, or explained. */
function closedSince(
  { listenerCheck, listenerLostSince, at }: DashboardState,
  problems: readonly ServiceProblem[],
): number | undefined {
  if (listenerLostSince === undefined || at - listenerLostSince < closedDoorMs) return undefined;
  // It was reached, and its own list says why it responds with an error.
  const isExplained = listenerCheck.status !== null && hasCritical(problems);
  return isExplained ? undefined : listenerLostSince;
}

/** Its name in the fleet, or the one that it uses in its problems; undefined where it has said neither. */
export function balancerName({ snapshot }: Pick<DashboardState, "snapshot">): string | undefined {
  return snapshot?.fleet?.name ?? snapshot?.problems?.[0]?.subject.balancer;
}

function serviceOf(snapshot: Snapshot, state: DashboardState): OverallStatus {
  const { phase, pools } = snapshot;
  const serving = servingText(snapshot);
  const lifecycle = phaseText[phase];
  if (lifecycle !== undefined) return { tone: "bad", headline: lifecycle, reasons: [{ text: serving }] };
  const problems = seenProblems(state);
  const sentence = problemsSentence(problems);
  if (sentence !== "") {
    return { tone: hasCritical(problems) ? "bad" : "warn", headline: sentence, reasons: [{ text: serving }] };
  }
  const out = pools.flatMap((pool) => pool.upstreams).filter((each) => !each.fit && !isStandbyBackup(each));
  const reasons = reasonsFor([], out, balancerNow(state));
  if (isOnEvenKeel(snapshot)) return { tone: "good", headline: evenKeelSentence(snapshot), reasons };
  // What is out may be checked for the first time, or have failed within the last second: no problem is listed yet.
  const isPoolOut = pools.some(({ upstreams }) => !upstreams.some(isServing));
  return { tone: isPoolOut ? "bad" : "warn", headline: serving, reasons };
}

const phaseText: Readonly<Record<string, string | undefined>> = {
  starting: "The balancer is starting",
  draining: "The balancer is shutting down",
  stopped: "The balancer has stopped",
};

/** A healthy backup that waits for the primaries to fail is no problem. */
export function isStandbyBackup(upstream: UpstreamSnapshot): boolean {
  return upstream.backup && !upstream.fit && upstream.status === "passing";
}

/** The result of a GET to the address that clients use. */
export interface ListenerCheck {
  readonly url: string;
  /** Whether the response had a status below 500. */
  readonly reachable: boolean;
  /** Null without a response. */
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
  /** One sentence for each problem, if there are several. */
  readonly problems?: readonly string[];
}

/** A complete sentence. Messages of the admin API are sentences already; a connection error needs an introduction. */
export function adminApiErrorSentence({ reason, message }: AdminApiError): string {
  if (reason === "unreachable") return `Cannot reach the admin API: ${message}.`;
  return /[.?!]$/.test(message) ? message : `${message}.`;
}

/** A period in which the admin API could not be read. */
export interface Outage extends AdminApiError {
  /** Epoch milliseconds of the first read that failed. */
  readonly since: number;
}

export interface DashboardState {
  /** Epoch milliseconds at which this state was built. */
  readonly at: number;
  readonly adminUrl: string;
  readonly listenerCheck: ListenerCheck;
  /** Epoch milliseconds of the first check that failed; undefined while clients reach the balancer. */
  readonly listenerLostSince?: number | undefined;
  /** The last snapshot that was read; undefined before the first one. */
  readonly snapshot: Snapshot | undefined;
  /** Epoch milliseconds at which the snapshot was read; 0 before the first one. */
  readonly readAt: number;
  readonly outage: Outage | undefined;
  /** The last minute of every pool, one point per second; empty if it could not be read. */
  readonly trends: readonly SeriesHistory[];
  /** The last day, read once a minute; undefined until it could be read. */
  readonly day?: DayHistory | undefined;
  /** The last half hour by upstream, read once a minute; empty until it could be read. */
  readonly upstreamTrends?: ReadonlyMap<string, Columns>;
  /** The last hour of what the first problems are about, by problem, read once a minute. */
  readonly problemTrends?: ReadonlyMap<string, Columns>;
  /** Which routes lead to which pool; empty until it could be read. */
  readonly routes?: PoolRoutes | undefined;
}

/** The result of reading the snapshot. */
export type ReadResult = { readonly snapshot: Snapshot } | { readonly error: AdminApiError };

export interface PollResult {
  readonly at: number;
  readonly adminUrl: string;
  readonly listenerCheck: ListenerCheck;
  readonly reading: ReadResult;
  readonly trends: readonly SeriesHistory[];
  readonly day?: DayHistory | undefined;
  readonly upstreamTrends?: ReadonlyMap<string, Columns> | undefined;
  readonly problemTrends?: ReadonlyMap<string, Columns> | undefined;
  readonly routes?: PoolRoutes | undefined;
}

/** A failed read keeps the last snapshot and the moment at which the outage began. */
export function nextDashboardState(
  previous: DashboardState | undefined,
  {
    at,
    adminUrl,
    listenerCheck,
    reading,
    trends,
    day,
    upstreamTrends = new Map(),
    problemTrends = new Map(),
    routes = previous?.routes,
  }: PollResult,
): DashboardState {
  const lost = listenerCheck.reachable ? undefined : (previous?.listenerLostSince ?? listenerCheck.checkedAt);
  const common = {
    at,
    adminUrl,
    listenerCheck,
    listenerLostSince: lost,
    day: day ?? previous?.day,
    upstreamTrends,
    problemTrends,
    routes,
  };
  if ("snapshot" in reading) {
    return { ...common, snapshot: reading.snapshot, readAt: at, outage: undefined, trends };
  }
  const since = previous?.outage?.since ?? at;
  const snapshot = previous?.snapshot;
  const readAt = previous?.readAt ?? 0;
  return {
    ...common,
    snapshot,
    readAt,
    outage: { ...reading.error, since },
    trends: previous?.trends ?? [],
  };
}

/** Now by the balancer's clock, in epoch milliseconds: the clocks of the two machines may differ. */
export function balancerNow({ at, snapshot, readAt }: DashboardState): number {
  return snapshot ? snapshot.at + (at - readAt) : at;
}
