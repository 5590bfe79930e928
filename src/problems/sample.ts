/** What the problems are found in: one sample of the balancer's state and counters, taken once a second. */

import type { Status } from "../pool/upstream.ts";
import type { ProblemKind } from "./problem.ts";
import type { BalancerEvent } from "../state/event.ts";

/** Counters are cumulative; a smaller value than before means that they began again. */
export interface UpstreamSample {
  readonly id: string;
  readonly status: Status;
  readonly weight: number;
  readonly backup: boolean;
  /** Whether it may receive new requests now. */
  readonly fit: boolean;
  /** Without tunnels. */
  readonly inFlight: number;
  /** Attempts that it may have in flight; Infinity for no limit. */
  readonly maxInFlight: number;
  /** A slow start is not over. */
  readonly isStarting: boolean;
  /** Attempts that ended, without cancelled ones. */
  readonly requests: number;
  /** Of these, the ones that failed or got a 5xx response. */
  readonly errors: number;
  /** 95th percentile of the time to the response headers in the last minute, milliseconds; null without responses. */
  readonly p95Ms: number | null;
  /** Reason word of the failure that led to its ejection; empty while it is not ejected. */
  readonly ejectionCause: string;
  /** Why it was ejected; empty while it is not. */
  readonly ejectionReason: string;
  /** Clock time of its ejection, milliseconds; undefined while it is not ejected. */
  readonly ejectedAt: number | undefined;
  /** Result of the last probe; empty before the first. */
  readonly probeDetail: string;
  /** Whether the last probe passed; undefined before the first. */
  readonly probePassed: boolean | undefined;
  /** The last 60 probes, oldest first: `+` passed, `-` failed. */
  readonly probeHistory: string;
  /** A fault is being injected. */
  readonly hasFault: boolean;
  /** Errors by reason word, cumulative: failures as they are, 5xx responses as `status_503`. Read only for a suspect. */
  readonly errorsByReason: () => Readonly<Record<string, number>>;
}

/** What is usual at this hour, from the history of a week; null where nothing is known. */
export interface UsualTraffic {
  readonly p95Ms: number | null;
  readonly errorShare: number | null;
  readonly perSecond: number | null;
  /** The busiest minute of the week, requests a second. */
  readonly peakPerSecond: number | null;
}

export interface PoolSample {
  readonly name: string;
  readonly upstreams: readonly UpstreamSample[];
  readonly isPanicking: boolean;
  /** Why its sources of members have none, for a pool without upstreams: clauses without a full stop. */
  readonly missingMembers?: readonly string[];
  /** Requests in the queue. */
  readonly queued: number;
  /** Places in the queue. */
  readonly maxWaiting: number;
  /** Length of a slow start, milliseconds. */
  readonly slowStartMs: number;
  /** Responses of all its upstreams in the last minute. */
  readonly p95Ms: number | null;
  /** Requests that ended before any attempt; cumulative, as are all counters below. */
  readonly turnedAway: number;
  /** Of these, the ones that got a 5xx response. */
  readonly turnedAwayErrors: number;
  /** Further attempts that a failed one was followed by. */
  readonly retries: number;
  /** Failed attempts that the retry budget did not let retry. */
  readonly budgetRefusals: number;
  /** Requests refused because the queue was full, or because they waited too long. */
  readonly queueRefusals: number;
  /** Requests refused because no upstream was available, memory was short, or the system gave no descriptor or port. */
  readonly otherRefusals: number;
  readonly usual: UsualTraffic | null;
  /** By id of an upstream; only where too few peers can be compared with. */
  readonly usualOf: (upstream: string) => UsualTraffic | null;
}

/** A route. */
export interface RouteSample {
  /** Its name, or "host/path". */
  readonly label: string;
  readonly pools: readonly string[];
  /** Cumulative. */
  readonly requests: number;
  /** Of these, the ones that ended with a 5xx status at the client. */
  readonly errors: number;
}

/** `stage`: how near its end is, in the steps at which notices are due. */
export interface CertificateSample {
  /** The first name that it is for. */
  readonly host: string;
  readonly source: string;
  readonly stage: "expired" | "early" | "valid" | 1 | 7 | 30;
  /** Epoch milliseconds. */
  readonly validFrom: number;
  readonly expiresAt: number;
  /** Whether the balancer orders its successor. */
  readonly isManaged: boolean;
}

/** A certificate that an authority issues. */
export interface OrderSample {
  readonly host: string;
  /** A self-signed certificate is shown in its place. */
  readonly isPlaceholder: boolean;
  /** Failed orders in a row. */
  readonly failures: number;
  /** The authority's words; empty without a failure. */
  readonly detail: string;
}

/** The other balancers, as this one sees them. */
export interface FleetSample {
  /** Since when, in epoch milliseconds, and why the store cannot be reached; null while it can. */
  readonly alone: { readonly since: number; readonly why: string } | null;
  /** Names of balancers that are configured in another way. */
  readonly differing: readonly string[];
  /** All others that have not said that they leave. */
  readonly peers: readonly {
    readonly name: string;
    readonly isAlive: boolean;
    /** Milliseconds since its last report. */
    readonly ageMs: number;
  }[];
}

export interface BalancerSample {
  /** Clock time, milliseconds: only differences mean something. */
  readonly now: number;
  /** The same moment, epoch milliseconds. */
  readonly at: number;
  /** Name of this balancer. */
  readonly balancer: string;
  readonly pools: readonly PoolSample[];
  readonly routes: readonly RouteSample[];
  /** Null without a fleet. */
  readonly fleet: FleetSample | null;
  /** Receivers of alerts whose last try has failed: since when, in epoch milliseconds, and what it said. */
  readonly failingReceivers: readonly {
    readonly name: string;
    readonly since: number;
    readonly answer: string;
  }[];
  readonly memory: {
    readonly rssBytes: number;
    readonly limitBytes: number | null;
    readonly shedding: boolean;
  };
  /** The system gives no descriptors, ports or socket memory. */
  readonly exhaustion: { readonly code: string; readonly failures: number } | null;
  /** Since when, in epoch milliseconds, and why changes are not saved. */
  readonly notKept: { readonly since: number; readonly why: string } | null;
  /** Clients do not reach the public address: since when, in epoch milliseconds, and what a try said last. */
  readonly frontDoor: { readonly address: string; readonly since: number; readonly why: string } | null;
  /** The last configuration that was refused, until one is taken. */
  readonly refused: {
    readonly at: number;
    readonly by: string;
    readonly problems: readonly string[];
  } | null;
  /** Problems that an operator has called over since the sample before. */
  readonly dismissed?: ReadonlySet<ProblemKind>;
  /** The last upgrade, if this process went on. */
  readonly failedUpgrade: { readonly at: number; readonly by: string; readonly why: string } | null;
  readonly certificates: readonly CertificateSample[];
  readonly orders: readonly OrderSample[];
  /** Cumulative. */
  readonly lostLines: number;
  readonly lostSpans: number;
  /** The last ones, oldest first: evidence for causes. */
  readonly events: readonly BalancerEvent[];
}
