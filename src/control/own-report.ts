/** What this balancer tells the others of its fleet: load, what differs, and the upstreams that it does not find well. */

import type { Config } from "../config/config.ts";
import type { DataPlane } from "../dataplane/data-plane.ts";
import type { Journal } from "../fleet/journal.ts";
import type { PeerReport, SeenDrain, SeenUpstream } from "../fleet/peer-report.ts";
import { digestOf } from "../lib/secrets.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { ServiceProblem } from "../problems/problem.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import { configurationDigest, configurationParts } from "./configuration-digest.ts";

export interface OwnReportOptions {
  readonly version: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly config: Config;
  readonly journal: Journal;
  readonly registry: PoolRegistry;
  readonly dataPlane: Pick<DataPlane, "active" | "isDrained">;
  readonly metrics: Metrics;
  /** The open ones, worst first. */
  readonly problems: readonly ServiceProblem[];
  readonly alerts: PeerReport["alerts"];
  /** By the clock of the metrics. */
  readonly now: number;
}

export type OwnReport = Omit<PeerReport, "instance" | "nonce" | "url">;

export function createOwnReport(options: OwnReportOptions): OwnReport {
  const { version, startedAt, config, journal, registry, dataPlane, metrics, problems, alerts, now } =
    options;
  const { pools } = registry;
  const upstreams = pools.flatMap((pool) => pool.upstreams);
  let [requests, errors, requestsPerSecond] = [0, 0, 0];
  for (const upstream of upstreams) {
    const recent = metrics.of(upstream).recent.counts(now);
    requests += recent.requests;
    errors += recent.errors;
    requestsPerSecond += recent.requests / recent.seconds;
  }
  const orders = [...journal.entries.values()];
  const byId = new Map(orders.length > 0 ? upstreams.map((upstream) => [upstream.id, upstream]) : []);
  const inFlightOn = (upstream: Upstream | undefined) =>
    upstream && !dataPlane.isDrained(upstream) ? Math.max(1, upstream.inFlight) : 0;
  const drains = orders.flatMap(({ id, order }): [string, SeenDrain][] =>
    order.kind === "mode" && order.mode !== "ready"
      ? [[order.upstream, { order: id, inFlight: inFlightOn(byId.get(order.upstream)) }]]
      : [],
  );
  return {
    ...{ version, startedAt, requestsPerSecond },
    configuration: configurationDigest(config),
    parts: configurationParts(config),
    pools: Object.fromEntries(pools.map((pool) => [pool.name, membersDigest(pool)])),
    settings: settingsDigest(upstreams),
    inFlight: dataPlane.active(),
    errorShare: requests > 0 ? errors / requests : 0,
    problems: countedByLevel(problems),
    omitted: 0,
    upstreams: Object.fromEntries(seenBadly(upstreams, problems)),
    drains: Object.fromEntries(drains),
    alerts,
  };
}

/** Worst first. */
const statusRank = ["failing", "ejected", "probation", "checking", "passing", "maintenance", "draining"];

/** The upstreams that are not simply passing, worst first: of many, the report leaves out the last ones. */
function seenBadly(
  upstreams: readonly Upstream[],
  problems: readonly ServiceProblem[],
): readonly (readonly [string, SeenUpstream])[] {
  const kinds = new Map<string, string>();
  for (const { subject, kind, level, rehearsed, parts } of problems) {
    if (level === "notice" || rehearsed) continue;
    for (const one of [{ upstream: subject.upstream, kind }, ...parts])
      if (one.upstream !== null && !kinds.has(one.upstream)) kinds.set(one.upstream, one.kind);
  }
  return upstreams
    .filter(({ id, status }) => status !== "passing" || kinds.has(id))
    .map(({ id, status, inFlight }) => {
      const problem = kinds.get(id);
      return [id, { status, inFlight, ...(problem !== undefined && { problem }) }] as const;
    })
    .sort(([, one], [, other]) => statusRank.indexOf(one.status) - statusRank.indexOf(other.status));
}

function countedByLevel(problems: readonly ServiceProblem[]): PeerReport["problems"] {
  const count = (level: string) => problems.filter((problem) => problem.level === level).length;
  return { critical: count("critical"), warning: count("warning") };
}

const digestLength = 8;

/** The same for balancers where a pool has the same upstreams. */
function membersDigest({ upstreams }: Pool): string {
  const ids = upstreams.map(({ id }) => id).sort();
  return digestOf(ids.join("\n")).slice(0, digestLength);
}

/** The same for balancers whose upstreams have the same modes and weights. */
function settingsDigest(upstreams: readonly Upstream[]): string {
  const lines = upstreams.map(({ id, mode, weight, backup }) => `${id} ${mode} ${weight} ${backup}`);
  return digestOf(lines.sort().join("\n")).slice(0, digestLength);
}
