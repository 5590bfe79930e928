/** A balancer without sockets: rates and states that a test sets, counted up second by second into samples of a real list. */

import { seededRandom } from "../../src/lib/random.ts";
import type { Status } from "../../src/pool/upstream.ts";
import type { ProblemChange, ServiceProblem } from "../../src/problems/problem.ts";
import { ProblemList } from "../../src/problems/problem-list.ts";
import type {
  BalancerSample,
  CertificateSample,
  OrderSample,
  UpstreamSample,
  UsualTraffic,
} from "../../src/problems/sample.ts";
import type { BalancerEvent, EventKind } from "../../src/state/event.ts";

export class SimulatedUpstream {
  status: Status = "passing";
  weight = 1;
  backup = false;
  /** By default it is fit while it passes, as a primary. */
  fit: boolean | undefined;
  inFlight = 0;
  maxInFlight = Infinity;
  isStarting = false;
  requestsPerSecond = 0;
  /** Share of its requests that fail. */
  errorShare = 0;
  reason = "status_500";
  /** Whether another attempt follows each failure, and succeeds. */
  isRetried = false;
  p95Ms: number | null = 20;
  ejectionCause = "";
  ejectionReason = "";
  ejectedAt: number | undefined;
  probeDetail = "status 200";
  probePassed: boolean | undefined = true;
  probeHistory = "";
  hasFault = false;
  usual: UsualTraffic | null = null;
  requests = 0;
  errors = 0;
  readonly reasons: Record<string, number> = {};
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  /** As after `kill -9`: its probe fails and no request reaches it. */
  kill(): void {
    Object.assign(this, {
      status: "failing",
      probeDetail: "connection refused",
      probePassed: false,
      requestsPerSecond: 0,
    });
  }

  restore(requestsPerSecond: number): void {
    Object.assign(this, {
      status: "passing",
      probeDetail: "status 200",
      probePassed: true,
      requestsPerSecond,
      errorShare: 0,
    });
  }

  eject(cause: string, reason = "consecutive_failures"): void {
    Object.assign(this, { status: "ejected", ejectionCause: cause, ejectionReason: reason });
    this.ejectedAt = (this.ejectedAt ?? 0) + 1;
    this.requestsPerSecond = 0;
  }

  /** @returns how many of the errors another attempt hides */
  count(): number {
    const failed = this.requestsPerSecond * this.errorShare;
    this.requests += this.requestsPerSecond;
    this.errors += failed;
    if (failed > 0) this.reasons[this.reason] = (this.reasons[this.reason] ?? 0) + failed;
    return this.isRetried ? failed : 0;
  }

  get sample(): UpstreamSample {
    const { reasons } = this;
    return {
      ...{ id: this.id, status: this.status, weight: this.weight, backup: this.backup },
      fit: this.fit ?? (this.status === "passing" && !this.backup),
      ...{ inFlight: this.inFlight, maxInFlight: this.maxInFlight, isStarting: this.isStarting },
      ...{ requests: this.requests, errors: this.errors, p95Ms: this.p95Ms },
      ...{ ejectionCause: this.ejectionCause, ejectionReason: this.ejectionReason },
      ejectedAt: this.status === "ejected" ? this.ejectedAt : undefined,
      ...{ probeDetail: this.probeDetail, probePassed: this.probePassed, probeHistory: this.probeHistory },
      hasFault: this.hasFault,
      errorsByReason: () => ({ ...reasons }),
    };
  }
}

export class SimulatedPool {
  readonly name: string;
  readonly upstreams: readonly SimulatedUpstream[];
  isPanicking = false;
  queued = 0;
  maxWaiting = 1_024;
  slowStartMs = 30_000;
  p95Ms: number | null = 20;
  usual: UsualTraffic | null = null;
  /** Requests a second that end before any attempt, by what refuses them. */
  queueRefusalsPerSecond = 0;
  otherRefusalsPerSecond = 0;
  /** Such as 502 from a filter: neither queue nor missing upstreams. */
  filterErrorsPerSecond = 0;
  budgetRefusalsPerSecond = 0;
  readonly #counts = {
    ...{ turnedAway: 0, turnedAwayErrors: 0, retries: 0 },
    ...{ budgetRefusals: 0, queueRefusals: 0, otherRefusals: 0 },
  };

  constructor(name: string, upstreams: readonly SimulatedUpstream[]) {
    this.name = name;
    this.upstreams = upstreams;
  }

  upstream(number: number): SimulatedUpstream {
    const upstream = this.upstreams[number - 1];
    if (!upstream) throw new Error(`no upstream ${number} in ${this.name}`);
    return upstream;
  }

  count(): void {
    const counts = this.#counts;
    for (const upstream of this.upstreams) counts.retries += upstream.count();
    const refused = this.queueRefusalsPerSecond + this.otherRefusalsPerSecond + this.filterErrorsPerSecond;
    counts.turnedAway += refused;
    counts.turnedAwayErrors += refused;
    counts.queueRefusals += this.queueRefusalsPerSecond;
    counts.otherRefusals += this.otherRefusalsPerSecond;
    counts.budgetRefusals += this.budgetRefusalsPerSecond;
  }

  get sample(): BalancerSample["pools"][number] {
    return {
      ...{ name: this.name, isPanicking: this.isPanicking, queued: this.queued },
      ...{ maxWaiting: this.maxWaiting, slowStartMs: this.slowStartMs, p95Ms: this.p95Ms },
      upstreams: this.upstreams.map(({ sample }) => sample),
      ...this.#counts,
      usual: this.usual,
      usualOf: (id) => this.upstreams.find((upstream) => upstream.id === id)?.usual ?? null,
    };
  }
}

/** A pool of `count` upstreams named "web-01", "web-02" …, each with the same traffic. */
export function poolOf(name: string, count: number, requestsPerSecond = 50): SimulatedPool {
  const upstreams = Array.from({ length: count }, (_, index) => {
    const upstream = new SimulatedUpstream(`${name}-${String(index + 1).padStart(2, "0")}`);
    upstream.requestsPerSecond = requestsPerSecond;
    return upstream;
  });
  return new SimulatedPool(name, upstreams);
}

const startsAt = Date.parse("2026-11-29T14:00:00Z");

export class SimulatedBalancer {
  readonly pools: readonly SimulatedPool[];
  readonly list: ProblemList;
  now = 1_000_000;
  at = startsAt;
  routes: BalancerSample["routes"] = [];
  memory: BalancerSample["memory"] = { rssBytes: 2 ** 28, limitBytes: null, shedding: false };
  exhaustion: BalancerSample["exhaustion"] = null;
  notKept: BalancerSample["notKept"] = null;
  refused: BalancerSample["refused"] = null;
  frontDoor: BalancerSample["frontDoor"] = null;
  failedUpgrade: BalancerSample["failedUpgrade"] = null;
  certificates: readonly CertificateSample[] = [];
  orders: readonly OrderSample[] = [];
  lostLines = 0;
  fleet: BalancerSample["fleet"] = null;
  failingReceivers: BalancerSample["failingReceivers"] = [];
  readonly events: BalancerEvent[] = [];
  /** Everything that has opened, become worse or closed. */
  readonly changes: ProblemChange[] = [];

  constructor(pools: readonly SimulatedPool[], list = new ProblemList({ random: seededRandom(1) })) {
    this.pools = pools;
    this.list = list;
  }

  /** Lets so many seconds pass. @param each called before each sample, with the number of the second */
  run(seconds: number, each?: (second: number) => void): this {
    for (let second = 0; second < seconds; second++) {
      this.now += 1_000;
      this.at += 1_000;
      each?.(second);
      for (const pool of this.pools) pool.count();
      this.changes.push(...this.list.observe(this.sample));
    }
    return this;
  }

  get sample(): BalancerSample {
    return {
      ...{ now: this.now, at: this.at, balancer: "fra-1" },
      pools: this.pools.map(({ sample }) => sample),
      ...{ routes: this.routes, memory: this.memory, exhaustion: this.exhaustion },
      ...{
        notKept: this.notKept,
        refused: this.refused,
        frontDoor: this.frontDoor,
        failedUpgrade: this.failedUpgrade,
      },
      ...{ fleet: this.fleet, failingReceivers: this.failingReceivers },
      ...{ certificates: this.certificates, orders: this.orders },
      ...{ lostLines: this.lostLines, lostSpans: 0, events: this.events },
    };
  }

  happens(kind: EventKind, fields: Partial<BalancerEvent>): void {
    const named = { pool: null, upstream: null, from: "", to: "", reason: "", by: "ann", detail: "" };
    this.events.push({ seq: this.at, at: this.at, kind, ...named, ...fields });
  }

  get titles(): readonly string[] {
    return this.list.open.map(({ title }) => title);
  }

  /** The first open problem; throws without one. */
  get first(): ServiceProblem {
    const [first] = this.list.open;
    if (!first) throw new Error("no problem is open");
    return first;
  }

  /** "opened upstream_down", "worse queue", "closed queue", in their order. */
  get story(): readonly string[] {
    return this.changes.map(({ change, problem }) => `${change} ${problem.kind}`);
  }
}
