/** Where a request would go now: asks what a real one would be asked, and takes no turn. */

import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { Clock } from "../lib/clock.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { RequestHead } from "../proxy/request-head.ts";
import { candidatesIn } from "../proxy/recorder.ts";
import { matchingRoute } from "../proxy/route.ts";
import type { PolicyName } from "../policy/policies.ts";
import type { Candidate } from "../proxy/record.ts";
import type { RefusalReason } from "../proxy/refusal.ts";

/** A pool may have thousands; nobody reads on. */
const maxOthers = 50;

export function dryRun(
  registry: Pick<PoolRegistry, "routes" | "entries">,
  imagined: DryRunRequest,
  clock: Clock,
): DryRunResult {
  const head = headOf(imagined);
  const found = matchingRoute(registry.routes, head);
  const nothing = { pool: null, policy: null, key: null, chosen: null };
  const nobody = { candidates: [], fit: 0, others: [], out: 0 };
  if (!found) return { route: null, ...nothing, ...nobody, refusal: "no_route" };
  const { host = null, path = null, destination } = found;
  const { pool, keyOf, queue } = destination;
  const key = keyOf?.(head) ?? "";
  const chosen = pool.select(key, [], true);
  const now = clock();
  const fit = new Set(pool.available);
  const others = pool.upstreams.filter((upstream) => !fit.has(upstream));
  const entry = registry.entries.find((one) => one.pool === pool);
  const refusal = pool.isFull || queue?.limits.whenNoneFit ? null : "no_upstream";
  return {
    route: { host, path },
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
  };
}

function headOf({ method, host, target, clientAddress, headers }: DryRunRequest): RequestHead {
  const fields: Readonly<Record<string, string>> = { ...headers, host };
  return {
    ...{ method, host, target, clientAddress, scheme: "http" },
    header: (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined),
  };
}

function outageReason(
  { mode, weight, activeHealth: streak, outlier, backup }: Upstream,
  now: number,
): string {
  if (mode !== "ready") return `its mode is ${mode}`;
  if (weight === 0) return "its weight is 0";
  if (streak.state === "failing") return "its probes fail";
  if (outlier.state === "ejected")
    return `it is ejected for another ${Math.ceil((outlier.endsAt - now) / 1_000)} s`;
  if (streak.state === "checking") return "it has not been checked yet, and others have";
  return backup ? "it is a backup, and others are fit" : "others come first";
}

/** A request that is not sent. */
export interface DryRunRequest {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly clientAddress: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Where it would go now. */
export interface DryRunResult {
  /** What matched; both null for the route that matches everything. The whole is null if none does. */
  readonly route: { readonly host: string | null; readonly path: string | null } | null;
  readonly pool: string | null;
  readonly policy: PolicyName | null;
  readonly key: string | null;
  /** Where policies throw dice, another time may give another one. */
  readonly chosen: string | null;
  /** Those that are fit, at most sixteen of them. */
  readonly candidates: readonly Candidate[];
  /** How many are fit in all. */
  readonly fit: number;
  /** Those that are not, at most fifty of them. */
  readonly others: readonly { readonly upstream: string; readonly why: string }[];
  /** How many are not, in all. */
  readonly out: number;
  /** What it would be refused with. */
  readonly refusal: RefusalReason | null;
}
