/** The part that this balancer plays in its fleet: what it tells, what it takes over, and what others still use. */

import type { AlertPeer } from "../alerts/alert-turns.ts";
import type { Config } from "../config/config.ts";
import type { DataPlane } from "../dataplane/data-plane.ts";
import type { FleetConnection } from "../fleet/connection.ts";
import { Fleet } from "../fleet/fleet.ts";
import type { Journal } from "../fleet/journal.ts";
import type { AlertReport } from "../fleet/alert-report.ts";
import type { PeerReport } from "../fleet/peer-report.ts";
import type { Peer } from "../fleet/peers.ts";
import type { Clock, Schedule, WallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { formatDuration } from "../lib/units.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Upstream } from "../pool/upstream.ts";
import type { ServiceProblem } from "../problems/problem.ts";
import type { PoolRegistry } from "../registry/pool-registry.ts";
import type { Store } from "../state/store.ts";
import { configurationDigest } from "./configuration-digest.ts";
import type { EventLog, NewEvent } from "./event-log.ts";
import { automaticActor, evenOut, fleetRecordOf } from "./fleet-journal.ts";
import { OrderAdoption } from "./order-adoption.ts";
import { createOwnReport, type OwnReport } from "./own-report.ts";
import type { OwnListeners } from "./own-listeners.ts";
import type { Reconciler } from "./reconciler.ts";

export interface FleetControlOptions {
  readonly connection: FleetConnection;
  readonly journal: Journal;
  readonly reconciler: Reconciler;
  readonly listeners: OwnListeners;
  readonly registry: PoolRegistry;
  readonly dataPlane: Pick<DataPlane, "active" | "isDrained" | "refreshCounters">;
  readonly metrics: Metrics;
  readonly eventLog: EventLog;
  readonly log: Log;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly schedule: Schedule;
  readonly version: string;
  /** The open problems, worst first. */
  readonly problems: () => readonly ServiceProblem[];
  readonly alerts: {
    /** What the others have to know of alerts. */
    report(): AlertReport;
    exchanged(report: AlertReport, peers: readonly AlertPeer[]): void;
  };
}

/** Counts since the start, for metrics. */
export interface FleetCounts {
  setAside: number;
  restored: number;
  lost: number;
}

/** A balancer takes over an order within this time, if it reaches the store. */
const takeoverMs = 3_000;

/** How long an answer to an order waits to say that the order is shared. The order counts before. */
const answerMs = 250;

/** How long the start waits for what the fleet has ordered. Then the balancer serves with what it knows itself. */
const startMs = 1_000;

export class FleetControl {
  readonly #options: FleetControlOptions;
  readonly #startedAt: number;
  readonly #adoption: OrderAdoption;
  readonly fleet: Fleet;
  readonly counts: FleetCounts = { setAside: 0, restored: 0, lost: 0 };
  /** Draining upstreams on which nothing is in flight here. */
  readonly #drainedHere = new WeakSet<Upstream>();
  /** Since when others follow another commit than this balancer, by name and the clock. */
  readonly #behindSince = new Map<string, number>();
  #hasNamesake = false;

  constructor(options: FleetControlOptions) {
    this.#options = options;
    const { connection, journal, reconciler, listeners, clock, wallClock, schedule, log } = options;
    this.#startedAt = wallClock();
    const self = connection.settings.name;
    this.#adoption = new OrderAdoption({ reconciler, listeners, self });
    this.fleet = new Fleet({
      ...{ connection, journal, clock, wallClock, schedule, log },
      report: () => this.#report(),
      onSettled: (settled, { restored }) => {
        this.counts.setAside += settled.setAside.length;
        this.#adoption.adopt(settled);
        if (restored > 0) this.#noteRestored(restored);
      },
      onExchanged: (own) => this.#exchanged(own),
      onLost: (why) => this.#noteLost(why),
      onBack: (lostMs) => this.#noteBack(lostMs),
    });
  }

  /** Resolves when the orders of the fleet are known, or after a second. */
  start(): Promise<void> {
    if (this.fleet.isStopped) this.fleet.start();
    return this.fleet.firstTurn(startMs);
  }

  stop(): void {
    this.fleet.stop();
  }

  /** Another process had the state file until now. */
  reload(store: Pick<Store, "fleet">): void {
    const { journal, connection, reconciler, log } = this.#options;
    journal.load(fleetRecordOf(store, log));
    evenOut(reconciler.intents, journal, connection.settings.name);
  }

  /** Resolves when an order that was given here is shared, or the answer cannot wait any more. */
  shared(): Promise<void> {
    return this.fleet.settled(answerMs);
  }

  /** True if all orders about an upstream are shared; else why not yet. */
  sharedNote(upstream: string): string | true {
    const isPending = this.fleet.journal.pending.some(({ order }) => order.upstream === upstream);
    return isPending ? `not yet: ${this.#aloneNote() ?? "on its way"}` : true;
  }

  /** The digest of the configuration that this balancer follows. */
  get configuration(): string {
    return configurationDigest(this.#options.reconciler.config);
  }

  /** Whether intents that this configuration makes redundant are redundant at all balancers. */
  mayWithdraw(config: Config): boolean {
    const { peers, hasSynced, alone } = this.fleet;
    if (!hasSynced || alone || !peers.isHeard) return false;
    const digest = configurationDigest(config);
    return peers.others.every(({ state, report }) => state === "alive" && report.configuration === digest);
  }

  /** Why a drain of this upstream is not over at all balancers; empty if it is. */
  drainsElsewhere(upstream: Upstream): readonly string[] {
    const entry = this.fleet.journal.entries.get(`mode ${upstream.id}`);
    // A removal drains at each balancer by itself.
    if (entry?.order.kind !== "mode" || entry.order.mode !== "draining") return [];
    const { peers } = this.fleet;
    const alone = this.#aloneNote();
    if (!peers.isHeard) return [`the other balancers are not known yet${alone ? `: ${alone}` : ""}`];
    const waits = peers.others.flatMap((peer) => drainNote(peer, upstream.id, entry.id));
    return waits.length > 0 && alone !== undefined ? [alone, ...waits] : waits;
  }

  /** Other balancers that do not follow the orders about an upstream yet, still use it though it is out, or may do so. */
  elsewhere(upstream: Upstream): readonly string[] {
    const mode = this.fleet.journal.entries.get(`mode ${upstream.id}`);
    const { peers, journal } = this.fleet;
    const alone = this.#aloneNote();
    if (!peers.isHeard) return [`the other balancers are not known yet${alone ? `: ${alone}` : ""}`];
    const isOut = mode?.order.kind === "mode" && mode.order.mode !== "ready";
    const waits = peers.others.flatMap((peer) => {
      if (isOut) return drainNote(peer, upstream.id, mode.id);
      if (peer.state === "silent") return [silentNote(peer)];
      return peer.report.nonce === journal.known.nonce ? [] : [`${peer.name} does not follow the order yet`];
    });
    const isPending = journal.pending.some(({ order }) => order.upstream === upstream.id);
    if (isPending) return [alone ?? "the order is not shared yet", ...waits];
    return waits.length > 0 && alone !== undefined ? [alone, ...waits] : waits;
  }

  /** Whether a balancer has followed another commit than this one for longer than it needs to take over orders. */
  isBehind(name: string): boolean {
    const since = this.#behindSince.get(name);
    return since !== undefined && this.#options.clock() - since > takeoverMs;
  }

  /** Whether nothing is in flight on a draining upstream, here and elsewhere. */
  isDrained(upstream: Upstream): boolean {
    if (!this.#options.dataPlane.isDrained(upstream)) {
      this.#drainedHere.delete(upstream);
      return false;
    }
    // The others wait for this.
    if (!this.#drainedHere.has(upstream)) this.fleet.reportSoon();
    this.#drainedHere.add(upstream);
    if (this.drainsElsewhere(upstream).length === 0) return true;
    this.fleet.hurry();
    return false;
  }

  #aloneNote(): string | undefined {
    const { alone, settings } = this.fleet;
    return alone && `${settings.name} is alone since ${new Date(alone.since).toISOString()}: ${alone.why}`;
  }

  #report(): OwnReport {
    const { registry, dataPlane, metrics, clock, version, reconciler } = this.#options;
    dataPlane.refreshCounters();
    return createOwnReport({
      ...{ version, registry, dataPlane, metrics, startedAt: this.#startedAt, now: clock() },
      config: reconciler.config,
      journal: this.fleet.journal,
      problems: this.#options.problems(),
      alerts: this.#options.alerts.report(),
    });
  }

  /** Of the balancers that agree, the first one withdraws what is redundant. */
  #exchanged(own: PeerReport): void {
    const { reconciler, log, alerts } = this.#options;
    const { peers, settings } = this.fleet;
    alerts.exchanged(
      own.alerts,
      peers.others.map(({ name, state, report }) => ({
        ...{ name, isAlive: state === "alive", alerts: report.alerts },
      })),
    );
    this.#noteBehind();
    const isNamesake = peers.namesake !== undefined;
    if (isNamesake && !this.#hasNamesake) {
      const why = `another process uses the name ${settings.name}`;
      log.error("fleet name used twice", { name: settings.name });
      this.#add({ from: "", to: "refused", reason: "name_used_twice", detail: why });
    }
    this.#hasNamesake = isNamesake;
    if (peers.others.some(({ name }) => name < settings.name)) return;
    const redundant = reconciler.redundantWith(reconciler.config);
    if (redundant.length > 0) reconciler.intents.write(redundant);
  }

  #noteBehind(): void {
    const { peers, journal } = this.fleet;
    const behind = peers.others.filter(
      ({ state, report }) => state === "alive" && report.nonce !== journal.known.nonce,
    );
    const names = new Set(behind.map(({ name }) => name));
    for (const name of this.#behindSince.keys()) if (!names.has(name)) this.#behindSince.delete(name);
    for (const name of names)
      if (!this.#behindSince.has(name)) this.#behindSince.set(name, this.#options.clock());
  }

  #noteLost(why: string): void {
    this.counts.lost += 1;
    this.#options.log.warn("fleet store lost", { why });
    this.#add({ from: "shared", to: "alone", reason: "store_lost", detail: why });
  }

  #noteBack(lostMs: number): void {
    const after = formatDuration(Math.round(lostMs / 1_000) * 1_000);
    this.#options.log.info("fleet store back", { after });
    this.#add({ from: "alone", to: "shared", reason: "store_back", detail: `after ${after}` });
  }

  #noteRestored(count: number): void {
    this.counts.restored += count;
    const detail = `${count} order${count === 1 ? "" : "s"} put back`;
    this.#options.log.warn("fleet store had lost orders", { restored: count });
    this.#add({ from: "lost", to: "restored", reason: "store_lost_data", detail });
  }

  #add(event: Pick<NewEvent, "from" | "to" | "reason" | "detail">): void {
    const common = { kind: "fleet", pool: null, upstream: null, by: automaticActor } as const;
    this.#options.eventLog.add({ ...common, ...event });
  }
}

function silentNote({ name, ageMs }: Peer): string {
  return `${name} silent for ${Math.round(ageMs / 1_000)} s: unknown`;
}

function drainNote(peer: Peer, upstream: string, order: string): readonly string[] {
  const { name, state, report } = peer;
  if (state === "silent") return [silentNote(peer)];
  const drain = Object.hasOwn(report.drains, upstream) ? report.drains[upstream] : undefined;
  if (drain?.order !== order) return [`${name} does not follow the order yet`];
  return drain.inFlight > 0 ? [`${name}: ${drain.inFlight} in flight`] : [];
}
