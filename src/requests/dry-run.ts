/** Computes where a request would go now. It uses routes and policies like a real request, but changes no state of them. */

import type { Clock } from "../lib/clock.ts";
import type { PolicyName } from "../policy/policies.ts";
import type { Upstream } from "../pool/upstream.ts";
import { FilteredRequest, type ForeseenVerdict, type SplitChoice } from "../proxy/filter.ts";
import type { Candidate } from "../proxy/record.ts";
import { candidatesIn } from "../proxy/recorder.ts";
import { noUpstreamReason, type RefusalReason } from "../proxy/refusal.ts";
import type { RequestHead } from "../proxy/request-head.ts";
import { escapeBeyondAscii } from "../proxy/request-path.ts";
import type { ComparedRoute, FoundRoute, Route, ExplainedRouteTable } from "../proxy/route.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";

/** A request that is evaluated but not sent. */
export interface DryRunRequest {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly clientAddress: string;
  readonly scheme: "http" | "https";
  /** Name of the listener that it would come to. */
  readonly listener: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A request as a client of the admin API describes it: the balancer knows its listeners. */
export type DryRunInput = Omit<DryRunRequest, "scheme" | "listener"> &
  Partial<Pick<DryRunRequest, "scheme" | "listener">>;

/** A route by its place in the configuration, and why the request does not take it. */
export interface OtherRoute {
  readonly route: string;
  readonly why: string;
}

/** What a filter would do. */
export interface ForeseenFilter extends ForeseenVerdict {
  /** The key of its setting. */
  readonly name: string;
}

/** The decision for such a request. */
export interface DryRunResult {
  /** Name of the listener that it would come to. */
  readonly listener: string;
  readonly scheme: "http" | "https";
  /** The matching route, null if no route matches. `host` and `path` are null for a route that matches every one. */
  readonly route: {
    /** "routes[3]" */
    readonly place: string;
    readonly name: string | null;
    readonly host: string | null;
    readonly path: string | null;
  } | null;
  /** Routes that match too but are less specific, at most five. */
  readonly over: readonly OtherRoute[];
  /** The nearest routes that do not match, with the conditions that do not hold, at most five. */
  readonly not: readonly OtherRoute[];
  /** The form of the path that routes matched; null where it is the path of the target, or no route has a path. */
  readonly matchedPath: string | null;
  /**
   * How servers read the path, with the place of the route of each form, null for none. Empty for a path that all servers read
   * in one way, or where no route has a path.
   */
  readonly readings: readonly { readonly path: string; readonly route: string | null }[];
  /** The filters of the route, in their order. */
  readonly filters: readonly ForeseenFilter[];
  /** The first filter that would answer the request, so that no upstream gets it; null for none. */
  readonly answeredBy: string | null;
  /** What the split of the route chose; null without one. */
  readonly split: SplitChoice | null;
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
  /** Reason of the refusal, by a filter too; null if the request would be sent, queued or answered. */
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
  const cameFrom = { listener: request.listener, scheme: request.scheme };
  const match = registry.routes.find(head);
  const routing = routingOf(registry.routes, head);
  const noPool = { split: null, pool: null, policy: null, key: null, chosen: null };
  const noUpstreams = { candidates: [], fit: 0, others: [], out: 0 };
  const matchedPath = match?.matchedPath ?? null;
  if (!match?.route) {
    const violation = match?.violation;
    const refusal = violation ? (violation.reason ?? "request_invalid") : "no_route";
    const complaint = violation?.text ?? null;
    const compared = violation ? { ...routing, over: [], not: [] } : routing;
    const unrouted = { ...cameFrom, route: null, filters: [], answeredBy: null, matchedPath, ...compared };
    return { ...unrouted, ...noPool, ...noUpstreams, refusal, complaint };
  }
  const { route } = match;
  const filtered = new FilteredRequest(head, match, { requestId: "dry-run", trace: undefined });
  const foreseen = foreseenFilters(match, filtered);
  const answering = foreseen.find(({ verdict }) => verdict === "answers");
  const answeredBy = answering?.name ?? null;
  const filters = foreseen.map(({ name, verdict, why }) => ({ name, verdict, why }));
  const routed = { ...cameFrom, route: describedRoute(route), filters, answeredBy, matchedPath, ...routing };
  const destination = route.split ? route.split.choose(filtered) : route.destination;
  const refusedBy = answering?.refusal ?? null;
  if (!destination) return { ...routed, ...noPool, ...noUpstreams, refusal: refusedBy, complaint: null };
  const { pool, keyOf, queue } = destination;
  const key = keyOf?.(head) ?? "";
  const chosen = pool.select(key, [], true);
  const now = clock();
  const fit = new Set(pool.available);
  const others = pool.upstreams.filter((upstream) => !fit.has(upstream));
  const entry = registry.entries.find((one) => one.pool === pool);
  const refusal = pool.isFull || queue?.limits.whenNoneFit ? null : noUpstreamReason(pool);
  return {
    ...routed,
    split: filtered.split ?? null,
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
    refusal: answering ? refusedBy : chosen ? null : refusal,
    complaint: null,
  };
}

function describedRoute({ place, name, hosts, path }: Route): DryRunResult["route"] {
  return { place, name: name ?? null, host: hosts?.join(", ") ?? null, path: path ?? null };
}

function routingOf(
  routes: ExplainedRouteTable,
  head: RequestHead,
): Pick<DryRunResult, "over" | "not" | "readings"> {
  const { over, not, readings } = routes.explain(head);
  const described = ({ route, why }: ComparedRoute): OtherRoute => ({ route: route.place, why });
  return {
    over: over.map(described),
    not: not.map(described),
    readings: readings.map(({ path, route }) => ({ path, route: route?.place ?? null })),
  };
}

function foreseenFilters({ route }: FoundRoute, request: FilteredRequest): readonly ForeseenFilter[] {
  return (route.handling?.filters ?? []).map((filter) => {
    const foreseen = filter.foresee?.(request) ?? { verdict: "unknown", why: "a dry run does not ask it" };
    return { name: filter.name, ...foreseen };
  });
}

/** Text of a header as it arrives: one character for each byte of UTF-8. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function headOf({ method, host, target, clientAddress, headers, ...rest }: DryRunRequest): RequestHead {
  const all: Readonly<Record<string, string>> = { ...headers, host };
  return {
    method,
    host,
    target: escapeBeyondAscii(target),
    peerAddress: clientAddress,
    clientAddress,
    scheme: rest.scheme,
    listener: rest.listener,
    header: (name) => (Object.hasOwn(all, name) ? bytesOf(all[name] ?? "") : undefined),
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
