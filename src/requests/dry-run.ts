/** Computes where a request would go now. It uses routes and policies like a real request, but changes no state of them. */

import type { Clock } from "../lib/clock.ts";
import type { PolicyName } from "../policy/policies.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { Candidate } from "../proxy/record.ts";
import { candidatesIn } from "../proxy/recorder.ts";
import type { RefusalReason } from "../proxy/refusal.ts";
import type { RequestHead } from "../proxy/request-head.ts";
import { escapeBeyondAscii } from "../proxy/request-path.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";

/** A request that is evaluated but not sent. */
export interface DryRunRequest {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly clientAddress: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The decision for such a request. */
export interface DryRunResult {
  /** The matching route, null if no route matches. Both parts are null for the route that matches everything. */
  readonly route: { readonly host: string | null; readonly path: string | null } | null;
  /** The form of the path that routes matched; null where it is the path of the target, or no route has a path. */
  readonly matchedPath: string | null;
  readonly pool: string | null;
  readonly policy: PolicyName | null;
  readonly key: string | null;
  /** The selected upstream. Policies that use randomness may select another one next time. */
  readonly chosen: string | null;
  /** Available upstreams, at most 16. */
  readonly candidates: readonly Candidate[];
  /** Number of available upstreams. */
  readonly fit: number;
  /** Upstreams that are not available, at most 50, with the reason. */
  readonly others: readonly { readonly upstream: string; readonly why: string }[];
  /** Number of upstreams that are not available. */
  readonly out: number;
  /** Reason of the refusal; null if the request would be sent or queued. */
  readonly refusal: RefusalReason | null;
  /** The rule that the request breaks; null where it is not refused for one. */
  readonly complaint: string | null;
}

/** A pool may have thousands of upstreams; a reader needs only the first ones. */
const maxOthers = 50;

/** @param clock for the remaining time of ejections and the load of candidates */
export function dryRun(
  registry: Pick<PoolRegistry, "routes" | "entries">,
  request: DryRunRequest,
  clock: Clock,
): DryRunResult {
  const head = headOf(request);
  const { route, matchedPath = null, violation } = registry.routes.find(head) ?? {};
  const noPool = { pool: null, policy: null, key: null, chosen: null };
  const noUpstreams = { candidates: [], fit: 0, others: [], out: 0 };
  const destination = route?.destination;
  if (!destination) {
    const refusal = violation ? (violation.reason ?? "request_invalid") : "no_route";
    const complaint = violation?.text ?? null;
    return { route: null, matchedPath, ...noPool, ...noUpstreams, refusal, complaint };
  }
  const { pool, keyOf, queue } = destination;
  const key = keyOf?.(head) ?? "";
  const chosen = pool.select(key, [], true);
  const now = clock();
  const fit = new Set(pool.available);
  const others = pool.upstreams.filter((upstream) => !fit.has(upstream));
  const entry = registry.entries.find((one) => one.pool === pool);
  const refusal = pool.isFull || queue?.limits.whenNoneFit ? null : "no_upstream";
  return {
    route: { host: route?.hosts?.join(", ") ?? null, path: route?.path ?? null },
    matchedPath,
    pool: pool.name,
    policy: entry?.config.policy ?? null,
    key: keyOf ? key : null,
    chosen: chosen?.id ?? null,
    candidates: candidatesIn(pool, now),
    fit: fit.size,
    others: others
      .slice(0, maxOthers)
      .map((upstream) => ({ upstream: upstream.id, why: outageReason(upstream, now) })),
    out: others.length,
    refusal: chosen ? null : refusal,
    complaint: null,
  };
}

function headOf({ method, host, target, clientAddress, headers }: DryRunRequest): RequestHead {
  const all: Readonly<Record<string, string>> = { ...headers, host };
  return {
    method,
    host,
    target: escapeBeyondAscii(target),
    peerAddress: clientAddress,
    clientAddress,
    scheme: "http",
    listener: "main",
    header: (name) => (Object.hasOwn(all, name) ? all[name] : undefined),
  };
}

function outageReason({ mode, weight, activeHealth, outlier, backup }: Upstream, now: number): string {
  if (mode !== "ready") return `its mode is ${mode}`;
  if (weight === 0) return "its weight is 0";
  if (activeHealth.state === "failing") return "its probes fail";
  if (outlier.state === "ejected")
    return `it is ejected for another ${Math.ceil((outlier.endsAt - now) / 1_000)} s`;
  if (activeHealth.state === "checking") return "it was not probed yet, and other upstreams were";
  return backup ? "it is a backup, and primaries are available" : "other upstreams have priority";
}
