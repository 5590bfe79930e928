/** Problems and a balancer in trouble, for tests of what shows the list. */

import { advice, readAct, upstreamAct } from "../../src/problems/advice.ts";
import type { ServiceProblem } from "../../src/problems/problem.ts";
import type { PoolSnapshot, Snapshot } from "../../src/snapshot/snapshot.ts";
import { pool, snapshotOf, traffic, upstream } from "./fake-admin-api.ts";

export function problemOf(change: Partial<ServiceProblem> = {}): ServiceProblem {
  const since = new Date(Date.now() - 14 * 60_000).toISOString();
  const { id = "p-k7m2x" } = change;
  return {
    ...{ id, kind: "upstream_errors", level: "critical", state: "open" },
    title: "checkout-07 answers 30 % of its requests with 500",
    ...{ since, openedAt: since, closedAt: null, end: null, reopened: 0, onAndOff: false },
    subject: {
      balancer: "fra-1",
      pool: "checkout",
      upstream: "checkout-07",
      certificate: null,
      peer: null,
      address: null,
    },
    seenBy: ["fra-1"],
    hits: {
      words: "1 in 40 requests, 13,020 so far",
      routes: ["shop.example.com/checkout", "shop.example.com/pay"],
      ...{ share: 0.025, perSecond: 15.5, requests: 13_020 },
    },
    cause: {
      words:
        "Only this upstream: the median of its 11 peers is 0.02 %. Its probe still passes, so it is not taken out.",
      ...{ code: "outlier", event: null },
    },
    do: advice(
      upstreamAct({ verb: "drain", upstream: "checkout-07", label: "Drain checkout-07", isSafe: true, id }),
      "Drain it. Its 11 peers then get 9.1 % more each.",
    ),
    measure: null,
    links: {
      self: `/?p=${id}`,
      requests: "/requests?from=-20m&to=now&upstream=checkout-07&outcome=failed",
      history: "/history?from=-20m&to=now&pool=checkout&upstream=checkout-07",
    },
    ...{ silenced: null, rehearsed: false, parts: [] },
    ...change,
  };
}

export function slowProblem(change: Partial<ServiceProblem> = {}): ServiceProblem {
  const since = new Date(Date.now() - 28 * 60_000).toISOString();
  const { id = "p-s10w" } = change;
  return problemOf({
    ...{ id, kind: "upstream_slow", level: "warning", since },
    title: "search-03 is 8 times slower than its peers",
    subject: {
      balancer: "fra-1",
      pool: "search",
      upstream: "search-03",
      certificate: null,
      peer: null,
      address: null,
    },
    hits: {
      words: "1 in 50 requests waits 1.9 s, not 240 ms",
      routes: ["www.example.com/search"],
      ...{ share: 0, perSecond: 0, requests: 0 },
    },
    cause: {
      words: "The upstream, not the network: it connects in 0.4 ms, like its peers.",
      ...{ code: "slow_head", event: null },
    },
    do: advice(
      upstreamAct({ verb: "drain", upstream: "search-03", label: "Drain search-03", isSafe: true, id }),
      "Drain it, or set its weight to a fifth. Its 15 peers then get 2 % more each.",
      upstreamAct({
        ...{ verb: "weight", upstream: "search-03", label: "Set its weight to a fifth", isSafe: true, id },
      }),
    ),
    links: {
      self: `/?p=${id}`,
      requests: "/requests?from=-30m&to=now&upstream=search-03&outcome=slow",
      history: "/history?from=-30m&to=now&pool=search&upstream=search-03",
    },
    ...change,
  });
}

export function noticeProblem(change: Partial<ServiceProblem> = {}): ServiceProblem {
  return problemOf({
    ...{ id: "p-cert", kind: "certificate", level: "notice" },
    title: "The certificate for api.example.com ends in 9 days",
    subject: {
      balancer: "fra-1",
      pool: null,
      upstream: null,
      certificate: "api.example.com",
      peer: null,
      address: null,
    },
    do: advice(readAct("See the certificate"), "Renew it in time."),
    ...change,
  });
}

export function closedProblem(change: Partial<ServiceProblem> = {}): ServiceProblem {
  return problemOf({
    id: "p-over",
    state: "closed",
    title: "web-04 refuses connections",
    closedAt: new Date(Date.now() - 60_000).toISOString(),
    end: { words: "Closed after 17 min", code: "over" },
    ...change,
  });
}

/** Its members are "name-01", "name-02" and so on. */
export function poolOf(name: string, size: number, change: Partial<PoolSnapshot> = {}): PoolSnapshot {
  const upstreams = Array.from({ length: size }, (_, index) =>
    upstream(`${name}-${String(index + 1).padStart(2, "0")}`, {
      inFlight: 2 + (index % 4),
      traffic: traffic({
        ...{ requests: 52_000, requestsPerSecond: 50 + (index % 5), p50Ms: 42, p95Ms: 130, p99Ms: 210 },
      }),
      probeHistory: "+".repeat(60),
    }),
  );
  const requestsPerSecond = 52 * size;
  return pool({
    name,
    upstreams,
    traffic: traffic({ requests: 52_000 * size, requestsPerSecond, p50Ms: 42, p95Ms: 128, p99Ms: 210 }),
    ...change,
  });
}

/** Sixty upstreams in four pools; two of them in trouble, one drained, two backups. */
export function incidentSnapshot(
  problems: readonly ServiceProblem[] = [problemOf(), slowProblem()],
): Snapshot {
  const changed = (one: PoolSnapshot, id: string, change: Partial<PoolSnapshot["upstreams"][number]>) => ({
    ...one,
    upstreams: one.upstreams.map((each) => (each.id === id ? { ...each, ...change } : each)),
  });
  const ann = { by: "ann", at: Date.now() - 600_000, why: "kernel update" };
  const drain = {
    ...{ since: ann.at, deadline: null, inFlight: 0, drained: true, leaving: false },
  };
  let web = changed(poolOf("web", 24), "web-11", {
    ...{ status: "draining", mode: "draining", modeSet: ann, fit: false, inFlight: 0, drain },
    traffic: traffic(),
  });
  for (const id of ["web-23", "web-24"])
    web = changed(web, id, { backup: true, fit: false, inFlight: 0, traffic: traffic() });
  const errors = traffic({ requests: 52_000, errors: 13_020, requestsPerSecond: 52.5, errorShare: 0.3 });
  return {
    ...snapshotOf(
      poolOf("media", 8),
      changed(poolOf("checkout", 12), "checkout-07", {
        traffic: { ...errors, p50Ms: 18, p95Ms: 96, p99Ms: 141 },
        errorsByReason: { status_500: 13_020 },
      }),
      changed(poolOf("search", 16), "search-03", {
        traffic: traffic({
          ...{ requests: 9_000, requestsPerSecond: 9.6, p50Ms: 940, p95Ms: 1_900, p99Ms: 2_400 },
        }),
      }),
      web,
    ),
    problems,
  };
}
