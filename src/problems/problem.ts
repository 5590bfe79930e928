/** The shape of a problem: what is wrong, who is hit, since when, why, and what to do. Every surface shows this object. */

/** What can be wrong. The table in docs/problems.md says when each of them opens and closes. */
export const problemKinds = [
  ...(["balancer_gone", "front_door"] as const),
  ...(["peer_gone", "fleet_alone", "fleet_differs"] as const),
  ...(["pool_empty", "panic", "queue", "pool_errors", "pool_slow", "retries_spent"] as const),
  ...(["upstream_down", "upstream_errors", "upstream_slow", "probe_flaps", "start_stalled"] as const),
  ...(["shedding", "exhaustion", "state_not_kept", "reload_refused", "upgrade_failed"] as const),
  ...(["log_lost", "alert_lost"] as const),
  "certificate",
] as const;

export type ProblemKind = (typeof problemKinds)[number];

/** What a balancer finds itself. Its readers find the others, of which it can neither count nor send anything. */
export const ownProblemKinds: readonly ProblemKind[] = problemKinds.filter(
  (kind) => kind !== "balancer_gone",
);

/**
 * - `critical`: clients notice now.
 * - `warning`: the service works, with less than it could have, or not for long.
 * - `notice`: nothing is wrong yet.
 */
export const problemLevels = ["critical", "warning", "notice"] as const;

export type ProblemLevel = (typeof problemLevels)[number];

/** 0 is the worst. */
export function severityOf(level: ProblemLevel): number {
  return problemLevels.indexOf(level);
}

export function worseLevel(one: ProblemLevel, other: ProblemLevel): ProblemLevel {
  return severityOf(one) <= severityOf(other) ? one : other;
}

/** What a problem is about. Everything null but the balancer: the balancer itself. */
export interface ProblemSubject {
  /** Name of the balancer that found it. */
  readonly balancer: string;
  readonly pool: string | null;
  readonly upstream: string | null;
  /** A host name of the certificate; null for other problems. */
  readonly certificate: string | null;
  /** Name of another balancer of the fleet; null for other problems. */
  readonly peer: string | null;
  /** The public address; null for other problems. */
  readonly address: string | null;
}

/** Whom a problem hits. */
export interface ProblemHits {
  /** "1 in 40 requests, 13,020 so far"; "Nothing yet." */
  readonly words: string;
  /** Routes that lead to the pool, as names or "host/path"; at most five, the worst first. */
  readonly routes: readonly string[];
  /** Requests that fail at the client because of it ÷ requests of the pool, 0–1; null without requests. */
  readonly share: number | null;
  /** Requests that fail at the client because of it, each second. */
  readonly perSecond: number;
  /** Requests that have failed at the client since it began. */
  readonly requests: number;
}

/** Why it happens. A cause is stated only with evidence; otherwise the words are {@link unknownCause}. */
export interface ProblemCause {
  readonly words: string;
  /** One word for programs; null where the cause is not known. */
  readonly code: string | null;
  /** Number of the event that is the evidence; null without one. */
  readonly event: number | null;
}

export const unknownCause: ProblemCause = { words: "Not known yet.", code: null, event: null };

/** A command of the API, or `read`: something to look at. */
export type AdviceVerb =
  "drain" | "maintenance" | "ready" | "weight" | "reload" | "certificates" | "dismiss" | "read";

/** One thing to do. */
export interface ProblemAct {
  /** Of a button: "Drain checkout-07", with "…" where the act needs another look. */
  readonly label: string;
  readonly verb: AdviceVerb;
  /** The upstream that a command is for; null for other acts. */
  readonly upstream: string | null;
  /** False if the act would leave a pool without upstreams, or its peers with more than they can be expected to carry. */
  readonly safe: boolean;
  /** The least role that may do it. */
  readonly role: "viewer" | "operator" | "admin";
  /** The same on the command line; null where there is no command. */
  readonly command: string | null;
}

/** What to do, and what would follow. */
export interface ProblemAdvice extends ProblemAct {
  readonly words: string;
  /** The second best act; null without one. */
  readonly beside: ProblemAct | null;
}

/** The number behind the problem and its thresholds; shares are 0–1, times milliseconds. */
export interface ProblemMeasure {
  readonly value: number;
  /** The median of its peers, or what is usual; null where it is compared with nothing. */
  readonly peers: number | null;
  /** It opens at this value. */
  readonly enter: number;
  /** It closes below this value. */
  readonly leave: number;
  /** "30s" */
  readonly window: string;
  /** Requests in the window; null for what is not counted in requests. */
  readonly n: number | null;
}

/** Paths of the dashboard that show more. */
export interface ProblemLinks {
  readonly self: string;
  readonly requests: string | null;
  readonly history: string | null;
}

/** A problem that is part of another one. */
export interface ProblemPart {
  readonly id: string;
  readonly kind: ProblemKind;
  readonly level: ProblemLevel;
  readonly title: string;
  readonly since: string;
  readonly upstream: string | null;
}

export interface ProblemEnd {
  /** "Closed after 17 min", "Closed after 17 min: no traffic any more" */
  readonly words: string;
  /** `over`: below its thresholds. `released`: an operator took the upstream out, and it is empty. `dismissed`: by an operator. */
  readonly code: "over" | "released" | "dismissed" | "no_traffic";
}

/** Times are RFC 3339 in UTC. */
export interface ServiceProblem {
  /** "p-k7m2x"; the same as long as the problem lasts, also when it comes back within ten minutes. */
  readonly id: string;
  readonly kind: ProblemKind;
  readonly level: ProblemLevel;
  readonly state: "open" | "closed";
  /** One sentence without a full stop. Its numbers are rounded, and change only with the matter. */
  readonly title: string;
  /** When its condition began. */
  readonly since: string;
  /** When it was listed first. */
  readonly openedAt: string;
  readonly closedAt: string | null;
  /** How it ended; null while it is open. */
  readonly end: ProblemEnd | null;
  /** How often it came back within ten minutes of its end. */
  readonly reopened: number;
  /** It comes and goes: it stays open until ten minutes are quiet. */
  readonly onAndOff: boolean;
  readonly subject: ProblemSubject;
  /** Balancers that see it; only this one without a fleet. */
  readonly seenBy: readonly string[];
  readonly hits: ProblemHits;
  readonly cause: ProblemCause;
  readonly do: ProblemAdvice;
  /** Null for what has no number. */
  readonly measure: ProblemMeasure | null;
  readonly links: ProblemLinks;
  /** Set while its alerts are silenced. */
  readonly silenced: { readonly until: string; readonly by: string; readonly why: string } | null;
  /** A fault injection causes it. */
  readonly rehearsed: boolean;
  /** Problems with the same cause, which are not listed themselves; at most fifty. */
  readonly parts: readonly ProblemPart[];
}

export function isOpenProblem({ state }: Pick<ServiceProblem, "state">): boolean {
  return state === "open";
}

/** A change for the event log and for receivers of alerts. */
export interface ProblemChange {
  readonly change: "opened" | "worse" | "closed";
  readonly problem: ServiceProblem;
  /** The level before; null for one that opened. */
  readonly from: ProblemLevel | null;
}
