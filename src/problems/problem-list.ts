/** The list of problems, worst first: fed with one sample a second, it opens, ranks, merges and closes them. */

import type { Random } from "../lib/random.ts";
import { balancerKinds, detectBalancerState } from "./balancer-state.ts";
import { certificateProblemKinds, detectCertificates } from "./certificate-problems.ts";
import type { Detection } from "./detection.ts";
import { alertProblemKinds, detectAlerts } from "./alert-problems.ts";
import { detectFleet, fleetKinds } from "./fleet-problems.ts";
import { groupFindings, groupKey, mergeProblems, type RootProblem } from "./grouping.ts";
import { capacityKinds, detectPoolCapacity } from "./pool-capacity.ts";
import { detectPoolTraffic, poolTrafficKinds } from "./pool-traffic.ts";
import {
  type ProblemChange,
  type ProblemKind,
  type ProblemLevel,
  type ServiceProblem,
  severityOf,
  worseLevel,
} from "./problem.ts";
import { renderClosed, renderProblem } from "./rendering.ts";
import { Ranking } from "./ranking.ts";
import type { BalancerSample } from "./sample.ts";
import {
  type KnownProblem,
  ProblemTracker,
  reopenMs,
  type TrackedProblem,
  type TrackerTime,
} from "./tracker.ts";
import { type PoolTraffic, TrafficReader } from "./traffic.ts";
import { detectUpstreamHealth, upstreamKinds } from "./upstream-health.ts";
import { UpstreamPasts } from "./upstream-past.ts";
import { detectUpstreamTraffic, PoolComparison } from "./upstream-traffic.ts";

/** Closed problems that are remembered. */
const maxClosed = 500;

/** The worst are described again each second, the others in turns of so many seconds. */
const describedEachSecond = 10;
const describedInTurns = 10;

/** A sample after a longer break counts as one after this long: the time of a suspended machine is no evidence. */
const maxSpanMs = 5_000;

export interface ProblemListOptions {
  /** For ids. */
  readonly random: Random;
}

export class ProblemList {
  readonly #traffic = new TrafficReader();
  readonly #pasts = new UpstreamPasts();
  readonly #ranking = new Ranking();
  readonly #tracker: ProblemTracker;
  readonly #random: Random;
  /** As listed last, by id. */
  readonly #rendered = new Map<string, ServiceProblem>();
  /** Titles of before a restart, by id. */
  readonly #restoredTitles = new Map<string, string>();
  #open: readonly ServiceProblem[] = [];
  #turn = 0;
  /** The latest last. */
  #closed: ServiceProblem[] = [];
  #time: TrackerTime = { now: Number.NaN, at: 0, spanMs: 0 };

  constructor({ random }: ProblemListOptions) {
    this.#random = random;
    this.#tracker = new ProblemTracker(() => this.#newId());
  }

  /** Worst first. */
  get open(): readonly ServiceProblem[] {
    return this.#open;
  }

  /** The last five hundred that were listed and have ended, the latest first. */
  get closed(): readonly ServiceProblem[] {
    return this.#closed.toReversed();
  }

  /** Continues problems that were listed before a restart, before the first sample. */
  restore(known: readonly KnownProblem[], time: Pick<TrackerTime, "now" | "at">): void {
    for (const problem of known) this.#tracker.restore(problem, time);
    for (const { id, title } of known) this.#restoredTitles.set(id, title);
  }

  /** @returns what has opened, become worse and closed since the sample before */
  observe(sample: BalancerSample): readonly ProblemChange[] {
    const { now, at } = sample;
    const before = this.#time.now;
    const spanMs = Number.isNaN(before) ? 0 : Math.min(maxSpanMs, Math.max(0, now - before));
    const time = (this.#time = { now, at, spanMs });
    const pools = this.#traffic.read(sample);
    const report = this.#detect(sample, pools, time);
    report();
    this.#group(sample, pools, time);
    return this.#list(sample, pools, time);
  }

  /** Runs all detectors; the returned function passes their findings on, when none of them looks at what is open any more. */
  #detect(sample: BalancerSample, pools: readonly PoolTraffic[], time: TrackerTime): () => void {
    const findings: Parameters<Detection["report"]>[0][] = [];
    const detection: Detection = {
      sample,
      isOpen: (kind, key) => this.#tracker.isOpen(kind, key),
      openKeys: (kind) => this.#tracker.openKeys(kind),
      report: (finding) => void findings.push(finding),
      pastOf: (upstream) => this.#pasts.of(upstream),
      suspects: new Set(),
      lost60: this.#traffic.lost60,
    };
    let [turnedAwayPerSecond, upstreams] = [0, 0];
    for (const pool of pools) {
      upstreams += pool.upstreams.length;
      const comparison = new PoolComparison(pool);
      for (const upstream of pool.upstreams) {
        this.#pasts.of(upstream.sample.id).read(upstream.sample, time.now);
        if (detectUpstreamHealth(pool, upstream, detection))
          detectUpstreamTraffic(comparison, upstream, detection);
      }
      detectPoolCapacity(pool, detection);
      detectPoolTraffic(pool, detection);
      turnedAwayPerSecond += pool.turnedAwayErrors30 / pool.seconds30;
    }
    this.#pasts.prune(time.now, upstreams);
    detectBalancerState(detection, turnedAwayPerSecond);
    detectCertificates(detection);
    detectFleet(detection);
    detectAlerts(detection);
    return () => {
      for (const finding of findings) this.#tracker.observe(finding, time);
    };
  }

  #group(sample: BalancerSample, pools: readonly PoolTraffic[], time: TrackerTime): void {
    this.#tracker.finish(
      [
        ...capacityKinds,
        ...poolTrafficKinds,
        ...balancerKinds,
        ...certificateProblemKinds,
        ...fleetKinds,
        ...alertProblemKinds,
      ],
      time,
    );
    // Groups are of the same kinds as their members, so all members are advanced before any group.
    this.#tracker.finish(upstreamKinds, time, (key) => !key.startsWith("\n"));
    const members = new Map<string, TrackedProblem[]>();
    for (const problem of this.#tracker.problems) {
      const { state, pool, upstream } = problem;
      if (state !== "open" || pool === null || upstream === null) continue;
      const ofPool = members.get(pool);
      if (ofPool) ofPool.push(problem);
      else members.set(pool, [problem]);
    }
    for (const pool of pools) {
      const { name } = pool.sample;
      const ofPool = members.get(name);
      if (!ofPool) continue;
      const isOpen = (kind: ProblemKind) => this.#tracker.isOpen(kind, groupKey(name));
      for (const finding of groupFindings(pool, ofPool, { sample, isOpen }))
        this.#tracker.observe(finding, time);
    }
    this.#tracker.finish(upstreamKinds, time, (key) => key.startsWith("\n"));
  }

  #list(
    { balancer }: BalancerSample,
    pools: readonly PoolTraffic[],
    time: TrackerTime,
  ): readonly ProblemChange[] {
    this.#turn += 1;
    const tracked = this.#tracker.problems;
    const changes = tracked.flatMap((problem) => this.#closing(problem));
    const roots = new Map(
      mergeProblems(tracked.filter(({ state }) => state === "open")).map((root) => [root.problem, root]),
    );
    for (const { problem, parts } of roots.values())
      problem.shownLevel = parts.reduce((level, part) => worseLevel(level, part.level), problem.level);
    const order = this.#ranking.arrange([...roots.keys()], time.now);
    const byName = new Map(pools.map((pool) => [pool.sample.name, pool]));
    this.#open = order.map((problem, rank) => {
      const root = roots.get(problem) as RootProblem;
      const restoredTitle = this.#restoredTitles.get(problem.id);
      const rendered = renderProblem(root, {
        ...{ balancer, at: time.at, now: time.now, restoredTitle },
        isDue: rank < describedEachSecond || (this.#turn + rank) % describedInTurns === 0,
        pool: problem.pool === null ? undefined : byName.get(problem.pool),
      });
      this.#rendered.set(problem.id, rendered);
      changes.push(...announce(problem, rendered));
      return rendered;
    });
    this.#forget(tracked);
    return changes;
  }

  #closing(problem: TrackedProblem): readonly ProblemChange[] {
    const { announced, state, id } = problem;
    const rendered = this.#rendered.get(id);
    if (state === "open") {
      // It has come back.
      if (announced === undefined) this.#closed = this.#closed.filter((closed) => closed.id !== id);
      return [];
    }
    if (announced === undefined) return [];
    problem.announced = undefined;
    if (!rendered) return [];
    const closed = renderClosed(rendered, problem);
    this.#closed = [...this.#closed, closed].slice(-maxClosed);
    return [{ change: "closed", problem: closed, from: announced }];
  }

  #forget(tracked: readonly TrackedProblem[]): void {
    if (this.#rendered.size === 0) return;
    const known = new Set(tracked.map(({ id }) => id));
    for (const id of this.#rendered.keys()) if (!known.has(id)) this.#rendered.delete(id);
    for (const id of this.#restoredTitles.keys()) if (!known.has(id)) this.#restoredTitles.delete(id);
  }

  /** Five letters and digits that neither look nor sound alike: short enough to say, and no two in a fleet are the same. */
  #newId(): string {
    const letters = "abcdefghjkmnpqrstuvwxyz23456789";
    const letter = () => letters.charAt(Math.floor(this.#random() * letters.length));
    for (;;) {
      const id = `p-${Array.from({ length: 5 }, letter).join("")}`;
      if (!this.#rendered.has(id) && !this.#closed.some((closed) => closed.id === id)) return id;
    }
  }
}

function announce(problem: TrackedProblem, rendered: ServiceProblem): readonly ProblemChange[] {
  const { announced } = problem;
  const level: ProblemLevel = rendered.level;
  problem.announced = level;
  if (announced === undefined) return [{ change: "opened", problem: rendered, from: null }];
  return severityOf(level) < severityOf(announced)
    ? [{ change: "worse", problem: rendered, from: announced }]
    : [];
}

/** Whether a problem ended so recently that it is still shown, in one quiet line. @param at epoch milliseconds */
export function isRecentlyClosed({ closedAt }: ServiceProblem, at: number): boolean {
  return closedAt !== null && at - Date.parse(closedAt) < reopenMs;
}
